"""Which slices are watched in an hour, and what to expect of them. Pure."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from otpconv.alerts.leaves import Leaves
from otpconv.alerts.level import budget_of, is_testable, margin
from otpconv.alerts.past import WEEK, Past, weeks_of
from otpconv.storage.alerts.contract import Values

#: A slice is watched once so many messages were learned. A leaf counts once it is known for so long, hours.
LEAST_PAST, LEAST_HOURS = 200.0, 3 * 24
#: Slices of an account that are watched at most: those with the most messages.
MAX_WATCHED = 2_000
#: Hours of a month, which the budget is for.
_MONTH = 30 * 24


class Plan(Struct):
    """What to expect in an hour.

    Attributes:
        rates: the usual rate of each leaf; None as long as it is not known.
        watched: the watched slices that each leaf counts for.
        margins: by how much the usual share of failures of a watched slice is raised.
        budgets: its budget; see `level.budget_of`.
    """

    rates: list[float | None]
    watched: list[tuple[int, ...]]
    margins: dict[int, float]
    budgets: dict[int, int]


class _Sum(Struct, gc=False):
    """The learned counts of a slice."""

    total: float = 0.0
    verified: float = 0.0
    day: float = 0.0
    first: int = 1 << 60


def plan(past: Past, leaves: Leaves, hour: int, budget: float) -> Plan:
    """Return what to expect.

    Args:
        past: the learned counts.
        leaves: all leaves.
        hour: since 1970, UTC.
        budget: false alarms in a month over all slices, on average.
    """
    usual = past.usual(hour, leaves)
    known = [
        first <= hour - LEAST_HOURS and total > 0
        for first, total in zip(leaves.first, usual.total, strict=True)
    ]
    sums: dict[int, _Sum] = {}
    members: dict[int, list[int]] = {}
    for leaf in [number for number, yes in enumerate(known) if yes]:
        total = usual.total[leaf]
        for each in leaves.slices[leaf]:
            members.setdefault(each, []).append(leaf)
            at = sums.setdefault(each, _Sum())
            at.total += total
            at.verified += total * usual.rates[leaf]
            at.day += usual.day[leaf]
            at.first = min(at.first, leaves.first[leaf])
    chosen = _chosen(sums, members, leaves)
    margins, budgets = {}, {}
    for each in chosen:
        at = sums[each]
        a_month = at.total / weeks_of(hour - at.first) * _MONTH / WEEK
        budgets[each] = budget_of(a_month * len(chosen) / budget)
        margins[each] = margin(1 - at.verified / at.total, at.total, at.day, budgets[each])
    return Plan(
        [rate if yes else None for rate, yes in zip(usual.rates, known, strict=True)],
        [
            tuple([each for each in slices if each in margins]) if yes else ()
            for slices, yes in zip(leaves.slices, known, strict=True)
        ],
        margins,
        budgets,
    )


def _chosen(sums: Mapping[int, _Sum], members: Mapping[int, Sequence[int]], leaves: Leaves) -> list[int]:
    """Return the slices to watch: of those with the same leaves, the one with the fewest values."""
    best: dict[tuple[int, ...], int] = {}
    for each, leaves_of in members.items():
        other = best.setdefault(tuple(leaves_of), each)
        if _simplicity(each, leaves) < _simplicity(other, leaves):
            best[tuple(leaves_of)] = each
    enough = [
        each
        for each in best.values()
        if sums[each].total >= LEAST_PAST and is_testable(1 - sums[each].verified / sums[each].total)
    ]
    enough.sort(key=lambda each: (-sums[each].total, leaves.values[each]))
    return enough[:MAX_WATCHED]


def _simplicity(each: int, leaves: Leaves) -> tuple[float, Values]:
    """Return what sorts slices by their values; a carrier is named with its country."""
    values = leaves.values[each]
    names = {name for name, _ in values}
    return len(values) + (1.5 if "carrier" in names and "country" not in names else 0.0), values
