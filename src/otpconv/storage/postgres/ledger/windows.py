"""The questions about a window of rollups in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from otpconv.storage import grains
from otpconv.storage.contract import DAY_MS, DIMENSIONS, Window
from otpconv.storage.erasable import Run
from otpconv.storage.postgres.database import Row, statements

_SQL: Final = statements("ledger/windows.sql")
#: The statements by their names.
STATEMENTS: Final = {
    name: [f"{_SQL['groups'][0]} {part}" for part in _SQL[name]] for name in ("counts", "tallies", "costs")
}
#: Where the sums begin in a row: after the slot and the values of all dimensions.
_SUMS = 1 + len(DIMENSIONS)


def sums(
    run: Run,
    name: str,
    account: int,
    window: Window,
    *,
    by: Sequence[str],
    filters: Mapping[str, Collection[str]],
    limit: int,
) -> list[tuple[int, tuple[str, ...], Row]]:
    """Return the slot, the group and the sums of each row of a question; see `LedgerReader.counts`.

    Args:
        run: runs a named statement in a snapshot.
        name: of the statement.
        account: whose messages.
        window: which rollups.
        by: the dimensions to split by.
        filters: the accepted values of a dimension, by its name.
        limit: how many rows may be returned.

    Raises:
        AnswerTooLarge: there are more than `limit`.
    """
    spans = grains.spans(window, lambda: int(run("minutes_from", {})[0][0]))
    values: dict[str, Any] = {
        "account": account,
        "grains": [grain for grain, _, _ in spans],
        "starts": [start for _, start, _ in spans],
        "ends": [end for _, _, end in spans],
        "first_day": min((start for _, start, _ in spans), default=0) // DAY_MS,
        "last_day": max((end for _, _, end in spans), default=0) // DAY_MS,
        "by": list(by),
        "step": window.step,
        "limit": limit + 1,
    }
    values |= {
        dimension: list(filters[dimension]) if dimension in filters else None for dimension in DIMENSIONS
    }
    rows = run(name, values)
    grains.require_room(len(rows), limit)
    places = [1 + DIMENSIONS.index(dimension) for dimension in by]
    return [(row[0], tuple(row[place] for place in places), row[_SUMS:]) for row in rows]
