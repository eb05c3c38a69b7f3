"""Building the ledger again from the journal, beside the old one, for `otpconv doctor --rebuild`."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import apsw

from otpconv.errors import OtpconvError
from otpconv.ledger.sqlite.connection import connect_reader, mapped
from otpconv.ledger.sqlite.follower import SqliteFollower
from otpconv.ledger.sqlite.journal import SqliteJournal

#: Journal entries of one transaction.
_BATCH = 5_000


def rebuild(ledger: Path, journal: Path, done: Callable[[int, int], None]) -> int:
    """Make a new ledger of the whole journal, put it in the place of the old one, and return its cursor.

    Nobody else may write either file meanwhile. Interrupted at any instant, the folder holds the old ledger,
    the new one, or none, which the next start makes anew.

    Args:
        ledger: the ledger's file, which need not be there, and may be damaged.
        journal: the journal's file.
        done: called with the journal entries applied, and how many there are.

    Raises:
        Misconfigured: the journal is damaged or not ours.
        Unavailable: the disk is full or fails.
    """
    draft = ledger.with_name(f"{ledger.name}.new")
    _remove(draft)
    source = SqliteJournal(journal)
    try:
        head = source.head()
        follower = SqliteFollower(draft, journal)
        try:
            cursor = 0
            while cursor < head:
                cursor = follower.apply(_BATCH)
                done(cursor, head)
        finally:
            # The last connection to leave moves the write-ahead log into the file.
            follower.close()
        _swap(draft, ledger)
    except BaseException:
        _remove(draft)
        raise
    finally:
        source.close()
    return cursor


def _swap(draft: Path, ledger: Path) -> None:
    if ledger.exists():
        _settle(ledger)
    if ledger.with_name(f"{ledger.name}-wal").exists():
        # Somebody reads the old ledger, or it is damaged. Its log must never meet the new file, so the old
        # one goes first, whole.
        _remove(ledger)
    draft.replace(ledger)
    descriptor = os.open(ledger.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _settle(ledger: Path) -> None:
    """Move the old ledger's log into its file, where that works, so that the file is replaced in one step."""
    with contextlib.suppress(OtpconvError), mapped(ledger):
        connection = connect_reader(ledger)
        try:
            connection.pragma("query_only", value=False)
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            connection.close()


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
