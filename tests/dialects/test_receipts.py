"""What the receipts of all vendors have in common."""

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from otpconv.dialects.receipts import error_of, price_of, segments_of
from otpconv.errors import InvalidRequest, OtpconvError, Throttled, Unavailable
from otpconv.receipts import FAILURES, MAX_PRICE, ReceiptStatus
from otpconv.relay.kinds import KINDS


@given(st.integers(-MAX_PRICE, MAX_PRICE), st.integers(0, 6), st.sampled_from(["", "0", "00"]))
def test_a_price_is_exact_in_millionths_whatever_its_sign(millionths: int, places: int, zeros: str) -> None:
    scale = 10**places
    kept = millionths // (1_000_000 // scale) * (1_000_000 // scale)
    text = f"{Decimal(kept) / 1_000_000:f}"
    text += zeros if "." in text else ""
    assert price_of(text, "eur") == (abs(kept), "EUR")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.0000005", 0), ("0.0000015", 2), ("1E-7", 0), ("7.5E-3", 7_500), ("-0", 0), ("10000", MAX_PRICE)],
)
def test_a_price_below_a_millionth_is_rounded_half_to_even(text: str, expected: int) -> None:
    assert price_of(text, "USD") == (expected, "USD")


@pytest.mark.parametrize("text", ["10000.000001", "nan", "inf", "1e999999999", "0x1", " ", "1" * 30, "one"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        price_of(text, "USD")


def test_a_price_needs_its_currency() -> None:
    assert price_of(None, "USD") == price_of("", "USD") == (None, "")
    for currency in ("", "US", "DOLLAR", "U$D", "ÄÖÜ"):
        with pytest.raises(InvalidRequest):
            price_of("1", currency)


@given(st.sampled_from(ReceiptStatus), st.text())
def test_only_a_failure_has_an_error_and_it_is_short_and_printable(status: ReceiptStatus, code: str) -> None:
    error = error_of(status, code)
    assert error.isprintable()
    assert len(error) <= 64
    assert not error or status in FAILURES


def test_segments_that_make_no_sense_are_unknown() -> None:
    assert [segments_of(value) for value in (None, "", "x", -1, "99999", "²", 3, "2")] == [
        0,
        0,
        0,
        0,
        0,
        0,
        3,
        2,
    ]


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_each_kind_answers_a_failure_by_its_status_and_when_to_come_again(kind: object) -> None:
    wire = kind.receipts  # type: ignore[attr-defined]
    errors: tuple[OtpconvError, ...] = (
        InvalidRequest("no"),
        Unavailable("later"),
        Throttled("x", wait_ms=1500),
    )
    for error in errors:
        response = wire.failure(error)
        assert response.status == error.status
        assert response.code == error.code
        assert (b"retry-after" in dict(response.headers)) == (not isinstance(error, InvalidRequest))
    assert 200 <= wire.success(["unchanged"]).status < 300
    assert wire.setup
    assert wire.proven_by
