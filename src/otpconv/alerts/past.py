"""The usual rate of each leaf, by hour of the week, learned from about four weeks. Pure.

An hour is learned a day later, so that a failure is not usual while it is new. Messages of a finding are
never learned. Each hour of the week is a cell; what was learned a week before counts three quarters.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from otpconv.alerts.leaves import CHAIN, Leaves
from otpconv.storage.contract import HOUR_MS

#: Hours of a week and of a day.
WEEK = 7 * 24
_DAY = 24
#: How much a week that is learned counts a week later: four weeks in all.
_KEPT = 0.75
#: With so many messages, the rate of a slice counts as much as that of the slice around it.
OWN_WEIGHT = 25.0
#: With so many messages, the rate at an hour of the day counts as much as that of the slice around it at this
#: hour; and the rate at an hour of the week, as much as that at the hour of the day.
_DAY_WEIGHT, _WEEK_WEIGHT = 100.0, 300.0
#: A usual rate is between these.
_LOWEST, _HIGHEST = 0.001, 0.999


class Counts(Struct, gc=False):
    """Messages, and how many of them were verified; estimated ones may be no whole numbers."""

    requested: int = 0
    verified: float = 0

    def add(self, other: "Counts") -> None:
        """Add other counts."""
        self.requested += other.requested
        self.verified += other.verified


@dataclass
class Cell:
    """What is known of one hour of the week.

    Attributes:
        hour: since 1970: the last one that was learned.
        requested, verified: messages by leaf.
    """

    hour: int
    requested: "array[float]"
    verified: "array[float]"


class Usual(Struct):
    """What to expect at some hour, by leaf.

    Attributes:
        rates: the share that is verified.
        day: the messages that were learned of this hour of the day.
        total: those of all hours.
    """

    rates: list[float]
    day: list[float]
    total: list[float]


class Past:
    """The past of the leaves of an account.

    Attributes:
        cells: by hour of the week; None where nothing is known.
    """

    def __init__(self) -> None:
        self.cells: list[Cell | None] = [None] * WEEK

    def learn(self, hour: int, counts: Mapping[int, Counts]) -> int:
        """Add the counts of an hour, by leaf, and return its hour of the week.

        Args:
            hour: since 1970, UTC; later than what this hour of the week has learned.
            counts: of the whole hour.
        """
        place = hour % WEEK
        cell = self.cells[place]
        if cell is None:
            cell = Cell(hour, array("f"), array("f"))
        kept = _KEPT ** ((hour - cell.hour) / WEEK)
        most = max(len(cell.requested), 1 + max(counts, default=-1))
        more = [0.0] * (most - len(cell.requested))
        cell.requested = array("f", [kept * value for value in (*cell.requested, *more)])
        cell.verified = array("f", [kept * value for value in (*cell.verified, *more)])
        for leaf, count in counts.items():
            cell.requested[leaf] += count.requested
            cell.verified[leaf] += count.verified
        cell.hour = hour
        self.cells[place] = cell
        return place

    def forget(self, leaves: Iterable[int]) -> None:
        """Forget what some leaves did."""
        for cell in self.cells:
            for leaf in leaves if cell else ():
                if cell and leaf < len(cell.requested):
                    cell.requested[leaf] = cell.verified[leaf] = 0.0

    def keep(self, numbers: Sequence[int]) -> None:
        """Keep some leaves only, in this order."""
        for cell in self.cells:
            if cell is not None:
                cell.requested = array("f", _padded(cell.requested, numbers))
                cell.verified = array("f", _padded(cell.verified, numbers))

    def total(self, count: int) -> list[float]:
        """Return the messages that were learned of each of so many leaves."""
        return _sums([cell.requested for cell in self.cells if cell], count)

    def usual(self, hour: int, leaves: Leaves) -> Usual:
        """Return what to expect at an hour.

        A slice starts from the rate of the slice around it: all messages, a country, a provider in it, and a
        carrier. Its rate at an hour starts from its rate, raised or lowered as the one around it is.

        Args:
            hour: since 1970, UTC.
            leaves: all leaves.
        """
        count = len(leaves.leaves)
        known = [cell for cell in self.cells if cell]
        days = [cell for cell in self.cells[hour % _DAY :: _DAY] if cell]
        weeks = [cell for cell in (self.cells[hour % WEEK],) if cell]
        columns = [
            _sums([getattr(cell, name) for cell in cells], count)
            for cells in (known, days, weeks)
            for name in ("requested", "verified")
        ]
        sums: dict[int, list[float]] = {}
        rows = list(zip(*columns, strict=True))
        for row, slices in zip(rows, leaves.slices, strict=True):
            for place in CHAIN:
                known_row = sums.get(slices[place])
                if known_row is None:
                    sums[slices[place]] = [*row]
                else:
                    for n, value in enumerate(row):
                        known_row[n] += value
        rates: dict[int, tuple[float, float]] = {}
        for slices in leaves.slices:
            around = None
            for place in CHAIN:
                each = slices[place]
                if each not in rates:
                    rates[each] = _rates(sums[each], around)
                around = rates[each]
        return Usual([rates[slices[CHAIN[-1]]][1] for slices in leaves.slices], columns[2], columns[0])


def hour_of(time: int) -> int:
    """Return the hour since 1970 that a time (ms) is in."""
    return time // HOUR_MS


def weeks_of(hours: int) -> float:
    """Return what the weeks that were learned in so many hours count, in weeks."""
    return float(max(1 - _KEPT ** (hours / WEEK), 0.001) / (1 - _KEPT))


def _rates(row: Sequence[float], around: tuple[float, float] | None) -> tuple[float, float]:
    """Return the rate of a slice at all hours, and at this one, given those of the slice around it."""
    total, verified, of_day, day_verified, of_week, week_verified = row
    if around is None:
        own = verified / total if total else 0.5
        base = own
    else:
        own = (verified + OWN_WEIGHT * around[0]) / (total + OWN_WEIGHT)
        base = min(own * around[1] / around[0], _HIGHEST)
    day = (day_verified + _DAY_WEIGHT * base) / (of_day + _DAY_WEIGHT)
    week = (week_verified + _WEEK_WEIGHT * day) / (of_week + _WEEK_WEIGHT)
    return _bounded(own), _bounded(week)


def _bounded(rate: float) -> float:
    return min(max(rate, _LOWEST), _HIGHEST)


def _sums(columns: Sequence["array[float]"], count: int) -> list[float]:
    """Add columns that may be shorter than `count`."""
    if not columns:
        return [0.0] * count
    padded = [column if len(column) == count else _padded(column, range(count)) for column in columns]
    return [float(sum(row)) for row in zip(*padded, strict=True)]


def _padded(column: "array[float]", numbers: Iterable[int]) -> list[float]:
    return [column[number] if number < len(column) else 0.0 for number in numbers]
