"""Vendor accounts of a running server, and what their vendors push to it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import httpx

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.service.opening import open_ledger
from otpconv.storage.contract import LedgerReader, Message


def create(own: httpx.Client, kind: str, name: str = "", **settings: str) -> str:
    """Create a vendor account that only takes receipts, and return the URL for them."""
    name = name or kind
    body = {"name": name, "kind": kind, "provider": name, "settings": {"relay": "off", **settings}}
    assert own.post("/v1/vendors", json=body).status_code == 201
    return url_of(own, name)


def url_of(own: httpx.Client, name: str, **change: object) -> str:
    """Return the URL for receipts of a vendor account, after a change."""
    shown = own.post(f"/v1/vendors/{name}/receipts", json=change)
    assert shown.status_code == 200, shown.text
    return str(shown.json()["url"])


@contextmanager
def ledger(server: LocalServer) -> Iterator[LedgerReader]:
    reader, _ = open_ledger(load(data=server.data))
    yield reader
    reader.close()


def message(server: LocalServer, key: AccessKey, message_id: str) -> Message | None:
    """Return what the ledger knows about a message, as far as it has got."""
    with ledger(server) as reader, reader.snapshot():
        return reader.message(key.account, message_id)


def own_push(url: str, *receipts: dict[str, object]) -> httpx.Response:
    """Push receipts in our own JSON."""
    return httpx.post(url, json={"receipts": receipts})


#: By the kind: what its vendor pushes about a message that was delivered, as its documentation shows it, and
#: the answer that the vendor wants.
DELIVERED = {
    "twilio": (
        urlencode({"MessageSid": "{id}", "MessageStatus": "delivered", "To": "+14155550123"}),
        "application/x-www-form-urlencoded",
        (204, ""),
    ),
    "vonage": (
        json.dumps(
            {
                "messageId": "{id}",
                "status": "delivered",
                "msisdn": "447547232824",
                "message-timestamp": "2026-10-25 12:10:29",
                "price": "0.03330000",
                "err-code": "0",
            }
        ),
        "application/json",
        (200, ""),
    ),
    "alibaba": (
        json.dumps(
            [
                {
                    "To": "85251234567",
                    "SendDate": "Wed, 25 Nov 2026 10:25:00 +0800",
                    "ReceiveDate": "Wed, 25 Nov 2026 10:25:33 +0800",
                    "Status": "1",
                    "ErrorCode": "success",
                    "SmsSize": "2",
                    "MessageId": "{id}",
                }
            ]
        ),
        "application/json",
        (200, '{"code":0,"msg":"received"}'),
    ),
    "alibaba-2017": (
        json.dumps(
            [
                {
                    "phone_number": "13811112222",
                    "send_time": "2026-11-25 10:25:00",
                    "report_time": "2026-11-25 10:25:33",
                    "success": True,
                    "sms_size": "1",
                    "biz_id": "{id}",
                }
            ]
        ),
        "application/json;charset=UTF-8",
        (200, '{"code":0,"msg":"received"}'),
    ),
    "tencent": (
        json.dumps(
            [
                {
                    "user_receive_time": "2026-11-25 10:25:33",
                    "nationcode": "86",
                    "mobile": "13811112222",
                    "report_status": "SUCCESS",
                    "errmsg": "DELIVRD",
                    "sid": "{id}",
                }
            ]
        ),
        "application/json",
        (200, '{"result":0,"errmsg":"OK"}'),
    ),
    "sinch": (
        json.dumps({"receipts": [{"message_id": "{id}", "status": "delivered"}]}),
        "application/json",
        None,
    ),
}


def push(url: str, kind: str, message_id: str) -> httpx.Response:
    """Push that a message was delivered, as the vendor of a kind does."""
    body, content_type, _ = DELIVERED[kind]
    text = body.replace("{id}", message_id).replace("%7Bid%7D", message_id)
    return httpx.post(url, content=text, headers={"content-type": content_type})
