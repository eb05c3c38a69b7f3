"""The only module that reads the wall clock; all others take a `Clock`. Also formats times for people."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

#: Returns the time now, in milliseconds since the Unix epoch, UTC.
Clock = Callable[[], int]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def wall_clock() -> int:
    """Return the time now, in milliseconds since the Unix epoch, UTC."""
    return time.time_ns() // 1_000_000


def iso_8601(at: int, zone: tzinfo = UTC, *, exact: bool = False) -> str:
    """Return a time as text, e.g. `2012-11-11T23:59:59Z`.

    Args:
        at: ms UTC.
        zone: the time zone of the text, which ends with its offset; UTC ends with Z.
        exact: with milliseconds, e.g. `2012-11-11T23:59:59.123Z`.
    """
    moment = _EPOCH + timedelta(milliseconds=at)
    local = moment if zone is UTC else moment.astimezone(zone)
    text = local.isoformat(timespec="milliseconds" if exact else "seconds")
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


def duration(length_ms: int) -> str:
    """Return a duration for people, in its two largest units, e.g. `17 min 3 s` or `8 h`.

    Args:
        length_ms: at least 0, ms.
    """
    seconds = length_ms // 1000
    # The largest unit that fits, and the next smaller one.
    first = next((index for index, (unit, _) in enumerate(_UNITS) if seconds >= unit), len(_UNITS) - 1)
    parts: list[str] = []
    for unit, name in _UNITS[first : first + 2]:
        count, seconds = divmod(seconds, unit)
        if count or not parts:
            parts.append(f"{count:,} {name}")
    return " ".join(parts)


def difference(at: int, now: int) -> str:
    """Return how a time compares with the server's, e.g. `17 min 3 s behind the server's time (…Z, UTC)`.

    Args:
        at: ms UTC.
        now: the server's time, ms UTC.
    """
    side = "ahead of" if at > now else "behind"
    return f"{duration(abs(at - now))} {side} the server's time ({iso_8601(now)}, UTC)"
