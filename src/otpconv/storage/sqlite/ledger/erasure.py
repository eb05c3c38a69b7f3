"""Applies an erasure to the ledger, in the transaction of the ledger's writer."""

import apsw

from otpconv.storage.sqlite.connection import statements

SQL = statements("ledger/erasure.sql")
_SQL = SQL | statements("ledger/merge.sql") | statements("ledger/unmatched.sql")

#: In this order: find the messages and all that they touch, delete them, and compute the rest again.
_STEPS = (
    "empty_batch",
    "forget_touched",
    "find_erased",
    "find_erased_conversions",
    "touch_erased",
    "touch_messages",
    "erase_conversions",
    "erase_messages",
    "touch_messages",
    "limit_messages",
    "resolve_numbers",
    "touch_hours",
    "touch_left_hours",
    "find_unexplained",
    "note_matched",
    "note_unmatched",
    "forget_hours",
    "detach",
    "find_kept",
    "note_kept",
    "change_by_kept",
    "note_messages_from",
)


def is_erasure(connection: apsw.Connection, seq: int) -> bool:
    """Return whether the row, which holds no reports to merge, is an erasure; otherwise it is an expiry."""
    return bool(connection.execute(_SQL["is_erasure"], {"seq": seq}).get)


def erase(connection: apsw.Connection, seq: int) -> int:
    """Apply an erasure and return its `before`.

    The caller deletes unmatched conversions before that, and brings the noted changes into the rollups.
    """
    for name in _STEPS:
        list(connection.execute(_SQL[name], {"seq": seq}))
    before: int = connection.execute(_SQL["before"], {"seq": seq}).fetchall()[0][0]  # type: ignore[assignment]
    return before
