"""The questions about a window of rollups in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from otpconv.storage import grains
from otpconv.storage.contract import DAY_MS, Window
from otpconv.storage.erasable import Run
from otpconv.storage.postgres.database import Row, statements
from otpconv.storage.postgres.ledger.combinations import Combinations

_SQL: Final = {name: part for name, (part,) in statements("ledger/windows.sql").items()}


class _Kind(NamedTuple):
    """What a statement sums, and how. It does no more than its question needs: many have one slot or group.

    Attributes:
        of: `counts`, `tallies` (counts without the delays) or `costs`.
        slots: whether there are several slots.
        groups: whether there are several groups.
        filtered: whether some rollups are in no group.
    """

    of: str
    slots: bool
    groups: bool
    filtered: bool

    @property
    def name(self) -> str:
        wanted = {"slots": self.slots, "groups": self.groups, "filtered": self.filtered}
        return " ".join([self.of, *(name for name, is_wanted in wanted.items() if is_wanted)])

    @property
    def text(self) -> str:
        is_cost = self.of == "costs"
        slot = _SQL["slot"] if self.slots else "0"
        group = _SQL["group"] if self.groups else "1"
        parts = [
            f"SELECT {slot}, {group}, {_SQL[self.of]}",
            f"FROM {_SQL['cost_rollups' if is_cost else 'rollups']}",
            # Here it is decided before all columns of a row are read.
            f"AND {_SQL['group']} > 0" if self.filtered else "",
            # OFFSET 0 makes it one search in the key per span; the planner prefers to read the whole table.
            f"OFFSET 0) AS r GROUP BY 1, 2{', 3' if is_cost else ''} LIMIT %(limit)s",
        ]
        return " ".join(parts)


_KINDS: Final = [
    _Kind(of, slots, groups, filtered)
    for of in ("counts", "tallies", "costs")
    for slots in (False, True)
    for groups in (False, True)
    for filtered in (False, True)
]
#: The statements by their names.
STATEMENTS: Final = {"combinations": [_SQL["combinations"]]} | {kind.name: [kind.text] for kind in _KINDS}


class Windows:
    """Answers the questions about windows in one snapshot.

    Args:
        run: runs a named statement in the snapshot.
        minutes_from: from when on (ms) rollups by minute are kept.
    """

    def __init__(self, run: Run, minutes_from: int) -> None:
        self._run = run
        self._minutes_from = minutes_from
        self._combinations = Combinations(run)

    def sums(
        self,
        of: str,
        account: int,
        window: Window,
        *,
        by: Sequence[str],
        filters: Mapping[str, Collection[str]],
        limit: int,
    ) -> list[tuple[int, tuple[str, ...], Row]]:
        """Return the slot, the group and the sums of each row of a question; see `LedgerReader.counts`.

        Args:
            of: what to sum: `counts`, `tallies` (those without the delays) or `costs`.
            account: whose messages.
            window: which rollups.
            by: the dimensions to split by.
            filters: the accepted values of a dimension, by its name.
            limit: how many rows may be returned.

        Raises:
            AnswerTooLarge: there are more than `limit`.
        """
        spans = grains.spans(window, lambda: self._minutes_from)
        bound: dict[str, Any] = {
            "account": account,
            "grains": [grain for grain, _, _ in spans],
            "starts": [start for _, start, _ in spans],
            "ends": [end for _, _, end in spans],
            "step": window.step,
            "limit": limit + 1,
        }
        groups: list[tuple[str, ...]] = [()]
        if by or filters:
            first = min((start for _, start, _ in spans), default=0) // DAY_MS
            last = max((end for _, _, end in spans), default=0) // DAY_MS
            found = self._combinations.groups((account, first, last), by, filters)
            groups = found.values
            bound |= found.arrays
        kind = _Kind(of, window.step is not None, bool(by), bool(filters))
        rows = self._run(kind.name, bound)
        grains.require_room(len(rows), limit)
        return [(row[0], groups[row[1] - 1], row[2:]) for row in rows]
