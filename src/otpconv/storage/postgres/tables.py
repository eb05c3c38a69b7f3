"""A few tables with named statements in PostgreSQL."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, LiteralString, TypeVar

import msgspec

from otpconv.storage.postgres.database import Database, execute, parts_of, statements
from otpconv.storage.postgres.shared import SharedConnection
from otpconv.storage.statements import SqlValue

_BEGIN_CHANGE = statements("tables.sql")["begin_change"]
_READING: Final[LiteralString] = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"

_Row = TypeVar("_Row")


class SharedTables:
    """`Tables` in PostgreSQL. The threads share one connection, since each of their changes is short.

    Args:
        database: has the tables.
        statements: by name.
    """

    def __init__(self, database: Database, statements: Mapping[str, str]) -> None:
        self._shared = SharedConnection(database)
        self._statements = {name: parts_of(text) for name, text in statements.items()}

    def run(self, name: str, /, **values: SqlValue) -> int:
        """See `Tables.run`."""
        with self._shared.open() as connection:
            return execute(connection, self._statements[name], values).rowcount

    def run_many(self, name: str, values: Sequence[Mapping[str, SqlValue]], /) -> int:
        """See `Tables.run_many`."""
        if not values:
            return 0
        (statement,) = self._statements[name]
        with self._shared.open() as connection, connection.cursor() as cursor:
            cursor.executemany(statement, values)
            return cursor.rowcount

    def rows(self, name: str, kind: type[_Row], /, **values: SqlValue) -> list[_Row]:
        """See `Tables.rows`."""
        with self._shared.open() as connection:
            rows = execute(connection, self._statements[name], values).fetchall()
        return msgspec.convert(rows, list[kind])  # type: ignore[valid-type]

    @contextmanager
    def changing(self) -> Iterator[None]:
        """See `Tables.changing`."""
        with self._shared.open() as connection, connection.transaction():
            execute(connection, _BEGIN_CHANGE)
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See `Tables.reading`."""
        with self._shared.open() as connection, connection.transaction():
            connection.execute(_READING)
            yield

    def clear_log(self) -> None:
        """See `Tables.clear_log`: the server's log is its own affair."""

    def close(self) -> None:
        """See `Tables.close`."""
        self._shared.close()
