"""How numbers and times are written on pages; the templates' filters."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Final

from otpconv.money import amount_text

_NOTHING = "–"
_MINUS = "\N{MINUS SIGN}"
_SPACE = "\N{NO-BREAK SPACE}"
_KIB = 1024
_SECOND_MS, _MINUTE_MS, _HOUR_MS = 1000, 60_000, 3_600_000


def format_percent(share: float | None) -> str:
    """Write a share, 0 to 1, as a percentage."""
    return _NOTHING if share is None else f"{share * 100:.1f}{_SPACE}%"


def format_points(change: float | None) -> str:
    """Write a difference of two shares as percentage points, with its sign."""
    if change is None:
        return _NOTHING
    written = f"{abs(change) * 100:.1f}"
    return written if written == "0.0" else f"{'+' if change > 0 else _MINUS}{written}"


def format_count(number: int) -> str:
    """Write a number with its thousands apart."""
    return f"{number:,}"


def format_moment(time: int, zone: tzinfo = UTC) -> str:
    """Write a time, ms, to the minute, in a time zone that the page names."""
    return datetime.fromtimestamp(time / 1000, zone).strftime("%-d %b %H:%M")


def format_instant(time: int, zone: tzinfo = UTC) -> str:
    """Write a time, ms, to the millisecond, in a time zone that the page names."""
    moment = datetime.fromtimestamp(time / 1000, zone).replace(tzinfo=None)
    return moment.isoformat(sep=" ", timespec="milliseconds")


def format_written_instant(text: str, zone: tzinfo = UTC) -> str:
    """Write a time in ISO 8601 to the second, in a time zone that the page names; leave other texts alone."""
    try:
        moment = datetime.fromisoformat(text).astimezone(zone).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return text
    return moment.isoformat(sep=" ", timespec="seconds")


def format_exact(time: int, zone: tzinfo = UTC) -> str:
    """Write a time, ms, to the minute, with the offset of a time zone, e.g. for the fields of forms."""
    return datetime.fromtimestamp(time / 1000, zone).isoformat(timespec="minutes")


def format_machine(time: int) -> str:
    """Write a time, ms, for the attribute `datetime` and for fields, UTC."""
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")


def format_duration(length_ms: int) -> str:
    """Write how long something took, ms."""
    if length_ms < _MINUTE_MS:
        return f"{length_ms / _SECOND_MS:.1f}{_SPACE}s"
    if length_ms < _HOUR_MS:
        return f"{length_ms / _MINUTE_MS:.1f}{_SPACE}min"
    return f"{length_ms / _HOUR_MS:.1f}{_SPACE}h"


def format_bytes(size: int) -> str:
    """Write a number of bytes in its largest unit."""
    amount, unit = float(size), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < _KIB:
            break
        amount, unit = amount / _KIB, larger
    return f"{amount:,.0f}{_SPACE}{unit}" if unit == "bytes" else f"{amount:,.1f}{_SPACE}{unit}"


def format_value(text: str) -> str:
    """Write the value of a dimension."""
    return text or "unknown"


def format_group(values: tuple[str, ...]) -> str:
    """Write the values of a group."""
    return " · ".join(map(format_value, values))


FILTERS: Final[dict[str, Callable[..., str]]] = {
    "percent": format_percent,
    "points": format_points,
    "count": format_count,
    "amount": amount_text,
    "moment": format_moment,
    "instant": format_instant,
    "written_instant": format_written_instant,
    "exact": format_exact,
    "machine": format_machine,
    "duration": format_duration,
    "bytes": format_bytes,
    "value": format_value,
    "group": format_group,
}
