"""`python -m benchmarks.nodes`: two nodes on one PostgreSQL against one, with the CPU of each process.

Both nodes run all the time. In turns, one of them gets all signed calls, and both get half of the connections
each. Meanwhile it is sampled which locks processes of PostgreSQL wait for. Needs wrk and PostgreSQL. Prints a
line of JSON for one node and one for two.
"""

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Self

import psycopg
from pydantic import SecretStr

from benchmarks.comparison.processes import cpu_s
from benchmarks.dataset import reports
from benchmarks.postgres_server import PostgresServer, running
from benchmarks.signed import Load, sign, wrk
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import Settings
from otpconv.service import upkeep

_ROUNDS = 4
#: Of all clients together.
_CONNECTIONS = 64
#: Requests that one node here does not answer in a second.
_A_SECOND = 20_000
#: How often the locks are looked at, s.
_LOOK_S = 0.005
#: Once the calls have ended, the last ones are applied within this time, s.
_APPLIED_S = 1

#: What waits, by the statement that waits: a commit for its place in the journal, an applier for the cursor
#: (or for what it merges), and anything else. A lock on rows is one on the transaction that has changed them.
_WAITS = """
SELECT CASE
    WHEN a.query LIKE '%append(%' THEN 'place in the journal'
    WHEN a.query LIKE '%apply_reports%' AND EXISTS (
        SELECT FROM pg_locks AS h
        WHERE h.pid = a.pid AND h.granted AND h.relation = 'otpconv_ledger.rollups'::regclass
    ) THEN 'rollups'
    WHEN a.query LIKE '%apply_reports%' THEN 'cursor of the applier'
    ELSE 'other: ' || l.locktype
END
FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE NOT l.granted
"""


@dataclass
class Round:
    """What one round came to; CPU times are per call."""

    a_second: float
    p99_ms: float
    nodes_us: list[float]
    database_us: float
    busy_cores: float
    waits: Counter[str] = field(default_factory=Counter)
    looks: int = 0


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nodes", description=__doc__)
    parser.add_argument("--messages", type=int, default=400_000, help="in the ledger; each is verified once")
    parser.add_argument("--seconds", type=int, default=4, help=f"of each of {2 * _ROUNDS} rounds")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="otpconv-bench-", dir=arguments.folder) as folder:
        (Path(folder) / "nodes").mkdir()
        with running(Path(folder)) as server:
            for row in _measured(server, Path(folder) / "nodes", arguments.messages, arguments.seconds):
                print(json.dumps(row), flush=True)


def _measured(
    server: PostgresServer, folder: Path, messages: int, seconds: int
) -> Iterator[dict[str, object]]:
    server.database()
    environment = {"OTPCONV_LEDGER": server.url}
    with LocalServer(folder / "one", environment) as one:
        key = one.access_key_id, one.access_key_secret
    now = wall_clock()
    settings = Settings(data=folder / "one", ledger=SecretStr(server.url))
    upkeep.fill(settings, ((now, part) for part in reports(messages, now, 0.0)))
    environment["OTPCONV_SEALING_KEY"] = (folder / "one" / "sealing.key").read_text().strip()
    with LocalServer(folder / "one", environment) as one, LocalServer(folder / "two", environment) as two:
        two.access_key_id, two.access_key_secret = one.access_key_id, one.access_key_secret = key
        load = _Load(server, [one, two], folder, messages, now, seconds)
        load.run(2)  # the first expiry, and the plans of the statements
        rounds = [(load.run(1), load.run(2)) for _ in range(_ROUNDS)]
    for place, count in enumerate((1, 2)):
        yield _row(count, [pair[place] for pair in rounds])


@dataclass
class _Load:
    """Sends signed calls, each about another message of so many."""

    server: PostgresServer
    nodes: Sequence[LocalServer]
    folder: Path
    messages: int
    now: int
    seconds: int
    sent: int = 0

    def run(self, count: int) -> Round:
        """Let so many nodes share the calls of a round."""
        nodes = self.nodes[:count]
        files = [self.folder / f"{place}.tsv" for place in range(count)]
        calls = min(self.messages // (2 * _ROUNDS + 2), _A_SECOND * self.seconds)
        numbers = range(self.sent, self.sent + calls)
        self.sent += calls
        for place, (file, node) in enumerate(zip(files, nodes, strict=True)):
            sign(file, node, numbers[place::count], self.messages, self.now)
        before, began = self._cpu_s(), time.monotonic()
        with _Locks(self.server.url) as locks, ThreadPoolExecutor(count) as clients:
            loads: list[Load] = list(
                clients.map(
                    lambda node, file: wrk(node.url, _CONNECTIONS // count, self.seconds, file), nodes, files
                )
            )
            took_s = time.monotonic() - began
        time.sleep(_APPLIED_S)
        used = [after - earlier for after, earlier in zip(self._cpu_s(), before, strict=True)]
        answered = sum(load.answered for load in loads)
        if any(load.errors for load in loads):
            raise SystemExit(f"errors under load: {loads}; use more messages, or fewer seconds")
        *nodes_us, database_us = (each / answered * 1e6 for each in used)
        return Round(
            sum(load.a_second for load in loads),
            max(load.p99_ms for load in loads),
            nodes_us,
            database_us,
            sum(used) / took_s,
            locks.waits,
            locks.looks,
        )

    def _cpu_s(self) -> list[float]:
        return [*(cpu_s(node.pid) for node in self.nodes), self.server.cpu_s()]


class _Locks:
    """Looks again and again what waits for a lock, while a context lasts.

    Attributes:
        waits: how often something waited, by what it waited for.
        looks: how often it was looked.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._ended = Event()
        self._thread = Thread(target=self._look)
        self.waits: Counter[str] = Counter()
        self.looks = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        with contextlib.closing(psycopg.connect(self._url, autocommit=True)) as connection:
            while not self._ended.wait(_LOOK_S):
                self.waits.update(name for (name,) in connection.execute(_WAITS).fetchall())
                self.looks += 1


def _row(count: int, rounds: list[Round]) -> dict[str, object]:
    def median(values: list[float]) -> int:
        return round(statistics.median(values))

    looks = sum(each.looks for each in rounds)
    waits = sum((each.waits for each in rounds), Counter[str]())
    return {
        "benchmark": "signed SmsConversion, nodes on one PostgreSQL",
        "nodes with load": count,
        "cores of the machine": os.cpu_count(),
        "calls a second": median([each.a_second for each in rounds]),
        "p99 ms": median([each.p99_ms for each in rounds]),
        "CPU us a call, by node": [
            median(list(node)) for node in zip(*(each.nodes_us for each in rounds), strict=True)
        ],
        "CPU us a call, database": median([each.database_us for each in rounds]),
        "cores used": round(statistics.median(each.busy_cores for each in rounds), 2),
        "share of looks with a wait, by what it is for": {
            name: round(times / looks, 3) for name, times in sorted(waits.items())
        },
        "looks": looks,
    }


if __name__ == "__main__":
    main()
