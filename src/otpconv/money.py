"""Amounts of money: decimal text on the wire, whole millionths of the currency everywhere else. Pure."""

import re
from typing import Final

#: Millionths of a unit of a currency.
MICROS: Final = 1_000_000
#: The highest price of one message, units of its currency.
MAX_PRICE: Final = 10_000
#: A price as a regular expression for the whole text.
PRICE_PATTERN: Final = rf"(?:{MAX_PRICE}(?:\.0{{1,6}})?|[0-9]{{1,4}}(?:\.[0-9]{{1,6}})?)"
#: The rule for prices, for texts like `A price is …`.
PRICE_RULE: Final = f"a decimal number as text, 0 to {MAX_PRICE:,}, with at most 6 decimals, e.g. 0.0075"
#: A currency as a regular expression for the whole text.
CURRENCY_PATTERN: Final = "[A-Za-z]{3}"
#: The rule for currencies.
CURRENCY_RULE: Final = "three letters, as in ISO 4217, e.g. EUR"

#: For people, amounts below this have four decimals, and those below a thousandth of it six.
_SMALL: Final = 10

_is_price = re.compile(PRICE_PATTERN).fullmatch
_is_currency = re.compile(CURRENCY_PATTERN).fullmatch


def parse_price(text: str) -> int:
    """Return a price in millionths of its currency.

    Raises:
        ValueError: the text is not a price; the text of the error says what a price is.
    """
    if not _is_price(text):
        raise ValueError(f"Invalid price {text[:40]!r}. Use {PRICE_RULE}.")
    whole, _, decimals = text.partition(".")
    return int(whole) * MICROS + int(decimals.ljust(6, "0"))


def parse_currency(text: str) -> str:
    """Return the code of a currency in capitals.

    Raises:
        ValueError: the text is not one.
    """
    if not _is_currency(text):
        raise ValueError(f"Invalid currency {text[:40]!r}. Use {CURRENCY_RULE}.")
    return text.upper()


def decimal_text(micros: int) -> str:
    """Return millionths as exact decimal text without needless zeros, e.g. `0.0075`."""
    whole, rest = divmod(micros, MICROS)
    return f"{whole}.{rest:06}".rstrip("0").rstrip(".")


def amount_text(amount: float) -> str:
    """Return an amount of money for people; small ones, like the price of a message, have more decimals."""
    decimals = 2 if amount >= _SMALL or not amount else 4 if amount >= _SMALL / 1000 else 6
    return f"{amount:,.{decimals}f}"
