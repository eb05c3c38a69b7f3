"""Fetches what messages cost: their own prices from the rollups, and the price list for all others.

The price list is applied when a question is answered. So a corrected list corrects the past, and no rollup
has to be built again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from otpconv.errors import AnswerTooLarge
from otpconv.rates.cost import Cost
from otpconv.rates.counted import Cell, Counted, SlotGroup
from otpconv.rates.plan import Plan, clip, extent, halved
from otpconv.rates.price_list import PriceList
from otpconv.storage.contract import CostCount, Count, LedgerReader, Window

#: The dimensions that a price list knows.
PRICED: Final = ("provider", "country", "channel")

_Asked = tuple[Sequence[Count], Sequence[CostCount]]


def add_costs(ledger: LedgerReader, account: int, counted: Counted, prices: PriceList) -> Counted:
    """Return the counts with what their messages cost.

    Args:
        ledger: where to look, in the same snapshot as the counts.
        account: whose messages.
        counted: the counts; their cells get the costs.
        prices: for messages without a price of their own.

    Raises:
        AnswerTooLarge: there are too many combinations of dimensions in a quarter of an hour.
        Unavailable: the storage failed.
    """
    plan = counted.plan
    if not prices:
        _add(counted, _own(plan, ledger.costs(account, plan.window, plan.query.by, plan.query.filters)))
        return replace(counted, priced=True)
    by = (*plan.query.by, *(name for name in PRICED if name not in plan.query.by))

    def ask(window: Window) -> _Asked:
        filters = plan.query.filters
        return (
            ledger.counts(account, window, by, filters, delays=False),
            ledger.costs(account, window, by, filters),
        )

    for period in prices.periods(*extent(plan.window)):
        in_force = prices.at(period[0])
        for counts, costs in _in_parts(clip(plan.window, period), ask):
            _add(counted, _own(plan, costs))
            without_price = Counter({(count.slot, count.group): count.tally.requested for count in counts})
            without_price.subtract(_messages(costs))
            for (slot, group), messages in without_price.items():
                values = dict(zip(by, group, strict=True))
                price = in_force.of(*(values[name] for name in PRICED)) if messages else None
                if price is not None:
                    micros = messages * price.micros
                    cost = Cost(price.currency, messages, micros, micros)
                    _add(counted, [(_cell_of(plan, slot, group), cost)])
    return replace(counted, priced=True)


def _in_parts(window: Window, ask: Callable[[Window], _Asked]) -> Iterator[_Asked]:
    """Ask about a window, or about its halves if it has too many combinations."""
    try:
        yield ask(window)
    except AnswerTooLarge:
        halves = halved(window)
        if halves is None:
            raise
        for half in halves:
            yield from _in_parts(half, ask)


def _own(plan: Plan, costs: Sequence[CostCount]) -> Iterator[tuple[SlotGroup, Cost]]:
    for cost in costs:
        yield _cell_of(plan, cost.slot, cost.group), Cost(cost.currency, cost.messages, cost.micros)


def _messages(costs: Sequence[CostCount]) -> Counter[SlotGroup]:
    """Return how many messages have a price of their own."""
    found: Counter[SlotGroup] = Counter()
    for cost in costs:
        found[cost.slot, cost.group] += cost.messages
    return found


def _cell_of(plan: Plan, slot: int, group: tuple[str, ...]) -> SlotGroup:
    return plan.slots.at(slot), group[: len(plan.query.by)]


def _add(counted: Counted, costs: Iterable[tuple[SlotGroup, Cost]]) -> None:
    for key, cost in costs:
        counted.cells.setdefault(key, Cell()).add_costs((cost,))
