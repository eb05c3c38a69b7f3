"""Signed, durable SmsConversion calls against a bare "hello" on the same server, and how soon they count."""

import contextlib
import json
import random
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Protocol
from urllib.parse import urlencode

import httpx

from benchmarks.dataset import DAYS, fill, message_id, requested_at
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.dialects.alibaba import sign_v3
from otpconv.web.front.server import listening_socket

#: Hello and the service in turns, so that what else the machine does meets both.
_ROUNDS = 10
#: And then the service while somebody looks how soon a report counts.
_PROBED_ROUNDS = 5
#: How often it is looked, s.
_LOOK_S = 0.01
#: Requests signed for each second of a measurement: more than any machine has answered.
_A_SECOND = 40_000
_LUA = str(Path(__file__).with_name("wrk.lua"))
_USER_AGENT = "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2"


class Signer(Protocol):
    """A server, and the key that calls it."""

    url: str
    access_key_id: str
    access_key_secret: str


@dataclass
class Load:
    """What one run of wrk came to."""

    a_second: float
    p50_ms: float
    p99_ms: float
    answered: int
    errors: int


def run(folder: Path, messages: int, seconds: int) -> list[dict[str, object]]:
    """Measure hello and SmsConversion in turns with the same requests, on a ledger of `messages`.

    The conversions are of messages in the order they were requested (as it is in life), then in random order
    (the worst there is for the ledger's pages). The rounds of one row together take `seconds` for each side.
    """
    if shutil.which("wrk") is None:
        raise SystemExit("this benchmark needs wrk: apt-get install wrk")
    return [
        _measure(folder / f"{order} {connections}", order, connections, messages, seconds / _ROUNDS)
        for order, connections in (("as requested", 256), ("as requested", 64), ("at random", 256))
    ]


def _measure(data: Path, order: str, connections: int, messages: int, seconds: float) -> dict[str, object]:
    with LocalServer(data):
        pass  # makes the folder and its first key
    now = wall_clock()
    fill(data, messages, now)
    numbers = list(range(messages))
    if order == "at random":
        random.Random(11).shuffle(numbers)
    seconds = max(1, round(seconds))
    count = min(messages // (_ROUNDS + _PROBED_ROUNDS), _A_SECOND * seconds)
    rounds, visible, acknowledged = [], [], 0
    with LocalServer(data) as server, _hello() as hello_url:
        for round_ in range(_ROUNDS + _PROBED_ROUNDS):
            requests = data / "requests.tsv"
            sign(requests, server, numbers[round_ * count : (round_ + 1) * count], messages, now)
            if round_ < _ROUNDS:
                hello = wrk(hello_url, connections, seconds, requests)
                signed = wrk(server.url, connections, seconds, requests)
                rounds.append((hello, signed))
            else:
                # Asking for rates all the time is a load of its own, so it has rounds of its own.
                probe = _Probe(server)
                signed = wrk(server.url, connections, seconds, requests)
                visible += probe.stop()
            if signed.errors:
                raise SystemExit(f"errors under load: {signed}")
            acknowledged += signed.answered
        time.sleep(1)
        _check(server, acknowledged, (_ROUNDS + _PROBED_ROUNDS) * connections, now)
    return {
        "benchmark": "signed SmsConversion, durable, one process",
        "conversions": order,
        "connections": connections,
        "messages": messages,
        "ratio to hello": round(statistics.median(s.a_second / h.a_second for h, s in rounds), 3),
        "ratios": sorted(round(s.a_second / h.a_second, 2) for h, s in rounds),
        "hello a second": round(statistics.median(h.a_second for h, _ in rounds)),
        "signed a second": round(statistics.median(s.a_second for _, s in rounds)),
        "p50 ms": statistics.median(s.p50_ms for _, s in rounds),
        "p99 ms": statistics.median(s.p99_ms for _, s in rounds),
        "visible in rates p50 ms": round(statistics.median(visible)),
        "visible in rates p99 ms": round(statistics.quantiles(visible, n=100)[98]),
    }


@contextlib.contextmanager
def _hello() -> Iterator[str]:
    """Run the ceiling beside the service; it does nothing while it is not asked."""
    with listening_socket("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "-m", "benchmarks.hello", str(port)]) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            while process.poll() is None:
                with contextlib.suppress(httpx.TransportError):
                    httpx.get(url)
                    break
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()


def wrk(url: str, connections: int, seconds: int, requests: Path) -> Load:
    """Send the requests of a file for some seconds."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", _LUA, url, "--"]
    arguments = [str(requests), url.removeprefix("http://")]
    done = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True)
    result = json.loads(done.stdout.strip().rpartition("\n")[2])
    return Load(
        result["requests"] / result["seconds"],
        result["p50_ms"],
        result["p99_ms"],
        result["requests"],
        result["errors"],
    )


def sign(file: Path, server: Signer, numbers: Sequence[int], messages: int, now: int) -> None:
    """Write signed requests to a file, each a conversion of another message of the dataset."""
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251 - what a client signs with
    host = server.url.removeprefix("http://")
    with file.open("w") as lines:
        for number in numbers:
            time_ = requested_at(number, messages, now) + 20_000
            parameters = {
                "ConversionTime": str(time_),
                "Delivered": "True",
                "MessageId": message_id(number),
            }
            nonce = secrets.token_hex(16)
            headers = sign_v3(
                "POST",
                parameters,
                {
                    "host": host,
                    "user-agent": _USER_AGENT,
                    "accept": "application/json",
                    "x-acs-action": "SmsConversion",
                    "x-acs-version": "2018-05-01",
                    "x-acs-date": date,
                    "x-acs-signature-nonce": nonce,
                    "x-acs-credentials-provider": "static_ak",
                },
                b"",
                access_key_id=server.access_key_id,
                secret=server.access_key_secret,
            )
            lines.write(f"{urlencode(parameters)}\t{date}\t{nonce}\t{headers['authorization']}\n")


class _Probe:
    """Reports one message after another while the load runs, and polls the rates until each is counted."""

    def __init__(self, server: LocalServer) -> None:
        self._server = server
        self._stopping = Event()
        self._visible_ms: list[float] = []
        self._thread = Thread(target=self._run)
        self._thread.start()

    def stop(self) -> list[float]:
        self._stopping.set()
        self._thread.join()
        return self._visible_ms

    def _run(self) -> None:
        auth = (self._server.access_key_id, self._server.access_key_secret)
        with httpx.Client(base_url=self._server.url, auth=auth) as client:
            while not self._stopping.is_set():
                name = f"probe {secrets.token_hex(4)}"
                message = {"message_id": secrets.token_hex(16), "provider": name}
                client.post("/v1/messages", json={"messages": [message]}).raise_for_status()
                acknowledged = time.perf_counter()
                while not self._counted(client, name):
                    time.sleep(_LOOK_S)
                self._visible_ms.append((time.perf_counter() - acknowledged) * 1000)

    def _counted(self, client: httpx.Client, name: str) -> bool:
        start = wall_clock() - 120_000
        rows = client.get("/v1/rates", params={"provider": name, "start": start}).json()["rows"]
        return bool(rows[0]["requested"])


def _check(server: LocalServer, acknowledged: int, under_way: int, now: int) -> None:
    """Check that the measured work was done: every acknowledged conversion is counted."""
    params = {"start": now - (DAYS + 1) * 86_400_000, "end": now}
    auth = (server.access_key_id, server.access_key_secret)
    (row,) = httpx.get(f"{server.url}/v1/rates", params=params, auth=auth, timeout=30).json()["rows"]
    # Requests under way when the load ended were recorded, and are not among the answered.
    if not acknowledged <= row["verified"] <= acknowledged + under_way:
        raise SystemExit(f"acknowledged {acknowledged}, counted {row['verified']}")
