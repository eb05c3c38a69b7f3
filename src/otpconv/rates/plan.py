"""From a question to a plan: which rollups to fetch, and to which slot of the answer each belongs. Pure.

The plan widens the window to the grain of the rollups that exist.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from otpconv.errors import InvalidRequest
from otpconv.rates.days import day_spans, days_back, days_end, days_just_before
from otpconv.rates.maturity import Maturity
from otpconv.rates.question import INTERVALS, RateQuery
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS, Span, Window

_GRAINS = (DAY_MS, HOUR_MS, QUARTER_MS, MINUTE_MS)
#: Immature messages older than this are fetched by the hour: F is nearly flat there.
_BY_MINUTE_MS = 2 * HOUR_MS
#: A window of more rollups is fetched without delays: three weeks by the hour, eight hours by the minute.
_DELAYS_ROLLUPS = 500


class Slots(Struct, frozen=True):
    """The slots of an answer.

    Attributes:
        starts: one for each row over time, ms; just 0 without an interval.
        edges: where a span of a slot begins, ms, ascending.
        owners: for each edge, the start of the slot that the time after it belongs to, ms.
    """

    starts: Sequence[int]
    edges: Sequence[int]
    owners: Sequence[int]

    def at(self, time: int) -> int:
        """Return the start of the slot that `time` belongs to (both in ms)."""
        return self.owners[max(0, bisect_right(self.edges, time) - 1)]


class YoungWindow(Struct, frozen=True):
    """Rollups of messages that are not mature, to be fetched one by one.

    Attributes:
        grain_ms: length of each rollup.
        window: the rollups.
        coarser_ms: grain to fetch them by where there are too many; None: then the question is refused.
    """

    grain_ms: int
    window: Window
    coarser_ms: int | None


class Plan(Struct, frozen=True):
    """What to fetch for a question.

    Attributes:
        query: the question.
        start, end: the window of the answer, ms.
        slots: the slots of the answer.
        window: the rollups that cover the window.
        delays: whether to fetch delays too.
        young: the rollups of messages that are not mature; these are in `window` too.
    """

    query: RateQuery
    start: int
    end: int
    slots: Slots
    window: Window
    delays: bool
    young: Sequence[YoungWindow] = ()


def plan(query: RateQuery, minutes_from: int, maturity: Maturity | None = None, now: int = 0) -> Plan:
    """Choose the rollups for a question, and widen its window to their grain.

    Args:
        query: the question.
        minutes_from: since when rollups by minute are kept, ms.
        maturity: the known delays; None when all messages are mature.
        now: the time now, ms; only needed with a maturity.

    Raises:
        InvalidRequest: an interval under 15 minutes for a time whose rollups by minute are gone.
    """
    if query.interval is None:
        planned = _one_slot(query, minutes_from)
    elif query.interval == "1d":
        planned = _by_day(query)
    else:
        planned = _by_step(query, INTERVALS[query.interval], minutes_from)
    if maturity is None:
        return planned
    return replace(planned, young=tuple(_young(planned, now - maturity.horizon_ms, now)))


def cover(spans: Iterable[Span], *, step: int | None = None, coarsest: int = DAY_MS) -> Window:
    """Return the coarsest rollups that cover some spans exactly.

    Args:
        spans: spans of whole minutes (ms), ascending; no rollup reaches from one into the next.
        step: of the window, ms.
        coarsest: the length of the longest rollups to use, ms.
    """
    taken: dict[int, list[Span]] = {grain: [] for grain in _GRAINS}
    for span in spans:
        rest = [span]
        for grain in _GRAINS:
            if grain <= coarsest:
                rest = [edge for part in rest for edge in _take_whole(part, grain, taken[grain])]
    days, hours, quarters, minutes = (tuple(taken[grain]) for grain in _GRAINS)
    return Window(days, hours, quarters, minutes, step)


def extent(window: Window) -> Span:
    """Return from when to when a window reaches, ms; twice the same time if it is empty."""
    spans = (*window.days, *window.hours, *window.quarters, *window.minutes)
    return min((span[0] for span in spans), default=0), max((span[1] for span in spans), default=0)


def clip(window: Window, span: Span) -> Window:
    """Return the part of a window within a span (ms): longer rollups are cut into those that fit.

    Both ends of the span are whole hours, or do not lie inside the window.
    """
    parts = []
    for spans, grain in zip(
        (window.days, window.hours, window.quarters, window.minutes), _GRAINS, strict=True
    ):
        inside = [(max(start, span[0]), min(end, span[1])) for start, end in spans]
        parts.append(cover([each for each in inside if each[0] < each[1]], coarsest=grain))
    return Window(
        tuple(each for part in parts for each in part.days),
        tuple(each for part in parts for each in part.hours),
        tuple(each for part in parts for each in part.quarters),
        tuple(each for part in parts for each in part.minutes),
        window.step,
    )


def halved(window: Window) -> tuple[Window, Window] | None:
    """Return the two halves of a window over time; None if it is too short."""
    start, end = extent(window)
    grain = next((grain for grain in (DAY_MS, HOUR_MS, QUARTER_MS) if end - start >= 2 * grain), None)
    if grain is None:
        return None
    middle = _ceil((start + end) // 2, grain)
    return clip(window, (start, middle)), clip(window, (middle, end))


def earlier(query: RateQuery) -> RateQuery:
    """Return the same question for the window that `query` is compared with.

    With `1d`, it counts calendar days of the time zone, so a window of 7 days is compared with 7 days.
    """
    back_ms = {"day": DAY_MS, "week": 7 * DAY_MS}.get(query.compare or "")
    if query.interval == "1d":
        if back_ms is None:
            start, end = days_just_before(query.start, query.end, query.tz)
        else:
            start, end = days_back(query.start, query.end, back_ms // DAY_MS, query.tz)
        return replace(query, start=max(0, start), end=max(0, end))
    if back_ms is None:
        step = INTERVALS[query.interval] if query.interval is not None else 1
        back_ms = _ceil(query.end, step) - _floor(query.start, step)
    return replace(query, start=max(0, query.start - back_ms), end=max(0, query.end - back_ms))


def _one_slot(query: RateQuery, minutes_from: int) -> Plan:
    """Widen to minutes as far as minutes are kept, and to quarters of an hour before that."""
    start, end = _floor(query.start, MINUTE_MS), _ceil(query.end, MINUTE_MS)
    if start < minutes_from:
        start = _floor(start, QUARTER_MS)
    if _floor(end, QUARTER_MS) < minutes_from:
        end = _ceil(end, QUARTER_MS)
    return _plan(query, start, end, Slots((0,), (0,), (0,)), cover([(start, end)]))


def _by_step(query: RateQuery, step: int, minutes_from: int) -> Plan:
    start, end = _floor(query.start, step), _ceil(query.end, step)
    if step < QUARTER_MS and start < minutes_from:
        raise InvalidRequest(
            f"Interval {query.interval} is too short for this window: rollups by minute are kept from"
            f" {minutes_from} (ms) on. Use 15m, 1h or 1d, or a later start."
        )
    starts = range(start, end, step)
    return _plan(
        query, start, end, Slots(starts, starts, starts), cover([(start, end)], step=step, coarsest=step)
    )


def _by_day(query: RateQuery) -> Plan:
    """Cover each day of the time zone by itself: the hours inside it, and the quarters at both ends."""
    spans = day_spans(query.start, query.end, query.tz)
    end = days_end(query.end, query.tz)
    starts = sorted({owner for _, owner in spans})
    slots = Slots(starts, [span[0] for span, _ in spans], [owner for _, owner in spans])
    window = cover((span for span, _ in spans), step=QUARTER_MS)
    return _plan(query, starts[0] if starts else end, end, slots, window)


def _plan(query: RateQuery, start: int, end: int, slots: Slots, window: Window) -> Plan:
    return Plan(query, start, end, slots, window, delays=_rollups(window) <= _DELAYS_ROLLUPS)


def _rollups(window: Window) -> int:
    """Return how many rollups a window has for each group."""
    spans_by_grain = zip((window.days, window.hours, window.quarters, window.minutes), _GRAINS, strict=True)
    return sum((end - start) // grain for spans, grain in spans_by_grain for start, end in spans)


def _young(planned: Plan, since: int, now: int) -> Iterator[YoungWindow]:
    """Yield the rollups of messages that are not mature, the oldest first."""
    interval = planned.query.interval
    fine = interval is not None and INTERVALS[interval] < QUARTER_MS
    start = max(planned.start, _floor(since, MINUTE_MS if fine else QUARTER_MS))
    if start >= planned.end:
        return
    edge = start
    if not fine:
        edge = min(planned.end, max(start, _floor(now - _BY_MINUTE_MS, HOUR_MS)))
    # No rollup may reach from one slot into the next.
    cuts = [start, *(cut for cut in planned.slots.edges if start < cut < edge), edge]
    older = cover([span for span in pairwise(cuts) if span[0] < span[1]], coarsest=HOUR_MS)
    for grain, window in (
        (HOUR_MS, Window(hours=older.hours, step=MINUTE_MS)),
        (QUARTER_MS, Window(quarters=older.quarters, step=QUARTER_MS)),
        (MINUTE_MS, Window(minutes=(*older.minutes, (edge, planned.end)), step=MINUTE_MS)),
    ):
        if window.hours or window.quarters or window.minutes:
            yield YoungWindow(grain, window, None if fine else max(grain, QUARTER_MS))


def _take_whole(span: Span, grain: int, taken: list[Span]) -> list[Span]:
    """Move the whole grains of a span to `taken`, and return the rest on both sides."""
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
