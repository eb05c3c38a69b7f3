"""The applier: CPU time per report, and the size of the ledger that it writes. No server runs.

Each case applies the same journal several times and reports the cheapest round. The ledger's size is
exact: it depends on the reports alone.
"""

import random
import time
from collections.abc import Iterator
from contextlib import closing
from math import log
from pathlib import Path

from benchmarks.dataset import COMBINATIONS, message_id
from otpconv.model import Conversion, Dimensions, Report, Requested
from otpconv.storage.contract import DAY_MS, Entry
from otpconv.storage.sqlite import SqliteJournal, SqliteLedgerWriter

_NOW = 20_000 * DAY_MS
_ROUNDS = 3
#: At most this many messages, so that all cases take about half a minute.
_MESSAGES = 40_000
#: By name: the days that the messages are spread over, and the reports of one transaction.
_CASES = {
    "live": (0.02, 500),
    "a day in large batches": (1.0, 5_000),
    "30 days in large batches": (30.0, 5_000),
}


def run(folder: Path, messages: int, seconds: int) -> Iterator[dict[str, object]]:  # noqa: ARG001 - one form for all
    """Apply journals of `messages`, at most 40,000, of which 80 % are verified."""
    for name, (days, batch) in _CASES.items():
        journal = folder / f"{batch}-{days}.journal"
        reports = _reports(min(messages, _MESSAGES), days)
        _record(journal, reports, batch)
        rounds = [_applied(folder / "ledger", journal, batch) for _ in range(_ROUNDS)]
        yield {
            "benchmark": f"applier, {name}",
            "reports": len(reports),
            "CPU us a report": round(min(cpu for cpu, _ in rounds) / len(reports) * 1e6, 2),
            "ledger MB": round(rounds[0][1] / 1e6, 2),
        }


def _reports(messages: int, days: float) -> list[Report]:
    """Return requests and their conversions in the order of time."""
    chance = random.Random(7)
    timed: list[tuple[int, Report]] = []
    for number in range(messages):
        at = _NOW + int(number * days * DAY_MS / messages)
        timed.append((at, _requested(number, at, chance)))
        if chance.random() < 0.8:  # noqa: PLR2004 - the share that is verified
            verified_at = at + 1 + round(chance.lognormvariate(log(30_000), 1.0))
            timed.append((verified_at, Conversion(1, True, verified_at, message_id(number))))  # noqa: FBT003
    timed.sort(key=lambda each: each[0])
    return [report for _, report in timed]


def _requested(number: int, at: int, chance: random.Random) -> Requested:
    dimensions: Dimensions = chance.choice(COMBINATIONS)
    hashed = chance.randbytes(16).hex()
    return Requested(1, message_id(number), at, dimensions, hashed, "+491511234", f"session {number}", 1)


def _record(path: Path, reports: list[Report], batch: int) -> None:
    with closing(SqliteJournal(path)) as journal:
        for first in range(0, len(reports), batch):
            journal.append([Entry(report) for report in reports[first : first + batch]], _NOW)


def _applied(ledger: Path, journal: Path, batch: int) -> tuple[float, int]:
    """Return the CPU time (s) of applying a whole journal, and the size of the new ledger, bytes."""
    before, cursor = time.process_time(), -1
    with closing(SqliteLedgerWriter(ledger, journal)) as writer:
        while cursor < (cursor := writer.apply(batch)):
            pass
    cpu, size = time.process_time() - before, ledger.stat().st_size
    ledger.unlink()
    return cpu, size
