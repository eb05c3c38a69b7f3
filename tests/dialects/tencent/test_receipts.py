"""Tencent Cloud's receipts, with the body of its documentation."""

import json

import pytest

from dialects.pushes import answers, json_push, push, read, refusals
from otpconv.dialects.tencent.receipts import TENCENT_RECEIPTS as WIRE
from otpconv.errors import InvalidRequest
from otpconv.receipts import ReceiptStatus

ITEM = {
    "user_receive_time": "2015-10-17 08:03:04",
    "nationcode": "86",
    "mobile": "13800000000",
    "report_status": "SUCCESS",
    "errmsg": "DELIVRD",
    "description": "The SMS message is successfully delivered",
    "sid": "5000:1045710669157053657849499619",
}


def test_a_receipt_is_read_with_its_time_in_china() -> None:
    (receipt,) = read(WIRE, json_push([ITEM]))
    assert receipt.vendor_message_id == "5000:1045710669157053657849499619"
    assert (receipt.status, receipt.error) == (ReceiptStatus.DELIVERED, "")
    assert receipt.time == 1_445_040_184_000  # 2015-10-17 00:03:04 UTC
    assert receipt.to == "+8613800000000"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("UNDELIV", ReceiptStatus.FAILED),
        ("DELIVRD", ReceiptStatus.FAILED),
        ("EXPIRED", ReceiptStatus.EXPIRED),
        ("REJECTD", ReceiptStatus.REJECTED),
    ],
)
def test_a_failure_has_the_carriers_code(code: str, status: ReceiptStatus) -> None:
    (receipt,) = read(WIRE, json_push([ITEM | {"report_status": "FAIL", "errmsg": code}]))
    assert (receipt.status, receipt.error) == (status, code)


def test_a_malformed_item_harms_no_other() -> None:
    pushed = json_push([ITEM, ITEM | {"report_status": "PERHAPS"}, ITEM | {"sid": 1}, 1])
    assert len(refusals(WIRE, pushed)) == 3
    for body in (b"", b"{}", b'"x"'):
        with pytest.raises(InvalidRequest):
            WIRE.read(push(body))


def test_the_answers_are_what_the_vendor_wants() -> None:
    assert answers(WIRE) == (200, b'{"result":0,"errmsg":"OK"}')
    assert json.loads(WIRE.failure(InvalidRequest("no")).body) == {"result": 1, "errmsg": "no"}
