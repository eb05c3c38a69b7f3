"""Reports, checked on the caller's thread, and their form in the spool.

A report's body is the JSON object that the native API takes, so that it is delivered there as it stands. A
line of the spool is its checksum, its flags and its body:

    crc32 of the rest, 8 hexadecimal digits · blank · flags, 1 digit · blank · body · line feed
"""

import re
import unicodedata
from typing import Any
from zlib import crc32

import msgspec
from msgspec import UNSET, Struct

from otpconv.dialects.native.fields import LATEST_MS, MAX_ATTEMPT, MAX_TEXT_CHARS
from otpconv.dialects.native.timed import TimedConversion, TimedMessage, event_of
from otpconv.model import MESSAGE_ID_RULE, is_message_id
from otpconv.money import parse_currency, parse_price

#: Flags of a line: it reports a message, not a conversion; its number is sealed; its time is by our clock.
MESSAGE, SEALED, OWN_CLOCK = 1, 2, 4

#: The earliest time that a caller can give, ms: the year 2000. A smaller number is probably in seconds.
_EARLIEST_MS = 946_684_800_000
_CHECKSUM = 8

_is_number = re.compile(r"\+?[0-9]{5,15}").fullmatch
_written = re.compile(r"(?:tel:|sms:|whatsapp:)?([+0-9().]*)", re.IGNORECASE)
_SEPARATORS = str.maketrans("", "", "().")
#: Unicode's categories of dashes and blank space, and of characters that are not seen.
_BETWEEN = frozenset({"Cc", "Cf", "Pd", "Zl", "Zp", "Zs"})
#: No number is written in more characters.
_MOST_NUMBER = 80
_is_text = re.compile(rf"[^\x00-\x1f\x7f]{{0,{MAX_TEXT_CHARS}}}").fullmatch
_is_country = re.compile(r"[A-Za-z]{2}").fullmatch
_encode = msgspec.json.Encoder().encode


class Report(Struct, frozen=True, gc=False):
    """A report as it stands in the spool.

    Attributes:
        flags: a sum of `MESSAGE`, `SEALED` and `OWN_CLOCK`.
        body: the JSON object of the native API.
    """

    flags: int
    body: bytes

    @property
    def kind(self) -> str:
        """`requested` or `conversion`."""
        return "requested" if self.flags & MESSAGE else "conversion"

    @property
    def event(self) -> bytes:
        """The message of a broker; the number must not be sealed."""
        return event_of(self.body, requested=bool(self.flags & MESSAGE))


_CONVERSIONS = msgspec.json.Decoder(TimedConversion)
_MESSAGES = msgspec.json.Decoder(TimedMessage)


def conversion(message_id: str | None, delivered: bool, conversion_time: int, to: str | None) -> bytes:  # noqa: FBT001 - the wire's own flag
    """Return the body of a conversion; `conversion_time` and `to` are checked already.

    Raises:
        TypeError: an argument is of another type.
        ValueError: an argument is out of range, or neither `message_id` nor `to` is given.
    """
    if delivered is not True and delivered is not False:
        raise TypeError(f"delivered is True or False, not {delivered!r}")
    if to is None or message_id is not None:
        _check_message_id(message_id)
    # Only these two characters of an id need an escape; made so it takes half the time.
    known = "" if message_id is None else message_id.replace("\\", r"\\").replace('"', r"\"")
    known = known and f'"message_id":"{known}",'
    truth = "true" if delivered else "false"
    number = "" if to is None else f',"to":"{to}"'
    return f'{{{known}"delivered":{truth},"conversion_time":{conversion_time}{number}}}'.encode()


def requested(message_id: str, requested_at: int, to: str | None, fields: dict[str, object]) -> bytes:
    """Return the body that reports a message; `requested_at` and `to` are checked already.

    Raises:
        TypeError: an argument is of another type.
        ValueError: an argument is out of range.
    """
    _check_message_id(message_id)
    given: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    for name, value in given.items():
        if name == "attempt":
            _check_int(name, value)
            if not 1 <= value <= MAX_ATTEMPT:
                raise ValueError(f"attempt is 1 for the first send, 2 for the first resend, …, not {value}")
        elif name == "vendor_message_id":
            _check_message_id(value, name)
        else:
            _check_text(name, value)
    if "country" in given and not _is_country(given["country"]):
        raise ValueError(f"country is two letters as in ISO 3166, not {given['country']!r}")
    _check_price(given)
    return _encode(TimedMessage(message_id, requested_at, UNSET if to is None else to, **given))


def number_in(value: str) -> str | None:
    """Return the number in a text such as `whatsapp:+49 151 1234-5678`; None if it has none.

    Raises:
        TypeError: it is not a text.
    """
    if not isinstance(value, str):
        # The number stays out of the message: an error text ends in logs.
        raise TypeError("to must be a string: the number with its country code, e.g. '+4915112345678'")
    if _is_number(value):
        return value
    # Full-width digits become digits.
    plain = unicodedata.normalize("NFKC", value[:_MOST_NUMBER])
    plain = "".join(each for each in plain if unicodedata.category(each) not in _BETWEEN)
    found = _written.fullmatch(plain)
    compact = found[1].translate(_SEPARATORS) if found else ""
    return compact if _is_number(compact) else None


def fields_of(report: Report) -> TimedConversion | TimedMessage:
    """Return the fields of a report whose number is not sealed."""
    return (_MESSAGES if report.flags & MESSAGE else _CONVERSIONS).decode(report.body)


def with_fields(report: Report, fields: TimedConversion | TimedMessage, *, without: int = 0) -> Report:
    """Return the report with other fields, and `without` some of its flags."""
    return Report(report.flags & ~without, _encode(fields))


def line_of(flags: int, body: bytes) -> bytes:
    """Return the line of the spool that holds a report."""
    rest = b"%d %b" % (flags, body)
    return b"%08x %b\n" % (crc32(rest), rest)


def read_line(line: bytes) -> Report | None:
    """Return the report of a line without its line feed; None when it is damaged."""
    rest = line[_CHECKSUM + 1 :]
    if line[: _CHECKSUM + 1] != b"%08x " % crc32(rest) or not rest[:1].isdigit():
        return None
    return Report(int(rest[:1]), rest[2:])


def _check_message_id(value: object, name: str = "message_id") -> None:
    if not isinstance(value, str):
        hint = "; without one, give the number by to=" if name == "message_id" else ""
        raise TypeError(f"{name} is a text, not {value!r}{hint}")
    if not is_message_id(value):
        raise ValueError(f"{name} is {MESSAGE_ID_RULE}, not {value!r}")


def _check_price(given: dict[str, Any]) -> None:
    if ("price" in given) != ("currency" in given):
        raise ValueError("price and currency belong together: give both, or none of them")
    if "price" in given:
        parse_price(given["price"])
        parse_currency(given["currency"])


def check_time(name: str, value: int) -> None:
    """Check a time that a caller gave; one of our own clock is what it is, however wrong that clock is.

    Raises:
        TypeError: it is not a whole number.
        ValueError: it is not a time in ms since 1970.
    """
    if type(value) is not int:
        _check_int(name, value)
    if not _EARLIEST_MS <= value <= LATEST_MS:
        raise ValueError(f"{name} is in milliseconds since 1970, UTC, not {value}")


def _check_int(name: str, value: object) -> None:
    if type(value) is not int:
        raise TypeError(f"{name} is a whole number, not {value!r}")


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} is a text, not {value!r}")
    if not _is_text(value):
        raise ValueError(f"{name} is at most {MAX_TEXT_CHARS} characters on one line, not {value!r}")
