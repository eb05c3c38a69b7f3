"""From a question to an answer: which rollups it takes, and what they come to."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from otpconv.errors import InvalidRequest
from otpconv.ledger.contract import DAY_MS, HOUR_MS, MINUTE_MS, Count, Ledger, Span, Tally, Window
from otpconv.rates.question import INTERVALS, RateQuery


class RateRow(Struct, frozen=True):
    """The conversion rate of one slot and group; `rate` is None where nothing was requested.

    Attributes:
        start: of the slot, ms; None when the question has no interval.
        group: values of the dimensions asked for, in the order of the question's `by`; "" is "not told".
        requested: messages requested in the slot.
        verified: those of them that were verified, whenever that was.
    """

    start: int | None
    group: tuple[str, ...]
    requested: int
    verified: int

    @property
    def rate(self) -> float | None:
        """The share of the requested messages that were verified, 0 to 1."""
        return self.verified / self.requested if self.requested else None


class RateAnswer(Struct, frozen=True):
    """Rows, and the window they are for: the one asked for, widened to the grain of the rollups (ms)."""

    start: int
    end: int
    rows: list[RateRow]


def answer(ledger: Ledger, account: int, query: RateQuery) -> RateAnswer:
    """Compute the conversion rates that `query` asks for.

    Rows come by time, then by group. Without `by` every slot has a row, also those where nothing was
    requested; with it only the groups that had messages.

    Raises:
        InvalidRequest: an interval under an hour for a time whose rollups by minute are gone.
        Unavailable: the storage failed.
    """
    start, end, window = _plan(query, ledger.minutes_from())
    counts = ledger.counts(account, window, query.by, query.filters)
    if query.interval == "1d":
        counts = _by_day(counts, query.tz)
    slots = _slots(start, end, query)
    if not query.by:
        found = {count.slot for count in counts}
        counts += [Count(slot, (), Tally()) for slot in slots if slot not in found]
    counts.sort(key=lambda count: (count.slot, count.group))
    rows = [
        RateRow(
            count.slot if query.interval else None, count.group, count.tally.requested, count.tally.verified
        )
        for count in counts
    ]
    return RateAnswer(start, end, rows)


def _plan(query: RateQuery, minutes_from: int) -> tuple[int, int, Window]:
    """Widen the bounds to the grain there is, and choose the rollups."""
    if query.interval is None:
        return _one_slot(query, minutes_from)
    if query.interval == "1d":
        midnights = _days(query)
        start, end = _floor(midnights[0], HOUR_MS), _floor(midnights[-1], HOUR_MS)
        if query.tz.key == "UTC":
            return start, end, Window(days=((start, end),), step=DAY_MS)
        return start, end, Window(hours=((start, end),), step=HOUR_MS)
    step = INTERVALS[query.interval]
    start, end = _floor(query.start, step), _ceil(query.end, step)
    if step == HOUR_MS:
        return start, end, Window(hours=((start, end),), step=step)
    if start < minutes_from:
        raise InvalidRequest(
            f"Rollups by minute are kept from {minutes_from} (ms) on; before it, take interval=1h or 1d."
        )
    return start, end, Window(minutes=((start, end),), step=step)


def _one_slot(query: RateQuery, minutes_from: int) -> tuple[int, int, Window]:
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
    return start, end, Window(days, tuple(around), minutes)


def _inner(span: Span, grain: int) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Cut a span into its whole grains and what is left on both sides."""
    first, last = _ceil(span[0], grain), _floor(span[1], grain)
    if first >= last:
        return (), (span,)
    return ((first, last),), tuple(edge for edge in ((span[0], first), (last, span[1])) if edge[0] < edge[1])


def _slots(start: int, end: int, query: RateQuery) -> Iterable[int]:
    if query.interval is None:
        return (0,)
    if query.interval == "1d":
        return _days(query)[:-1]
    return range(start, end, INTERVALS[query.interval])


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


def _by_day(counts: list[Count], tz: ZoneInfo) -> list[Count]:
    """Sum slots of an hour to days; an hour belongs to the day in which it begins."""
    days: dict[tuple[int, tuple[str, ...]], Tally] = {}
    midnight_of: dict[int, int] = {}
    for count in counts:
        midnight = midnight_of.get(count.slot)
        if midnight is None:
            day = datetime.fromtimestamp(count.slot / 1000, tz)
            midnight = midnight_of[count.slot] = _midnight(day.year, day.month, day.day, tz)
        key = midnight, count.group
        days[key] = days[key] + count.tally if key in days else count.tally
    return [Count(*key, tally) for key, tally in days.items()]


def _floor(time: int, grain: int) -> int:
    return time - time % grain


def _ceil(time: int, grain: int) -> int:
    return time + -time % grain
