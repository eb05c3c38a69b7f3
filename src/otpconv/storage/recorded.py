"""The messages of a window, the last recorded first, one part of the ledger after another."""

from typing import Any

from msgspec import Struct

from otpconv.storage.erasable import Run

#: Messages to look at in one part, of all accounts and times.
_LOOKED_AT = 20_000
#: Greater than each id of a message.
_END = 1 << 62


class Rows(Struct, frozen=True):
    """The rows of a part: id, message id, state, `verified_at` and `reported`; and where the rest begins."""

    rows: list[tuple[Any, ...]]
    before: int | None


def part(run: Run, account: int, window: tuple[int, int], before: int, most: int) -> Rows:
    """Return the rows of the next part, the last recorded message first.

    Args:
        run: runs a named statement in a snapshot. The names are those of the engine's `ledger/queries.sql`.
        account: whose messages.
        window: when they were requested: start and end, ms, half-open.
        before: where the part before ended; 0 for the first.
        most: how many rows to return at most.
    """
    before = before or _END
    ((first,),) = run("part_before", {"before": before, "read": _LOOKED_AT})
    if first is None:
        return Rows([], None)
    start, end = window
    rows = run(
        "recorded",
        {"account": account, "first": first, "before": before, "start": start, "end": end, "most": most},
    )
    if len(rows) == most:
        return Rows(rows, rows[-1][0])
    return Rows(rows, first if first > 1 else None)
