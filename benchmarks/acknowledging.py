"""When PostgreSQL should merge: after the acknowledgement, by the applier, or in the transaction before it.

Clients append batches of reports, and each waits for its commit, which waits for the disk. Half of the
reports are new messages, half are conversions of messages of any client. Three ways take turns:

- `append`: each commit is an append alone. Nobody merges.
- `append, applier`: the same, and an applier merges on a connection of its own, with its usual pauses.
- `merge`: each commit is the append and the merge.

Each way continues on the journal and the ledger of the ways before it.
"""

import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from benchmarks.dataset import COMBINATIONS, message_id
from benchmarks.postgres_server import PostgresServer, running
from otpconv.ledger.applier import Applier
from otpconv.model import Conversion, Report, Requested
from otpconv.storage.bounds import BOUNDS
from otpconv.storage.buckets import buckets_of
from otpconv.storage.contract import DAY_MS, Entry
from otpconv.storage.journal_rows import new_rows
from otpconv.storage.postgres.database import Connection, Database, execute, script, statements
from otpconv.storage.postgres.ledger.writer import PostgresLedgerWriter

_NOW = 20_000 * DAY_MS
#: Reports of a commit, and how many commits are measured at most.
_BATCHES = {1: 400, 16: 300, 128: 150, 1_000: 40}
_CLIENTS = (1, 2)
_ROUNDS = 3
#: Messages in the ledger before.
_MESSAGES = 100_000

#: An append, and the merge of everything up to it, in one call. The row of the writer is locked first, so the
#: appends of all clients are merged in their order.
_MERGE = """
CREATE FUNCTION append_and_merge(
    length bigint, recorded bigint, batch text, buckets smallint[], row_token uuid,
    most_values bigint, most_combinations bigint, most_routes bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    position bigint;
BEGIN
    UPDATE writers SET last = last + length WHERE bucket = 0 AND writer = 1 RETURNING last INTO position;
    INSERT INTO journal VALUES
        (0, 1, position, recorded, NULL, NULL, batch::jsonb, buckets, NULL, row_token, false);
    PERFORM apply_reports(length, most_values, most_combinations, most_routes);
    RETURN position;
END $$
"""
_CALL = """SELECT append_and_merge(
    %(count)s, %(recorded_at)s, %(reports)s, CAST(%(buckets)s AS smallint[]), CAST(%(token)s AS uuid),
    %(values)s, %(combinations)s, %(routes)s
)"""
_APPEND = statements("journal/journal.sql")["append"]


class _Load(NamedTuple):
    server: PostgresServer
    database: Database
    world: "_World"
    size: int
    commits: int
    clients: int


class _Round(NamedTuple):
    took_ms: list[float]
    reports: int
    seconds: float
    node_s: float
    database_s: float


def run(folder: Path, messages: int, seconds: int) -> Iterator[dict[str, object]]:  # noqa: ARG001 - one form for all
    """Measure each way for each size of a batch, with one client and with two."""
    with running(folder) as server:
        database = server.database()
        world = _World()
        with closing(database.connect()) as connection, closing(PostgresLedgerWriter(database)) as writer:
            connection.execute(_MERGE)
            _fill(connection, writer, world, min(messages, _MESSAGES))
            for size, commits in _BATCHES.items():
                for clients in _CLIENTS:
                    rounds: dict[str, list[_Round]] = {}
                    for _ in range(_ROUNDS):
                        for name, way in _WAYS.items():
                            measured = way(_Load(server, database, world, size, commits // _ROUNDS, clients))
                            rounds.setdefault(name, []).append(measured)
                            _catch_up(writer)
                    yield from (_row(name, size, clients, rounds[name]) for name in _WAYS)


class _World:
    """Makes reports: new messages, and conversions of recent ones, whichever client reported them."""

    def __init__(self) -> None:
        self._chance = random.Random(7)
        self._numbers = count()
        self._lock = threading.Lock()
        self._unverified: list[tuple[int, int]] = []

    def batch(self, size: int) -> list[Report]:
        with self._lock:
            return [self._conversion() if self._chance.random() < 0.5 else self._new() for _ in range(size)]  # noqa: PLR2004

    def _new(self) -> Requested:
        number = next(self._numbers)
        at = _NOW + number * 40
        self._unverified.append((number, at))
        dimensions = self._chance.choice(COMBINATIONS)
        hashed = self._chance.randbytes(16).hex()
        session = f"session {number}"
        return Requested(1, message_id(number), at, dimensions, hashed, "+491511234", session, 1)

    def _conversion(self) -> Requested | Conversion:
        if len(self._unverified) < 100:  # noqa: PLR2004 - of the newest messages, any may come next
            return self._new()
        place = self._chance.randrange(len(self._unverified) - 100, len(self._unverified))
        number, at = self._unverified.pop(place)
        return Conversion(1, delivered=True, conversion_time=at + 5_000, message_id=message_id(number))


def _fill(connection: Connection, writer: PostgresLedgerWriter, world: _World, messages: int) -> None:
    for _ in range(2 * messages // 5_000):
        execute(connection, _APPEND, _values(world.batch(5_000)))
        _catch_up(writer)
    connection.execute("CHECKPOINT")


def _catch_up(writer: PostgresLedgerWriter) -> None:
    cursor = -1
    while cursor < (cursor := writer.apply(5_000)):
        pass


def _values(reports: list[Report]) -> dict[str, Any]:
    """Return what an append of the journal binds."""
    (row,) = new_rows([Entry(report) for report in reports], _NOW)
    assert row.reports is not None  # noqa: S101 - for the type checker
    return {
        "count": row.length,
        "recorded_at": row.recorded_at,
        "unmatched_before": None,
        "minutes_from": None,
        "reports": row.reports.decode(),
        "buckets": buckets_of(row.facts),
        "nonces": None,
        "token": str(uuid4()),
        "alone": True,
    }


def _append(load: _Load) -> _Round:
    return _measured(load, lambda connection, row: execute(connection, _APPEND, row))


def _append_with_applier(load: _Load) -> _Round:
    with closing(PostgresLedgerWriter(load.database)) as writer:
        cursor = writer.cursor()
    applier = Applier(
        lambda: PostgresLedgerWriter(load.database), cursor, measured=lambda _entries, _took_s: None
    )

    position = 0

    def append(connection: Connection, row: dict[str, Any]) -> None:
        nonlocal position
        ((position,),) = execute(connection, _APPEND, row).fetchall()
        applier.notify()

    def wait() -> None:
        while applier.applied < position:
            time.sleep(0.001)

    applier.start()
    try:
        return _measured(load, append, wait)
    finally:
        applier.stop()


def _merge(load: _Load) -> _Round:
    most = {name: getattr(BOUNDS, name) for name in BOUNDS.__struct_fields__}

    def append_and_merge(connection: Connection, row: dict[str, Any]) -> None:
        connection.execute(_CALL, row | most)

    return _measured(load, append_and_merge)


_WAYS = {"append": _append, "append, applier": _append_with_applier, "merge": _merge}


def _measured(
    load: _Load,
    commit: Callable[[Connection, dict[str, Any]], object],
    wait: Callable[[], None] = lambda: None,
) -> _Round:
    """Let clients commit batches, and return how long each commit took and what all of it cost."""
    batches = [[load.world.batch(load.size) for _ in range(load.commits)] for _ in range(load.clients)]
    took_ms: list[float] = []
    connections = [_connected(load.database) for _ in range(load.clients)]
    for connection in connections:
        for _ in range(3):  # the plans are made
            commit(connection, _values(load.world.batch(load.size)))
            wait()

    def client(connection: Connection, mine: list[list[Report]]) -> None:
        for reports in mine:
            began = time.perf_counter()
            commit(connection, _values(reports))
            took_ms.append((time.perf_counter() - began) * 1e3)

    database_s, node_s, began = load.server.cpu_s(), time.process_time(), time.perf_counter()
    threads = [threading.Thread(target=client, args=each) for each in zip(connections, batches, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    wait()
    ended, node_ended = load.server.cpu_s(), time.process_time()
    for connection in connections:
        connection.close()
    return _Round(
        took_ms, load.size * load.commits * load.clients, seconds, node_ended - node_s, ended - database_s
    )


def _connected(database: Database) -> Connection:
    """Return a connection with the applier's tables and plans, whose commits wait for the disk."""
    connection = database.connect()
    connection.execute(script("ledger/batch.sql", section="batch_schema"))
    connection.execute("SET synchronous_commit = on")
    return connection


def _row(way: str, size: int, clients: int, rounds: list[_Round]) -> dict[str, object]:
    took = sorted(ms for each in rounds for ms in each.took_ms)
    reports = sum(each.reports for each in rounds)
    return {
        "benchmark": "acknowledging",
        "way": way,
        "reports of a commit": size,
        "clients": clients,
        "commit ms, p50": round(statistics.median(took), 2),
        "commit ms, p99": round(took[int(len(took) * 0.99)], 2),
        "reports a second": round(reports / sum(each.seconds for each in rounds)),
        "CPU us a report, node": round(sum(each.node_s for each in rounds) / reports * 1e6, 1),
        "CPU us a report, database": round(sum(each.database_s for each in rounds) / reports * 1e6, 1),
    }
