"""A prune beside an idle server, then one beside a server that records reports; and a forgotten number.

The waits for an acknowledgement are compared with those before and after the second prune, in the same run.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from threading import Thread

import httpx

from benchmarks.dataset import fill, requested_at
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.service import deleting
from otpconv.service.numbers import open_number_hash
from otpconv.service.opening import open_key_store
from otpconv.storage.contract import HOUR_MS, MINUTE_MS

#: Windows without a prune, before it and after it.
_QUIET = 2
#: The share of `--messages` in the ledger, and the share of these that is deleted beside an idle server.
_FILLED, _IDLE = 5, 0.6
#: Messages to the number that is forgotten.
_TO_NUMBER, _NUMBER = 5, "+34600000001"
_VERIFIED = 0.8


def run(folder: Path, messages: int, seconds: int) -> Iterator[dict[str, object]]:
    """Delete a fifth of `messages`, the last of them beside a probe that reports, in windows of `seconds`."""
    data = folder / "prune"
    messages //= _FILLED
    with LocalServer(data):
        pass  # makes the folder and its first key
    fill(data, messages, now := wall_clock(), verified=_VERIFIED)
    with LocalServer(data) as server:
        _window(server, seconds)  # the first start also brings minutes into quarters of an hour
        yield {
            "benchmark": "prune",
            "server": "idle",
            **_pruned(server, requested_at(int(_IDLE * messages), messages, now)),
        }
        quiet = [_window(server, seconds) for _ in range(_QUIET)]
        busy: list[dict[str, float]] = []
        figures = _pruned(server, now - HOUR_MS, lambda: busy.append(_window(server, seconds)))
        quiet += [_window(server, seconds) for _ in range(_QUIET)]
        yield {"benchmark": "prune", "server": "records reports", **figures, **_compared(quiet, busy)}
        yield {
            "benchmark": "forget",
            "messages": _TO_NUMBER,
            "s": round(_forgotten(server), 2),
        }


def _pruned(
    server: LocalServer, before: int, meanwhile: Callable[[], object] | None = None
) -> dict[str, object]:
    """Prune everything before a time (ms), and return how long that took. Call `meanwhile` until it ends."""
    command = [sys.executable, "-m", "otpconv", "ledger", "prune", "--before", str(before), "--json"]
    times: list[float] = []
    began = time.perf_counter()
    with subprocess.Popen(
        [*command, "--data", str(server.data)], stdout=subprocess.PIPE, text=True
    ) as process:

        def wait() -> None:
            process.wait()
            times.append(time.perf_counter())

        ended = Thread(target=wait)
        ended.start()
        while meanwhile is not None and process.poll() is None:
            meanwhile()  # the last call may go on a little after the end
        ended.join()
        output = process.stdout.read() if process.stdout else ""
    took, deleted = times[0] - began, json.loads(output)["deleted"]
    return {"messages": deleted, "s": round(took, 1), "messages a second": round(deleted / took)}


def _window(server: LocalServer, seconds: int) -> dict[str, float]:
    """Return the waits for an acknowledgement in a window of some seconds, ms."""
    port = server.url.rpartition(":")[2]
    words = [port, server.access_key_id, server.access_key_secret, str(seconds)]
    probe = [sys.executable, "-m", "benchmarks.worst_cases.probe"]
    done = subprocess.run([*probe, *words], stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    if found["failed"]:
        raise SystemExit(f"requests failed: {found}")
    waits: dict[str, float] = found["report"]
    return waits


def _compared(quiet: list[dict[str, float]], busy: list[dict[str, float]]) -> dict[str, object]:
    p99 = median(window["p99"] for window in quiet), median(window["p99"] for window in busy)
    return {
        "p50 ms without": median(window["p50"] for window in quiet),
        "p50 ms": median(window["p50"] for window in busy),
        "p99 ms without": p99[0],
        "p99 ms": p99[1],
        "p99 ratio": round(p99[1] / p99[0], 2),
        "max ms without": max(window["max"] for window in quiet),
        "max ms": max(window["max"] for window in busy),
    }


def _forgotten(server: LocalServer) -> float:
    """Report a few messages to a number, forget it, and return how long that took, s."""
    now = wall_clock()
    sent = [
        {"message_id": f"forget-{n}", "to": _NUMBER, "requested_at": now - n * MINUTE_MS}
        for n in range(_TO_NUMBER)
    ]
    auth = server.access_key_id, server.access_key_secret
    httpx.post(f"{server.url}/v1/messages", auth=auth, json={"messages": sent}).raise_for_status()
    settings = load(data=server.data)
    with closing(open_key_store(settings)) as keys:
        account = keys.account("default")
    hashed = open_number_hash(settings)(account, _NUMBER)
    began = time.perf_counter()
    if deleting.forget(settings, account, hashed) != _TO_NUMBER:
        raise SystemExit("not all messages to the number were deleted")
    return time.perf_counter() - began
