"""The rows of the journal for a copy. A copied row gets the checksums of the journal that it comes into."""

from collections.abc import Sequence

from otpconv.errors import Misconfigured
from otpconv.storage.erasure import Erased
from otpconv.storage.journal_rows import ENCODER
from otpconv.storage.sqlite.connection import mapped, statements
from otpconv.storage.sqlite.journal.journal import SqliteJournal
from otpconv.storage.sqlite.journal.rows import (
    ADVICE,
    Inspector,
    JournalRow,
    about,
    chained,
    checksum,
    entries_of,
    rows_from,
)
from otpconv.storage.transfer import StoredRow

_SQL = statements("journal/journal.sql") | {"rewrite": statements("journal/eraser.sql")["rewrite"]}


class CopiedJournal(SqliteJournal):
    """A journal that is copied, or that is a copy."""

    def rows(self, after: int, entries: int) -> list[StoredRow]:
        """See `Transfer.rows`."""
        found: list[StoredRow] = []
        position = after
        with mapped(self._path):
            of = about(self._connection)
            inspector = Inspector(of, decode=False)
            for row in rows_from(self._connection, after):
                if row.seq <= after:
                    inspector.begin_after(row)
                    continue
                if found and row.seq > after + entries:
                    break
                if (problem := inspector.problem(row)) is not None:
                    raise Misconfigured(f"{self._path}: {problem}; {ADVICE}")
                found += _stored(row, position, inspector) if of.set_aside else [_as_stored(row)]
                position = row.seq
        return found

    def append_rows(self, after: int, rows: Sequence[StoredRow]) -> None:
        """See `Transfer.append`."""
        with mapped(self._path):
            with self._connection.transaction("BEGIN IMMEDIATE"):
                last, chain = self._read_last()
                if last != after:
                    raise Misconfigured(
                        f"{self._path} ends at position {last:,} and not at {after:,}: stop what else writes"
                        " to it"
                    )
                values = []
                for row in rows:
                    own = checksum(row[:6])
                    chain = chained(chain, own)
                    values.append((*row[:6], own, chain, own if row.erased else None))
                self._connection.executemany(_SQL["add"], values)
            self._connection.wal_checkpoint()

    def rewrite(self, rows: Sequence[StoredRow]) -> None:
        """See `Transfer.rewrite`."""
        values = [{"seq": row.seq, "reports": row.reports, "checksum": checksum(row[:6])} for row in rows]
        with mapped(self._path), self._connection.transaction("BEGIN IMMEDIATE"):
            self._connection.executemany(_SQL["rewrite"], values)


def _stored(row: JournalRow, position: int, inspector: Inspector) -> list[StoredRow]:
    """Return a row after the position of another one; rows set aside become rows of erased reports."""
    if inspector.is_set_aside(row):
        return [_erased(row.seq, row.seq - position)]
    missing = row.seq - len(entries_of(row)) - position
    before = [_erased(position + missing, missing)] if missing > 0 else []
    return [*before, _as_stored(row)]


def _as_stored(row: JournalRow) -> StoredRow:
    return StoredRow(*row[:6], erased=row.original is not None)


def _erased(seq: int, count: int) -> StoredRow:
    return StoredRow(seq, 0, None, None, ENCODER.encode([Erased()] * count), None, erased=True)
