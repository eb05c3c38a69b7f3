"""The nodes of a PostgreSQL and their leases; see `nodes.sql`. All times are by the clock of the database."""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, Final
from uuid import uuid4

import msgspec
import psycopg

from otpconv import __version__
from otpconv.errors import Misconfigured, Unavailable
from otpconv.storage.nodes import KEPT_MS, LEASE_MS, LEDGER, MAX_NODES, RUNNING_MS, Beat, Node
from otpconv.storage.postgres.database import Connection, Database, Row, execute, statements
from otpconv.storage.postgres.shared import SharedConnection

#: How often the session that keeps other deletions out shows that its process runs, s.
_PING_S: Final = 2.0
#: It ends, and other deletions may begin, after the process has hung for this time, s.
_HANGING_S: Final = 10
#: How long a transaction of an applier may have been open, ms, when another node takes over: it is rolled
#: back, and its entries are applied again.
_STUCK_MS: Final = 1_000

_KEPT: Final = {"kept_ms": KEPT_MS, "running_ms": RUNNING_MS, "most": MAX_NODES}

_SQL = statements("nodes.sql")


class PostgresNodes:
    """See `Nodes`. Any thread may use it.

    Args:
        database: has the tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._shared = SharedConnection(database)
        self._node = str(uuid4())
        self._held: dict[str, int] = {}

    def beat(self, name: str, lag: int, wanted: Collection[str], *, failing: bool = False) -> Beat:
        """See `Nodes.beat`."""
        node = {"node": self._node, "name": name, "version": __version__, "lag": lag}
        values: dict[str, Any] = node | {"wanted": sorted(wanted), "lease_ms": LEASE_MS}
        with self._shared.open() as connection, connection.transaction():
            # A crash of the database may undo it: the next beat comes in a second.
            connection.execute("SET LOCAL synchronous_commit = off")
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = '2s'")
            if not _is_open(connection):
                raise Unavailable("A command replaces the ledger. This node applies nothing until it ends.")
            execute(connection, _SQL["beat"], values)
            execute(connection, _SQL["drop_dead_nodes"], values | _KEPT)
            execute(connection, _SQL["free"], values)
            held: dict[str, int] = dict(execute(connection, _SQL["take"], values).fetchall())
            if LEDGER in held and (failing or held != self._held):
                execute(connection, _SQL["end_stuck_appliers"], {"open_ms": _STUCK_MS})
            lags: dict[str, int] = dict(execute(connection, _SQL["lags"]).fetchall())
        self._held = held
        return Beat(frozenset(held), lags)

    def leave(self) -> None:
        """See `Nodes.leave`."""
        with self._shared.open() as connection, connection.transaction():
            execute(connection, _SQL["leave"], {"node": self._node})

    def list(self) -> list[Node]:
        """See `Nodes.list`."""
        with self._shared.open() as connection:
            rows = execute(connection, _SQL["list"], {"running_ms": RUNNING_MS}).fetchall()
        return msgspec.convert(rows, list[Node])

    def require_open(self) -> None:
        """Refuse to start while a command replaces the ledger.

        Raises:
            Misconfigured: it does.
            Unavailable: the database fails.
        """
        with self._shared.open() as connection:
            if not _is_open(connection):
                raise Misconfigured(
                    f"a command replaces the ledger in PostgreSQL ({self._database.address}), e.g. `otpconv"
                    " ledger rebuild`: start the server when it has finished"
                )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """See `Nodes.alone`."""
        with self._locked("lock_deletions") as ((locked,),):
            if not locked:
                raise BlockingIOError
            yield

    @contextmanager
    def closed(self) -> Iterator[None]:
        """See `Nodes.closed`."""
        with self._locked("close"):
            yield

    @contextmanager
    def _locked(self, statement: str) -> Iterator[Sequence[Row]]:
        """Run a statement that locks, and keep its session until the context ends; give its rows."""
        with closing(self._database.connect()) as connection:
            with self._database.mapped():
                rows = execute(connection, _SQL[statement], {"idle": f"{_HANGING_S}s"}).fetchall()
            over = threading.Event()
            pinging = threading.Thread(target=_ping, args=(connection, over), name="deletion", daemon=True)
            pinging.start()
            try:
                yield rows
            finally:
                over.set()
                pinging.join()
                # A backend that ends frees its locks a moment after the connection is closed.
                with suppress(psycopg.Error):
                    connection.execute("SELECT pg_advisory_unlock_all()")

    def close(self) -> None:
        """See `Nodes.close`."""
        self._shared.close()


def _is_open(connection: Connection) -> bool:
    ((is_open,),) = execute(connection, _SQL["is_open"]).fetchall()
    return bool(is_open)


def _ping(connection: Connection, over: threading.Event) -> None:
    """Keep a session from ending for as long as this process runs."""
    while not over.wait(_PING_S):
        try:
            connection.execute("SELECT 1")
        except psycopg.Error:
            return  # the lock is gone: a second deletion finds rows that are not as it read them
