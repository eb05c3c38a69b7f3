"""The relay: 1,000 conversions a second to a vendor with a limit of 500/s, and the cost for reports.

`python -m benchmarks.relay PORT` runs the vendor: it takes every call, and counts them.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import httpx
from typing_extensions import override

from benchmarks.dataset import fill
from benchmarks.signed import sign, wrk
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.web.front.server import listening_socket

_A_SECOND, _LIMIT = 1_000, 500
#: Conversions of one request of the paced load.
_BATCH = 100
#: Rounds with and without a vendor account, in turns, and connections of each.
_ROUNDS, _CONNECTIONS = 6, 64
_CALLS_A_SECOND = 20_000


def run(folder: Path, messages: int, seconds: int) -> list[dict[str, object]]:
    """Measure the relay under a paced load, then signed calls with and without a relay, in turns."""
    return [_paced(folder / "paced", seconds), _ratio(folder, min(messages, 400_000), seconds)]


def _paced(data: Path, seconds: int) -> dict[str, object]:
    """Report 1,000 conversions a second, and look what the vendor gets and when."""
    with _vendor() as vendor, LocalServer(data) as server:
        auth = (server.access_key_id, server.access_key_secret)
        with httpx.Client(base_url=server.url, auth=auth, timeout=30) as client:
            _create(client, vendor)
            waits, began = [], time.perf_counter()
            for batch in range(seconds * _A_SECOND // _BATCH):
                time.sleep(max(0.0, began + batch * _BATCH / _A_SECOND - time.perf_counter()))
                ids = [f"m{batch}-{number}" for number in range(_BATCH)]
                messages = [{"message_id": each, "provider": "vendor"} for each in ids]
                conversions = [{"message_id": each, "delivered": True} for each in ids]
                sent_at = time.perf_counter()
                client.post("/v1/messages", json={"messages": messages}).raise_for_status()
                client.post("/v1/conversions", json={"conversions": conversions}).raise_for_status()
                waits.append((time.perf_counter() - sent_at) * 500)
            reported_s = time.perf_counter() - began
            count = seconds * _A_SECOND
            (state,) = client.get("/v1/relay").json()["vendors"]
            backlog = count - state["sent"]
            while (state := client.get("/v1/relay").json()["vendors"][0])["sent"] < count:
                time.sleep(0.1)
            relayed_s = time.perf_counter() - began
        got: dict[str, int] = httpx.get(f"{vendor}/counts").json()
    if got["calls"] != count:
        raise SystemExit(f"reported {count}, the vendor got {got['calls']}")
    return {
        "benchmark": f"relay of {_A_SECOND}/s to a vendor with a limit of {_LIMIT}/s",
        "conversions": count,
        "reported in s": round(reported_s, 1),
        "relayed in s": round(relayed_s, 1),
        "calls a second": round(count / relayed_s),
        "most calls in a second": got["most"],
        "backlog at the end of the load": backlog,
        "batch acknowledged p50 ms": round(statistics.median(waits), 1),
    }


def _ratio(folder: Path, messages: int, seconds: int) -> dict[str, object]:
    """Measure signed calls on two servers in turns: with a vendor account, and without."""
    now = wall_clock()
    servers = []
    for name in ("with", "without"):
        with LocalServer(folder / name):
            pass  # makes the folder and its first key
        fill(folder / name, messages, now)
        servers.append(LocalServer(folder / name))
    with _vendor() as vendor, servers[0] as relaying, servers[1] as plain:
        auth = (relaying.access_key_id, relaying.access_key_secret)
        with httpx.Client(base_url=relaying.url, auth=auth) as client:
            rows = client.get("/v1/rates", params={"by": "provider", "start": "7d"}).json()["rows"]
            _create(client, vendor, str(max(rows, key=lambda row: row["requested"])["provider"]))
        found = ratios(relaying, plain, messages, seconds, now)
    return {
        "benchmark": "signed calls with a relay to a vendor account, to those without",
        "ratio": round(statistics.median(found), 3),
        "ratios": sorted(round(ratio, 2) for ratio in found),
    }


def ratios(first: LocalServer, second: LocalServer, messages: int, seconds: int, now: int) -> list[float]:
    """Return the signed calls a second of one server in proportion to those of another, measured in turns.

    Args:
        first: one server, with messages of `dataset.fill`.
        second: the other, with the same ones.
        messages: how many each has.
        seconds: how long to measure each, s.
        now: the time of the messages, ms.
    """
    part = max(1, round(seconds / _ROUNDS))
    count = min(messages // _ROUNDS, _CALLS_A_SECOND * part)
    found = []
    for round_ in range(_ROUNDS):
        rates = {}
        # By turns who is the first.
        for server in (first, second) if round_ % 2 else (second, first):
            requests = server.data / "requests.tsv"
            sign(requests, server, range(round_ * count, (round_ + 1) * count), messages, now)
            rates[server.url] = wrk(server.url, _CONNECTIONS, part, requests).a_second
        found.append(rates[first.url] / rates[second.url])
    return found


def _create(client: httpx.Client, vendor: str, provider: str = "vendor") -> None:
    settings = {"endpoint": vendor, "access_key_id": "LTAIbench", "access_key_secret": "secret"}
    name = f"v{abs(hash(provider)) % 10**9}"
    body = {"name": name, "kind": "alibaba", "provider": provider, "settings": settings, "per_second": _LIMIT}
    client.post("/v1/vendors", json=body).raise_for_status()


@contextmanager
def _vendor() -> Iterator[str]:
    with listening_socket("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "-m", "benchmarks.relay", str(port)]) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            while process.poll() is None:
                try:
                    httpx.get(f"{url}/counts")
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            yield url
        finally:
            process.terminate()


class _Counting(asyncio.Protocol):
    """Takes every call of `SmsConversion`; `/counts` says how many there were."""

    seconds: ClassVar[Counter[int]] = Counter()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        body = b'{"ResponseCode":"OK","RequestId":"1"}'
        if data.startswith(b"GET /counts"):
            calls, most = sum(self.seconds.values()), max(self.seconds.values(), default=0)
            body = f'{{"calls":{calls},"most":{most}}}'.encode()
        else:
            self.seconds[int(time.monotonic())] += 1
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)  # type: ignore[attr-defined]


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Counting, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
