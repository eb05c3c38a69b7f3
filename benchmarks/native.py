"""Native batches, durable when answered: conversions and messages by the thousand over a few connections.

In SQLite, then in a PostgreSQL of its own.
"""

import http.client
import json
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from pydantic import SecretStr

from benchmarks.dataset import message_id, reports, requested_at
from benchmarks.postgres_server import running
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import Settings
from otpconv.service import upkeep
from otpconv.web.v1.rate_formats import LAG_HEADER

_CONNECTIONS = 2
_BATCH = 5_000


def run(folder: Path, messages: int, seconds: int) -> Iterator[dict[str, object]]:  # noqa: ARG001 - one form for all
    """Send a conversion for each of 300,000 messages of a ledger of `messages`, then 300,000 new messages."""
    yield from _both(folder / "native", None, messages)
    with running(folder) as database:
        database.database()
        yield from _both(folder / "native-postgres", database.url, messages)


def _both(data: Path, postgres: str | None, messages: int) -> Iterator[dict[str, object]]:
    settings = {} if postgres is None else {"OTPCONV_LEDGER": postgres}
    with LocalServer(data, settings):
        pass  # makes the folder and its first key
    now = wall_clock()
    ledger = None if postgres is None else SecretStr(postgres)
    upkeep.fill(Settings(data=data, ledger=ledger), ((now, part) for part in reports(messages, now, 0.0)))
    count = min(messages, 300_000)
    first = messages - count
    conversions = [
        {
            "message_id": message_id(number),
            "delivered": True,
            "conversion_time": requested_at(number, messages, now) + 20_000,
        }
        for number in range(first, messages)
    ]
    new = [
        {
            "message_id": message_id(messages + number),
            "requested_at": now - count + number,
            "country": "DE",
            "provider": f"provider {number % 5}",
            "template": "login",
        }
        for number in range(count)
    ]
    with LocalServer(data, settings) as server:
        for kind, items in ("conversions", conversions), ("messages", new):
            storage = "SQLite" if postgres is None else "PostgreSQL"
            yield {"storage": storage} | _measure(server, kind, items, messages)


def _measure(
    server: LocalServer, kind: str, items: list[dict[str, object]], messages: int
) -> dict[str, object]:
    bodies = [
        json.dumps({kind: items[first : first + _BATCH]}).encode() for first in range(0, len(items), _BATCH)
    ]
    parts = [bodies[connection::_CONNECTIONS] for connection in range(_CONNECTIONS)]
    started = time.perf_counter()
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        recorded = sum(pool.map(lambda part: sum(_send(server, kind, part)), parts))
    seconds = time.perf_counter() - started
    _applied(server)
    applied_s = time.perf_counter() - started
    if recorded != len(items):
        raise SystemExit(f"sent {len(items)}, recorded {recorded}")
    return {
        "benchmark": f"native batches of {_BATCH} {kind}",
        "messages": messages,
        "acknowledged a second": round(len(items) / seconds),
        "in the ledger a second": round(len(items) / applied_s),
    }


def _applied(server: LocalServer) -> None:
    """Wait until everything acknowledged is in the ledger."""
    auth = (server.access_key_id, server.access_key_secret)
    while True:
        answer = httpx.get(f"{server.url}/v1/rates", auth=auth, timeout=30)
        if answer.headers[LAG_HEADER] == "0":
            return


def _send(server: LocalServer, kind: str, bodies: list[bytes]) -> Iterator[int]:
    key = b64encode(f"{server.access_key_id}:{server.access_key_secret}".encode()).decode()
    headers = {"authorization": f"Basic {key}", "content-type": "application/json"}
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    for body in bodies:
        connection.request("POST", f"/v1/{kind}", body, headers)
        yield json.loads(connection.getresponse().read())["recorded"]
    connection.close()
