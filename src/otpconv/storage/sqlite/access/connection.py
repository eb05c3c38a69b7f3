"""The file itself: opening it, its named statements, transactions, and SQLite's errors mapped to ours."""

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Final, TypeVar

import apsw
import msgspec

from otpconv.errors import Misconfigured, Unavailable
from otpconv.folder import alone
from otpconv.storage.sqlite.one_thread import Connection

#: The version of the schema that this code reads and writes.
VERSION: Final = 2

_BUSY_TIMEOUT_MS = 5_000

_SQL = resources.files(__package__)
_SCHEMA = _SQL.joinpath("schema.sql").read_text("utf-8")
# What brings a file of an older version to the next one.
_UPGRADES = {1: _SQL.joinpath("upgrade_to_2.sql").read_text("utf-8")}
# A statement begins with a line `-- name: NAME` and goes on to the next such line.
_PARTS = re.split(r"^-- name: (\w+)$", _SQL.joinpath("statements.sql").read_text("utf-8"), flags=re.MULTILINE)
_STATEMENTS = {_PARTS[i]: _PARTS[i + 1].strip() for i in range(1, len(_PARTS), 2)}

_UNUSABLE = (
    OSError,
    apsw.NotADBError,
    apsw.CorruptError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.PermissionsError,
)
_TEMPORARY = (apsw.BusyError, apsw.LockedError, apsw.FullError, apsw.IOError, apsw.NoMemError)

_Value = str | int | bytes | None
_Row = TypeVar("_Row")


class AccessFile:
    """The file, made with mode 0600 if it does not exist; each thread has a connection of its own to it.

    Args:
        path: the file; its directory exists.

    Raises:
        Misconfigured: the file is not ours, is damaged, or is of a newer otpconv.
        Unavailable: it is locked by another process for longer than 5 s.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.local()
        with self._mapped():
            self._connect()

    @property
    def connection(self) -> Connection:
        """The calling thread's connection; opened when it is first asked for."""
        if not hasattr(self._threads, "connection"):
            self._connect()
        connection: Connection = self._threads.connection
        return connection

    def close(self) -> None:
        """Close the calling thread's connection; the others close with their threads."""
        if hasattr(self._threads, "connection"):
            with self._mapped():
                self._threads.connection.close()
            del self._threads.connection

    def run(self, name: str, /, **values: _Value) -> int:
        """Run a named statement, within a transaction, and return how many rows it changed."""
        self.connection.execute(_STATEMENTS[name], values).fetchall()
        return self.connection.changes()

    def rows(self, name: str, kind: type[_Row], /, **values: _Value) -> list[_Row]:
        """Return the rows of a named statement as structs with its columns."""
        cursor = self.connection.execute(_STATEMENTS[name], values)
        rows = cursor.fetchall()
        return msgspec.convert(rows, list[kind])  # type: ignore[valid-type]

    def value(self, name: str, /, **values: _Value) -> object:
        """Return the first value of a named statement; None when there is no row."""
        return self.connection.execute(_STATEMENTS[name], values).get

    def number(self, name: str, /, **values: _Value) -> int | None:
        """Return the number that a named statement gives; None when there is no row."""
        value = self.value(name, **values)
        return value if isinstance(value, int) else None

    def version(self) -> object:
        """Return what changes when another connection has changed the file, or another thread asks."""
        with self._mapped():
            return threading.get_ident(), self.connection.pragma("data_version")

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Give one and the same state of the file to all statements of the context."""
        with self._mapped(), self._transaction("BEGIN"):
            yield

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Make all changes of the context or, when it fails, none."""
        with self._mapped():
            with self._transaction("BEGIN IMMEDIATE"):
                yield
            # SQLite says nothing of a write-ahead log that is lost or damaged, so no key is left in there.
            with contextlib.suppress(*_TEMPORARY):
                self.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Change what may be lost when the power fails: waits neither for other writers nor for the disk."""
        with self._mapped():
            self.connection.set_busy_timeout(0)
            self.connection.pragma("synchronous", "normal")
            try:
                with self._transaction("BEGIN IMMEDIATE"):
                    yield
            finally:
                self.connection.pragma("synchronous", "full")
                self.connection.set_busy_timeout(_BUSY_TIMEOUT_MS)

    def _connect(self) -> None:
        with alone(self._path.parent):
            self._threads.connection = _open(self._path)
            try:
                self._prepare()
            except BaseException:
                self._threads.connection.close()
                del self._threads.connection
                raise

    def _prepare(self) -> None:
        self.connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
        self.connection.pragma("journal_mode", "wal")
        self.connection.pragma("synchronous", "full")
        self.connection.pragma("foreign_keys", value=True)
        if self.connection.pragma("user_version") != VERSION:
            with self._transaction("BEGIN IMMEDIATE"):
                self._upgrade()

    def _upgrade(self) -> None:
        found = self.connection.pragma("user_version")
        if found == VERSION:  # another process was first
            return
        if not isinstance(found, int) or found > VERSION:
            raise Misconfigured(
                f"The file {self._path} was written by a newer otpconv (its version is {found}, "
                f"{VERSION} is known here); run that one, or restore the backup made before the upgrade."
            )
        if found in _UPGRADES:
            while found in _UPGRADES:
                self.connection.execute(_UPGRADES[found]).fetchall()
                found += 1
            return
        if self.connection.execute("SELECT count(*) FROM sqlite_schema").get:
            raise Misconfigured(
                f"The file {self._path} is not otpconv's; move it away or use another directory."
            )
        self.connection.execute(_SCHEMA).fetchall()

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        self.connection.execute(begin)
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            # Some failures have rolled back on their own.
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except _UNUSABLE as error:
            raise Misconfigured(
                f"The file {self._path} cannot be used ({error}); mend its rights, or "
                "restore it from a backup."
            ) from error
        except _TEMPORARY as error:
            raise Unavailable(f"The file {self._path} cannot be used now ({error}); try again.") from error


def _open(path: Path) -> Connection:
    # SQLite would make the file readable for all; its companions (-wal, -shm) take over the mode of the file.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    return Connection(str(path))
