"""The journal in SQLite. Every commit waits for the disk."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import apsw

from otpconv.errors import Misconfigured
from otpconv.storage.contract import Entry
from otpconv.storage.journal import JournalEntry
from otpconv.storage.journal_rows import NewRow, new_rows, newest_nonces
from otpconv.storage.sqlite.connection import connect_writer, mapped, statements
from otpconv.storage.sqlite.journal.rows import (
    ADVICE,
    Inspector,
    RowProblem,
    about,
    chained,
    checksum,
    entries_of,
    inspected,
    rows_from,
)

_SQL = statements("journal/journal.sql")
_APPEND = _SQL["append"]
#: Version 1 had no checksums, version 2 no erasures.
JOURNAL_VERSION = 3

#: Entries after which the write-ahead log starts again from its beginning.
_CHECKPOINT_ENTRIES = 20_000
#: How large the write-ahead log is preallocated.
_LOG_BYTES = 16 * 1024 * 1024


class SqliteJournal:
    """The record in one file; one thread of one process appends to it at a time."""

    at_once = 1

    def __init__(self, path: Path) -> None:
        """Open the file at `path`, or create it.

        Raises:
            Misconfigured: the file is not otpconv's, damaged, or of a newer otpconv.
            Unavailable: the disk is full or fails.
        """
        self._path = path
        self._connection = connect_writer(
            path,
            version=JOURNAL_VERSION,
            schema=_SQL["schema"],
            durable=True,
            log_bytes=_LOG_BYTES,
            upgrades={1: _SQL["upgrade"], 2: _SQL["second_upgrade"]},
        )
        # The ledger writer moves committed rows from the log into the file, so that no report waits for it.
        self._connection.wal_autocheckpoint(0)
        self._last_checkpoint = 0
        with mapped(path):
            self._about = about(self._connection)
            self._last = self._read_last()

    def append(self, entries: Sequence[Entry], recorded_at: int) -> int:
        """Make `entries` durable in one commit and return the position of the last one."""
        rows = new_rows(entries, recorded_at)
        with mapped(self._path):
            while not self._insert(rows):
                self._last = self._read_last()
            upto = self._last[0]
            if upto - self._last_checkpoint >= _CHECKPOINT_ENTRIES:
                self._restart_log(upto)
        return upto

    def confirm(self) -> None:
        """See `Journal.confirm`: nobody can read a commit before it is durable."""

    def read(self, after: int, limit: int) -> list[JournalEntry]:
        """Return the entries after the position `after`, in their order; at most `limit`.

        Raises:
            Misconfigured: the next entry is damaged or missing.
            Unavailable: the disk fails.
        """
        entries: list[JournalEntry] = []
        with mapped(self._path):
            # Read again each time, since an operator may set rows aside meanwhile.
            inspector = Inspector(about(self._connection), decode=False)
            for row in rows_from(self._connection, after):
                if row.seq <= after:
                    inspector.begin_after(row)
                    continue
                problem = inspector.problem(row)
                if problem is not None and not entries:
                    raise Misconfigured(f"{self._path}: {problem}; {ADVICE}")
                if problem is not None or len(entries) >= limit:
                    break
                if not inspector.is_set_aside(row):
                    entries += entries_of(row)
        return [entry for entry in entries if entry.position > after][:limit]

    def head(self) -> int:
        """Return the position of the newest entry; 0 when there is none."""
        with mapped(self._path):
            head: int = self._connection.execute(_SQL["head"]).fetchall()[0][0]  # type: ignore[assignment]
        return head

    def nonces(self, since: int, limit: int) -> list[tuple[int, int]]:
        """Return the newest `limit` (fingerprint, signed_at) of entries recorded at or after `since` (ms)."""
        with mapped(self._path):
            return newest_nonces(self._connection.execute(_SQL["newest_nonces"]), since, limit)

    def newest_report_time(self) -> int | None:
        """Return when the newest report was recorded, ms; None when there is none."""
        return self._time("newest_report_time")

    def oldest_time(self) -> int | None:
        """Return when the first entry was recorded, ms; None when there is none."""
        return self._time("oldest_time")

    def had_keys(self) -> bool:
        """Return whether a server with access keys has used this folder."""
        return self._about.had_keys

    def note_keys(self) -> None:
        """Record that a server with access keys uses this folder."""
        if not self._about.had_keys:
            with mapped(self._path):
                self._connection.execute(_SQL["note_keys"])
                self._about = about(self._connection)

    def set_aside(self) -> list[RowProblem]:
        """Decode all rows, set the damaged ones aside so that they are skipped, and return the problems."""
        with mapped(self._path), self._connection.transaction():
            problems = list(inspected(self._connection))
            self._connection.executemany(_SQL["set_aside"], [tuple(problem) for problem in problems])
        return problems

    def close(self) -> None:
        """Close the file. All acknowledged entries are in it."""
        self._connection.close()

    def _insert(self, rows: Sequence[NewRow]) -> bool:
        """Insert rows after the last known one. Return False if another process has appended meanwhile."""
        if len(rows) == 1:
            return self._insert_row(rows[0])
        before = self._last
        try:
            with self._connection.transaction():
                inserted = all(self._insert_row(row) for row in rows)
        except BaseException:
            self._last = before
            raise
        return inserted

    def _insert_row(self, row: NewRow) -> bool:
        previous, chain = self._last
        columns = previous + row[0], *row[1:6]
        own = checksum(columns)
        chain = chained(chain, own)
        self._connection.execute(_APPEND, (*columns, own, chain, previous))
        if not self._connection.changes():
            return False
        self._last = columns[0], chain
        return True

    def _read_last(self) -> tuple[int, int]:
        """Return the position and the chain value of the last row."""
        seq, chain = self._connection.execute(_SQL["last"]).fetchone() or (0, None)
        return seq, self._about.origin if chain is None else chain

    def _restart_log(self, upto: int) -> None:
        """Move what the ledger writer left in the log into the file, so that the log starts again."""
        # The entries are durable already. If this checkpoint fails, a later one does its work.
        with contextlib.suppress(apsw.Error):
            in_log, moved = self._connection.wal_checkpoint()
            if in_log == moved:
                self._last_checkpoint = upto

    def _time(self, name: str) -> int | None:
        with mapped(self._path):
            time = self._connection.execute(_SQL[name]).get
        return time if isinstance(time, int) else None
