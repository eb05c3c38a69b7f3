"""The receipts of Tencent Cloud SMS: a JSON array by POST. Times are at +08:00. They are not signed.

Source: "SMS Sending Status Notification", Tencent Cloud's documentation.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from otpconv.dialects.dialect import HttpResponse, Outcome
from otpconv.dialects.receipts import (
    CHINA,
    SMPP_FAILURES,
    Delivery,
    Push,
    Pushed,
    ReceiptWire,
    each,
    error_of,
    from_json,
    local_time,
    message_id,
    status_of,
    unverified,
)
from otpconv.dialects.responses import json_response, retry_after
from otpconv.errors import OtpconvError
from otpconv.receipts import ReceiptStatus

_STATUSES: Final = {"SUCCESS": ReceiptStatus.DELIVERED, "FAIL": ReceiptStatus.FAILED}


class _Item(Struct):
    sid: str = ""
    report_status: str = ""
    user_receive_time: str = ""
    errmsg: str = ""
    nationcode: str = ""
    mobile: str = ""


_items = msgspec.json.Decoder(list[msgspec.Raw])
_item = msgspec.json.Decoder(_Item)


def _read(push: Push) -> Pushed:
    items = from_json(_items, push.body)
    return Pushed(each(items, _delivery))


def _delivery(raw: object) -> Delivery:
    item = from_json(_item, bytes(raw))  # type: ignore[call-overload]
    status = status_of(_STATUSES, item.report_status)
    if status is ReceiptStatus.FAILED:
        status = SMPP_FAILURES.get(item.errmsg, status)
    return Delivery(
        vendor_message_id=message_id(item.sid),
        status=status,
        time=local_time(item.user_receive_time, CHINA),
        error=error_of(status, item.errmsg),
        to=item.mobile and f"+{item.nationcode}{item.mobile}",
    )


def _success(_: Sequence[Outcome]) -> HttpResponse:
    return json_response(200, {"result": 0, "errmsg": "OK"})


def _failure(error: OtpconvError) -> HttpResponse:
    body = {"result": 1, "errmsg": error.text}
    return json_response(error.status, body, code=error.code, headers=retry_after(error))


TENCENT_RECEIPTS: Final = ReceiptWire(
    verify=unverified,
    read=_read,
    success=_success,
    failure=_failure,
    setup="Set this URL in the console, under the application's settings, as the callback of SMS statuses.",
    proven_by="documentation",
)
