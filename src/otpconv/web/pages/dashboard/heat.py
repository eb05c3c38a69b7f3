"""A heat map as a table: two dimensions, a rate in each cell, and a colour for its change. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from otpconv.rates import RateRow
from otpconv.rates.marks import Marks
from otpconv.rates.slices import Group

_ROWS, _COLUMNS = 16, 8
#: From each of these changes on, the colour is one step stronger.
_STRONGER = (0.03, 0.10, 0.25)


class HeatCell(Struct, frozen=True):
    """One cell; `shade` is its colour, e.g. `drop-2`, or empty where chance explains the change."""

    row: RateRow
    shade: str


class HeatMap(Struct, frozen=True):
    """A table.

    Attributes:
        columns: the values of the second dimension, the most requested first.
        rows: the values of the first dimension, with a cell for each column, or None.
        left_out: how many rows and columns do not fit.
    """

    columns: list[str]
    rows: list[tuple[str, list[HeatCell | None]]]
    left_out: int


def heat_map(rows: Sequence[RateRow], marks: Marks) -> HeatMap | None:
    """Return the heat map of rows by two dimensions; None where one of them has a single value."""
    cells: dict[Group, HeatCell] = {
        row.group: HeatCell(row, _shade(row, marks))
        for row in rows
        if len(row.group) == 2  # noqa: PLR2004
    }
    first, second = _by_size(cells, 0), _by_size(cells, 1)
    if min(len(first), len(second)) < 2:  # noqa: PLR2004
        return None
    columns = second[:_COLUMNS]
    lines = [(value, [cells.get((value, other)) for other in columns]) for value in first[:_ROWS]]
    return HeatMap(columns, lines, len(first) + len(second) - len(lines) - len(columns))


def _by_size(cells: dict[Group, HeatCell], place: int) -> list[str]:
    sums: dict[str, int] = {}
    for group, cell in cells.items():
        sums[group[place]] = sums.get(group[place], 0) + cell.row.requested
    return sorted(sums, key=lambda value: (-sums[value], value))


def _shade(row: RateRow, marks: Marks) -> str:
    change = row.change or 0.0
    name = "drop" if marks.has_fallen(row) else "rise" if marks.has_risen(row) else ""
    return name and f"{name}-{sum(abs(change) >= least for least in _STRONGER)}"
