"""Building the ledger again from the journal, beside the old one: after an upgrade, or when asked to."""

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import apsw

from otpconv.errors import OtpconvError
from otpconv.storage.sqlite.binding import require_fit
from otpconv.storage.sqlite.connection import connect_reader, mapped, version_of
from otpconv.storage.sqlite.follower import LEDGER_VERSION, SqliteLedgerWriter
from otpconv.storage.sqlite.journal import SqliteJournal

#: Journal entries of one transaction.
_BATCH = 5_000
#: Journal entries from one line of the log to the next.
_TOLD_EVERY = 1_000_000

_log = logging.getLogger(__name__)


def is_outdated(ledger: Path) -> bool:
    """Tell whether an older otpconv has written the ledger, so that it has to be made anew.

    Raises:
        Misconfigured: the file is not ours or damaged.
        Unavailable: the disk fails.
    """
    return ledger.is_file() and 0 < version_of(ledger) < LEDGER_VERSION


def prepare(ledger: Path, journal: Path) -> int:
    """Make the ledger ready for a server and return the position of the last journal entry in it.

    A ledger that is not there is made, without any entry. A ledger of an older otpconv is rebuilt; that
    takes some seconds for a million reports. Nobody else may write either file meanwhile.

    Args:
        ledger: the ledger's file.
        journal: the journal's file, which is there.

    Raises:
        Misconfigured: a file is damaged, not ours, of a newer otpconv, or the ledger does not fit the
            journal. Both are left as they are, since each may hold reports that the other lacks.
        Unavailable: the disk is full or fails; the old ledger stays.
    """
    renew(ledger, journal)
    writer = SqliteLedgerWriter(ledger, journal)
    cursor = writer.cursor()
    writer.close()
    require_fit(ledger, journal)
    return cursor


def renew(ledger: Path, journal: Path) -> None:
    """Rebuild the ledger where an older otpconv has written it; nobody else may write either file meanwhile.

    Raises:
        Misconfigured: a file is damaged or not ours.
        Unavailable: the disk is full or fails; the old ledger stays.
    """
    if not is_outdated(ledger):
        return
    _log.warning("%s is of an older otpconv: it is made anew from the journal", ledger.name)
    told = 0

    def tell(done: int, total: int) -> None:
        nonlocal told
        if done - told >= _TOLD_EVERY:
            told = done
            _log.info("%s: %d of %d entries of the journal", ledger.name, done, total)

    _log.warning("%s is made anew of %d entries of the journal", ledger.name, rebuild(ledger, journal, tell))


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
        writer = SqliteLedgerWriter(draft, journal)
        try:
            cursor = 0
            while cursor < head:
                cursor = writer.apply(_BATCH)
                done(cursor, head)
        finally:
            # The last connection to leave moves the write-ahead log into the file.
            writer.close()
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
