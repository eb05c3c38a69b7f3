"""From a question to the rollups it takes: the window is widened to the grain there is."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from otpconv.errors import InvalidRequest
from otpconv.ledger.contract import DAY_MS, HOUR_MS, MINUTE_MS, Span, Window
from otpconv.rates.question import INTERVALS, RateQuery


class Plan(Struct, frozen=True):
    """What to ask the ledger.

    Attributes:
        start, end: of the window the answer is for, ms.
        window: the rollups that cover it.
        slots: starts of the answer's slots, ms; just 0 without an interval.
    """

    start: int
    end: int
    window: Window
    slots: Sequence[int]


def plan(query: RateQuery, minutes_from: int) -> Plan:
    """Widen the bounds to the grain there is, and choose the rollups.

    Args:
        query: the question.
        minutes_from: since when rollups by minute are kept, ms.

    Raises:
        InvalidRequest: an interval under an hour for a time whose rollups by minute are gone.
    """
    if query.interval is None:
        return _one_slot(query, minutes_from)
    if query.interval == "1d":
        midnights = _days(query)
        start, end = _floor(midnights[0], HOUR_MS), _floor(midnights[-1], HOUR_MS)
        if query.tz.key == "UTC":
            return Plan(start, end, Window(days=((start, end),), step=DAY_MS), midnights[:-1])
        return Plan(start, end, Window(hours=((start, end),), step=HOUR_MS), midnights[:-1])
    step = INTERVALS[query.interval]
    start, end = _floor(query.start, step), _ceil(query.end, step)
    slots = range(start, end, step)
    if step == HOUR_MS:
        return Plan(start, end, Window(hours=((start, end),), step=step), slots)
    if start < minutes_from:
        raise InvalidRequest(
            f"Rollups by minute are kept from {minutes_from} (ms) on; before it, take interval=1h or 1d."
        )
    return Plan(start, end, Window(minutes=((start, end),), step=step), slots)


def slot_of(time: int, query: RateQuery) -> int:
    """Return the start (ms) of the slot that a rollup belongs to which begins at `time` (ms)."""
    if query.interval is None:
        return 0
    if query.interval == "1d":
        return _day_of(time, query.tz)
    return _floor(time, INTERVALS[query.interval])


def whole_hours(span: Span) -> Window:
    """Return the rollups that cover a span of whole minutes: hours, and the minutes on both sides."""
    hours, minutes = _inner(span, HOUR_MS)
    return Window(hours=hours, minutes=minutes, step=MINUTE_MS)


def whole_days(span: Span) -> Window:
    """Return the rollups that cover a span of whole hours, in one slot: days, and the hours on both sides."""
    days, hours = _inner(span, DAY_MS)
    return Window(days=days, hours=hours)


def earlier(query: RateQuery) -> RateQuery:
    """Return the same question about the window that `query` is compared with.

    Whole days are those of the time zone, so that a window of days has as many days before.
    """
    if query.compare == "previous" and query.interval == "1d":
        days = len(_days(query)) - 1
    elif query.compare == "previous":
        length = query.end - query.start
        if query.interval is not None:
            step = INTERVALS[query.interval]
            length = _ceil(query.end, step) - _floor(query.start, step)
        return replace(query, start=max(0, query.start - length), end=max(0, query.end - length))
    else:
        days = 7 if query.compare == "week" else 1
    return replace(query, start=_days_back(query.start, days, query), end=_days_back(query.end, days, query))


@lru_cache(maxsize=10_000)
def _day_of(time: int, tz: ZoneInfo) -> int:
    day = datetime.fromtimestamp(time / 1000, tz)
    return _midnight(day.year, day.month, day.day, tz)


def _days_back(time: int, days: int, query: RateQuery) -> int:
    if query.interval != "1d":
        return max(0, time - days * DAY_MS)
    moment = datetime.fromtimestamp(time / 1000, query.tz) - timedelta(days=days)
    return max(0, round(moment.timestamp() * 1000))


def _one_slot(query: RateQuery, minutes_from: int) -> Plan:
    """Take whole days, the hours around them, and the minutes around those as far as they are kept."""
    start, end = _floor(query.start, MINUTE_MS), _ceil(query.end, MINUTE_MS)
    if start < minutes_from:
        start = _floor(start, HOUR_MS)
    if _floor(end, HOUR_MS) < minutes_from:
        end = _ceil(end, HOUR_MS)
    hours, minutes = _inner((start, end), HOUR_MS)
    days: tuple[Span, ...] = ()
    around: list[Span] = []
    for span in hours:
        days, around_days = _inner(span, DAY_MS)
        around += around_days
    return Plan(start, end, Window(days, tuple(around), minutes), (0,))


def _inner(span: Span, grain: int) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Cut a span into its whole grains and what is left on both sides."""
    first, last = _ceil(span[0], grain), _floor(span[1], grain)
    if first >= last:
        return (), (span,)
    return ((first, last),), tuple(edge for edge in ((span[0], first), (last, span[1])) if edge[0] < edge[1])


def _days(query: RateQuery) -> list[int]:
    """Return the time zone's midnights from the one at or before `start` to the one at or after `end`."""
    day = datetime.fromtimestamp(query.start / 1000, query.tz).date()
    midnights = [_midnight(day.year, day.month, day.day, query.tz)]
    while midnights[-1] < query.end:
        day += timedelta(days=1)
        midnights.append(_midnight(day.year, day.month, day.day, query.tz))
    return midnights


def _midnight(year: int, month: int, day: int, tz: ZoneInfo) -> int:
    return round(datetime(year, month, day, tzinfo=tz).timestamp() * 1000)


def _floor(time: int, grain: int) -> int:
    return time - time % grain


def _ceil(time: int, grain: int) -> int:
    return time + -time % grain
