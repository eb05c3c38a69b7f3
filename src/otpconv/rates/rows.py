"""From counts to the rows of an answer: which groups get rows, what the rows say, and their order. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from otpconv.rates.columns import IN_CURRENCY, column
from otpconv.rates.counted import Cell, Counted, SlotGroup
from otpconv.rates.delays import quantile
from otpconv.rates.intervals import wilson
from otpconv.rates.maturity import Expected, Maturity, Young, expected
from otpconv.rates.mix import STRATA, Stratum, same_mix
from otpconv.rates.question import RateQuery
from otpconv.rates.row import RateRow, Side
from otpconv.rates.slices import Group
from otpconv.storage import deadline
from otpconv.storage.contract import Tally

_Cells = Mapping[SlotGroup, Cell]


def make_rows(
    current: Counted,
    past: Counted | None,
    maturity: Maturity | None,
    strata: tuple[Counted, Counted] | None = None,
) -> list[RateRow]:
    """Return the rows of an answer.

    The rows are sorted by time, then by group or in the order that the question asks for. Without `by`, every
    slot has a row, also where nothing was requested; with `by`, only groups that had messages have rows.

    Args:
        current: the counts of the question's window.
        past: the counts of the window that it is compared with, if any.
        maturity: the known delays; None when all messages are mature.
        strata: the counts of both windows by `mix.STRATA` too; None when nobody asked for `same_mix`.

    Raises:
        Unavailable: the time for the answer is over.
    """
    query = current.plan.query
    cells: _Cells = current.cells
    before = _shifted(current, past) if past else None
    others, kept = 0, None
    if query.top is not None or query.min_requested:
        whole = _rows(_totals(cells), _totals(before or {}), query, maturity, priced=current.priced)
        # Only an order by this column needs it of groups that get no row.
        ordering = strata if (query.order or "").endswith("change_same_mix") else None
        totals = _with_same_mix(whole, ordering, None, query, maturity)
        kept = _kept(totals, query)
        others = len(totals) - len(kept)
        cells, before = _merged(cells, kept), None if before is None else _merged(before, kept)
    if not query.by:
        cells = {(slot, ()): Cell() for slot in current.plan.slots.starts} | dict(cells)
    rows = _rows(cells, before, query, maturity, others, priced=current.priced)
    return _sorted(_with_same_mix(rows, strata, kept, query, maturity), query.order)


def _with_same_mix(
    rows: Iterable[RateRow],
    strata: tuple[Counted, Counted] | None,
    kept: set[Group] | None,
    query: RateQuery,
    maturity: Maturity | None,
) -> list[RateRow]:
    """Return rows of a comparison with their change at the same mix.

    Args:
        rows: the rows.
        strata: the counts of both windows by `mix.STRATA` too; None when nobody asked.
        kept: the groups with rows of their own; None for all.
        query: the question.
        maturity: the known delays.
    """
    if strata is None:
        return list(rows)
    found: dict[Group, dict[Group, Stratum]] = {}
    by = strata[0].plan.query.by
    places = [by.index(name) for name in STRATA]
    for index, counted in enumerate(strata):
        for (_, values), cell in counted.cells.items():
            group = values[: len(query.by)]
            group = group if kept is None or group in kept else ()
            parts = found.setdefault(group, {})
            stratum = parts.setdefault(tuple(values[place] for place in places), Stratum(Cell(), Cell()))
            (stratum.before if index else stratum.now).add(cell)
    return [_mixed(row, found.get(row.group, {}), query, maturity) for row in rows]


def _mixed(
    row: RateRow, strata: Mapping[Group, Stratum], query: RateQuery, maturity: Maturity | None
) -> RateRow:
    deadline.check()
    if row.before is None:
        return row
    mix = same_mix(strata, lambda cell: _side(cell, query.level, maturity), row.now, row.before)
    return replace(row, same_mix=mix)


def _shifted(current: Counted, past: Counted) -> _Cells:
    """Return the cells of the past, each in the slot that it is compared with."""
    slot_now = dict(zip(past.plan.slots.starts, current.plan.slots.starts, strict=False))
    return {(slot_now[slot], group): cell for (slot, group), cell in past.cells.items() if slot in slot_now}


def _totals(cells: _Cells) -> _Cells:
    """Sum the cells of each group over all slots."""
    return _summed((((0, group), cell) for (_, group), cell in cells.items()))


def _merged(cells: _Cells, kept: set[Group]) -> _Cells:
    """Sum the cells of all other groups as the group ()."""
    return _summed((((slot, group if group in kept else ()), cell) for (slot, group), cell in cells.items()))


def _summed(cells: Iterable[tuple[SlotGroup, Cell]]) -> _Cells:
    sums: dict[SlotGroup, Cell] = {}
    for key, cell in cells:
        sums.setdefault(key, Cell()).add(cell)
    return sums


def _kept(totals: Iterable[RateRow], query: RateQuery) -> set[Group]:
    """Return the groups that get rows of their own, given a row for each group over the whole window."""
    enough = [row for row in totals if row.requested >= query.min_requested]
    return {row.group for row in _sorted(enough, query.order or "-requested")[: query.top]}


def _sorted(rows: Iterable[RateRow], order: str | None) -> list[RateRow]:
    """Sort rows by time, then by `order`, then by group; rows without a value and the others come last.

    Amounts of money are ordered within their currency, and currencies by their codes.
    """
    name = (order or "").removeprefix("-")
    value_of = column(name) if name else None
    sign = -1 if order and order.startswith("-") else 1

    def key(row: RateRow) -> tuple[object, ...]:
        value = value_of(row) if value_of else None
        # Amounts in different currencies can't be compared.
        currency = row.cost.currency if name in IN_CURRENCY and row.cost else ""
        return row.start or 0, row.others, value is None, currency, sign * (value or 0), row.group

    return sorted(rows, key=key)


def _rows(
    cells: _Cells,
    before: _Cells | None,
    query: RateQuery,
    maturity: Maturity | None,
    others: int = 0,
    *,
    priced: bool,
) -> Iterator[RateRow]:
    for (slot, group), cell in cells.items():
        deadline.check()
        yield RateRow(
            slot if query.interval else None,
            group,
            others if query.by and not group else 0,
            _side(cell, query.level, maturity),
            cell.tally.requested,
            cell.tally.reported,
            (quantile(cell.delays, 0.5), quantile(cell.delays, 0.9), quantile(cell.delays, 0.99)),
            None if before is None else _side(before.get((slot, group), Cell()), query.level, maturity),
            receipted=cell.tally.receipted,
            delivered=cell.tally.delivered,
            delivered_verified=cell.tally.delivered_verified,
            costs=cell.costs if priced else None,
            # Prices are of messages, and a session's messages belong to it; nobody knows those of attempts.
            verified_for_cost=0 if query.level == "first_attempt" else _at_level(cell.tally, query.level)[1],
        )


def _side(cell: Cell, level: str, maturity: Maturity | None) -> Side:
    """Return the rate of a cell at a level; with maturity None, all its messages are mature."""
    requested, verified = _at_level(cell.tally, level)
    young = [Young(*ages, *_at_level(tally, level)) for ages, tally in cell.young.items()]
    young = [part for part in young if part.requested]
    pending = sum(part.requested - part.verified for part in young)
    return Side(requested, verified, pending, _expected(requested, verified, young, level, maturity))


def _at_level(tally: Tally, level: str) -> tuple[int, int]:
    """Return how many were requested and verified, at a level of `LEVELS`."""
    if level == "first_attempt":
        return tally.first_requested, tally.first_verified
    if level == "session":
        return tally.sessions, tally.sessions_verified
    return tally.requested, tally.verified


def _expected(
    requested: int, verified: int, young: Sequence[Young], level: str, maturity: Maturity | None
) -> Expected | None:
    if not young:
        interval = wilson(verified, requested)
        return Expected(verified / requested, interval) if interval else None
    # A session also waits for its resends, and F does not include how long these take.
    if maturity is None or level == "session":
        return None
    return expected(verified, requested, young, maturity)
