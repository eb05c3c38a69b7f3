"""What a vendor says about messages becomes reports, whatever it and the caller write."""

from hypothesis import given, strategies as st

from otpconv.access.keys import AccessKey
from otpconv.access.policies.grants import Grants
from otpconv.access.vendors import VendorAccount
from otpconv.dialects.native.fields import MAX_TEXT_CHARS
from otpconv.model import OTHER, is_message_id
from otpconv.phone import NumberHash
from otpconv.receipts import ReceiptStatus
from otpconv.relay.kind import Sent, Stated
from otpconv.web.rpc.sent import MAX_ERROR_CHARS, MAX_QUICK_NUMBERS, receipt_of, requested_by

AT = 1_700_000_000_000
HASH = NumberHash(bytes(32))
KEY = AccessKey(
    access_key_id="LTAIx",
    secret="s",  # noqa: S106 - invented
    user="u",
    account=7,
    account_name="a",
    grants=Grants(),
    active=True,
    created_at=0,
)
VENDOR = VendorAccount(id=1, account=7, name="v", kind="alibaba", provider="ali", settings={}, secrets={})
TEXT = st.text(max_size=MAX_TEXT_CHARS + 2)


@given(st.lists(TEXT, max_size=3), st.lists(TEXT, max_size=3), TEXT, TEXT)
def test_every_report_is_one_that_the_ledger_takes(
    ids: list[str], to: list[str], template: str, sender: str
) -> None:
    reports = requested_by(Sent(tuple(ids), tuple(to), "", template, sender), VENDOR, KEY, AT, HASH)
    assert [report.message_id for report in reports] == [each for each in ids if is_message_id(each)]
    for report in reports:
        values = report.dimensions
        assert (report.account, report.requested_at, values.provider, values.access_key) == (
            7,
            AT,
            "ali",
            "LTAIx",
        )
        assert all(
            len(value) <= MAX_TEXT_CHARS and value.isprintable() for value in (values.template, values.sender)
        )
        assert OTHER not in {values.template, values.sender}


def test_the_number_is_kept_as_its_hash_only_and_only_of_a_message_to_one() -> None:
    (one,) = requested_by(Sent(("m",), ("85251234567",), "", "", ""), VENDOR, KEY, AT, HASH)
    assert (one.number, one.number_range, one.dimensions.country) == (
        HASH(7, "+85251234567"),
        "+8525123",
        "HK",
    )
    for to, country in (
        (("85251234567", "85251234568"), "HK"),
        (("85251234567", "6581234567"), ""),
        (("85251234567", "nobody"), ""),
        (("nobody",), ""),
        ((), ""),
    ):
        (several,) = requested_by(Sent(("m",), to, "", "", ""), VENDOR, KEY, AT, HASH)
        assert (several.number, several.number_range, several.dimensions.country) == ("", "", country)


def test_a_batch_to_many_is_read_in_one_pass() -> None:
    to = tuple(f"8525123{number:04}" for number in range(MAX_QUICK_NUMBERS + 980))
    reports = requested_by(Sent(tuple(map(str, range(1_000))), to, "", "", ""), VENDOR, KEY, AT, HASH)
    assert {report.dimensions.country for report in reports} == {"HK"}
    assert len({id(report.dimensions) for report in reports}) == 1


def test_a_receipt_has_a_time_a_short_code_and_an_id() -> None:
    receipt = receipt_of(Stated("m", ReceiptStatus.FAILED, None, "e" * 100), 7, AT)
    assert receipt is not None
    assert (receipt.account, receipt.time, receipt.error) == (7, AT, "e" * MAX_ERROR_CHARS)
    assert receipt_of(Stated("two words", ReceiptStatus.SENT, AT), 7, AT) is None
