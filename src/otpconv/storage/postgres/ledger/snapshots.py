"""Shows threads one state of the ledger in PostgreSQL, from which all questions of a page are answered."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from otpconv.storage import deadline
from otpconv.storage.postgres.database import Connection, Database, Row, execute
from otpconv.storage.postgres.ledger.windows import Windows
from otpconv.storage.postgres.pool import Pool

#: A plan that fits any window and filters takes ten times as long (measured).
_PLANNED_EACH_TIME = {"ranges", "range_lengths"}


class Snapshot(NamedTuple):
    """A state of the ledger.

    Attributes:
        connection: whose transaction shows it.
        position: of the last journal entry in it.
        minutes_from: from when on (ms) rollups by minute are kept.
        windows: answers the questions about windows.
    """

    connection: Connection
    position: int
    minutes_from: int
    windows: Windows


class Snapshots:
    """The snapshots of all threads, on connections from a bounded pool.

    Args:
        database: has the tables.
        statements: by their names.
    """

    def __init__(self, database: Database, statements: Mapping[str, list[str]]) -> None:
        self._database = database
        self._statements = statements
        self._pool = Pool(database.connect, database.limits.connections, database.limits.connect_s)
        self._threads = threading.local()

    @property
    def shown(self) -> Snapshot | None:
        """What the calling thread is shown; None outside of a snapshot."""
        return getattr(self._threads, "shown", None)

    @contextmanager
    def show(self) -> Iterator[Snapshot]:
        """Show the calling thread one state until the context ends: the same one in a context inside it."""
        if self.shown is not None:
            yield self.shown
            return
        with self.open() as opened:
            self._threads.shown = opened
            try:
                yield opened
            finally:
                self._threads.shown = None

    @contextmanager
    def open(self) -> Iterator[Snapshot]:
        """Give one state until the context ends, which is not shown to the thread.

        It takes two round trips in all, since many questions take no longer than a few of them.
        """
        left_ms = deadline.left_ms()
        opening = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
        if left_ms is not None:
            opening += f"SET LOCAL statement_timeout = {left_ms};"
        # The first question decides which state it is.
        opening += f"SELECT ({self._statements['cursor'][0]}), ({self._statements['minutes_from'][0]})"
        with self._database.mapped(), self._pool.connection() as connection:
            try:
                found = connection.execute(opening)
                while found.nextset():
                    pass
                ((position, minutes_from),) = found.fetchall()
                windows = Windows(partial(self.rows_on, connection), minutes_from)
                yield Snapshot(connection, position, minutes_from, windows)
            except BaseException:
                if not connection.closed:
                    connection.rollback()
                raise
            # After a rollback, psycopg forgets which plans are kept.
            connection.commit()

    @contextmanager
    def one_statement(self) -> Iterator[int]:
        """Let the calling thread run one statement, without the round trips of a snapshot.

        Give a position that the ledger has reached before.
        """
        if self.shown is not None:
            yield self.shown.position
            return
        with self._database.mapped(), self._pool.connection() as connection:
            self._threads.connection = connection
            try:
                ((position,),) = self.rows("cursor", {})
                yield position
            finally:
                self._threads.connection = None

    def rows(self, name: str, values: Mapping[str, Any]) -> list[Row]:
        """Return the rows of a statement.

        Raises:
            Unavailable: the storage failed, or the deadline of the thread has passed.
        """
        connection: Connection | None = getattr(self._threads, "connection", None)
        if connection is not None:
            return self.rows_on(connection, name, values)
        with self.show() as shown:
            return self.rows_on(shown.connection, name, values)

    def rows_on(self, connection: Connection, name: str, values: Mapping[str, Any]) -> list[Row]:
        """Return the rows of a statement on a connection; see `rows`."""
        deadline.check()
        prepare = False if name in _PLANNED_EACH_TIME else None
        with self._database.mapped():
            return execute(connection, self._statements[name], values, prepare=prepare).fetchall()

    def close(self) -> None:
        """Close the idle connections; a snapshot in another thread goes on."""
        self._pool.close()
