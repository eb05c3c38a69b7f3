"""Alibaba Cloud's receipts, with the bodies of its documentation."""

import json
from typing import Any

import pytest

from dialects.pushes import answers, json_push, push, read, refusals
from otpconv.dialects.alibaba.receipts import ALIBABA_RECEIPTS as WIRE
from otpconv.dialects.receipts import MAX_ITEMS
from otpconv.errors import BodyTooLarge, InvalidRequest, Unavailable
from otpconv.receipts import ReceiptStatus

#: "SmsReport" (HTTP batch push) of 2017-05-25.
OF_2017 = {
    "phone_number": "1381111****",
    "send_time": "2017-01-01 00:00:00",
    "report_time": "2017-01-01 00:00:05",
    "success": True,
    "err_code": "DELIVERED",
    "err_msg": "The user received the message successfully.",
    "sms_size": "1",
    "biz_id": "12345",
    "out_id": "67890",
}
#: "SmsReport" (HTTP batch push) of 2018-05-01.
OF_2018 = {
    "To": "8521111****",
    "SendDate": "Thu, 25 Nov 2021 10:25:00 +0800",
    "ReceiveDate": "Thu, 25 Nov 2021 10:25:33 +0800",
    "Status": "1",
    "ErrorCode": "success",
    "ErrorDescription": "success",
    "TaskId": "67890",
    "SmsSize": "2",
    "MessageId": "123450000",
}
#: "GlobeSmsReport".
OF_GLOBE = {
    "to": "86134235",
    "status": "2",
    "message_id": "12441353",
    "send_date": "2017-06-01 10:00:00",
    "receive_date": "2017-06-01 10:00:05",
    "error_code": "SP_UNKNOW_ERROR",
    "error_description": "unknown",
}


def test_each_spelling_is_read_with_its_times_in_china() -> None:
    domestic, international, globe = read(WIRE, json_push([OF_2017, OF_2018, OF_GLOBE]))
    assert (domestic.vendor_message_id, domestic.status) == ("12345", ReceiptStatus.DELIVERED)
    # 2016-12-31 16:00:05 UTC
    assert (domestic.time, domestic.sent_at) == (1_483_200_005_000, 1_483_200_000_000)
    assert (domestic.to, domestic.region, domestic.segments, domestic.error) == ("1381111****", "CN", 1, "")
    assert (international.vendor_message_id, international.status) == ("123450000", ReceiptStatus.DELIVERED)
    # 2021-11-25 02:25:33 UTC
    assert (international.time, international.sent_at) == (1_637_807_133_000, 1_637_807_100_000)
    assert (international.to, international.segments) == ("+8521111****", 2)
    assert (globe.vendor_message_id, globe.status) == ("12441353", ReceiptStatus.FAILED)
    assert (globe.time, globe.error) == (1_496_282_405_000, "SP_UNKNOW_ERROR")


@pytest.mark.parametrize(
    ("item", "status"),
    [
        (OF_2017 | {"success": False, "err_code": "UNDELIV"}, ReceiptStatus.FAILED),
        (OF_2017 | {"success": False, "err_code": "EXPIRED"}, ReceiptStatus.EXPIRED),
        (OF_2017 | {"success": False, "err_code": "REJECTD"}, ReceiptStatus.REJECTED),
        (OF_2017 | {"success": "false"}, ReceiptStatus.FAILED),
        (OF_2018 | {"Status": "2"}, ReceiptStatus.FAILED),
        (OF_2018 | {"Status": 6}, ReceiptStatus.EXPIRED),
    ],
)
def test_each_status_has_its_place(item: dict[str, object], status: ReceiptStatus) -> None:
    (receipt,) = read(WIRE, json_push([item]))
    assert receipt.status is status
    assert receipt.error


@pytest.mark.parametrize(
    "change",
    [
        {"biz_id": ""},
        {"biz_id": "a b"},
        {"success": "perhaps"},
        {"report_time": "2017-13-01 00:00:00"},
        {"report_time": "Thu, 99 Nov 2021 10:25:33 +0800"},
    ],
)
def test_a_malformed_item_harms_no_other(change: dict[str, object]) -> None:
    pushed = json_push([OF_2017, OF_2017 | change, OF_2018])
    (text,) = refusals(WIRE, pushed)
    assert text
    assert len(WIRE.read(pushed).items) == 3


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'[{"biz_id": []}]', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_list_of_receipts_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        WIRE.read(push(body))


def test_a_push_is_bounded() -> None:
    item: Any = {"biz_id": "1", "success": True}
    assert len(read(WIRE, json_push([item] * MAX_ITEMS))) == MAX_ITEMS
    with pytest.raises(InvalidRequest):
        WIRE.read(json_push([item] * (MAX_ITEMS + 1)))
    with pytest.raises(BodyTooLarge):
        WIRE.read(json_push([OF_2017] * 1_000))


def test_the_answers_are_what_the_vendor_wants() -> None:
    assert answers(WIRE) == (200, b'{"code":0,"msg":"received"}')
    failure = WIRE.failure(Unavailable("The disk is full."))
    assert failure.status == 503
    assert json.loads(failure.body) == {"code": 1, "msg": "The disk is full."}
    assert (b"retry-after", b"1") in failure.headers
