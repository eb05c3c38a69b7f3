"""The measurements, the clients in turns, and what they come to."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.reporter.clients import CLIENTS, DURABLE, installed
from benchmarks.reporter.other_side import OtherSide, other_side
from benchmarks.reporter.subjects import Subject
from benchmarks.reporter.verdict import Times, verdict

#: All clients in turns, so that what else the machine does meets every one.
_ROUNDS = 5
_SIDES = ("healthy", "slow", "dead")
#: Between two calls, s: a login flow's pace, and none.
_PACES = {"1 ms between": 0.001, "a burst": 0.0}
_FEWEST = 600
_QUEUED = 100_000
_KILLED_AFTER = 3_001
#: Reports that were under way when a client was killed have arrived after this time, s.
_UNDER_WAY_S = 0.5

Row = dict[str, object]


def run(folder: Path, _messages: int, seconds: int) -> Iterator[Row]:
    """Measure every client that is installed: the call, the memory, and what a SIGKILL costs.

    A measurement has as many calls as there are milliseconds in `seconds`, split over the rounds.
    """
    present = {}
    for name in CLIENTS:
        if found := installed(name):
            present[name] = found
        else:
            print(f"skipped: {name} is not installed (pip install --group benchmarks)", file=sys.stderr)
    with other_side() as other:
        times = _time(folder, list(present), other, max(_FEWEST, 1000 * seconds // _ROUNDS))
        for (client, pace, side), seen in times.items():
            yield _row("the enqueue call", client, present) | {"calls": pace, "other side": side} | seen.row()
        grown = {name: Subject(folder, name, other).grow("dead", _QUEUED) for name in present}
        for name, size in grown.items():
            kib = {"grown KiB": size["grown"], "at most KiB": size["most"]}
            yield _row(f"{_QUEUED} enqueued, the other side dead", name, present) | kib
        after_kill: dict[str, list[int]] = {name: [] for name in present}
        for side, pace in (("healthy", "1 ms between"), ("healthy", "a burst"), ("dead", "a burst")):
            for name in present:
                row = _kill(Subject(folder, name, other), side, _PACES[pace])
                after_kill[name].append(row["with the next start"])
                about = {"calls": pace, "other side": side, "enqueued": _KILLED_AFTER}
                yield _row("delivered after SIGKILL", name, present) | about | row
    if DURABLE in present:
        yield verdict(times, grown[DURABLE]["most"], min(after_kill[DURABLE]), _KILLED_AFTER)


def _row(what: str, client: str, present: dict[str, str]) -> Row:
    return {"benchmark": f"reporter: {what}", "client": client, "version": present[client]}


def _time(
    folder: Path, clients: list[str], other: OtherSide, count: int
) -> dict[tuple[str, str, str], Times]:
    times = {(name, pace, side): Times() for name in clients for pace in _PACES for side in _SIDES}
    for _ in range(_ROUNDS):
        for side in _SIDES:
            for pace, pause_s in _PACES.items():
                for name in clients:
                    subject = Subject(folder, name, other)
                    # A slow or dead side would hold the close back, and has nothing to be counted.
                    healthy = side == "healthy"
                    took = subject.time(side, count, pause_s, close=healthy)
                    arrived = subject.arrived() / count if healthy else None
                    times[name, pace, side].add(took, arrived)
                    if name == DURABLE and healthy and arrived != 1:
                        raise SystemExit(f"{name}: of {count} enqueued, {subject.arrived()} arrived")
    return times


def _kill(subject: Subject, side: str, pause_s: float) -> dict[str, int]:
    subject.die(side, _KILLED_AFTER, pause_s)
    time.sleep(_UNDER_WAY_S)
    at_once = subject.arrived()
    subject.start_again()
    return {"delivered": at_once, "with the next start": subject.arrived()}
