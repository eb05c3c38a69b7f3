"""The groups of a question: which combinations of dimensions are in which group. Read once per snapshot."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from otpconv.storage.contract import DIMENSIONS
from otpconv.storage.erasable import Run

#: The most characters that a snapshot keeps of ids and their numbers: those of the combinations of a year.
MAX_KEPT_CHARS = 2_000_000
#: Those of so many days more are not read again: to pass their ids takes less than another question.
_MORE_DAYS = 31

#: An account, and the first and the last day, counted from the epoch.
Days = tuple[int, int, int]


class Groups(Struct, frozen=True):
    """Groups of combinations, numbered from 1 on.

    Attributes:
        values: the values of each group.
        arrays: by name, what a statement binds: the `ids` of the combinations in their order, the `numbers`
            of their values, and for each of these numbers its group in `groups`, 0 if it has none.
    """

    values: list[tuple[str, ...]]
    arrays: dict[str, str]


class _Combinations(Struct, frozen=True):
    """The combinations of some days: the values of each, then the ids and the numbers of their values."""

    values: list[tuple[str, ...]]
    ids: str
    numbers: str


class Combinations:
    """The combinations that one snapshot has read: the questions of a page repeat the same days.

    Args:
        run: runs a named statement in the snapshot.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._kept: dict[Days, _Combinations] = {}
        self._chars = 0

    def groups(self, days: Days, by: Sequence[str], filters: Mapping[str, Collection[str]]) -> Groups:
        """Return the groups of some days by dimensions; `filters` has the accepted values of a dimension."""
        found = self._of(days)
        accepted = [(DIMENSIONS.index(name), frozenset(values)) for name, values in filters.items()]
        places = [DIMENSIONS.index(name) for name in by]
        numbers: dict[tuple[str, ...], int] = {}
        groups = [
            numbers.setdefault(tuple([values[place] for place in places]), len(numbers) + 1)
            if all(values[place] in those for place, those in accepted)
            else 0
            for values in found.values
        ]
        return Groups(list(numbers), {"ids": found.ids, "numbers": found.numbers, "groups": _array(groups)})

    def _of(self, days: Days) -> _Combinations:
        """Return the combinations of some days, and maybe of more: those have no rollups in the window."""
        account, first, last = days
        for (owner, since, until), found in self._kept.items():
            if owner == account and since <= first and last <= until and since + _MORE_DAYS >= first:
                return found
        # The row with the ids comes first.
        ids, *rows = self._run("combinations", {"account": account, "first": first, "last": last})
        found = _Combinations([row[1:-2] for row in rows], ids[-2] or "{}", ids[-1] or "{}")
        chars = len(found.ids) + len(found.numbers)
        if self._chars + chars <= MAX_KEPT_CHARS:
            self._chars += chars
            self._kept[days] = found
        return found


def _array(numbers: Iterable[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"
