"""Fetching what a question takes from the ledger, cell by cell."""

from collections.abc import Iterator
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from otpconv.errors import AnswerTooLarge
from otpconv.rates.maturity import Maturity
from otpconv.rates.plan import Plan, cover, plan, slot_of
from otpconv.rates.question import INTERVALS, RateQuery
from otpconv.rates.row import Cell
from otpconv.storage.contract import DAY_MS, HOUR_MS, MAX_COUNTS, MINUTE_MS, QUARTER_MS, Count, Ledger, Window

#: Older than this, what is not mature is taken by the hour: in there F is nearly flat.
_BY_MINUTE_MS = 2 * HOUR_MS
#: With more slots of rollups, delays are not summed: three weeks by the hour, eight hours by the minute.
_DELAYS_SLOTS = 500

#: Minutes times groups that are read one by one while messages are not mature.
MAX_YOUNG_COUNTS = 2 * MAX_COUNTS

#: Start of the slot (ms; 0 without an interval), and the group.
Key = tuple[int, tuple[str, ...]]


class Gathered(Struct, frozen=True):
    """The plan of a question, and its cells."""

    plan: Plan
    cells: dict[Key, Cell]


def gather(ledger: Ledger, account: int, query: RateQuery, maturity: Maturity | None, now: int) -> Gathered:
    """Return the counts of every slot and group that had messages.

    Args:
        ledger: what to ask.
        account: whose messages.
        query: the question.
        maturity: tells from where on messages are not mature; None when all of them are.
        now: the time now, ms.

    Raises:
        InvalidRequest: an interval under 15 minutes for a time whose rollups by minute are gone.
        Unavailable: the storage failed.
    """
    planned = plan(query, ledger.minutes_from())
    cells: dict[Key, Cell] = {}
    delays = _slots(planned.window) <= _DELAYS_SLOTS
    for count in ledger.counts(account, planned.window, query.by, query.filters, delays=delays):
        _cell(cells, count.slot, count.group, query).add(Cell(count.tally, count.delays))
    if maturity is not None:
        for grain, window in _young(planned, query, now - maturity.horizon_ms, now):
            length, counts = _young_counts(ledger, account, query, grain, window)
            for count in counts:
                # What is requested in a stretch that still goes on has been requested by now.
                oldest = now - count.slot
                ages = max(0, oldest - length), max(0, oldest)
                _cell(cells, count.slot, count.group, query).add_young(ages, count.tally)
    return Gathered(planned, cells)


def _young_counts(
    ledger: Ledger, account: int, query: RateQuery, length: int, window: Window
) -> tuple[int, list[Count]]:
    """Return counts, and their step: `length` (ms), or a quarter of an hour where they are too many."""
    try:
        return length, ledger.counts(
            account, window, query.by, query.filters, delays=False, limit=MAX_YOUNG_COUNTS
        )
    except AnswerTooLarge:
        if query.interval is not None and INTERVALS[query.interval] < QUARTER_MS:
            raise
    coarser = replace(window, step=max(length, QUARTER_MS))
    return max(length, QUARTER_MS), ledger.counts(account, coarser, query.by, query.filters, delays=False)


def _slots(window: Window) -> int:
    """Return how many slots of rollups a window takes."""
    grains = (
        (window.days, DAY_MS),
        (window.hours, HOUR_MS),
        (window.quarters, QUARTER_MS),
        (window.minutes, MINUTE_MS),
    )
    return sum((end - start) // grain for spans, grain in grains for start, end in spans)


def _cell(cells: dict[Key, Cell], time: int, group: tuple[str, ...], query: RateQuery) -> Cell:
    return cells.setdefault((slot_of(time, query), group), Cell())


def _young(planned: Plan, query: RateQuery, since: int, now: int) -> Iterator[tuple[int, Window]]:
    """Return the rollups of what is not mature, by their length (ms)."""
    fine = query.interval is not None and INTERVALS[query.interval] < QUARTER_MS
    start = max(planned.start, since - since % (MINUTE_MS if fine else QUARTER_MS))
    if start >= planned.end:
        return
    edge = start
    if not fine:
        edge = min(planned.end, max(start, (now - _BY_MINUTE_MS) // HOUR_MS * HOUR_MS))
    # No rollup may reach from one slot into the next.
    cuts = [start, *(slot for slot in planned.slots if start < slot < edge), edge]
    older = cover([span for span in pairwise(cuts) if span[0] < span[1]], coarsest=HOUR_MS)
    if older.hours:
        yield HOUR_MS, Window(hours=older.hours, step=MINUTE_MS)
    if older.quarters:
        yield QUARTER_MS, Window(quarters=older.quarters, step=QUARTER_MS)
    yield MINUTE_MS, Window(minutes=(*older.minutes, (edge, planned.end)), step=MINUTE_MS)
