"""Calendar days of a time zone, cut so that every quarter of an hour belongs to exactly one day."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from otpconv.storage.contract import QUARTER_MS, Span

_ONE_DAY = timedelta(days=1)


def day_spans(start: int, end: int, tz: ZoneInfo) -> list[tuple[Span, int]]:
    """Return the spans of the days that [start, end) touches, each with the start of its day (all in ms).

    A day usually is one span. Where clocks went back over midnight, the first quarters of a day come before
    the last quarters of the day before it; then both days have several spans.
    """
    days = list(_days(start, end, tz))
    following = _day_at(end - 1, tz) + _ONE_DAY
    wanted = {_start_of(day, tz) for day in days}
    spans: list[tuple[Span, int]] = []
    for day in (*days, following):
        day_start, second_start = _start_of(day, tz), _second_start_of(day, tz)
        for quarter in range(day_start, second_start, QUARTER_MS):
            owner = _day_start_at(quarter, tz)
            if owner in wanted:
                spans.append(((quarter, quarter + QUARTER_MS), owner))
        if day != following:
            spans.append(((second_start, _start_of(day + _ONE_DAY, tz)), day_start))
    return spans


def days_end(end: int, tz: ZoneInfo) -> int:
    """Return when the last day that a window ending at `end` (ms) touches ends, ms."""
    return _start_of(_day_at(end - 1, tz) + _ONE_DAY, tz)


def days_back(start: int, end: int, days: int, tz: ZoneInfo) -> Span:
    """Return start and end (ms) of the same window of whole days, `days` calendar days earlier."""
    back = timedelta(days=days)
    first, following = _day_at(start, tz), _day_at(end - 1, tz) + _ONE_DAY
    return _start_before(first, back, tz), _start_before(following, back, tz)


def days_just_before(start: int, end: int, tz: ZoneInfo) -> Span:
    """Return start and end (ms) of as many days as [start, end) touches, just before them."""
    first = _start_of(_day_at(start, tz), tz)
    before = first
    for _ in _days(start, end, tz):
        before = _day_start_at(before - 1, tz)
    return before, first


def _days(start: int, end: int, tz: ZoneInfo) -> Iterator[date]:
    """Yield the days that [start, end) touches, without the days that the zone skipped."""
    day, last = _day_at(start, tz), _day_at(end - 1, tz)
    while day <= last:
        if _start_of(day, tz) < _start_of(day + _ONE_DAY, tz):
            yield day
        day += _ONE_DAY


def _start_before(day: date, back: timedelta, tz: ZoneInfo) -> int:
    """Return when the day `back` before `day` began, ms; if the zone skipped it, the day before that."""
    start, before = _start_of(day, tz), _start_of(day - back, tz)
    return before if before < start else _day_start_at(start - 1, tz)


def _day_start_at(time: int, tz: ZoneInfo) -> int:
    """Return when the day began that the quarter of an hour around `time` (ms) belongs to, ms."""
    return _start_of(_day_at(time, tz), tz)


def _day_at(time: int, tz: ZoneInfo) -> date:
    """Return the day of the time zone in which the quarter of an hour around `time` (ms) ends."""
    quarter = time - time % QUARTER_MS
    return datetime.fromtimestamp((quarter + QUARTER_MS) // 1000 - 1, tz).date()


@lru_cache(maxsize=50_000)
def _start_of(day: date, tz: ZoneInfo, fold: int = 0) -> int:
    """Return the first (or, with `fold`, the second) midnight of a day, ms, at a whole quarter of an hour.

    Where a zone skipped the midnight, or the day, this is the instant after the gap.
    """
    midnight = round(datetime(day.year, day.month, day.day, tzinfo=tz, fold=fold).timestamp() * 1000)
    return midnight - midnight % QUARTER_MS


def _second_start_of(day: date, tz: ZoneInfo) -> int:
    """Return when a day began, ms; where clocks then went back to the day before, when it began again."""
    start, again = _start_of(day, tz), _start_of(day, tz, fold=1)
    if again > start and _day_at(again, tz) == day and _day_at(again - 1, tz) < day:
        return again
    return start
