"""Asks the ledger for what `signals` decides on: counts in several time spans, and the past before them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from otpconv.errors import AnswerTooLarge
from otpconv.rates import history, signals
from otpconv.rates.baseline import Counts, Level, Seen, Span
from otpconv.rates.delays import quantile
from otpconv.rates.maturity import Maturity
from otpconv.rates.plan import plan
from otpconv.rates.question import RateQuery
from otpconv.rates.signals import Assessment, Finding
from otpconv.rates.slices import Group
from otpconv.storage.contract import DAY_MS, DIMENSIONS, HOUR_MS, MINUTE_MS, Count, Ledger, Window

#: What is looked at, whatever window somebody chose.
SPANS: Mapping[str, int] = {
    "15 min": 15 * MINUTE_MS,
    "1 h": HOUR_MS,
    "2 h": 2 * HOUR_MS,
    "6 h": 6 * HOUR_MS,
    "24 h": DAY_MS,
}
#: Length of the baseline, ms.
_PAST_MS = 28 * DAY_MS
#: How old messages are before they are judged: as long as most verifications take, within bounds, ms.
_SHARE, _YOUNGEST_MS, _DEFAULT_MS, _OLDEST_MS = 0.9, MINUTE_MS, 3 * MINUTE_MS, 30 * MINUTE_MS
#: The baseline ends so long ago that what fails now is not in it; less where there is less past, ms.
_GAPS_MS = (DAY_MS, 6 * HOUR_MS, HOUR_MS)
#: Messages that make a past worth comparing with.
_LEAST_PAST = 30
#: Findings whose beginning is looked for.
_DATED = 6
#: Groups that a verdict compares, which takes some seconds. If there are more, it compares fewer dimensions.
MAX_LEAVES = 4_000
#: Groups times steps of a window that a verdict examines: with all dimensions, and with fewer.
MAX_CELLS, MAX_ROUTE_CELLS = 20_000, 100_000
_COARSER = (DIMENSIONS, ("country", "provider", "access_key"), ("country", "provider"), ("country",), ())


class Evidence(Struct, frozen=True):
    """What is broken, now and during a window.

    Attributes:
        now: what is broken at the end of the window.
        earlier: what was broken during the window and is not any more, the latest first.
    """

    now: Assessment
    earlier: list[Finding]


class _Asked(Struct, frozen=True):
    """Whom to ask, about which messages, and what groups are told apart by."""

    ledger: Ledger
    account: int
    filters: Mapping[str, Collection[str]]
    by: Sequence[str]

    def seen(self, window: Window, *, delays: bool = False) -> Counts:
        counts = self.ledger.counts(
            self.account, window, self.by, self.filters, delays=delays, limit=MAX_LEAVES
        )
        return {self.group(count.group): _seen(count) for count in counts}

    def group(self, values: Group) -> Group:
        """Return the values of all dimensions, nothing for those that are not told apart."""
        told = dict(zip(self.by, values, strict=True))
        return values if len(told) == len(DIMENSIONS) else tuple([told.get(name, "") for name in DIMENSIONS])

    def slots(self, window: Window) -> dict[int, dict[Group, Seen]]:
        """Return the counts of each step of a window, by its start (ms)."""
        slots: dict[int, dict[Group, Seen]] = {}
        limit = MAX_CELLS if len(self.by) == len(DIMENSIONS) else MAX_ROUTE_CELLS
        for count in self.ledger.counts(
            self.account, window, self.by, self.filters, delays=False, limit=limit
        ):
            slots.setdefault(count.slot, {})[self.group(count.group)] = _seen(count)
        return slots

    def between(self, start: int, end: int) -> Counts:
        """Return the counts of a stretch of time, to the minute where minutes are kept."""
        return self.seen(plan(RateQuery(start, end), self.ledger.minutes_from()).window)


def gather(
    ledger: Ledger,
    account: int,
    query: RateQuery,
    maturity: Maturity | None,
    now: int,
) -> Evidence:
    """Return what is broken at the end of the question's window, and what was broken during it.

    Args:
        ledger: what to ask.
        account: whose messages.
        query: its window and its filters count.
        maturity: what is known of delays; None when the window is old enough.
        now: the time now, ms.

    Raises:
        Unavailable: the storage failed.
    """
    for by in _COARSER:
        with suppress(AnswerTooLarge):
            return _gather(_Asked(ledger, account, query.filters, by), query, maturity, now)
    raise AssertionError("without dimensions there is one group")


def _gather(asked: _Asked, query: RateQuery, maturity: Maturity | None, now: int) -> Evidence:
    end = min(query.end, now - _waiting(maturity))
    end -= end % MINUTE_MS
    spans = list(_spans(asked, query.start, end))
    found = signals.assess(spans, now)
    dated = partial(_dated, asked, end)
    silences = [*map(dated, found.silences[:_DATED]), *found.silences[_DATED:]]
    drops = [*map(dated, found.drops[:_DATED]), *found.drops[_DATED:]]
    drops.sort(key=lambda drop: drop.lost / max(1, end - drop.since), reverse=True)
    found = replace(found, silences=silences, drops=drops)
    return Evidence(found, _earlier(asked, query, spans, found, now))


def _waiting(maturity: Maturity | None) -> int:
    """Return how old messages must be before they are judged, ms."""
    if maturity is None:
        return 0
    usual = quantile(maturity.delays, _SHARE) if maturity.delays else _DEFAULT_MS
    return min(max(usual or _DEFAULT_MS, _YOUNGEST_MS), _OLDEST_MS)


def _spans(asked: _Asked, start: int, end: int) -> Iterable[Span]:
    level, gap = _level(asked, end)
    hours: dict[int, tuple[Counts, Counts]] = {}
    for name, length in SPANS.items():
        if length > gap or length > end:
            continue
        first = end - length
        compared = HOUR_MS if length <= HOUR_MS else 6 * HOUR_MS if length < DAY_MS else DAY_MS
        if compared not in hours:
            hours[compared] = _same_hours(asked, end, compared)
        same_hours, same_weekday = hours[compared]
        yield Span(name, first, end, asked.between(first, end), same_hours, same_weekday, level)
    if end - start > DAY_MS:
        before = Level(asked.seen(_days(start - _PAST_MS, start), delays=True))
        if before.requested >= _LEAST_PAST:
            yield Span("window", start, end, asked.between(start, end), {}, {}, before)


def _level(asked: _Asked, end: int) -> tuple[Level, int]:
    """Return how the groups did before, and how long ago that ends, ms."""
    for gap in _GAPS_MS:
        level = Level(asked.seen(_days(end - _PAST_MS, end - gap), delays=True))
        if level.requested >= _LEAST_PAST:
            return level, gap
    return Level({}), 0


def _same_hours(asked: _Asked, end: int, length: int) -> tuple[Counts, Counts]:
    """Return the counts at the same hours of the days before, and of the same weekday in the weeks before."""
    first, last = (end - length) // HOUR_MS * HOUR_MS, -(-end // HOUR_MS) * HOUR_MS
    days = range(DAY_MS, _PAST_MS + 1, DAY_MS)
    every, weekly = (
        asked.seen(Window(hours=tuple((first - back, last - back) for back in backs if back <= first)))
        for backs in (days if length < DAY_MS else (), days[6::7])
    )
    return every, weekly


def _days(start: int, end: int) -> Window:
    """Return the rollups between two times, widened to whole hours."""
    first, last = max(0, start) // HOUR_MS * HOUR_MS, max(0, end) // HOUR_MS * HOUR_MS
    return plan(RateQuery(first, max(first + 1, last)), 1 << 62).window


def _dated(asked: _Asked, end: int, finding: Finding) -> Finding:
    """Say since when a finding lasts, to a quarter of an hour."""
    query = RateQuery(max(0, end - DAY_MS), end, "15m")
    window = plan(query, asked.ledger.minutes_from()).window
    filters = {**asked.filters, **{name: {value} for name, value in finding.slice.values}}
    slots = {
        count.slot: (count.tally.requested, count.tally.verified, count.tally.reported)
        for count in asked.ledger.counts(asked.account, window, (), filters, delays=False)
    }
    return history.dated(finding, slots)


def _earlier(
    asked: _Asked, query: RateQuery, spans: Sequence[Span], found: Assessment, now: int
) -> list[Finding]:
    """Return what was broken during the window."""
    step = history.step_of(query.end - query.start)
    first, last = query.start // step * step, query.end // HOUR_MS * HOUR_MS
    if not spans or first >= last:
        return []
    span = ((first, last),)
    window = Window(days=span, step=step) if step == DAY_MS else Window(hours=span, step=step)
    broken = [*found.silences, *found.drops]
    for by in _COARSER[_COARSER.index(tuple(asked.by)) :]:
        coarser = replace(asked, by=by)
        with suppress(AnswerTooLarge):
            slots = coarser.slots(window)
            return history.outages(slots, step, _level_by(spans[-1].level, by), broken, now)
    return []


def _level_by(level: Level, by: Sequence[str]) -> Level:
    """Return a level whose groups are told apart by fewer dimensions."""
    if len(by) == len(DIMENSIONS):
        return level
    sums: dict[Group, Seen] = {}
    for group, seen in level.counts.items():
        told = tuple(value if name in by else "" for name, value in zip(DIMENSIONS, group, strict=True))
        sums[told] = sums[told].plus(seen) if told in sums else seen
    return Level(sums)


def _seen(count: Count) -> Seen:
    return Seen(count.tally.requested, count.tally.verified, count.tally.reported, count.delays)
