"""Rebuilds the ledger from the journal, beside the old ledger: after an upgrade, or on request."""

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import apsw

from otpconv.errors import OtpconvError
from otpconv.storage.sqlite.connection import connect_reader, mapped, version_of
from otpconv.storage.sqlite.journal.journal import SqliteJournal
from otpconv.storage.sqlite.ledger.binding import require_fit
from otpconv.storage.sqlite.ledger.writer import LEDGER_VERSION, SqliteLedgerWriter

#: Journal entries of one transaction.
_BATCH = 5_000
#: A line of progress is logged after this many journal entries.
_LOG_EVERY = 1_000_000

_log = logging.getLogger(__name__)


def is_outdated(ledger: Path) -> bool:
    """Return whether an older otpconv wrote the ledger, so that it has to be rebuilt.

    Raises:
        Misconfigured: the file is not otpconv's, or damaged.
        Unavailable: the disk fails.
    """
    return ledger.is_file() and 0 < version_of(ledger) < LEDGER_VERSION


def prepare(ledger: Path, journal: Path) -> int:
    """Prepare the ledger for a server and return the position of the last journal entry in it.

    Creates an empty ledger if there is none. Rebuilds a ledger that an older otpconv wrote, which takes some
    seconds for a million reports. No other process may write either file meanwhile.

    Args:
        ledger: the ledger's file.
        journal: the journal's file, which exists.

    Raises:
        Misconfigured: a file is damaged, not otpconv's, or written by a newer otpconv; or the ledger was not
            built from the journal. Both files are left as they are, since each may hold reports that the
            other lacks.
        Unavailable: the disk is full or fails; the old ledger stays.
    """
    renew(ledger, journal)
    writer = SqliteLedgerWriter(ledger, journal)
    cursor = writer.cursor()
    writer.close()
    require_fit(ledger, journal)
    return cursor


def renew(ledger: Path, journal: Path) -> None:
    """Rebuild the ledger if an older otpconv wrote it; no other process may write either file meanwhile.

    Raises:
        Misconfigured: a file is damaged or not otpconv's.
        Unavailable: the disk is full or fails; the old ledger stays.
    """
    if not is_outdated(ledger):
        return
    _log.warning("%s was written by an older otpconv: rebuilding it from the journal", ledger.name)
    logged = 0

    def log(done: int, total: int) -> None:
        nonlocal logged
        if done - logged >= _LOG_EVERY:
            logged = done
            _log.info("%s: %d of %d journal entries", ledger.name, done, total)

    _log.warning("%s was rebuilt from %d journal entries", ledger.name, rebuild(ledger, journal, log))


def rebuild(ledger: Path, journal: Path, done: Callable[[int, int], None]) -> int:
    """Build a new ledger from the whole journal, replace the old one with it, and return its cursor.

    No other process may write either file meanwhile. If this is interrupted, the folder holds the old ledger,
    the new one, or none; the next start then builds one.

    Args:
        ledger: the ledger's file; it may be missing or damaged.
        journal: the journal's file.
        done: called with the number of journal entries applied so far, and of all.

    Raises:
        Misconfigured: the journal is damaged or not otpconv's.
        Unavailable: the disk is full or fails.
    """
    draft = ledger.with_name(f"{ledger.name}.new")
    remove(draft)
    source = SqliteJournal(journal)
    try:
        writer = SqliteLedgerWriter(draft, journal)
        try:
            cursor = apply_upto(writer, source.head(), done)
        finally:
            # The last connection that closes moves the write-ahead log into the file.
            writer.close()
        _swap(draft, ledger)
    except BaseException:
        remove(draft)
        raise
    finally:
        source.close()
    return cursor


def apply_upto(writer: SqliteLedgerWriter, position: int, done: Callable[[int, int], None]) -> int:
    """Apply the journal up to a position, which is the end of an append, and return the cursor.

    Args:
        writer: of a ledger that is not beyond the position.
        position: of a journal entry.
        done: called with the number of journal entries applied so far, and `position`.

    Raises:
        Misconfigured: the journal is damaged.
        Unavailable: the disk is full or fails.
    """
    cursor = writer.cursor()
    while cursor < position:
        cursor = writer.apply(min(_BATCH, position - cursor))
        done(cursor, position)
    return cursor


def _swap(draft: Path, ledger: Path) -> None:
    if ledger.exists():
        _settle(ledger)
    if ledger.with_name(f"{ledger.name}-wal").exists():
        # A process reads the old ledger, or it is damaged. SQLite must never apply its log to the new file,
        # so the old file is removed first, with its log.
        remove(ledger)
    draft.replace(ledger)
    descriptor = os.open(ledger.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _settle(ledger: Path) -> None:
    """Move the old ledger's log into its file, if that works, so that one step replaces the file."""
    with contextlib.suppress(OtpconvError), mapped(ledger):
        connection = connect_reader(ledger)
        try:
            connection.pragma("query_only", value=False)
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            connection.close()


def remove(path: Path) -> None:
    """Remove a SQLite file, if it is there, with its write-ahead log."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
