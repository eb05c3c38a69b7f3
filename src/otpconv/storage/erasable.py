"""What an erasure of some messages of the ledger has to say about them."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from otpconv.model import Dimensions
from otpconv.storage.contract import DIMENSIONS, Tally
from otpconv.storage.erasure import (
    MAX_DETACHED,
    MAX_ERASED,
    Candidates,
    Erasure,
    KeptCosts,
    KeptCounts,
    KeptRange,
)
from otpconv.storage.statements import SqlValue

#: Messages to look at in one step for those that are old.
_LOOKED_AT = 20_000
#: After the latest time that a report can have, ms.
_END = 1 << 53
_TALLY = Tally.__struct_fields__
_FIRST_COUNT = 2 + len(DIMENSIONS)
_DELAYS_AT = _FIRST_COUNT + len(_TALLY)
_DELAYS = msgspec.json.Decoder(tuple[tuple[int, int], ...])

#: Runs a named statement and returns its rows. The names are those of the engine's `ledger/erasable.sql`.
Run = Callable[[str, Mapping[str, SqlValue]], list[tuple[Any, ...]]]


def newest_of(run: Run, account: int, number: str, limit: int) -> list[tuple[Any, ...]]:
    """Return the rows of the newest messages to a number (keyed hash), newest first, at most `limit`."""
    found: list[tuple[Any, ...]] = []
    for (day,) in run("days_of_number", {"number": number, "most": limit}):
        if len(found) < limit:
            most = limit - len(found)
            bindings = {"account": account, "number": number, "day": day, "most": most}
            found += run("messages_of_number", bindings)
    return found


def old_messages(run: Run, cursor: int, before: int, after: int) -> Candidates:
    """Return the next messages requested before a time, in the order of the file.

    Args:
        run: runs a named statement in a snapshot.
        cursor: the position of the last journal entry in the snapshot.
        before: the time, ms.
        after: where the look before ended; 0 for the first.
    """
    limits: dict[str, SqlValue] = {"after": after, "before": before, "read": _LOOKED_AT, "most": MAX_ERASED}
    ((last, ids, last_old),) = run("old_messages", limits)
    count = len(msgspec.json.decode(ids, type=list[int]))
    erasure = _erasure(run, ids, Erasure(before, cursor)) if count else None
    return Candidates(erasure, last_old if count == MAX_ERASED else last)


def messages_of(run: Run, cursor: int, account: int, number: str) -> Erasure:
    """Return the erasure of the newest messages to a number, and of everything else about it.

    Args:
        run: runs a named statement in a snapshot.
        cursor: the position of the last journal entry in the snapshot.
        account: whose messages.
        number: the keyed hash.
    """
    of = Erasure(0, cursor, places=((account, number, 0, _END),), numbers=((account, number),))
    days = run("days_of_number", {"number": number, "most": 1})
    if not days:
        return of
    limits: dict[str, SqlValue] = {
        "account": account,
        "number": number,
        "most": MAX_ERASED,
        "day": days[0][0],
    }
    ((ids,),) = run("ids_of_number", limits)
    # Nothing of the number may remain in the rollups by range.
    return msgspec.structs.replace(_erasure(run, ids, of), kept_ranges=())


def _erasure(run: Run, ids: str, of: Erasure) -> Erasure:
    """Return an erasure, completed with what it says about the messages."""
    ((detached,),) = run("fellows", {"ids": ids, "most": MAX_DETACHED})
    kept = run("kept", {"ids": ids, "detached": detached})
    return msgspec.structs.replace(
        of,
        messages=tuple(run("names", {"ids": ids})),
        places=(*of.places, *run("places", {"ids": ids})),
        detached=tuple(run("names", {"ids": detached})),
        kept=tuple(_kept(row) for row in kept),
        receipts=tuple(run("receipts_of", {"ids": ids})),
        kept_costs=tuple(_kept_costs(row) for row in run("kept_costs", {"ids": ids})),
        kept_ranges=tuple(KeptRange(*row) for row in run("kept_ranges", {"ids": ids})),
    )


def _kept(row: tuple[Any, ...]) -> KeptCounts:
    counts = zip(_TALLY, row[_FIRST_COUNT:_DELAYS_AT], strict=True)
    return KeptCounts(
        row[0],
        row[1],
        Dimensions(*row[2:_FIRST_COUNT]),
        {name: count for name, count in counts if count},
        _DELAYS.decode(row[_DELAYS_AT]),
    )


def _kept_costs(row: tuple[Any, ...]) -> KeptCosts:
    return KeptCosts(row[0], row[1], Dimensions(*row[2:_FIRST_COUNT]), *row[_FIRST_COUNT:])
