"""The tables of the relay in a SQLite file of their own, which a backup copies and a rebuild leaves alone."""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import apsw
import msgspec

from otpconv.storage.relay.tables import STATEMENTS
from otpconv.storage.sqlite.connection import connect_writer, mapped, script
from otpconv.storage.sqlite.one_thread import OneThreadConnection
from otpconv.storage.statements import SqlValue

#: The version of the schema that this code reads and writes.
VERSION: Final = 2

_Row = TypeVar("_Row")


class RelayFile:
    """`RelayTables` in a file, created with mode 0600 if needed. Each thread has a connection of its own.

    Args:
        path: the file, in a folder that exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.local()

    def run(self, name: str, /, **values: SqlValue) -> int:
        """See `RelayTables.run`."""
        self._connection.execute(STATEMENTS[name], values).fetchall()
        return self._connection.changes()

    def run_many(self, name: str, values: Sequence[Mapping[str, SqlValue]], /) -> int:
        """See `RelayTables.run_many`."""
        before = self._connection.total_changes()
        self._connection.executemany(STATEMENTS[name], values)
        return self._connection.total_changes() - before

    def rows(self, name: str, kind: type[_Row], /, **values: SqlValue) -> list[_Row]:
        """See `RelayTables.rows`."""
        rows = self._connection.execute(STATEMENTS[name], values).fetchall()
        return msgspec.convert(rows, list[kind])  # type: ignore[valid-type]

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """See `RelayTables.changing`."""
        with mapped(self._path), self._connection.transaction("BEGIN IMMEDIATE"):
            yield

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """See `RelayTables.reading`."""
        with mapped(self._path), self._connection.transaction():
            yield

    def clear_log(self) -> None:
        """See `RelayTables.clear_log`."""
        with mapped(self._path), contextlib.suppress(apsw.BusyError, apsw.LockedError):
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def close(self) -> None:
        """Close the calling thread's connection; the others close with their threads."""
        if hasattr(self._threads, "connection"):
            with mapped(self._path):
                self._threads.connection.close()
            del self._threads.connection

    @property
    def _connection(self) -> OneThreadConnection:
        if not hasattr(self._threads, "connection"):
            self._threads.connection = connect_writer(
                self._path,
                version=VERSION,
                durable=True,
                creation=script("relay.sql"),
                upgrades={1: script("relay_upgrade_to_2.sql")},
            )
        connection: OneThreadConnection = self._threads.connection
        return connection
