"""`python -m benchmarks.comparison [--postgres URL]`: otpconv against an endpoint written by hand.

Both get the same signed requests, sent by wrk, in turns, on ledgers of the same messages: first on SQLite,
then on the PostgreSQL that is given. It must be on this machine and have an empty database. Prints a
line of JSON for each storage.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from sqlalchemy import insert, text

from benchmarks import dataset
from benchmarks.comparison.endpoint import DIMENSIONS, GRAINS, KEY, engine_of, messages, rollups, tables
from benchmarks.comparison.processes import cpu_s, postgres_cpu_s
from benchmarks.signed import sign, wrk
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import Settings, environment
from otpconv.model import Requested
from otpconv.service import upkeep
from otpconv.web.front.server import listening_socket

_ROUNDS = 5
_CONNECTIONS = 64
#: Requests that no server here answers in a second.
_A_SECOND = 25_000
#: Rows of one INSERT: asyncpg takes 32,767 values.
_ROWS = 1_000


@dataclass
class Side:
    """One of the two: its process, where it answers, and its key."""

    pid: int
    url: str
    access_key_id: str
    access_key_secret: str


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison", description=__doc__)
    parser.add_argument("--postgres", metavar="URL", help="postgresql://USER:PASSWORD@HOST/DATABASE")
    parser.add_argument("--messages", type=int, default=1_000_000, help="in each ledger")
    parser.add_argument("--seconds", type=int, default=5, help=f"of each of {_ROUNDS} rounds of each side")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: a temporary one")
    arguments = parser.parse_args()
    for postgres in (None, arguments.postgres) if arguments.postgres else (None,):
        with tempfile.TemporaryDirectory(prefix="otpconv-bench-", dir=arguments.folder) as folder:
            row = _measure(Path(folder), postgres, arguments.messages, arguments.seconds)
            print(json.dumps(row), flush=True)


def _measure(folder: Path, postgres: str | None, count: int, seconds: int) -> dict[str, object]:
    data, now = folder / "otpconv", wall_clock()
    settings = {} if postgres is None else {"OTPCONV_LEDGER": postgres}
    if postgres is not None:
        command = [sys.executable, "-m", "otpconv", "ledger", "init"]
        subprocess.run(command, env=environment() | settings, check=True, stdout=subprocess.DEVNULL)
    with LocalServer(data, settings) as server:
        key = f"{server.access_key_id}:{server.access_key_secret}"
    ledger = None if postgres is None else SecretStr(postgres)
    batches = ((now, batch) for batch in _batches(count, now))
    upkeep.fill(Settings(data=data, ledger=ledger), batches)
    url = f"sqlite+aiosqlite:///{folder}/comparison.sqlite"
    if postgres is not None:
        url = postgres.replace("postgresql://", "postgresql+asyncpg://")
    asyncio.run(_fill(url, count, now))
    load = Load(folder / "requests.tsv", count, now, seconds, postgres)
    with LocalServer(data, settings) as server, _by_hand(url, key) as by_hand:
        ours = Side(server.pid, server.url, *key.split(":", 1))
        # The first round is not measured: pools connect, plans are made, and the old minutes expire.
        runs = [(load.run(by_hand, round_), load.run(ours, round_)) for round_ in range(_ROUNDS + 1)][1:]
    return {
        "benchmark": "signed SmsConversion, one transaction per call by hand against otpconv",
        "storage": "SQLite" if postgres is None else "PostgreSQL",
        "messages": count,
        "connections": _CONNECTIONS,
        "ratio": round(statistics.median(other.a_second / one.a_second for one, other in runs), 1),
        "ratios": sorted(round(other.a_second / one.a_second, 1) for one, other in runs),
    } | {
        f"{name} {what}": round(statistics.median(getattr(pair[side], attribute) for pair in runs))
        for side, name in enumerate(("by hand", "otpconv"))
        for what, attribute in (
            ("a second", "a_second"),
            ("p50 ms", "p50_ms"),
            ("p99 ms", "p99_ms"),
            ("CPU us", "cpu_us"),
            ("database CPU us", "database_us"),
        )
    }


@dataclass
class Run:
    """What one round of one side came to; CPU times are per call."""

    a_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    database_us: float


class Load:
    """Sends signed calls to one side at a time, each about another message of `count`."""

    def __init__(self, requests: Path, count: int, now: int, seconds: int, postgres: str | None) -> None:
        self._requests, self._count, self._now = requests, count, now
        self._seconds, self._postgres = seconds, postgres

    def run(self, side: Side, round_: int) -> Run:
        """Send the calls of a round."""
        calls = min(self._count // (_ROUNDS + 1), _A_SECOND * self._seconds)
        sign(self._requests, side, range(round_ * calls, (round_ + 1) * calls), self._count, self._now)
        before = self._cpu_s(side)
        load = wrk(side.url, _CONNECTIONS, self._seconds, self._requests)
        time.sleep(1)  # the applier's rest counts too
        node, database = (
            1e6 * (end - begin) / load.answered for begin, end in zip(before, self._cpu_s(side), strict=True)
        )
        if load.errors:
            raise SystemExit(f"errors under load: {load}; use more messages, or fewer seconds")
        return Run(load.a_second, load.p50_ms, load.p99_ms, node, database)

    def _cpu_s(self, side: Side) -> tuple[float, float]:
        return cpu_s(side.pid), postgres_cpu_s(self._postgres) if self._postgres else 0.0


@contextlib.contextmanager
def _by_hand(url: str, key: str) -> Iterator[Side]:
    """Run the endpoint; it does nothing while nobody calls it."""
    with listening_socket("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.comparison.endpoint", url, str(port)]
    with subprocess.Popen(command, env=environment() | {KEY: key}, stderr=subprocess.DEVNULL) as process:
        side = Side(process.pid, f"http://127.0.0.1:{port}", *key.split(":", 1))
        try:
            while process.poll() is None:
                with contextlib.suppress(httpx.TransportError):
                    httpx.get(side.url)
                    break
                time.sleep(0.05)
            yield side
        finally:
            process.terminate()


def _batches(count: int, now: int) -> Iterator[list[Requested]]:
    for batch in dataset.batches(count, now, dataset.DAYS, 0.0):
        yield [entry.report for entry in batch if isinstance(entry.report, Requested)]


async def _fill(url: str, count: int, now: int) -> None:
    """Give the endpoint's database the same messages, and their rollups."""
    names = ", ".join(DIMENSIONS)
    engine = engine_of(url)
    async with engine.begin() as connection:
        await connection.run_sync(tables.drop_all)
        await connection.run_sync(tables.create_all)
        for batch in _batches(count, now):
            rows = iter([_row(report) for report in batch])
            while some := list(islice(rows, _ROWS)):
                await connection.execute(insert(messages), some)
        for grain in GRAINS:
            await connection.execute(
                text(
                    f"INSERT INTO {rollups.name} SELECT {grain}, account,"  # noqa: S608 - our own names
                    f" requested_at / {grain} * {grain} AS begin_at, {names}, count(*), 0, 0"
                    f" FROM {messages.name} GROUP BY account, begin_at, {names}"
                )
            )
    if url.startswith("postgresql"):
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("ANALYZE"))
    await engine.dispose()


def _row(report: Requested) -> dict[str, Any]:
    dimensions = {name: getattr(report.dimensions, name) for name in DIMENSIONS}
    row = {"account": report.account, "message_id": report.message_id, "requested_at": report.requested_at}
    return row | dimensions


if __name__ == "__main__":
    main()
