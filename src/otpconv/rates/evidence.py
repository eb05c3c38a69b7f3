"""Fetches the counts on which `signals` and `history` decide: several spans that end now, and their past."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from otpconv.errors import AnswerTooLarge
from otpconv.rates.baseline import Baseline, GroupCount, GroupCounts, WatchedSpan, expectations
from otpconv.rates.delays import quantile
from otpconv.rates.history import date_signals, outages, step_of
from otpconv.rates.maturity import Maturity
from otpconv.rates.plan import cover, plan
from otpconv.rates.question import RateQuery
from otpconv.rates.signals import Assessment, Evidence, Signal, assess
from otpconv.rates.silence import Silent, silent_slices
from otpconv.rates.slices import Group, Slice
from otpconv.storage.contract import (
    DAY_MS,
    DIMENSIONS,
    HOUR_MS,
    MINUTE_MS,
    QUARTER_MS,
    Count,
    LedgerReader,
    Window,
)

#: The spans that are watched in every window.
SPANS: Mapping[str, int] = {
    "15 min": 15 * MINUTE_MS,
    "1 h": HOUR_MS,
    "2 h": 2 * HOUR_MS,
    "6 h": 6 * HOUR_MS,
    "24 h": DAY_MS,
}
#: Length of the baseline, ms.
_PAST_MS = 28 * DAY_MS
#: Messages are judged at the age when this share of the verifications has arrived, within bounds, ms.
_SHARE, _YOUNGEST_MS, _DEFAULT_MS, _OLDEST_MS = 0.9, MINUTE_MS, 3 * MINUTE_MS, 30 * MINUTE_MS
#: The baseline ends this long ago, so that it has no current failures; less where there is less past, ms.
_GAPS_MS = (DAY_MS, 6 * HOUR_MS, HOUR_MS)
#: The least messages in a past that is worth comparing with.
_LEAST_PAST = 30
#: The most silences, and the most drops, for which the beginning is searched.
_DATED = 6
#: The most groups of a verdict, which then takes some seconds. Where there are more, it groups by fewer
#: dimensions.
MAX_LEAVES = 4_000
#: The most groups times steps in which a window is searched: by all dimensions, and by fewer.
MAX_CELLS, MAX_ROUTE_CELLS = 20_000, 100_000
_COARSER = (DIMENSIONS, ("country", "provider", "access_key"), ("country", "provider"), ("country",), ())


def find_evidence(
    ledger: LedgerReader, account: int, query: RateQuery, maturity: Maturity | None, now: int
) -> Evidence:
    """Return the signals at the end of a question's window, and the outages during it.

    Args:
        ledger: where to look.
        account: whose messages.
        query: its window and its filters; its other parameters do not matter.
        maturity: the known delays; None when all messages of the window are mature.
        now: the time now, ms.

    Raises:
        Unavailable: the storage failed.
    """
    end = min(query.end, now - _waiting_ms(maturity))
    end -= end % MINUTE_MS
    for by in _COARSER:
        with suppress(AnswerTooLarge):
            traffic = _Traffic(ledger, account, query.filters, by)
            spans = list(_spans(traffic, query.start, end))
            outside = _SilenceOutside(traffic, spans, query.start, now)
            found = assess(spans, now, outside.confirms)
            slices = [signal.slice for signal in (*found.silences[:_DATED], *found.drops[:_DATED])]
            found = date_signals(found, {which: _last_day(traffic, which, end) for which in slices}, end)
            return Evidence(found, _earlier(traffic, query.start, query.end, spans, found, now))
    raise AssertionError("without dimensions there is one group")


class _SilenceOutside:
    """Compares slices of filtered traffic that look silent with the traffic outside of the filter.

    All messages of one failing route, and each template among them, may look as if nobody reported them. Only
    the other messages show whether their application still reports.
    """

    def __init__(self, traffic: "_Traffic", spans: Sequence[WatchedSpan], start: int, now: int) -> None:
        self._traffic, self._spans = traffic, spans
        self._start, self._now = start, now
        self._silences: list[Silent] | None = None

    def confirms(self, which: Slice) -> bool:
        """Return whether a slice that looks silent within the filter is silent."""
        if not self._traffic.filters:
            return True
        if self._silences is None:
            everything = _spans(replace(self._traffic, filters={}), self._start, self._spans[-1].end)
            self._silences = silent_slices([expectations(span, self._now) for span in everything])
        groups = [dict(zip(DIMENSIONS, group, strict=True)) for span in self._spans for group in span.counts]
        covered = [
            any(silence.slice.covers(group) for silence in self._silences)
            for group in groups
            if which.covers(group)
        ]
        return 2 * sum(covered) > len(covered)


class _Traffic(Struct, frozen=True):
    """Messages to count, and the dimensions to group them by."""

    ledger: LedgerReader
    account: int
    filters: Mapping[str, Collection[str]]
    by: Sequence[str]

    def counts(self, window: Window, *, delays: bool = False) -> GroupCounts:
        """Return the counts of a window by group."""
        counts = self.ledger.counts(
            self.account, window, self.by, self.filters, delays=delays, limit=MAX_LEAVES
        )
        return {self._group(count.group): _group_count(count) for count in counts}

    def counts_by_slot(self, window: Window) -> dict[int, dict[Group, GroupCount]]:
        """Return the counts of each step of a window, by its start (ms)."""
        slots: dict[int, dict[Group, GroupCount]] = {}
        limit = MAX_CELLS if len(self.by) == len(DIMENSIONS) else MAX_ROUTE_CELLS
        for count in self.ledger.counts(
            self.account, window, self.by, self.filters, delays=False, limit=limit
        ):
            slots.setdefault(count.slot, {})[self._group(count.group)] = _group_count(count)
        return slots

    def counts_between(self, start: int, end: int) -> GroupCounts:
        """Return the counts between two times, to the minute where minutes are kept."""
        return self.counts(plan(RateQuery(start, end), self.ledger.minutes_from()).window)

    def _group(self, values: Group) -> Group:
        """Return the values of all dimensions; those that it does not group by are empty."""
        if len(self.by) == len(DIMENSIONS):
            return values
        known = dict(zip(self.by, values, strict=True))
        return tuple([known.get(name, "") for name in DIMENSIONS])


def _waiting_ms(maturity: Maturity | None) -> int:
    """Return the age at which messages are judged, ms."""
    if maturity is None:
        return 0
    usual = quantile(maturity.delays, _SHARE) if maturity.delays else _DEFAULT_MS
    return min(max(usual or _DEFAULT_MS, _YOUNGEST_MS), _OLDEST_MS)


def _spans(traffic: _Traffic, start: int, end: int) -> Iterator[WatchedSpan]:
    baseline, gap = _baseline(traffic, end)
    hours: dict[int, tuple[GroupCounts, GroupCounts]] = {}
    for name, length in SPANS.items():
        if length > gap or length > end:
            continue
        first = end - length
        compared = HOUR_MS if length <= HOUR_MS else 6 * HOUR_MS if length < DAY_MS else DAY_MS
        if compared not in hours:
            hours[compared] = _same_hours(traffic, end, compared)
        same_hours, same_weekday = hours[compared]
        counts = traffic.counts_between(first, end)
        yield WatchedSpan(name, first, end, counts, same_hours, same_weekday, baseline)
    if end - start > DAY_MS:
        before = Baseline(traffic.counts(_hours_between(start - _PAST_MS, start), delays=True))
        if before.requested >= _LEAST_PAST:
            yield WatchedSpan("window", start, end, traffic.counts_between(start, end), {}, {}, before)


def _baseline(traffic: _Traffic, end: int) -> tuple[Baseline, int]:
    """Return the baseline, and how long ago it ends, ms."""
    for gap in _GAPS_MS:
        baseline = Baseline(traffic.counts(_hours_between(end - _PAST_MS, end - gap), delays=True))
        if baseline.requested >= _LEAST_PAST:
            return baseline, gap
    return Baseline({}), 0


def _same_hours(traffic: _Traffic, end: int, length: int) -> tuple[GroupCounts, GroupCounts]:
    """Return the counts at the same hours of the days before, and of the same weekday in the weeks before."""
    first, last = (end - length) // HOUR_MS * HOUR_MS, -(-end // HOUR_MS) * HOUR_MS
    days = range(DAY_MS, _PAST_MS + 1, DAY_MS)
    every, weekly = (
        traffic.counts(Window(hours=tuple((first - back, last - back) for back in backs if back <= first)))
        for backs in (days if length < DAY_MS else (), days[6::7])
    )
    return every, weekly


def _hours_between(start: int, end: int) -> Window:
    """Return the rollups between two times, each rounded down to the hour."""
    first, last = max(0, start) // HOUR_MS * HOUR_MS, max(0, end) // HOUR_MS * HOUR_MS
    return cover([(first, max(first + QUARTER_MS, last))])


def _last_day(traffic: _Traffic, which: Slice, end: int) -> dict[int, GroupCount]:
    """Return the counts of a slice in the last 24 hours, by the start (ms) of each quarter of an hour."""
    query = RateQuery(max(0, end - DAY_MS), end, "15m")
    window = plan(query, traffic.ledger.minutes_from()).window
    filters = {**traffic.filters, **{name: {value} for name, value in which.values}}
    counts = traffic.ledger.counts(traffic.account, window, (), filters, delays=False)
    return {count.slot: _group_count(count) for count in counts}


def _earlier(  # noqa: PLR0917
    traffic: _Traffic, start: int, end: int, spans: Sequence[WatchedSpan], found: Assessment, now: int
) -> list[Signal]:
    """Return the outages of a window that are over."""
    step = step_of(end - start)
    first, last = start // step * step, end // HOUR_MS * HOUR_MS
    if not spans or first >= last:
        return []
    hours_or_days = ((first, last),)
    window = (
        Window(days=hours_or_days, step=step) if step == DAY_MS else Window(hours=hours_or_days, step=step)
    )
    broken = [*found.silences, *found.drops]
    for by in _COARSER[_COARSER.index(tuple(traffic.by)) :]:
        with suppress(AnswerTooLarge):
            slots = replace(traffic, by=by).counts_by_slot(window)
            return outages(slots, step, _baseline_by(spans[-1].baseline, by), broken, now)
    return []


def _baseline_by(baseline: Baseline, by: Sequence[str]) -> Baseline:
    """Return a baseline whose groups have fewer dimensions."""
    if len(by) == len(DIMENSIONS):
        return baseline
    sums: dict[Group, GroupCount] = {}
    for group, count in baseline.counts.items():
        values = tuple(value if name in by else "" for name, value in zip(DIMENSIONS, group, strict=True))
        sums[values] = sums[values].plus(count) if values in sums else count
    return Baseline(sums)


def _group_count(count: Count) -> GroupCount:
    return GroupCount(count.tally.requested, count.tally.verified, count.tally.reported, count.delays)
