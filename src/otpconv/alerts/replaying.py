"""Runs the watch over the past, to show what it would have found."""

from collections.abc import Iterator, Mapping
from itertools import groupby

from msgspec import Struct

from otpconv.alerts.finding import Finding
from otpconv.alerts.leaves import NAMES, Leaf
from otpconv.alerts.past import Counts, hour_of
from otpconv.alerts.watching import Watch
from otpconv.errors import AnswerTooLarge
from otpconv.rates.plan import cover
from otpconv.rates.slices import Slice
from otpconv.storage import deadline
from otpconv.storage.alerts.contract import Ended, Found
from otpconv.storage.contract import DAY_MS, HOUR_MS, QUARTER_MS, LedgerReader, Span

#: The longest time that is replayed, days.
MAX_DAYS = 92
#: Usual rates are learned from so many days before, ms.
_LEARNED_MS = 28 * DAY_MS
#: Counts that are looked at at most: about 5 s of work.
MAX_CELLS = 300_000
#: Messages of this age (ms) are verified if they ever are.
_MATURE_MS = HOUR_MS


class Replay(Struct, frozen=True):
    """What the watch would have found.

    Attributes:
        start, end: the time that was replayed, ms; whole quarters of an hour.
        first_attempts: whether only first attempts were watched; else all messages are.
        watched: slices with enough traffic at the end.
        findings: in the order in which they would have been found.
    """

    start: int
    end: int
    first_attempts: bool
    watched: int
    findings: list[Finding]


def replay(ledger: LedgerReader, account: int, span: Span, budget: float, now: int) -> Replay:
    """Return what the watch would have found.

    Args:
        ledger: where to look.
        account: whose messages.
        span: start and end, ms; the end is at most an hour ago.
        budget: false alarms in a month over all slices, on average.
        now: the time now, ms.

    Raises:
        AnswerTooLarge: there are too many countries, carriers and providers for this time.
        Unavailable: the storage failed, or it took too long.
    """
    start, end = (time - time % QUARTER_MS for time in (span[0], min(span[1], now - _MATURE_MS)))
    learned = max(0, start // HOUR_MS * HOUR_MS - _LEARNED_MS)
    first = _first_attempts(ledger, account, (learned, max(learned, end)))
    watch = Watch(budget, first_attempts=first)
    findings: dict[Slice, Finding] = {}  # those that last
    found: list[Finding] = []
    cells = 0
    for slot, step, counts in _slots(ledger, account, (learned, start, max(start, end)), first=first):
        deadline.check()
        cells += len(counts)
        if cells > MAX_CELLS:
            raise AnswerTooLarge(
                f"There are more than {MAX_CELLS:,} counts by country, carrier and provider in this time."
                " Replay less time."
            )
        if step == HOUR_MS:
            watch.learn(hour_of(slot), hour_of(start), counts)
            continue
        for change in watch.add(slot, step, counts):
            each = Slice(change.values)
            if isinstance(change, Ended):
                findings.pop(each).until = slot + step
            elif each not in findings:
                findings[each] = _finding(change, slot + step)
                found.append(findings[each])
    return Replay(start, max(start, end), first, watch.watched, found)


def _finding(found: Found, at: int) -> Finding:
    """Return the fall that was found at a time, ms."""
    seen = found.evidence
    return Finding(
        Slice(found.values),
        found.since,
        at,
        None,
        seen.requested,
        seen.verified,
        seen.expected,
        seen.usual or 0.0,
    )


def _first_attempts(ledger: LedgerReader, account: int, span: Span) -> bool:
    """Return whether at least half of the messages are first attempts."""
    counts = ledger.counts(account, cover([span]), (), {}, delays=False)
    return any(2 * count.tally.first_requested >= count.tally.requested > 0 for count in counts)


def _slots(
    ledger: LedgerReader, account: int, times: tuple[int, int, int], *, first: bool
) -> Iterator[tuple[int, int, Mapping[Leaf, Counts]]]:
    """Yield the counts of each slot with its start and length: hours that are learned from, then quarters."""
    learned, start, end = times
    for begin, until, step in ((learned, start // HOUR_MS * HOUR_MS, HOUR_MS), (start, end, QUARTER_MS)):
        for day in range(begin, until, DAY_MS):
            span = (day, min(until, day + DAY_MS))
            window = cover([span], step=step, coarsest=step)
            counts = ledger.counts(account, window, NAMES, {}, delays=False)
            counts.sort(key=lambda count: count.slot)
            for slot, group in groupby(counts, key=lambda count: count.slot):
                leaves = {}
                for count in group:
                    tally = count.tally
                    requested, verified = tally.requested, tally.verified
                    if first:
                        requested, verified = tally.first_requested, tally.first_verified
                    leaves[count.group[0], count.group[1], count.group[2]] = Counts(requested, verified)
                yield slot, step, leaves
