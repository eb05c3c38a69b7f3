"""Erases the reports of deleted messages from the journal, in short transactions beside a running server.

A rewritten row gets a new checksum and keeps the original one, so that the chain still verifies.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw

from otpconv.storage.journal_eraser import Rewritten, StepwiseEraser
from otpconv.storage.journal_rows import ENCODER
from otpconv.storage.sqlite.connection import BUSY_TIMEOUT_MS, connect_writer, mapped, reading, statements
from otpconv.storage.sqlite.journal.journal import JOURNAL_VERSION
from otpconv.storage.sqlite.journal.rows import JournalRow, checksum, read_rows
from otpconv.storage.sqlite.one_thread import OneThreadConnection
from otpconv.storage.statements import SqlValue

_SQL = statements("journal/eraser.sql")
#: Rewritten bytes after which the write-ahead log is moved into the file.
_CHECKPOINT_BYTES = 8 * 1024 * 1024
#: How long clearing a log may wait for those who use it, ms; then it is tried again later.
_FINISH_MS = 20


def has_erasures(journal: Path) -> bool:
    """Return whether reports of deleted messages may still be in the journal."""
    with reading(journal) as connection:
        return bool(connection.execute(_SQL["any_erasure"]).get)


class SqliteJournalEraser:
    """See `JournalEraser`; opens the files in the thread that first uses it."""

    def __init__(self, journal: Path, ledger: Path) -> None:
        self._journal = journal
        self._ledger = ledger
        self._opened: OneThreadConnection | None = None
        self._eraser = StepwiseEraser(self)
        self._written = 0

    def begin(self) -> bool:
        """See `JournalEraser`."""
        with mapped(self._journal):
            return self._eraser.begin()

    def step(self) -> bool:
        """See `JournalEraser`."""
        with mapped(self._journal):
            return self._eraser.step()

    def finish(self) -> bool:
        """See `JournalEraser`."""
        connection = self._connection()
        with mapped(self._journal):
            # A report that comes meanwhile waits as long as this does.
            connection.set_busy_timeout(_FINISH_MS)
            try:
                for schema in ("main", "ledger"):
                    connection.wal_checkpoint(schema, apsw.SQLITE_CHECKPOINT_PASSIVE)
                    connection.wal_checkpoint(schema, apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except apsw.BusyError:
                return False
            finally:
                connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        return True

    def close(self) -> None:
        """Close the files."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def run(self, name: str, values: Mapping[str, SqlValue]) -> list[tuple[Any, ...]]:
        """See `JournalFile`."""
        return self._connection().execute(_SQL[name], values).fetchall()

    def reports(self, seq: int) -> bytes:
        """See `JournalFile`."""
        (row,) = read_rows(self._connection(), seq, seq)
        return row.reports or b"[]"

    def rewrite(self, rows: Sequence[Rewritten]) -> None:
        """See `JournalFile`."""
        connection = self._connection()
        # Read before: a transaction that begins by reading can't write once somebody else has written.
        rewritten = [self._rewritten(row) for row in rows]
        with connection.transaction("BEGIN IMMEDIATE"):
            connection.executemany(_SQL["rewrite"], rewritten)
        self._written += sum(row.bytes for row in rows)
        if self._written >= _CHECKPOINT_BYTES:
            connection.wal_checkpoint("main")
            self._written = 0

    def _rewritten(self, left: Rewritten) -> dict[str, Any]:
        row: JournalRow
        (row,) = read_rows(self._connection(), left.seq, left.seq)
        encoded = ENCODER.encode(left.reports)
        checked = None
        if row.checksum is not None:
            checked = checksum((*row[:4], encoded, row.nonces))
        return {"seq": row.seq, "reports": encoded, "checksum": checked}

    def _connection(self) -> OneThreadConnection:
        if self._opened is None:
            self._opened = connect_writer(self._journal, version=JOURNAL_VERSION, durable=True)
            with mapped(self._journal):
                self._opened.wal_autocheckpoint(0)
                self._opened.execute(_SQL["attach_ledger"], (str(self._ledger),))
                list(self._opened.execute(_SQL["targets_schema"]))
        return self._opened
