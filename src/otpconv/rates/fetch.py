"""Fetches from the ledger what a plan needs, and the delays from which maturity is learned."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from otpconv.errors import AnswerTooLarge
from otpconv.rates.counted import Cell, Counted, SlotGroup
from otpconv.rates.delays import total
from otpconv.rates.maturity import LONGEST_MS, Maturity, is_learned, is_slow, maturity_of
from otpconv.rates.plan import Plan, YoungWindow, cover
from otpconv.rates.question import RateQuery
from otpconv.storage.contract import DAY_MS, HOUR_MS, MAX_COUNTS, Count, LedgerReader, Window

#: How far back delays are learned from, ms.
_LEARNED_MS = 7 * DAY_MS
#: Minutes times groups that are fetched one by one where messages are not mature.
MAX_YOUNG_COUNTS = 2 * MAX_COUNTS

_NO_FILTERS: Mapping[str, Collection[str]] = {}


def learn_maturity(
    ledger: LedgerReader, account: int, filters: Mapping[str, Collection[str]], *, end: int, now: int
) -> Maturity | None:
    """Learn delays from the messages of the last 7 days; None when all messages of the window are mature.

    Messages count if they had at least an hour to be verified, or a day where one in 200 takes longer than an
    hour. The delays are those of the messages that the question filters, or of the whole account where fewer
    than 200 of them were verified.

    Args:
        ledger: where to look.
        account: whose messages.
        filters: of the question: the accepted values of a dimension, by its name.
        end: of the question's window, ms.
        now: the time now, ms.

    Raises:
        Unavailable: the storage failed.
    """
    if end <= now - LONGEST_MS:
        return None
    delays: tuple[int, ...] = ()
    for scope, chosen in [("filters", filters)] * bool(filters) + [("account", _NO_FILTERS)]:
        delays = _delays(ledger, account, chosen, now - HOUR_MS)
        if is_slow(delays):
            delays = _delays(ledger, account, chosen, now - LONGEST_MS)
        if is_learned(delays):
            return maturity_of(delays, scope)
    return maturity_of(delays, None)


def fetch(ledger: LedgerReader, account: int, plan: Plan, now: int) -> Counted:
    """Return the counts of every slot and group that had messages.

    Args:
        ledger: where to look.
        account: whose messages.
        plan: what to fetch.
        now: the time now, ms.

    Raises:
        AnswerTooLarge: there are more slots and groups than a question may have.
        Unavailable: the storage failed.
    """
    query = plan.query
    cells: dict[SlotGroup, Cell] = {}
    for count in ledger.counts(account, plan.window, query.by, query.filters, delays=plan.delays):
        cell = cells.setdefault((plan.slots.at(count.slot), count.group), Cell())
        cell.add(Cell(count.tally, count.delays))
    for count, grain_ms in _young_counts(ledger, account, query, plan.young):
        cell = cells.setdefault((plan.slots.at(count.slot), count.group), Cell())
        # All messages of a rollup that still grows were requested by now.
        oldest_ms = now - count.slot
        cell.add_young((max(0, oldest_ms - grain_ms), max(0, oldest_ms)), count.tally)
    return Counted(plan, cells)


def varied_dimensions(ledger: LedgerReader, account: int, plan: Plan) -> Sequence[str]:
    """Return those dimensions of the plan's question that have, or may have, more than one value.

    Raises:
        Unavailable: the storage failed.
    """
    by = plan.query.by
    try:
        counts = ledger.counts(account, plan.window, by, plan.query.filters, delays=False)
    except AnswerTooLarge:
        return by
    return [name for place, name in enumerate(by) if len({count.group[place] for count in counts}) > 1]


def _young_counts(
    ledger: LedgerReader, account: int, query: RateQuery, windows: Sequence[YoungWindow]
) -> Iterator[tuple[Count, int]]:
    """Yield the counts of messages that are not mature, each with the length of its rollup (ms)."""
    for young in windows:
        grain_ms = young.grain_ms
        try:
            counts = ledger.counts(
                account, young.window, query.by, query.filters, delays=False, limit=MAX_YOUNG_COUNTS
            )
        except AnswerTooLarge:
            if young.coarser_ms is None:
                raise
            grain_ms, window = young.coarser_ms, young.window
            coarser = Window(window.days, window.hours, window.quarters, window.minutes, step=grain_ms)
            counts = ledger.counts(account, coarser, query.by, query.filters, delays=False)
        for count in counts:
            yield count, grain_ms


def _delays(
    ledger: LedgerReader, account: int, filters: Mapping[str, Collection[str]], before: int
) -> tuple[int, ...]:
    """Sum the delays of messages requested before a time (ms), from the beginning of a day on."""
    end = before // HOUR_MS * HOUR_MS
    start = max(0, (end - _LEARNED_MS) // DAY_MS * DAY_MS)
    counts = ledger.counts(account, cover([(start, max(start, end))]), (), filters)
    return total(count.delays for count in counts)
