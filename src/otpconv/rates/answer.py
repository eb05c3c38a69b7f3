"""From a question to an answer: rates, how sure they are, and what they were before."""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from otpconv.rates.choose import in_order, kept
from otpconv.rates.gather import Gathered, Key, gather
from otpconv.rates.maturity import LONGEST_MS, Maturity, learn
from otpconv.rates.plan import earlier
from otpconv.rates.question import RateQuery
from otpconv.rates.row import Cell, RateRow, row, side
from otpconv.storage import deadline
from otpconv.storage.contract import LedgerReader


class RateAnswer(Struct, frozen=True):
    """Rows, and what they are for.

    Attributes:
        start, end: the window asked for, widened to the grain of the rollups, ms.
        rows: by time, then in the order asked for.
        maturity: from where on messages are pending; None when all of them are old enough in any case.
        before: the window it is compared with, widened likewise; None when it is not compared.
    """

    start: int
    end: int
    rows: list[RateRow]
    maturity: Maturity | None = None
    before: tuple[int, int] | None = None


def answer(ledger: LedgerReader, account: int, query: RateQuery, now: int) -> RateAnswer:
    """Compute the conversion rates that `query` asks for.

    Rows come by time, then by group or in the order asked for. Without `by` every slot has a row, also those
    where nothing was requested; with it only the groups that had messages.

    Args:
        ledger: what to ask.
        account: whose messages.
        query: the question.
        now: the time now, ms: what is young is judged by it.

    Raises:
        InvalidRequest: an interval under an hour for a time whose rollups by minute are gone.
        Unavailable: the storage failed.
    """
    recent = query.end > now - LONGEST_MS
    with ledger.snapshot():
        maturity = learn(ledger, account, query.filters, now) if recent else None
        current = gather(ledger, account, query, maturity, now)
        past = gather(ledger, account, earlier(query), maturity, now) if query.compare else None
    cells, before = current.cells, _shifted(current, past) if past else {}
    others = 0
    if query.top is not None or query.min_requested:
        cells, before, others = _chosen(cells, before, query, maturity)
    if not query.by:
        for slot in current.plan.slots:
            cells.setdefault((slot, ()), Cell())
    rows = _rows(cells, before if past else None, query, maturity, others)
    return RateAnswer(
        current.plan.start,
        current.plan.end,
        in_order(rows, query.order),
        maturity,
        (past.plan.start, past.plan.end) if past else None,
    )


def _shifted(current: Gathered, past: Gathered) -> dict[Key, Cell]:
    """Put the cells of the window before where those stand that they are compared with: slot by slot."""
    now_of = dict(zip(past.plan.slots, current.plan.slots, strict=False))
    return {(now_of[slot], group): cell for (slot, group), cell in past.cells.items() if slot in now_of}


def _chosen(
    cells: dict[Key, Cell], before: dict[Key, Cell], query: RateQuery, maturity: Maturity | None
) -> tuple[dict[Key, Cell], dict[Key, Cell], int]:
    """Bring the groups that get no row of their own together as the group (), and tell how many they are."""
    totals, totals_before = _totals(cells), _totals(before)
    compared = totals_before if query.compare else None
    rows = list(_rows(totals, compared, replace(query, interval=None), maturity, 0))
    groups = kept(rows, query.order, query.top, query.min_requested)
    return _merged(cells, groups), _merged(before, groups), len(rows) - len(groups)


def _totals(cells: dict[Key, Cell]) -> dict[Key, Cell]:
    sums: dict[Key, Cell] = {}
    for (_, group), cell in cells.items():
        sums.setdefault((0, group), Cell()).add(cell)
    return sums


def _merged(cells: dict[Key, Cell], groups: set[tuple[str, ...]]) -> dict[Key, Cell]:
    merged: dict[Key, Cell] = {}
    for (slot, group), cell in cells.items():
        merged.setdefault((slot, group if group in groups else ()), Cell()).add(cell)
    return merged


def _rows(
    cells: dict[Key, Cell],
    before: dict[Key, Cell] | None,
    query: RateQuery,
    maturity: Maturity | None,
    others: int,
) -> Iterator[RateRow]:
    for (slot, group), cell in cells.items():
        deadline.check()
        made = row(
            slot if query.interval else None,
            group,
            cell,
            side(cell, query.level, maturity),
            others if query.by and not group else 0,
        )
        if before is not None:
            made = replace(made, before=side(before.get((slot, group), Cell()), query.level, maturity))
        yield made
