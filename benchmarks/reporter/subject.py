"""One client in a fresh process: does what a JSON object on the command line says, and prints what it saw.

Usage: python -m benchmarks.reporter.subject '{"client": "posthog", "act": "time", …}'
"""

import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from benchmarks.reporter.clients import CLIENTS, Client

#: Calls before the first that is measured: they import, connect and start threads.
_WARM_UP = 100
#: How long the memory settles before it is read, s.
_SETTLE_S = 0.5
#: How long a client that was started again is up before it is closed, s.
_UP_S = 2.0
#: No delivery takes longer than this, s.
_CLOSE_S = 30.0
#: The exit code of a client that wanted to leave the machine.
_LEFT = 70


def main(order: dict[str, object]) -> NoReturn:
    """Do what the order says; the process then ends at once, however busy its threads are."""
    act = str(order["act"])
    if act != "time":
        sys.addaudithook(_stay)  # it would slow the calls that are measured
    client = CLIENTS[str(order["client"])].make(str(order["url"]), str(order["spool"]))
    names = [f"{order['run']}:{number:06d}" for number in range(int(str(order["count"])))]
    pause_s = float(str(order["pause_s"]))
    result: object = None
    if act == "time":
        result = _time(client, names, pause_s)
    elif act == "grow":
        result = _grow(client, names)
    elif act == "die":
        for name in names:
            client.enqueue(name)
            if pause_s:
                time.sleep(pause_s)
        os.kill(os.getpid(), signal.SIGKILL)
    elif act == "start again":
        client.enqueue(f"next:{order['run']}")  # as an application does, and not counted
        time.sleep(_UP_S)
    if order["close"]:
        closing = threading.Thread(target=client.close, daemon=True)
        closing.start()
        closing.join(_CLOSE_S)
    print(json.dumps(result), flush=True)
    os._exit(0)


def _time(client: Client, names: list[str], pause_s: float) -> list[int]:
    """Return how long each call took, ns."""
    enqueue, clock, sleep = client.enqueue, time.perf_counter_ns, time.sleep
    took = []
    for name in names:
        start = clock()
        enqueue(name)
        took.append(clock() - start)
        if pause_s:
            sleep(pause_s)
    return took[_WARM_UP:]


def _grow(client: Client, names: list[str]) -> dict[str, int]:
    """Return by how much the process grew, KiB: when all is enqueued, and at its largest."""
    time.sleep(_SETTLE_S)
    before = _memory()
    for name in names:
        client.enqueue(name)
    time.sleep(_SETTLE_S)
    after = _memory()
    return {"grown": after["VmRSS"] - before["VmRSS"], "most": after["VmHWM"] - before["VmRSS"]}


def _memory() -> dict[str, int]:
    status = Path("/proc/self/status").read_text()
    return {
        name: int(size) for name, size in re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", status, re.MULTILINE)
    }


def _stay(event: str, arguments: tuple[object, ...]) -> None:
    """End the process when it looks up or connects to anything but the loopback."""
    place: object = None
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        place = arguments[1][0]
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        place = arguments[0]
    if place not in {None, "127.0.0.1", b"127.0.0.1"}:
        os.write(2, f"{event} {place!r}: nothing may leave the machine\n".encode())
        os._exit(_LEFT)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
