"""A connection that several threads share, one after the other; for stores that are used rarely."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from otpconv.storage.postgres.database import Connection, Database


class SharedConnection:
    """A connection that is opened when it is first needed, and again after it broke.

    Args:
        database: to connect to.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.RLock()
        self._connection: Connection | None = None

    @contextmanager
    def open(self) -> Iterator[Connection]:
        """Give the connection to the calling thread until the context ends; other threads wait.

        Raises:
            Misconfigured: the database can't be used.
            Unavailable: the database fails; a connection that broke is opened again the next time.
        """
        with self._lock, self._database.mapped():
            yield self._checked()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _checked(self) -> Connection:
        """Return a connection that works: the server may have ended the last one meanwhile."""
        if self._connection is not None and self._connection.info.transaction_status == _IDLE:
            try:
                self._connection.execute("")
            except psycopg.OperationalError:
                self._connection.close()
        if self._connection is None or self._connection.closed:
            self._connection = self._database.connect()
        return self._connection


_IDLE = psycopg.pq.TransactionStatus.IDLE
