"""Tables in a SQLite file of their own, which a backup copies and a rebuild leaves alone."""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec
from msgspec import Struct

from otpconv.storage.sqlite.connection import connect_writer, mapped, script
from otpconv.storage.sqlite.one_thread import OneThreadConnection
from otpconv.storage.statements import SqlValue

_Row = TypeVar("_Row")


class Schema(Struct, frozen=True):
    """The schema of a file.

    Attributes:
        version: that this code reads and writes.
        creation: the `.sql` file of this package that creates it.
        upgrades: by version, the one that brings a file of that version to the next.
    """

    version: int
    creation: str
    upgrades: Mapping[int, str] = {}


class TablesFile:
    """`Tables` in a file, created with mode 0600 if needed. Each thread has a connection of its own.

    Args:
        path: the file, in a folder that exists.
        schema: of the file.
        statements: by name.
    """

    def __init__(self, path: Path, schema: Schema, statements: Mapping[str, str]) -> None:
        self._path = path
        self._schema = schema
        self._statements = statements
        self._threads = threading.local()

    def run(self, name: str, /, **values: SqlValue) -> int:
        """See `Tables.run`."""
        self._connection.execute(self._statements[name], values).fetchall()
        return self._connection.changes()

    def run_many(self, name: str, values: Sequence[Mapping[str, SqlValue]], /) -> int:
        """See `Tables.run_many`."""
        before = self._connection.total_changes()
        self._connection.executemany(self._statements[name], values)
        return self._connection.total_changes() - before

    def rows(self, name: str, kind: type[_Row], /, **values: SqlValue) -> list[_Row]:
        """See `Tables.rows`."""
        rows = self._connection.execute(self._statements[name], values).fetchall()
        return msgspec.convert(rows, list[kind])  # type: ignore[valid-type]

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """See `Tables.changing`."""
        with mapped(self._path), self._connection.transaction("BEGIN IMMEDIATE"):
            yield

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """See `Tables.reading`."""
        with mapped(self._path), self._connection.transaction():
            yield

    def clear_log(self) -> None:
        """See `Tables.clear_log`."""
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
                version=self._schema.version,
                durable=True,
                creation=script(self._schema.creation),
                upgrades={version: script(name) for version, name in self._schema.upgrades.items()},
            )
        connection: OneThreadConnection = self._threads.connection
        return connection
