"""The tables of the relay in PostgreSQL."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from otpconv.storage.postgres.database import Database, execute, parts_of, statements
from otpconv.storage.postgres.shared import SharedConnection
from otpconv.storage.relay.tables import STATEMENTS
from otpconv.storage.statements import SqlValue

_SQL = statements("relay.sql") | {name: parts_of(text) for name, text in STATEMENTS.items()}

_Row = TypeVar("_Row")


class PostgresRelayTables:
    """`RelayTables` in PostgreSQL. The threads share one connection, since each of their changes is short.

    Args:
        database: has the tables.
    """

    def __init__(self, database: Database) -> None:
        self._shared = SharedConnection(database)

    def run(self, name: str, /, **values: SqlValue) -> int:
        """See `RelayTables.run`."""
        with self._shared.open() as connection:
            return execute(connection, _SQL[name], values).rowcount

    def run_many(self, name: str, values: Sequence[Mapping[str, SqlValue]], /) -> int:
        """See `RelayTables.run_many`."""
        if not values:
            return 0
        (statement,) = _SQL[name]
        with self._shared.open() as connection, connection.cursor() as cursor:
            cursor.executemany(statement, values)
            return cursor.rowcount

    def rows(self, name: str, kind: type[_Row], /, **values: SqlValue) -> list[_Row]:
        """See `RelayTables.rows`."""
        with self._shared.open() as connection:
            rows = execute(connection, _SQL[name], values).fetchall()
        return msgspec.convert(rows, list[kind])  # type: ignore[valid-type]

    @contextmanager
    def changing(self) -> Iterator[None]:
        """See `RelayTables.changing`."""
        with self._shared.open() as connection, connection.transaction():
            execute(connection, _SQL["begin_change"])
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See `RelayTables.reading`."""
        with self._shared.open() as connection, connection.transaction():
            yield

    def clear_log(self) -> None:
        """See `RelayTables.clear_log`: the server's log is its own affair."""

    def close(self) -> None:
        """See `RelayTables.close`."""
        self._shared.close()
