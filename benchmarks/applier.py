"""The applier: CPU time per report, and the size of the ledger that it writes. No server of otpconv runs.

Each case applies the same journal several times to a new ledger, in SQLite and in PostgreSQL by turns, and
reports the cheapest round. The size in SQLite is exact: it depends on the reports alone.
"""

import random
import time
from collections.abc import Iterator
from contextlib import closing
from math import log
from pathlib import Path
from typing import NamedTuple

from benchmarks.dataset import COMBINATIONS, message_id
from benchmarks.postgres_server import PostgresServer, running
from otpconv.model import Conversion, Dimensions, Report, Requested
from otpconv.storage.contract import DAY_MS, Entry
from otpconv.storage.postgres.database import Database
from otpconv.storage.postgres.journal.journal import PostgresJournal
from otpconv.storage.postgres.ledger.writer import PostgresLedgerWriter
from otpconv.storage.postgres.migrations import create_ledger
from otpconv.storage.sqlite import SqliteJournal, SqliteLedgerWriter

_NOW = 20_000 * DAY_MS
_ROUNDS = 3
#: At most this many messages, so that all cases take about half a minute.
_MESSAGES = 40_000
#: By name: the days that the messages are spread over, and the reports of one transaction.
_CASES = {
    "single reports": (0.02, 1),
    "a few reports": (0.02, 5),
    "live": (0.02, 500),
    "live, larger batches": (0.02, 2_000),
    "a day in large batches": (1.0, 5_000),
    "30 days in large batches": (30.0, 5_000),
}
#: At most this many transactions of a case.
_TRANSACTIONS = 400


def run(folder: Path, messages: int, seconds: int) -> Iterator[dict[str, object]]:  # noqa: ARG001 - one form for all
    """Apply journals of `messages`, at most 40,000, of which 80 % are verified."""
    with running(folder) as server:
        database = server.database()
        for name, (days, batch) in _CASES.items():
            reports = _reports(min(messages, _MESSAGES), days)[: _TRANSACTIONS * batch]
            journal = folder / f"{batch}-{days}.journal"
            with closing(SqliteJournal(journal)) as sqlite, closing(PostgresJournal(database)) as postgres:
                before = postgres.head()
                for first in range(0, len(reports), batch):
                    entries = [Entry(report) for report in reports[first : first + batch]]
                    sqlite.append(entries, _NOW)
                    postgres.append(entries, _NOW)
            small, large = [], []
            for _ in range(_ROUNDS):
                small.append(_in_sqlite(folder / "ledger", journal, batch))
                large.append(_in_postgres(server, database, before, batch))
            count = len(reports)
            cheapest = min(large, key=lambda round_: round_.node_s + round_.database_s)
            yield {
                "benchmark": f"applier, {name}",
                "reports": count,
                "SQLite: CPU us a report": round(min(cpu for cpu, _ in small) / count * 1e6, 2),
                "SQLite: ledger MB": round(small[0][1] / 1e6, 2),
                "PostgreSQL: CPU us a report, node": round(cheapest.node_s / count * 1e6, 2),
                "PostgreSQL: CPU us a report, database": round(cheapest.database_s / count * 1e6, 2),
                "PostgreSQL: CPU ms a batch, database": round(
                    cheapest.database_s / -(-count // batch) * 1e3, 2
                ),
                "PostgreSQL: reports a second": round(count / min(round_.took_s for round_ in large)),
            }


def _reports(messages: int, days: float) -> list[Report]:
    """Return requests and their conversions in the order of time."""
    chance = random.Random(7)
    timed: list[tuple[int, Report]] = []
    for number in range(messages):
        at = _NOW + int(number * days * DAY_MS / messages)
        timed.append((at, _requested(number, at, chance)))
        if chance.random() < 0.8:  # noqa: PLR2004 - the share that is verified
            verified_at = at + 1 + round(chance.lognormvariate(log(30_000), 1.0))
            timed.append((verified_at, Conversion(1, True, verified_at, message_id(number))))  # noqa: FBT003
    timed.sort(key=lambda each: each[0])
    return [report for _, report in timed]


def _requested(number: int, at: int, chance: random.Random) -> Requested:
    dimensions: Dimensions = chance.choice(COMBINATIONS)
    hashed = chance.randbytes(16).hex()
    return Requested(1, message_id(number), at, dimensions, hashed, "+491511234", f"session {number}", 1)


def _in_sqlite(ledger: Path, journal: Path, batch: int) -> tuple[float, int]:
    """Return the CPU time (s) of applying a whole journal, and the size of the new ledger, bytes."""
    before, cursor = time.process_time(), -1
    with closing(SqliteLedgerWriter(ledger, journal)) as writer:
        while cursor < (cursor := writer.apply(batch)):
            pass
    cpu, size = time.process_time() - before, ledger.stat().st_size
    ledger.unlink()
    return cpu, size


class _Applied(NamedTuple):
    node_s: float
    database_s: float
    took_s: float


def _in_postgres(server: PostgresServer, database: Database, cursor: int, batch: int) -> _Applied:
    """Return the CPU and the real time of applying the journal from a cursor on to a new ledger."""
    draft = database.with_ledger("benchmark")
    with closing(database.connect()) as connection, connection.transaction():
        connection.execute("DROP SCHEMA IF EXISTS benchmark CASCADE")
        create_ledger(draft, connection)
        connection.execute("UPDATE benchmark.cursors SET position = %s", (cursor,))
    with closing(PostgresLedgerWriter(draft)) as writer:
        database_s, node_s, began = server.cpu_s(), time.process_time(), time.perf_counter()
        while cursor < (cursor := writer.apply(batch)):
            pass
        took_s = time.perf_counter() - began
        return _Applied(time.process_time() - node_s, server.cpu_s() - database_s, took_s)
