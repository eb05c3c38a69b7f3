"""Prices as text and as millionths: exact, bounded, and refused in words."""

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from otpconv.money import MAX_PRICE, MICROS, decimal_text, parse_currency, parse_price


@given(st.integers(0, MAX_PRICE * MICROS))
def test_a_price_is_read_and_written_exactly(micros: int) -> None:
    text = decimal_text(micros)
    assert parse_price(text) == micros
    assert Decimal(text) * MICROS == micros
    assert parse_price(format(Decimal(micros) / MICROS, "f")) == micros


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "+1",
        "1,5",
        "1e3",
        ".5",
        "1.",
        "0.0000001",
        "10000.000001",
        "10001",
        "00001",
        "٣",
        "1\n",
        " 1",
    ],
)
def test_what_is_not_a_price_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="at most 6 decimals"):
        parse_price(text)


def test_a_currency_is_three_letters() -> None:
    assert parse_currency("eur") == "EUR"
    for text in ("", "EU", "EURO", "E R", "€", "EU1", "EUR\n"):
        with pytest.raises(ValueError, match="ISO 4217"):
            parse_currency(text)
