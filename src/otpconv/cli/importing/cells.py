"""The single values of a row, as programs and people write them."""

import re
from decimal import Decimal, InvalidOperation

from otpconv.cli.importing import spreadsheet
from otpconv.errors import InvalidRequest

#: Fields that are times, and fields that identify something.
TIMES = frozenset({"requested_at", "conversion_time"})
IDENTIFIERS = frozenset({"message_id", "to", "session_id", "vendor_message_id"})
#: Surrounding blanks mean nothing in these; in the others they may.
COMPACT = frozenset({*IDENTIFIERS, *TIMES, "country", "attempt", "delivered", "price", "currency"})

#: No price has more characters.
_PRICE_CHARS = 40

#: What programs write where there is no value; an id may be a dash.
_NO_ID = frozenset({"", "null", "(null)", "<null>", "none", "nan", "n/a", "#n/a", "\\n"})
_NO_VALUE = _NO_ID | {"-", "--"}


def cleaned(name: str, text: str) -> str | None:
    """Return a text without the blanks around it that mean nothing; None when it stands for no value."""
    if name not in COMPACT:
        return text
    text = text.strip()
    return None if text.casefold() in (_NO_ID if name in IDENTIFIERS else _NO_VALUE) else text


def identifier(name: str, given: object, notes: list[str]) -> str:
    """Return an id or a number, repaired if a spreadsheet changed it, and add the repair to `notes`.

    Raises:
        InvalidRequest: it is neither a text nor a whole number, or its digits are lost.
    """
    try:
        if isinstance(given, float):
            return spreadsheet.identifier_of(given, name, notes)
        return spreadsheet.identifier(scalar(given, name), name, notes)
    except InvalidRequest:
        # The server takes a message without a number that can't be read, and says so.
        if name == "to" and isinstance(given, str | float):
            return str(given)
        raise


def scalar(value: object, name: str) -> str:
    """Return a text or a whole number as a text.

    Raises:
        InvalidRequest: it is neither.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidRequest(f"{name} is not a text or a whole number. Write it as a text.")
    if isinstance(value, float) and name not in {"attempt", "price"}:
        raise InvalidRequest(f"{name} is a number with decimals. Write it as a text.")
    return str(value)


def attempt(text: str) -> int:
    """Return the number of an attempt.

    Raises:
        InvalidRequest: it is not a whole number.
    """
    found = re.fullmatch(r"([0-9]{1,9})(?:\.0+)?", text)
    if found is None:
        raise InvalidRequest(
            f"attempt is {text[:20]!r}, which is not a whole number. Use 1 for the first send, 2 for the"
            " first resend."
        )
    return int(found[1])


def price(text: str) -> str:
    """Return a price as the native API takes it. Vendors write charges as negative amounts.

    Raises:
        InvalidRequest: it is not a number.
    """
    try:
        amount = abs(Decimal(text[:_PRICE_CHARS]))
        plain = f"{amount:f}" if amount.is_finite() and amount.adjusted() < _PRICE_CHARS else ""
    except InvalidOperation:
        plain = ""
    if not plain:
        raise InvalidRequest(f"price is {text[:20]!r}, which is not a number. Use e.g. 0.0075.")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def typed(value: object) -> str:
    """Return a JSON value as somebody types it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
