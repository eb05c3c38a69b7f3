"""Marks the rows of a table that fell or rose by more than chance explains, of many rows. Pure."""

from collections.abc import Collection, Iterable, Sequence
from math import erfc, sqrt

from msgspec import Struct

from otpconv.rates.chance import false_discovery
from otpconv.rates.intervals import Z
from otpconv.rates.row import RateRow
from otpconv.rates.signals import Evidence
from otpconv.rates.slices import Group

#: A marked change is surely larger than this.
NOTABLE = 0.005
#: At most this share of the marks is due to chance alone.
_FALSE_SHARE = 0.05


class Marks(Struct, frozen=True):
    """The groups of a table whose rates fell, and those whose rates rose."""

    fallen: Collection[Group]
    risen: Collection[Group]

    def has_fallen(self, row: RateRow) -> bool:
        """Return whether a row is marked as fallen."""
        return not row.others and row.group in self.fallen

    def has_risen(self, row: RateRow) -> bool:
        """Return whether a row is marked as risen."""
        return not row.others and row.group in self.risen


def mark(rows: Sequence[RateRow], by: Sequence[str], evidence: Evidence) -> Marks:
    """Return which rows of a table fell or rose.

    While an application is silent, every route that it uses looks worse than it is. So only the drops that
    `evidence` names are marked as fallen then.

    Args:
        rows: of an answer with a comparison.
        by: the dimensions of the rows.
        evidence: the signals of the window.
    """
    groups = [row for row in rows if not row.others]
    named = {
        row.group
        for row in groups
        if any(
            drop.slice.values and drop.slice.covers(dict(zip(by, row.group, strict=True)))
            for drop in evidence.now.drops
        )
    }
    fallen = set() if evidence.now.silences else _discovered(groups, -1)
    return Marks(named | fallen, _discovered(groups, 1) - named)


def is_sure(row: RateRow, direction: int) -> bool:
    """Return whether a single rate fell (-1) or rose (1) notably, by more than chance explains."""
    return _chance(row, direction) < 0.025  # noqa: PLR2004 - the tail of a 95 % interval


def lost(row: RateRow) -> int:
    """Return the least number of verifications that a drop has cost."""
    interval = row.change_interval
    return max(0, round(-interval[1] * row.requested)) if interval else 0


def _discovered(rows: Iterable[RateRow], direction: int) -> set[Group]:
    chances = {row.group: _chance(row, direction) for row in rows if row.change is not None}
    threshold = false_discovery(chances.values(), len(chances), _FALSE_SHARE)
    return {group for group, chance in chances.items() if chance <= threshold}


def _chance(row: RateRow, direction: int) -> float:
    """Return the probability of such a change if the true rate did not change by more than `NOTABLE`."""
    change, interval = row.change, row.change_interval
    if change is None or interval is None:
        return 1.0
    # The distance to the end of the interval that is nearer to no change gives the standard error.
    error = max(1e-9, abs((interval[1] if direction < 0 else interval[0]) - change) / Z)
    return erfc((change * direction - NOTABLE) / error / sqrt(2)) / 2
