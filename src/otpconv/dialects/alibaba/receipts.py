"""The receipts of Alibaba Cloud Short Message Service: SmsReport, a JSON array by POST. They are not signed.

There are three spellings of the same. SmsReport of 2017-05-25 has `biz_id` and `success`; that of 2018-05-01
(international) has `MessageId` and `Status`; GlobeSmsReport, for messages of SendMessageToGlobe, has
`message_id` and `status`. Names are compared without case and underscores. Times without a zone are at
+08:00.

Source: "SmsReport" (HTTP batch push) of both services; "GlobeSmsReport" documents the queue alone, so that
its push has the same members is inferred.
"""

from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

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
    segments_of,
    status_of,
    unverified,
)
from otpconv.dialects.responses import json_response, retry_after
from otpconv.errors import InvalidRequest, OtpconvError
from otpconv.receipts import ReceiptStatus

#: `success` of 2017-05-25.
_SUCCESSES: Final = {"true": ReceiptStatus.DELIVERED, "false": ReceiptStatus.FAILED}
#: `Status` of 2018-05-01, and of GlobeSmsReport.
_STATUSES: Final = {"1": ReceiptStatus.DELIVERED, "2": ReceiptStatus.FAILED, "6": ReceiptStatus.EXPIRED}

_items = msgspec.json.Decoder(list[dict[str, str | bool | int | None]])


def _read(push: Push) -> Pushed:
    return Pushed(each([_named(item) for item in from_json(_items, push.body)], _delivery))


def _named(item: Mapping[str, str | bool | int | None]) -> dict[str, str]:
    return {
        name.replace("_", "").lower(): str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in item.items()
        if value is not None
    }


def _delivery(item: object) -> Delivery:
    assert isinstance(item, dict)  # noqa: S101 - of `_named`
    if "success" in item:
        return _of_2017(item)
    status = status_of(_STATUSES, item.get("status", ""))
    to = item.get("to", "")
    return Delivery(
        vendor_message_id=message_id(item.get("messageid", "")),
        status=status,
        time=_time(item.get("receivedate", "")),
        error=error_of(status, item.get("errorcode", "")),
        segments=segments_of(item.get("smssize")),
        sent_at=_time(item.get("senddate", "")),
        to=to and f"+{to.lstrip('+')}",
    )


def _of_2017(item: Mapping[str, str]) -> Delivery:
    status, code = status_of(_SUCCESSES, item["success"]), item.get("errcode", "")
    if status is ReceiptStatus.FAILED:
        status = SMPP_FAILURES.get(code, status)
    return Delivery(
        vendor_message_id=message_id(item.get("bizid", "")),
        status=status,
        time=_time(item.get("reporttime", "")),
        error=error_of(status, code),
        segments=segments_of(item.get("smssize")),
        sent_at=_time(item.get("sendtime", "")),
        to=item.get("phonenumber", ""),
        region="CN",
    )


def _time(text: str) -> int | None:
    """Return a time, either `2017-01-01 00:00:00` at +08:00, or `Thu, 25 Nov 2021 10:27:00 +0800`, ms."""
    if "," not in text:
        return local_time(text, CHINA)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        raise InvalidRequest(f"Invalid time {text[:40]!r}. Send it as RFC 2822 has it.") from None
    zone = CHINA if moment.tzinfo is None else moment.tzinfo
    return int(moment.replace(tzinfo=zone).timestamp()) * 1000


def _success(_: Sequence[Outcome]) -> HttpResponse:
    return json_response(200, {"code": 0, "msg": "received"})


def _failure(error: OtpconvError) -> HttpResponse:
    body = {"code": 1, "msg": error.text}
    return json_response(error.status, body, code=error.code, headers=retry_after(error))


ALIBABA_RECEIPTS: Final = ReceiptWire(
    verify=unverified,
    read=_read,
    success=_success,
    failure=_failure,
    setup="Set this URL in the console as the receiving address of status reports, by HTTP batch push.",
    proven_by="documentation",
)
