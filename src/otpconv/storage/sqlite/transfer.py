"""One side of a copy: the files of a data folder."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Final

import apsw

from otpconv.storage.sqlite.access.access_file import AccessFile
from otpconv.storage.sqlite.annotations import open_file
from otpconv.storage.sqlite.connection import mapped, reading
from otpconv.storage.sqlite.journal.copied import CopiedJournal
from otpconv.storage.sqlite.ledger.rebuild import prepare, remove
from otpconv.storage.sqlite.ledger.verify import SqliteContents, one_state
from otpconv.storage.sqlite.ledger.writer import SqliteLedgerWriter
from otpconv.storage.transfer import STATE, State, StoredRow

#: The table that has a file of its own.
_ANNOTATIONS: Final = "annotations"
_ACCESS: Final = tuple(table for table in STATE if table != _ANNOTATIONS)


class SqliteTransfer:
    """See `Transfer`.

    Args:
        journal, ledger, access, annotations: the files. Journal and access are created if they don't exist,
            annotations with the first state.
    """

    def __init__(self, journal: Path, ledger: Path, access: Path, annotations: Path) -> None:
        self._journal_file = journal
        self._ledger = ledger
        self._annotations_file = annotations
        self._journal = CopiedJournal(journal)
        self._access = AccessFile(access)

    def head(self) -> int:
        """See `Transfer.head`."""
        return self._journal.head()

    def rows(self, after: int, entries: int) -> list[StoredRow]:
        """See `Transfer.rows`."""
        return self._journal.rows(after, entries)

    def append(self, after: int, rows: Sequence[StoredRow]) -> None:
        """See `Transfer.append`."""
        self._journal.append_rows(after, rows)

    def rewrite(self, rows: Sequence[StoredRow]) -> None:
        """See `Transfer.rewrite`."""
        self._journal.rewrite(rows)

    def ledger(self) -> AbstractContextManager[SqliteContents]:
        """See `Transfer.ledger`."""
        if not self._ledger.exists():
            prepare(self._ledger, self._journal_file)
        return one_state(self._ledger)

    def ledger_writer(self) -> SqliteLedgerWriter:
        """See `Transfer.ledger_writer`."""
        prepare(self._ledger, self._journal_file)
        return SqliteLedgerWriter(self._ledger, self._journal_file)

    def discard_ledger(self) -> None:
        """See `Transfer.discard_ledger`."""
        remove(self._ledger)

    def state(self) -> State:
        """See `Transfer.state`."""
        with self._access.reading():
            state = {table: _read(self._access.connection, table) for table in _ACCESS}
        # A source without the file stays without it: an older otpconv left the folder.
        state[_ANNOTATIONS] = []
        if self._annotations_file.is_file():
            with reading(self._annotations_file) as annotations:
                state[_ANNOTATIONS] = _read(annotations, _ANNOTATIONS)
        return state

    def replace_state(self, state: State) -> None:
        """See `Transfer.replace_state`."""
        with self._access.changing():
            _replace(self._access.connection, _ACCESS, state)
        with (
            closing(open_file(self._annotations_file)) as annotations,
            mapped(self._annotations_file),
            annotations.transaction("BEGIN IMMEDIATE"),
        ):
            _replace(annotations, (_ANNOTATIONS,), state)

    def close(self) -> None:
        """Close the files."""
        self._access.close()
        self._journal.close()


def _read(connection: apsw.Connection, table: str) -> list[tuple[object, ...]]:
    columns = ", ".join(STATE[table])
    return connection.execute(f"SELECT {columns} FROM {table}").fetchall()  # noqa: S608 - our own names


def _replace(connection: apsw.Connection, tables: Sequence[str], state: State) -> None:
    for table in reversed(tables):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
    for table in tables:
        columns = STATE[table]
        values = ", ".join("?" for _ in columns)
        insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"  # noqa: S608 - our own names
        connection.executemany(insert, state[table])
