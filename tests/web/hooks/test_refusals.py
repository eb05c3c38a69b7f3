"""Pushes that are not taken: refused in the vendor's form, audited, and nothing of them is kept."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlencode

import httpx
import pytest
from twilio.request_validator import RequestValidator

from audited import audited
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.dialects.webhook.signature import sign
from web.hooks.vendors import create, ledger, own_push
from web.wire import NO_TLS

TOKEN = "t0ken-of-the-account"  # noqa: S105 - of the tests
PUBLIC = "https://otp.example.com/behind"
SENT = {"message_id": "r-1", "status": "sent"}
CALLBACK = {"MessageSid": "r-1", "MessageStatus": "sent", "To": "+14155550123"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    settings = {
        "OTPCONV_LIMIT_FAILED_LOGINS": "3/h",
        "OTPCONV_PUBLIC_URL": PUBLIC,
        "OTPCONV_LOG_LEVEL": "debug",
        "OTPCONV_LIMIT_ACCOUNT": "1000/h burst 1000",
    }
    with LocalServer(tmp_path_factory.mktemp("refusals") / "data", settings) as running:
        yield running


@pytest.fixture
def own(server: LocalServer) -> Iterator[httpx.Client]:
    auth = (server.access_key_id, server.access_key_secret)
    with httpx.Client(base_url=server.url, auth=auth, verify=NO_TLS) as client:
        yield client


def refused_pushes(server: LocalServer) -> list[tuple[str, str, str]]:
    """The refused pushes in the audit trail: outcome, vendor account, and address."""
    lines = audited(server.data)
    return [
        (line["outcome"], line.get("subject", ""), line["from"])
        for line in lines
        if line["what"] == "RecordReceipts"
    ]


def local(server: LocalServer, url: str) -> str:
    """The address of a server for the URL that its vendors call."""
    assert url.startswith(f"{PUBLIC}/hooks/")
    return server.url + url.removeprefix(PUBLIC)


def twilio_push(url: str, form: dict[str, str], key: str, address: str) -> httpx.Response:
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-twilio-signature": RequestValidator(key).compute_signature(url, form),
    }
    return httpx.post(address, content=urlencode(form), headers=headers)


def test_forged_wrong_and_oversize_pushes_are_refused_and_audited_and_leave_nothing(
    server: LocalServer, own: httpx.Client
) -> None:
    url = create(own, "twilio", receipts_key=TOKEN)
    address = local(server, url)
    # What the vendor signs is the public URL, and not the address behind the proxy.
    assert twilio_push(url, CALLBACK, TOKEN, address).status_code == 204
    for signed, key in ((url, "another"), (address, TOKEN)):
        forged = twilio_push(signed, CALLBACK | {"MessageSid": "r-2"}, key, address)
        assert forged.status_code == 401
        assert forged.json()["code"] == "SignatureMismatch"
        assert "www-authenticate" not in forged.headers
    large = httpx.post(address, content=b"x" * 200_000)
    assert large.status_code == 413
    malformed = twilio_push(url, {"MessageSid": "r-2", "MessageStatus": "odd"}, TOKEN, address)
    assert malformed.status_code == 400
    # The third failure is the last one that is looked at; then the address waits, but for the right URL.
    codes = [own_push(f"{address}x", SENT).status_code for _ in range(3)]
    assert codes == [404, 429, 429]
    assert own.get("/v1/rates").status_code == 429
    assert twilio_push(url, CALLBACK, TOKEN, address).status_code == 204
    # The audit trail has five lines a second of one address at most.
    assert refused_pushes(server)[:5] == [
        ("SignatureMismatch", "vendor twilio", "127.0.0.1"),
        ("SignatureMismatch", "vendor twilio", "127.0.0.1"),
        ("BodyTooLarge", "vendor twilio", "127.0.0.1"),
        ("InvalidRequest", "vendor twilio", "127.0.0.1"),
        ("BadCredentials", "", "127.0.0.1"),
    ]
    with ledger(server) as reader, reader.snapshot():
        assert reader.unmatched(1) == 0
    secret = url.rpartition("/")[2].encode()
    written = [server.log, *(file for file in server.data.rglob("*") if file.is_file())]
    for file in written:
        content = file.read_bytes()
        assert secret not in content, file.name
        assert TOKEN.encode() not in content, file.name
        assert b"14155550123" not in content, file.name


def test_a_push_gets_503_while_the_storage_fails_and_is_taken_when_it_comes_again(
    make_server: Callable[..., LocalServer],
) -> None:
    server = make_server()
    server.start()
    auth = (server.access_key_id, server.access_key_secret)
    with httpx.Client(base_url=server.url, auth=auth, verify=NO_TLS) as own:
        url = create(own, "alibaba")
        body = [{"MessageId": "a-1", "Status": "1", "ReceiveDate": "2026-11-25 10:25:33"}]
        with closing(sqlite3.connect(server.data / "journal.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = httpx.post(url, json=body)
            other.execute("ROLLBACK")
        assert (refused.status_code, refused.json()["code"]) == (503, 1)
        assert refused.headers["retry-after"] == "1"
        assert httpx.post(url, json=body).json() == {"code": 0, "msg": "received"}
    server.stop()
    assert url.rpartition("/")[2] not in server.log.read_text()


def test_a_push_counts_against_the_limit_of_its_account(make_server: Callable[..., LocalServer]) -> None:
    server = make_server(settings={"OTPCONV_LIMIT_ACTION": "2/h"})
    server.start()
    auth = (server.access_key_id, server.access_key_secret)
    with httpx.Client(base_url=server.url, auth=auth, verify=NO_TLS) as own:
        url = create(own, "webhook", receipts_key="k")
    second = wall_clock() // 1000
    body = json.dumps({"receipts": [SENT]}).encode()
    headers = {"webhook-id": "1", "webhook-timestamp": str(second)}
    headers["webhook-signature"] = sign("k", "1", second, body)
    answers = [httpx.post(url, content=body, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) > 1
