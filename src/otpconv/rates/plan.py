"""From a question to the rollups it takes: the window is widened to the grain there is."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from otpconv.errors import InvalidRequest
from otpconv.rates.question import INTERVALS, RateQuery
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS, Span, Window

_GRAINS = (DAY_MS, HOUR_MS, QUARTER_MS, MINUTE_MS)
_ONE_DAY = timedelta(days=1)


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
        InvalidRequest: an interval under 15 minutes for a time whose rollups by minute are gone.
    """
    if query.interval is None:
        return _one_slot(query, minutes_from)
    if query.interval == "1d":
        return _by_day(query)
    step = INTERVALS[query.interval]
    start, end = _floor(query.start, step), _ceil(query.end, step)
    if step < QUARTER_MS and start < minutes_from:
        raise InvalidRequest(
            f"Rollups by minute are kept from {minutes_from} (ms) on. For older times use 15m, 1h or 1d."
        )
    return Plan(start, end, cover([(start, end)], step=step, coarsest=step), range(start, end, step))


def slot_of(time: int, query: RateQuery) -> int:
    """Return the start (ms) of the slot that a rollup belongs to which begins at `time` (ms)."""
    if query.interval is None:
        return 0
    if query.interval == "1d":
        return _begin_of(_floor(time, QUARTER_MS), query.tz)
    return _floor(time, INTERVALS[query.interval])


def cover(spans: Iterable[Span], *, step: int | None = None, coarsest: int = DAY_MS) -> Window:
    """Return the coarsest rollups that cover some spans exactly.

    Args:
        spans: spans of whole minutes (ms), one after the other; no rollup reaches from one into the next.
        step: of the window, ms.
        coarsest: the length of the longest rollups to take, ms.
    """
    taken: dict[int, list[Span]] = {grain: [] for grain in _GRAINS}
    for span in spans:
        rest = [span]
        for grain in _GRAINS:
            if grain <= coarsest:
                rest = [edge for part in rest for edge in _take_whole(part, grain, taken[grain])]
    days, hours, quarters, minutes = (tuple(taken[grain]) for grain in _GRAINS)
    return Window(days, hours, quarters, minutes, step)


def earlier(query: RateQuery) -> RateQuery:
    """Return the same question about the window that `query` is compared with.

    Whole days are those of the time zone, so that a window of days has as many days before.
    """
    if query.interval == "1d":
        start, end = _days_before(query)
    elif query.compare == "previous":
        length = query.end - query.start
        if query.interval is not None:
            step = INTERVALS[query.interval]
            length = _ceil(query.end, step) - _floor(query.start, step)
        start, end = query.start - length, query.end - length
    else:
        length = 7 * DAY_MS if query.compare == "week" else DAY_MS
        start, end = query.start - length, query.end - length
    return replace(query, start=max(0, start), end=max(0, end))


def _one_slot(query: RateQuery, minutes_from: int) -> Plan:
    """Take the bounds to the minute as far as minutes are kept, and to the quarter of an hour before."""
    start, end = _floor(query.start, MINUTE_MS), _ceil(query.end, MINUTE_MS)
    if start < minutes_from:
        start = _floor(start, QUARTER_MS)
    if _floor(end, QUARTER_MS) < minutes_from:
        end = _ceil(end, QUARTER_MS)
    return Plan(start, end, cover([(start, end)]), (0,))


def _by_day(query: RateQuery) -> Plan:
    """Take each day of the time zone by itself: the hours inside it, and the quarters at both ends."""
    tz = query.tz
    days = _days(query)
    following = _day_at(query.end - 1, tz) + _ONE_DAY
    slots = [_begin(day, tz) for day in days]
    wanted = set(slots)
    spans: list[Span] = []
    for day in (*days, following):
        begin, again = _begin(day, tz), _begin_again(day, tz)
        # Where clocks went back to the day before, a part of its evening comes after some of this day.
        quarters = [time for time in range(begin, again, QUARTER_MS) if _begin_of(time, tz) in wanted]
        spans += [(time, time + QUARTER_MS) for time in quarters]
        if day != following:
            spans.append((again, _begin(day + _ONE_DAY, tz)))
    end = _begin(following, tz)
    return Plan(slots[0] if slots else end, end, cover(spans, step=QUARTER_MS), slots)


def _days(query: RateQuery) -> list[date]:
    """Return the days of the time zone that the window touches; days that a zone skipped are not there."""
    day, last = _day_at(query.start, query.tz), _day_at(query.end - 1, query.tz)
    days = []
    while day <= last:
        if _begin(day, query.tz) < _begin(day + _ONE_DAY, query.tz):
            days.append(day)
        day += _ONE_DAY
    return days


def _days_before(query: RateQuery) -> Span:
    """Return start and end (ms) of the days that the days of `query` are compared with."""
    tz = query.tz
    days = _days(query)
    first, following = _day_at(query.start, tz), _day_at(query.end - 1, tz) + _ONE_DAY
    if query.compare != "previous":
        back = timedelta(days=7 if query.compare == "week" else 1)
        return _begin_before(first, back, tz), _begin_before(following, back, tz)
    begin = _begin(first, tz)
    for _ in days:
        begin = _begin_of(_floor(begin - 1, QUARTER_MS), tz)
    return begin, _begin(first, tz)


def _begin_before(day: date, back: timedelta, tz: ZoneInfo) -> int:
    """Return when the day `back` before another began, ms; if the zone skipped it, the day before that."""
    begin, before = _begin(day, tz), _begin(day - back, tz)
    return before if before < begin else _begin_of(_floor(begin - 1, QUARTER_MS), tz)


@lru_cache(maxsize=50_000)
def _begin_of(quarter: int, tz: ZoneInfo) -> int:
    """Return when the day that a quarter of an hour (its start, ms) belongs to began, ms."""
    return _begin(_day_at(quarter, tz), tz)


def _day_at(time: int, tz: ZoneInfo) -> date:
    """Return the day of the time zone in which the quarter of an hour around `time` (ms) ends."""
    return datetime.fromtimestamp((_floor(time, QUARTER_MS) + QUARTER_MS) // 1000 - 1, tz).date()


def _begin(day: date, tz: ZoneInfo, fold: int = 0) -> int:
    """Return the first (or, with `fold`, the second) midnight of a day, ms; a whole quarter of an hour.

    Where a zone skipped the midnight, or the day, it is the instant after the gap.
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=tz, fold=fold)
    return _floor(round(midnight.timestamp() * 1000), QUARTER_MS)


def _begin_again(day: date, tz: ZoneInfo) -> int:
    """Return when a day began, ms; where clocks then went back to the day before, when it began again."""
    begin, again = _begin(day, tz), _begin(day, tz, fold=1)
    if again > begin and _day_at(again, tz) == day and _day_at(again - 1, tz) < day:
        return again
    return begin


def _take_whole(span: Span, grain: int, taken: list[Span]) -> list[Span]:
    """Move the whole grains of a span to `taken`, and return what is left on both sides."""
    first, last = _ceil(span[0], grain), _floor(span[1], grain)
    if first >= last:
        return [span]
    if taken and taken[-1][1] == first:
        first = taken.pop()[0]
    taken.append((first, last))
    return [edge for edge in ((span[0], _ceil(span[0], grain)), (last, span[1])) if edge[0] < edge[1]]


def _floor(time: int, grain: int) -> int:
    return time - time % grain


def _ceil(time: int, grain: int) -> int:
    return time + -time % grain
