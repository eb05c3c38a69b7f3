"""The groups of a question: which combination of dimensions is in which group. Read once per snapshot."""

import sys
from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from otpconv.storage.contract import DAY_MS, DIMENSIONS, Span

#: The most combinations that a snapshot keeps, those of a month, and the most groupings of them.
MAX_KEPT, MAX_KEPT_GROUPS = 40_000, 50

#: An account, and the first and the last day, counted from the epoch.
_Days = tuple[int, int, int]
#: A combination: its id, its values in the order of `DIMENSIONS`, and its day.
_Combination = tuple[Any, ...]
_DAY = 1 + len(DIMENSIONS)


class Groups(NamedTuple):
    """Groups of combinations, numbered from 1 on.

    Attributes:
        first: the first id of a combination.
        numbers: for each id from `first` on, the number of its group in four bytes; 0 if it has none.
        values: the values of each group.
    """

    first: int
    numbers: bytes
    values: list[tuple[str, ...]]


class Combinations:
    """The combinations that one snapshot has read: the questions of a page repeat the same days and groups.

    Args:
        read: reads the combinations of an account in the days that some spans touch.
    """

    def __init__(self, read: Callable[[int, Sequence[Span]], list[_Combination]]) -> None:
        self._read = read
        self._rows: dict[_Days, list[_Combination]] = {}
        self._groups: dict[tuple[object, ...], Groups] = {}
        self._kept = 0

    def groups(
        self,
        account: int,
        spans: Sequence[Span],
        by: Sequence[str],
        filters: Mapping[str, Collection[str]],
    ) -> Groups:
        """Return the groups of an account by dimensions, in the days that some spans (ms) touch."""
        first = min((start for start, _ in spans), default=0) // DAY_MS
        days = account, first, max((end for _, end in spans), default=0) // DAY_MS
        accepted = tuple((name, frozenset(values)) for name, values in filters.items())
        wanted = days, tuple(by), accepted
        groups = self._groups.get(wanted)
        if groups is None:
            groups = number_groups(self._combinations(days, spans), by, filters)
            if len(self._groups) < MAX_KEPT_GROUPS:
                self._groups[wanted] = groups
        return groups

    def _combinations(self, days: _Days, spans: Sequence[Span]) -> list[_Combination]:
        account, first, last = days
        for (owner, start, end), rows in self._rows.items():
            if owner == account and start <= first and last <= end:
                return (
                    rows
                    if (start, end) == (first, last)
                    else [row for row in rows if first <= row[_DAY] <= last]
                )
        rows = self._read(account, spans)
        if self._kept + len(rows) <= MAX_KEPT:
            self._kept += len(rows)
            self._rows[days] = rows
        return rows


def number_groups(
    combinations: Sequence[_Combination], by: Sequence[str], filters: Mapping[str, Collection[str]]
) -> Groups:
    """Number the groups of combinations by dimensions; `filters` has the accepted values of a dimension."""
    first = min((row[0] for row in combinations), default=0)
    numbers = array("I", bytes(4 * (max((row[0] for row in combinations), default=-1) + 1 - first)))
    for name, accepted in filters.items():
        place = 1 + DIMENSIONS.index(name)
        combinations = [row for row in combinations if row[place] in accepted]
    values: dict[tuple[str, ...], int] = {}
    if combinations:
        columns = list(zip(*combinations, strict=True))
        chosen = [columns[1 + DIMENSIONS.index(name)] for name in by]
        groups = zip(*chosen, strict=True) if chosen else repeat(())
        for number, group in zip(columns[0], groups, strict=False):
            numbers[number - first] = values.setdefault(group, len(values) + 1)
    if sys.byteorder == "little":
        numbers.byteswap()  # SQLite compares the bytes as text
    return Groups(first, numbers.tobytes(), list(values))
