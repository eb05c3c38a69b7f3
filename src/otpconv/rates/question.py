"""What somebody wants to know: a window of time, how to split it, and which messages."""

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from otpconv.errors import InvalidRequest
from otpconv.ledger.contract import DIMENSIONS, HOUR_MS, MINUTE_MS

#: Names of intervals and their lengths, ms; `1d` is a calendar day of the time zone asked for.
INTERVALS: dict[str, int] = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "1h": HOUR_MS,
    "1d": 24 * HOUR_MS,
}
#: Slots of one answer at most.
MAX_SLOTS = 20_000
_DAY_MS = 24 * HOUR_MS
#: Times from the year 1970 to the end of 9998, ms: what every calendar function can take, a time zone added.
_LATEST_MS = 253_370_764_800_000
_PARAMETERS = frozenset({"start", "end", "interval", "by", "tz"})


class RateQuery(Struct, frozen=True):
    """A question about conversion rates.

    Attributes:
        start: of the window, ms; messages requested at or after it.
        end: of the window, ms; messages requested before it.
        interval: a key of `INTERVALS` to split the window by, or None for one row.
        by: dimensions to split by.
        filters: the accepted values of a dimension, by its name; an empty value means "not told".
        tz: the time zone of `1d`.
    """

    start: int
    end: int
    interval: str | None = None
    by: tuple[str, ...] = ()
    filters: Mapping[str, Collection[str]] = {}
    tz: ZoneInfo = ZoneInfo("UTC")


def parse_time(text: str, name: str = "time") -> int:
    """Return the time a text gives, in ms UTC.

    Args:
        text: milliseconds since the Unix epoch, or ISO 8601 as `2026-01-31` or `2026-01-31T12:00:00+02:00`;
            without an offset it is UTC.
        name: what the time is called, for the error.

    Raises:
        InvalidRequest: it is neither, or out of the range of years.
    """
    if re.fullmatch(r"[0-9]{1,16}", text):
        time = int(text)
    else:
        try:
            # A plus sign that nobody escaped arrives as a space.
            moment = datetime.fromisoformat(re.sub(r" (?=\d\d:?\d\d$)", "+", text))
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            time = round(aware.timestamp() * 1000)
        except (ValueError, OverflowError):
            time = -1
    if not 0 <= time <= _LATEST_MS:
        raise InvalidRequest(
            f"{name} is neither milliseconds since 1970 nor ISO 8601, as 2026-01-31T12:00:00Z."
        )
    return time


def parse_query(parameters: Iterable[tuple[str, str]], now: int) -> RateQuery:
    """Make a question of the parameters of a URL.

    Args:
        parameters: names and values. `start` and `end` default to the 24 hours before `now`; a dimension may
            come several times.
        now: the time now, ms.

    Raises:
        InvalidRequest: a parameter is unknown or malformed.
    """
    given: dict[str, str] = {}
    filters: dict[str, set[str]] = {}
    for name, value in parameters:
        if name in DIMENSIONS:
            filters.setdefault(name, set()).add(value)
        elif name not in _PARAMETERS:
            known = ", ".join((*sorted(_PARAMETERS), *DIMENSIONS))
            raise InvalidRequest(f"There is no parameter {name[:40]!r}; the parameters are {known}.")
        elif name in given:
            raise InvalidRequest(f"{name} is given twice.")
        else:
            given[name] = value
    end = parse_time(given["end"], "end") if "end" in given else now
    start = parse_time(given["start"], "start") if "start" in given else max(0, end - _DAY_MS)
    if start >= end:
        raise InvalidRequest(f"start ({start}) is not before end ({end}).")
    interval = given.get("interval")
    if interval is not None and interval not in INTERVALS:
        raise InvalidRequest(f"interval is one of {', '.join(INTERVALS)}, or left out for one row.")
    if interval is not None and (end - start) / INTERVALS[interval] > MAX_SLOTS:
        raise InvalidRequest(
            f"That is more than {MAX_SLOTS:,} intervals: take a longer interval or less time."
        )
    return RateQuery(
        start, end, interval, _parse_by(given.get("by", "")), filters, _zone(given.get("tz", "UTC"))
    )


def _parse_by(text: str) -> tuple[str, ...]:
    by = tuple(name.strip() for name in text.split(",") if name.strip())
    if len(set(by)) != len(by) or not set(by) <= set(DIMENSIONS):
        raise InvalidRequest(f"by is a comma-separated list of {', '.join(DIMENSIONS)}, each at most once.")
    return by


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequest("tz is a time zone of the IANA database, as Europe/Berlin.") from None
