"""`python -m benchmarks.growth`: what reports and questions cost as a ledger grows, in SQLite and PostgreSQL.

For each size: a ledger of so many messages in 30 days, 80 % of them verified, and a server on it. Then come
100,000 conversions in batches, first of the newest messages in their order, then of any messages. The time
ends when the ledger has them all. Last, questions about rates. Needs PostgreSQL. 10 M messages in both
engines need 10 GB of disk and half an hour. Prints a line of JSON for each engine and size.
"""

import argparse
import contextlib
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
from pydantic import SecretStr

from benchmarks.comparison.processes import tree_cpu_s
from benchmarks.dataset import DAYS, message_id, reports, requested_at
from benchmarks.postgres_server import running
from benchmarks.questions import QUESTIONS, measured
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import Settings
from otpconv.service import upkeep
from otpconv.service.engines import engine_of
from otpconv.storage.contract import DAY_MS

_SIZES = (1_000_000, 10_000_000)
_VERIFIED = 0.8
#: Conversions of a measurement, those of a batch, and how many batches are sent at a time.
_CONVERSIONS, _BATCH, _CONNECTIONS = 100_000, 1_000, 2
_JSON = {"content-type": "application/json"}
#: How often it is looked whether the ledger has all, s.
_LOOK_S = 0.02
#: A server rests once it and its database use less than this share of a core for so long, s.
_RESTS, _RESTS_S = 0.1, 3.0


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", metavar="MESSAGES", default=_SIZES)
    parser.add_argument(
        "--engines", nargs="+", choices=["sqlite", "postgresql"], default=["sqlite", "postgresql"]
    )
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: a temporary one")
    arguments = parser.parse_args()
    for messages in arguments.sizes:
        for engine in arguments.engines:
            with tempfile.TemporaryDirectory(prefix="otpconv-bench-", dir=arguments.folder) as folder:
                print(json.dumps(_of(engine, Path(folder), messages)), flush=True)


def _of(engine: str, folder: Path, messages: int) -> dict[str, object]:
    if engine == "sqlite":
        return _measure(engine, folder / "otpconv", None, messages, lambda: 0.0)
    with running(folder) as server:
        server.database()
        return _measure(engine, folder / "otpconv", server.url, messages, server.cpu_s)


def _measure(
    engine: str, data: Path, url: str | None, messages: int, database_cpu_s: Callable[[], float]
) -> dict[str, object]:
    # The detectors learn the past at their first start: that is measured by another benchmark.
    environment = {"OTPCONV_ALERTS": "false"} | ({} if url is None else {"OTPCONV_LEDGER": url})
    settings = Settings(data=data, ledger=None if url is None else SecretStr(url))
    with LocalServer(data, environment) as server:
        key = server.access_key_id, server.access_key_secret
    now, began = wall_clock(), time.monotonic()
    upkeep.fill(settings, ((now, part) for part in reports(messages, now, _VERIFIED)))
    filled_s = time.monotonic() - began
    row: dict[str, object] = {
        "benchmark": "as a ledger grows",
        "engine": engine,
        "messages": messages,
        "filled, reports a second": round(messages * (1 + _VERIFIED) / filled_s),
    }
    chance = random.Random(7)
    first = messages - _CONVERSIONS
    orders = {"in order": range(first, messages), "random": chance.sample(range(first), _CONVERSIONS)}
    with LocalServer(data, environment) as server:
        client = httpx.Client(base_url=server.url, auth=key, timeout=60, headers=_JSON)
        used = partial(_used, server, database_cpu_s)
        for name, numbers in orders.items():
            _rest(used)
            before = used()
            acknowledged_s, applied_s = _send(client, numbers, messages, now)
            after = used()
            node_us, database_us = (
                1e6 * (end - begin) / _CONVERSIONS for begin, end in zip(before, after, strict=True)
            )
            row |= {
                f"{name}: acknowledged a second": round(_CONVERSIONS / acknowledged_s),
                f"{name}: in the ledger, a second": round(_CONVERSIONS / applied_s),
                f"{name}: CPU us a report, node + database": f"{node_us:.1f} + {database_us:.1f}",
            }
    return row | _questions(settings, now)


def _used(server: LocalServer, database_cpu_s: Callable[[], float]) -> tuple[float, float]:
    return tree_cpu_s(server.pid), database_cpu_s()


def _rest(used: Callable[[], tuple[float, float]]) -> None:
    """Wait until the server and the database have deleted old minutes, and looked after new tables."""
    before = sum(used())
    while time.sleep(_RESTS_S) or sum(used()) - before > _RESTS * _RESTS_S:
        before = sum(used())


def _send(client: httpx.Client, numbers: Sequence[int], messages: int, now: int) -> tuple[float, float]:
    """Send conversions, and return how long until all were acknowledged and in the ledger, s."""
    bodies = [
        json.dumps(
            {
                "conversions": [
                    # Another time than before, so that nothing is a mere repeat.
                    {
                        "message_id": message_id(number),
                        "delivered": True,
                        "conversion_time": requested_at(number, messages, now) + 1_000,
                    }
                    for number in numbers[start : start + _BATCH]
                ]
            }
        )
        for start in range(0, len(numbers), _BATCH)
    ]
    began = time.monotonic()
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        for answer in pool.map(lambda body: client.post("/v1/conversions", content=body), bodies):
            if answer.status_code != httpx.codes.OK or answer.json()["rejected"]:
                raise SystemExit(f"not all were taken: {answer.text[:500]}")
    acknowledged_s = time.monotonic() - began
    while client.get("/v1/rates").raise_for_status().json()["lag"]:
        time.sleep(_LOOK_S)
    return acknowledged_s, time.monotonic() - began


def _questions(settings: Settings, now: int) -> dict[str, object]:
    """Return how long questions about a day and about all days take, ms."""
    found: dict[str, object] = {}
    with contextlib.closing(engine_of(settings).ledger_reader()) as ledger:
        for days in (1, DAYS):
            window = [("start", str(now - days * DAY_MS)), ("end", str(now))]
            answers = [measured(ledger, window, question, now) for question in QUESTIONS]
            found[f"questions about {days} d, p50 ms"] = [answer["p50 ms"] for answer in answers]
    return found


if __name__ == "__main__":
    main()
