"""The file of keys, users, roles and policies: its named statements and its transactions."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

import apsw
import msgspec

from otpconv.storage.access.tables import STATEMENTS
from otpconv.storage.sqlite.connection import BUSY_TIMEOUT_MS, connect_writer, mapped, script
from otpconv.storage.sqlite.one_thread import OneThreadConnection
from otpconv.storage.statements import SqlValue

#: The version of the schema that this code reads and writes.
VERSION: Final = 3

#: Files of tables that were added to files of every version.
_ADDED: Final = ("saved_views", "vendors", "price_lists", "alert_targets")
#: What a checkpoint may fail with although the file is sound.
_TEMPORARY = (apsw.BusyError, apsw.LockedError, apsw.FullError, apsw.IOError, apsw.NoMemError)

_Row = TypeVar("_Row")


class AccessFile:
    """`AccessTables` in a file, created with mode 0600 if needed. Each thread has a connection of its own.

    Args:
        path: the file, in a folder that exists.

    Raises:
        Misconfigured: the file is not otpconv's, is damaged, or is of a newer otpconv.
        Unavailable: it is locked by another process for longer than 5 s.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.local()
        self._connect()

    @property
    def connection(self) -> OneThreadConnection:
        """The calling thread's connection; opened at the first use."""
        if not hasattr(self._threads, "connection"):
            self._connect()
        connection: OneThreadConnection = self._threads.connection
        return connection

    def close(self) -> None:
        """Close the calling thread's connection; the others close with their threads."""
        if hasattr(self._threads, "connection"):
            with mapped(self._path):
                self._threads.connection.close()
            del self._threads.connection

    def run(self, name: str, /, **values: SqlValue) -> int:
        """Run a named statement in a transaction and return how many rows it changed."""
        self.connection.execute(STATEMENTS[name], values).fetchall()
        return self.connection.changes()

    def rows(self, name: str, kind: type[_Row], /, **values: SqlValue) -> list[_Row]:
        """Return the rows of a named statement as structs with its columns."""
        cursor = self.connection.execute(STATEMENTS[name], values)
        rows = cursor.fetchall()
        return msgspec.convert(rows, list[kind])  # type: ignore[valid-type]

    def value(self, name: str, /, **values: SqlValue) -> object:
        """Return the first value of a named statement; None when there is no row."""
        return self.connection.execute(STATEMENTS[name], values).get

    def number(self, name: str, /, **values: SqlValue) -> int | None:
        """Return the number that a named statement gives; None when there is no row."""
        value = self.value(name, **values)
        return value if isinstance(value, int) else None

    def version(self) -> object:
        """Return a value that differs once another connection has changed the file, or in another thread."""
        with mapped(self._path):
            return threading.get_ident(), self.connection.pragma("data_version")

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Show all statements of the context the same state of the file."""
        with mapped(self._path), self.connection.transaction():
            yield

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Make all changes of the context or, when it fails, none."""
        with mapped(self._path):
            with self.connection.transaction("BEGIN IMMEDIATE"):
                yield
            # SQLite does not report a lost or damaged write-ahead log, so no key stays in it.
            with contextlib.suppress(*_TEMPORARY):
                self.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Make changes that a power failure may undo, without waiting for other writers or the disk."""
        with mapped(self._path):
            self.connection.set_busy_timeout(0)
            self.connection.pragma("synchronous", "normal")
            try:
                with self.connection.transaction("BEGIN IMMEDIATE"):
                    yield
            finally:
                self.connection.pragma("synchronous", "full")
                self.connection.set_busy_timeout(BUSY_TIMEOUT_MS)

    def _connect(self) -> None:
        connection = connect_writer(
            self._path,
            version=VERSION,
            durable=True,
            schema="".join(script(f"access/{name}.sql") for name in _ADDED),
            creation=script("access/schema.sql"),
            upgrades={1: script("access/upgrade_to_2.sql"), 2: script("access/upgrade_to_3.sql")},
        )
        connection.pragma("foreign_keys", value=True)
        self._threads.connection = connection
