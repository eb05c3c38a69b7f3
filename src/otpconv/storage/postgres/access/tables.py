"""The tables of keys, users, roles and policies in PostgreSQL: their statements and transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, LiteralString, TypeVar

import msgspec
import psycopg
from psycopg.rows import TupleRow

from otpconv.storage.access.tables import STATEMENTS
from otpconv.storage.postgres.database import Database, execute, parts_of, statements
from otpconv.storage.postgres.shared import SharedConnection
from otpconv.storage.statements import SqlValue

_SQL = statements("access/schema.sql") | {name: parts_of(text) for name, text in STATEMENTS.items()}
_READING: Final[LiteralString] = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
#: When a key was last used is written without waiting: the next attempt is seconds away.
_NOTING: Final[LiteralString] = "SET LOCAL synchronous_commit = off; SET LOCAL lock_timeout = '100ms'"

_Row = TypeVar("_Row")


class PostgresTables:
    """`AccessTables` in PostgreSQL.

    Args:
        database: has the tables.
    """

    def __init__(self, database: Database) -> None:
        self._shared = SharedConnection(database)

    def close(self) -> None:
        """Close the connection."""
        self._shared.close()

    def run(self, name: str, /, **values: SqlValue) -> int:
        """Run a named statement, and return how many rows its last part changed."""
        return self._execute(name, values).rowcount

    def rows(self, name: str, kind: type[_Row], /, **values: SqlValue) -> list[_Row]:
        """Return the rows of a named statement as structs with its columns."""
        rows = self._execute(name, values).fetchall()
        return msgspec.convert(rows, list[kind])  # type: ignore[valid-type]

    def value(self, name: str, /, **values: SqlValue) -> object:
        """Return the first value of a named statement; None when there is no row."""
        row = self._execute(name, values).fetchone()
        return None if row is None else row[0]

    def number(self, name: str, /, **values: SqlValue) -> int | None:
        """Return the number that a named statement gives; None when there is no row."""
        value = self.value(name, **values)
        return value if isinstance(value, int) else None

    def version(self) -> object:
        """Return a value that differs once somebody has changed the tables."""
        return self.value("access_version")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Show all statements of the context the same state of the tables."""
        with self._shared.open() as connection, connection.transaction():
            connection.execute(_READING)
            yield

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Make all changes of the context or, when it fails, none."""
        with self._shared.open() as connection, connection.transaction():
            execute(connection, _SQL["begin_change"])
            yield

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Make changes that a power failure may undo, without waiting for other writers or the disk."""
        with self._shared.open() as connection, connection.transaction():
            connection.execute(_NOTING)
            yield

    def _execute(self, name: str, values: dict[str, SqlValue]) -> psycopg.Cursor[TupleRow]:
        with self._shared.open() as connection:
            return execute(connection, _SQL[name], values)
