"""Native batches, durable when answered: conversions and messages by the thousand over a few connections."""

import http.client
import json
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.dataset import fill, message_id, requested_at
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock

_CONNECTIONS = 2
_BATCH = 5_000


def run(folder: Path, messages: int, seconds: int) -> list[dict[str, object]]:  # noqa: ARG001 - one form for all
    """Send a conversion for each of 300,000 messages of a ledger of `messages`, then 300,000 new messages."""
    data = folder / "native"
    with LocalServer(data):
        pass  # makes the folder and its first key
    now = wall_clock()
    fill(data, messages, now)
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
    with LocalServer(data) as server:
        return [
            _measure(server, "conversions", conversions, messages),
            _measure(server, "messages", new, messages),
        ]


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
    if recorded != len(items):
        raise SystemExit(f"sent {len(items)}, recorded {recorded}")
    return {
        "benchmark": f"native batches of {_BATCH} {kind}",
        "messages": messages,
        "reports a second": round(len(items) / seconds),
    }


def _send(server: LocalServer, kind: str, bodies: list[bytes]) -> Iterator[int]:
    key = b64encode(f"{server.access_key_id}:{server.access_key_secret}".encode()).decode()
    headers = {"authorization": f"Basic {key}", "content-type": "application/json"}
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    for body in bodies:
        connection.request("POST", f"/v1/{kind}", body, headers)
        yield json.loads(connection.getresponse().read())["recorded"]
    connection.close()
