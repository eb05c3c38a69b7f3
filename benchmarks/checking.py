"""`python -m benchmarks.checking`: the time of `POST /v1/check`, beside `/healthz`, call by call.

The application runs in this process, so that only the processor time of its own thread counts: on an idle
machine, that is the time of the server. With `--http`, a real server is called over one connection, and the
time is that on the clock, until the answer is there. The server has the messages of `range_worlds`, and
assesses the ranges again every minute.
"""

import argparse
import asyncio
import base64
import http.client
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from benchmarks.range_worlds import make
from otpconv.audit import AuditLog
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.service.compose import Service
from otpconv.service.opening import open_key_store
from otpconv.storage.contract import DAY_MS, HOUR_MS
from otpconv.web.app import App
from otpconv.web.front.gate import Gate

_BATCH = 10_000


def _reports(now: int) -> Iterator[tuple[dict[str, Any], bool]]:
    random = Random(1)
    number = 0
    for count in make(1).counts:
        for index in range(count.requested):
            number += 1
            yield (
                {
                    "message_id": f"checking-{number}",
                    "requested_at": now - random.randint(2 * HOUR_MS, 6 * DAY_MS),
                    "to": f"{count.number_range}{random.randrange(10_000):04}",
                    "provider": count.provider,
                },
                index < count.verified,
            )


class Caller(Protocol):
    """Calls a server."""

    async def call(self, method: str, path: str, body: object = None) -> tuple[Any, float]:
        """Return the answer, and the time until then, s."""


class InProcess:
    """Calls an application without a socket.

    Args:
        app: the application.
        key: id and secret of the access key, separated by a colon.
    """

    def __init__(self, app: App, key: str) -> None:
        self._app = app
        self._authorization = b"Basic " + base64.b64encode(key.encode())

    async def call(self, method: str, path: str, body: object = None) -> tuple[Any, float]:
        """Return the answer, and the processor time of this thread until then, s."""
        raw = msgspec.json.encode(body) if body is not None else b""
        headers = [(b"authorization", self._authorization), (b"content-type", b"application/json")]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [*headers, (b"content-length", b"%d" % len(raw))] if raw else headers,
            "client": ("192.0.2.1", 1),
            "server": ("192.0.2.2", 80),
            "state": {},
        }
        parts: list[bytes] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:  # noqa: ANN401 - as ASGI wants it
            parts.append(message.get("body", b""))

        began = time.thread_time()
        await self._app(scope, receive, send)
        took = time.thread_time() - began
        text = b"".join(parts)
        return msgspec.json.decode(text) if text.startswith(b"{") else text, took


class OverHttp:
    """Calls a server over one connection.

    Args:
        server: is running.
    """

    def __init__(self, server: LocalServer) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
        key = base64.b64encode(f"{server.access_key_id}:{server.access_key_secret}".encode())
        self._headers = {"Authorization": f"Basic {key.decode()}", "Content-Type": "application/json"}

    async def call(self, method: str, path: str, body: object = None) -> tuple[Any, float]:
        """Return the answer, and the time on the clock until then, s."""
        raw = msgspec.json.encode(body) if body is not None else None
        began = time.perf_counter()
        self._connection.request(method, path, raw, self._headers)
        text = self._connection.getresponse().read()
        took = time.perf_counter() - began
        return msgspec.json.decode(text) if text.startswith(b"{") else text, took


async def record(caller: Caller) -> list[str]:
    """Report all messages, and return the numbers that the server knows."""
    reports = list(_reports(wall_clock()))
    messages = [message for message, _ in reports]
    conversions = [
        {
            "message_id": message["message_id"],
            "delivered": True,
            "conversion_time": message["requested_at"] + 20_000,
        }
        for message, verified in reports
        if verified
    ]
    numbers = []
    for path, items in (("messages", messages), ("conversions", conversions)):
        for first in range(0, len(items), _BATCH):
            part = items[first : first + _BATCH]
            answer, _ = await caller.call("POST", f"/v1/{path}", {path: part})
            ignored = {each["index"] for each in answer["ignored"]}
            if path == "messages":
                numbers += [each["to"] for index, each in enumerate(part) if index not in ignored]
    return numbers


def _quantiles(times: Sequence[float]) -> str:
    ordered = sorted(times)
    return " | ".join(f"{ordered[int(len(ordered) * share)] * 1000:.2f}" for share in (0.5, 0.99, 0.999))


async def measure(folder: Path, calls: int) -> list[float]:
    """Print the table, and return the processor times of the checks, s."""
    settings = load(data=folder)
    store = open_key_store(settings)
    key = store.create("default", "benchmark", "AdministratorAccess")
    store.close()
    service = Service(settings)
    await service.start()
    app = App(service, Gate(settings, AuditLog(folder)), "http://otp.example")
    checks = await _compare(InProcess(app, f"{key.access_key_id}:{key.secret}"), calls)
    await app.close()
    await service.stop()
    return checks


async def measure_over_http(folder: Path, calls: int) -> list[float]:
    """Print the table of a server of its own, and return the times of the checks on the clock, s."""
    with LocalServer(folder / "data") as server:
        checks = await _compare(OverHttp(server), calls)
    print(f"load of the machine, mean of the last minute: {os.getloadavg()[0]:.1f}")
    return checks


async def _compare(caller: Caller, calls: int) -> list[float]:
    numbers = await record(caller)
    first, _ = await caller.call("POST", "/v1/check", {"to": numbers[0]})
    print(f"{len(numbers):,} messages")
    checks, probes, risks = [], [], {"low": 0, "elevated": 0, "high": 0}
    random = Random(2)
    answer = first
    for _ in range(calls):
        probes.append((await caller.call("GET", "/healthz"))[1])
        answer, took = await caller.call("POST", "/v1/check", {"to": random.choice(numbers)})
        checks.append(took)
        risks[answer["risk"]] += 1
        await asyncio.sleep(0)
    print("| call | p50, ms | p99, ms | p99.9, ms |\n| --- | --- | --- | --- |")
    print(f"| /healthz | {_quantiles(probes)} |")
    print(f"| /v1/check | {_quantiles(checks)} |")
    renewed = answer["assessed_at"] != first["assessed_at"]
    print(f"{risks}; the assessment was renewed meanwhile: {renewed}")
    return checks


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checking", description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--http", action="store_true", help="call a real server, and look at the clock")
    arguments = parser.parse_args()
    measured = measure_over_http if arguments.http else measure
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measured(Path(folder), arguments.calls))


if __name__ == "__main__":
    main()
