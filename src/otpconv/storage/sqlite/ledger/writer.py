"""The ledger's writer in SQLite: a handful of statements for each batch of the journal.

The statements read the attached journal, and run in SQLite without Python's lock. So applying costs the event
loop only a share of the processor.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import apsw

from otpconv.errors import Misconfigured
from otpconv.storage.bounds import BOUNDS, Bounds
from otpconv.storage.erasure import MAX_ERASED
from otpconv.storage.merging import Merging
from otpconv.storage.sqlite.connection import connect_writer, mapped, statements
from otpconv.storage.sqlite.journal import rows as journal_rows
from otpconv.storage.sqlite.journal.journal import JOURNAL_VERSION
from otpconv.storage.sqlite.ledger import binding
from otpconv.storage.statements import SqlValue

_SQL = (
    statements("journal/journal.sql")
    | statements("ledger/schema.sql")
    | statements("ledger/merge.sql")
    | statements("ledger/dimensions.sql")
    | statements("ledger/unmatched.sql")
    | statements("ledger/changes.sql")
    | statements("ledger/receipts.sql")
    | statements("ledger/costs.sql")
    | statements("ledger/ranges.sql")
    | statements("ledger/erasure.sql")
)
LEDGER_VERSION = 11
#: Pages of 4 KiB after which the write-ahead log is moved into the file: 16 MiB, well under 100 ms of work.
_CHECKPOINT_PAGES = 4_000
#: Journal entries after which its log is moved into its file, without waiting for anybody.
_CHECKPOINT_ENTRIES = 20_000
_CACHE_KIB = 64 * 1024


class SqliteLedgerWriter:
    """Writes the ledger's file from the journal's; the only one to do so, from one thread at a time."""

    def __init__(self, ledger: Path, journal: Path, *, bounds: Bounds = BOUNDS) -> None:
        """Open or make the ledger, beside a journal that exists.

        Args:
            ledger: the ledger's file.
            journal: the journal's file.
            bounds: how many dimensions are counted apart; the same at every start.

        Raises:
            Misconfigured: a file is damaged, not ours, of a newer otpconv, or the ledger of an older one.
            Unavailable: the disk is full or fails.
        """
        self._path = ledger
        self._merging = Merging(self, bounds)
        self._journal = journal
        schema = _SQL["schema"] + binding.SCHEMA
        self._connection = connect_writer(
            ledger, version=LEDGER_VERSION, schema=schema, durable=False, oldest=LEDGER_VERSION
        )
        with mapped(ledger):
            self._connection.wal_autocheckpoint(_CHECKPOINT_PAGES)
            self._connection.pragma("cache_size", -_CACHE_KIB)
            self._connection.execute(_SQL["attach"], (str(journal),))
            if self._connection.pragma("user_version", schema="journal") != JOURNAL_VERSION:
                self._connection.close()
                raise AssertionError(journal)  # the journal is opened, and checked, first
            for name in (
                "batch_schema",
                "combinations_schema",
                "unmatched_schema",
                "changes_schema",
                "receipts_schema",
                "costs_schema",
                "ranges_schema",
                "erasure_schema",
            ):
                list(self._connection.execute(_SQL[name]))
        self._checkpointed = 0

    def apply(self, limit: int) -> int:
        """Apply some `limit` further journal entries in one transaction and return the cursor after it.

        Raises:
            Misconfigured: a row of the journal is damaged or missing; nothing was applied.
            Unavailable: the disk is full or fails; nothing was applied.
        """
        with mapped(self._path), self._connection.transaction():
            cursor = self.cursor()
            (upto,) = self._row("batch_end", {"cursor": cursor, "limit": limit})
            apart = self._inspect(cursor, upto) if cursor < upto else []
            while cursor < upto:
                stop = self._next_alone(cursor, upto, apart)
                end = upto if stop is None else stop - 1
                if end > cursor:
                    self._merging.merge(cursor, end)
                if stop is not None:
                    if stop not in apart:
                        self._expire(stop)
                    end = stop
                cursor = end
                self._connection.execute(_SQL["advance"], (cursor,))
        if cursor - self._checkpointed >= _CHECKPOINT_ENTRIES:
            # The batch is committed. If the journal moves its log itself just now, the next batch retries.
            with contextlib.suppress(apsw.Error):
                self._connection.wal_checkpoint("journal")
                self._checkpointed = cursor
        return cursor

    def cursor(self) -> int:
        """Return the position of the last journal entry that is in the ledger."""
        with mapped(self._path):
            (cursor,) = self._row("cursor", {})
        return int(cursor)

    def close(self) -> None:
        """Close the files."""
        self._connection.close()

    def _inspect(self, after: int, upto: int) -> list[int]:
        """Check the rows of a batch before anything of them is applied; return those that were set aside."""
        about = journal_rows.about(self._connection)
        rows = journal_rows.read_rows(self._connection, after, upto)
        inspector = journal_rows.Inspector(about, decode=False)
        if rows and rows[0].seq == after:
            inspector.begin_after(rows.pop(0))
        for row in rows:
            if (problem := inspector.problem(row)) is not None:
                raise Misconfigured(f"{self._journal}: {problem}; {journal_rows.ADVICE}")
        binding.bind_to_journal(self._connection, about.identity, upto)
        return about.rows_set_aside

    def _next_alone(self, after: int, upto: int, apart: list[int]) -> int | None:
        """Return the first row that is not merged with others: an expiry, erasure, or one `apart`."""
        (expiry,) = self._row("first_expiry", {"after": after, "upto": upto})
        stops = [seq for seq in (expiry, *apart) if seq is not None and after < seq <= upto]
        return min(stops, default=None)

    def _expire(self, seq: int) -> None:
        if self.number("is_erasure", {"seq": seq}):
            self._checkpointed -= MAX_ERASED  # its entry is about as large as that many reports
            self._merging.erase(seq)
            return
        (believed,) = self._row("is_believed", {"seq": seq})
        if believed:
            self._merging.expire(*self._row("expiry", {"seq": seq}))

    def run(self, name: str, values: Mapping[str, SqlValue]) -> None:
        """See `merging.Statements`."""
        list(self._connection.execute(_SQL[name], values))

    def number(self, name: str, values: Mapping[str, SqlValue]) -> int:
        """See `merging.Statements`."""
        (number,) = self._row(name, values)
        return int(number)

    def _row(self, name: str, bindings: Mapping[str, SqlValue]) -> tuple[Any, ...]:
        return self._connection.execute(_SQL[name], bindings).fetchall()[0]
