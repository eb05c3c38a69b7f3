"""Connections that several threads share: a bounded number, opened when needed and reused.

A caller connects in its own thread, so it learns at once that the server is down, and once it is up again.
"""

import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg.pq import TransactionStatus

from otpconv.errors import Unavailable
from otpconv.storage.postgres.database import Connection


class Pool:
    """Up to so many connections; a caller beyond them waits.

    Args:
        connect: opens a connection.
        size: how many there are at most.
        wait_s: how long a caller waits for one, s.
    """

    def __init__(self, connect: Callable[[], Connection], size: int, wait_s: float) -> None:
        self._connect = connect
        self._size = size
        self._wait_s = wait_s
        self._free = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give a connection that works to the caller until the context ends.

        Raises:
            Misconfigured: the server refuses the connection.
            Unavailable: the server can't be reached, or all connections stay busy.
        """
        if not self._free.acquire(timeout=self._wait_s):
            raise Unavailable(
                f"All {self._size} connections to PostgreSQL have been busy for {self._wait_s:.0f} s. Try"
                " again."
            )
        try:
            connection = self._taken() or self._connect()
            try:
                yield connection
            finally:
                self._give_back(connection)
        finally:
            self._free.release()

    def close(self) -> None:
        """Close the idle connections; those in use stay open, and can be closed once they are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _taken(self) -> Connection | None:
        """Return an idle connection that works; None if there is none."""
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None or is_alive(connection):
                return connection
            connection.close()

    def _give_back(self, connection: Connection) -> None:
        if connection.closed:
            self.close()  # the others probably go to the same server
            return
        if connection.info.transaction_status != TransactionStatus.IDLE:
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)


def is_alive(connection: Connection) -> bool:
    """Return whether an idle connection works; takes a round trip only if the server has sent something."""
    if connection.closed:
        return False
    if not select.select([connection.fileno()], [], [], 0)[0]:
        return True
    try:
        connection.execute("")
    except psycopg.OperationalError:
        return False
    return True
