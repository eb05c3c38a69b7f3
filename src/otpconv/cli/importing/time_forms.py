"""The forms in which times are written: as a number, or as a date with a time and a zone."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

#: Hours from here on are afternoon; also the last month.
NOON = 12

#: Digits of a Unix time, and how many of its units are a second. Fewer digits would be a time before 2001.
_UNITS = {10: 1, 13: 1_000, 16: 1_000_000, 19: 1_000_000_000}
_UNIX = re.compile(r"([0-9]{10}|[0-9]{13}|[0-9]{16}|[0-9]{19})(?:\.([0-9]{1,9}))?")
#: Days since 1899-12-30 from 2000 to 2099, as spreadsheets count.
_SERIAL = re.compile(r"(3[6-9][0-9]{3}|[4-6][0-9]{4}|7[0-2][0-9]{3})(?:[.,]([0-9]+))?")
_SERIAL_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - local time of the file
_COMPACT = re.compile(r"(20[0-9]{2})([0-9]{2})([0-9]{2})(?:([0-9]{2})([0-9]{2})([0-9]{2}))?")

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
EITHER = re.compile(r"(?P<a>\d{1,2})(?P<mark>[/.-])(?P<b>\d{1,2})(?P=mark)(?P<year>\d{4})(?!\d)")
DATES = (
    re.compile(r"(?P<year>\d{4})(?:[-/.]|年)(?P<month>\d{1,2})(?:[-/.]|月)(?P<day>\d{1,2})(?!\d)日?"),
    re.compile(
        r"(?:[A-Za-z]{3,9}\.?,?\s+)?(?P<day>\d{1,2})[-\s/](?P<name>[A-Za-z]{3,9})\.?[-\s/,]+(?P<year>\d{4})(?!\d)"
    ),
    re.compile(
        r"(?:[A-Za-z]{3,9}\.?,?\s+)?(?P<name>[A-Za-z]{3,9})\.?\s+(?P<day>\d{1,2}),?\s+(?P<year>\d{4})(?!\d)"
    ),
    EITHER,
)
REST = re.compile(
    r"(?:(?:T|,?\s+)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?"
    r"(?:\s*\(?"
    r"(?P<zone>(?:UTC|GMT)?\s*[+-]\d{1,2}(?::?\d{2})?|[A-Za-z]{1,5})"
    r"\)?(?:\s*\([A-Za-z0-9 :+-]*\))?)?"
)
OFFSET = re.compile(r"(?:UTC|GMT)?\s*(?P<sign>[+-])(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?")


def time_of(text: str) -> datetime | int | None:
    """Return the time that a number is: Unix time, days of a spreadsheet, or digits of a date."""
    if (unix := _UNIX.fullmatch(text)) is not None:
        per_second = _UNITS[len(unix[1])]
        fraction = int(f"{unix[2] or 0:0<3}"[:3]) if per_second == 1 else 0
        return int(unix[1]) * 1000 // per_second + fraction
    if (serial := _SERIAL.fullmatch(text)) is not None:
        # Spreadsheets do not keep more than about a second.
        return _SERIAL_EPOCH + timedelta(
            days=int(serial[1]), seconds=round(float(f"0.{serial[2] or 0}") * 86_400)
        )
    if (compact := _COMPACT.fullmatch(text)) is not None:
        return datetime(*(int(part or 0) for part in compact.groups()))  # type: ignore[arg-type]  # noqa: DTZ001
    return None


def find_orders(rows: Iterable[Mapping[str, object]]) -> dict[tuple[str, str], set[str]]:
    """Return by column and mark whether rows have the day first, the month first, or both."""
    orders: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        for column, value in row.items():
            found = EITHER.match(value.strip()) if isinstance(value, str) else None
            if found is not None and (int(found["a"]) > NOON) != (int(found["b"]) > NOON):
                order = "day" if int(found["a"]) > NOON else "month"
                orders.setdefault((column, found["mark"]), set()).add(order)
    return orders


def suggest(order: str, mark: str, rest: re.Match[str]) -> str:
    """Return the `--time-format` of a date in this order, and of what `REST` found after it."""
    text = rest[0]
    codes = [("zone", "%z"), ("half", "%p"), ("fraction", "%f"), ("second", "%S"), ("minute", "%M")]
    # From the end, so that places before stay where they are.
    for part, code in [*codes, ("hour", "%I" if rest["half"] else "%H")]:
        if rest[part] and (part != "zone" or rest[part][0] in "+-"):
            start, end = (place - rest.start() for place in rest.span(part))
            text = text[:start] + code + text[end:]
    return order.format(mark) + f"{mark}%Y{text}"


def month(name: str) -> int:
    """Return the number of a month, by at least three letters of its English name."""
    found = next((n for n, month in enumerate(_MONTHS, start=1) if month.startswith(name.lower())), None)
    if found is None:
        raise ValueError(name)
    return found
