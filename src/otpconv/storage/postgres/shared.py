"""A connection that several threads share, one after the other; for stores that are used rarely."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.pq import TransactionStatus

from otpconv.storage.postgres.database import Connection, Database
from otpconv.storage.postgres.pool import is_alive


class SharedConnection:
    """A connection that is opened when it is first needed, and again after it broke.

    Args:
        database: to connect to.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._opened = 0

    @contextmanager
    def open(self) -> Iterator[Connection]:
        """Give the connection to the calling thread until the context ends; other threads wait.

        Raises:
            Misconfigured: the database can't be used.
            Unavailable: the database fails; a connection that broke is opened again the next time.
        """
        with self._lock, self._database.mapped():
            # Within another context the same connection, even if it broke: it may be in a transaction.
            connection = self._connection if self._opened and self._connection else self._checked()
            self._opened += 1
            try:
                yield connection
            finally:
                self._opened -= 1

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _checked(self) -> Connection:
        """Return a connection that works: the server may have ended the last one meanwhile."""
        connection = self._connection
        idle = connection is not None and connection.info.transaction_status == TransactionStatus.IDLE
        if connection is None or not (idle and is_alive(connection)):
            self.close()
            connection = self._connection = self._database.connect()
        return connection
