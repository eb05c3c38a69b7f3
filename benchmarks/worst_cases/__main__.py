"""`python -m benchmarks.worst_cases`: the most expensive things each caller can do, one by one.

Meanwhile a probe reports 50 times a second and asks `/healthz` 20 times. Prints a Markdown table, and ends
with 1 when the 99th percentile of an acknowledgement or of `/healthz` was over 100 ms in any case.
"""

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from benchmarks.worst_cases.cases import CASES, Attack, Case
from benchmarks.worst_cases.traffic import Traffic
from benchmarks.worst_cases.world import World

#: The promise: no acknowledgement and no health check takes longer, ms, at the 99th percentile.
_PROMISED_MS = 100.0
#: The probe begins before the attack and ends with it, s.
_LEAD_S = 0.3
#: The attacks come from other machines in truth: here they take what the server leaves.
_NICENESS = 10
_FILES = 20_000
_QUIET = Case("", "quiet", lambda _: lambda traffic: traffic.hold(()))


def main() -> int:
    """Run the cases that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worst_cases", description=__doc__)
    parser.add_argument("--case", action="append", metavar="NAME", help="run only this case; may be repeated")
    parser.add_argument("--json", action="store_true", help="print a line of JSON a case instead of a table")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and end")
    parser.add_argument("--messages", type=int, default=1_000_000, help="in the ledger")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each case")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: a temporary one")
    arguments = parser.parse_args()
    if arguments.list:
        sys.stdout.writelines(f"{case.caller}: {case.name}\n" for case in CASES)
        return 0
    chosen = [case for case in CASES if not arguments.case or case.name in arguments.case]
    if not chosen or len(chosen) < len(set(arguments.case or ())):
        parser.error("there is no such case; --list names them")
    with suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(_FILES, hard) if hard > 0 else _FILES, hard))
    if not arguments.json:
        sys.stdout.write(
            f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {arguments.messages:,} messages,"
            f" {arguments.seconds:g} s a case. Times in ms: p50 / p99 / longest.\n\n"
            "| caller | case | acknowledgement | `/healthz` | failed | MiB | what the caller got |\n"
            "| --- | --- | --- | --- | --- | --- | --- |\n"
        )
    kept = True
    with tempfile.TemporaryDirectory(prefix="otpconv-worst-", dir=arguments.folder) as folder:
        world = World(Path(folder), arguments.messages)
        try:
            world.fresh()
            for number, case in enumerate([_QUIET, *chosen, _QUIET]):
                row = _measured(world, case, number, arguments.seconds)
                kept = kept and (case is _QUIET or row["kept"] is True)
                sys.stdout.write((json.dumps(row) if arguments.json else _line(row)) + "\n")
                sys.stdout.flush()
        finally:
            world.kill()
    return 0 if kept else 1


def _measured(world: World, case: Case, number: int, seconds: float) -> dict[str, object]:
    """Run one case; a server that is broken by it is replaced."""
    try:
        attack = case.prepare(world)
    except OSError as error:
        world.fresh()
        return _failed(case, f"preparing it took the server too long: {error}")
    world.forget_peak()
    command = [sys.executable, "-m", "benchmarks.worst_cases.probe"]
    arguments = [str(world.port), *world.administrator, str(seconds + _LEAD_S)]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True) as probe:
        time.sleep(_LEAD_S)
        answers = _attacked(world, attack, f"127.0.1.{number + 1}", seconds)
        times = json.loads(probe.communicate(timeout=60)[0])
    peak = world.peak_mib()
    report, healthz = times["report"], times["healthz"]
    recovered = world.recovered()
    if not recovered:
        answers["the server did not recover"] += 1
    if case.spoils or not recovered:
        world.fresh()
        world.recovered()
    return {
        "caller": case.caller,
        "case": case.name,
        "report": report,
        "healthz": healthz,
        "failed": times["failed"],
        "mib": peak,
        "answers": dict(answers.most_common()),
        "kept": max(report["p99"], healthz["p99"]) <= _PROMISED_MS and recovered,
    }


def _failed(case: Case, why: str) -> dict[str, object]:
    nothing: dict[str, float] = {}
    took = {"report": nothing, "healthz": nothing}
    return {
        "caller": case.caller,
        "case": case.name,
        **took,
        "failed": 0,
        "mib": 0,
        "answers": {why: 1},
        "kept": False,
    }


def _attacked(world: World, attack: Attack, address: str, seconds: float) -> Counter[str]:
    """Run an attack in a process of its own, which is killed when it does not end; return what it got."""
    forked = multiprocessing.get_context("fork")
    counted: SimpleQueue[Counter[str]] = forked.SimpleQueue()

    def work() -> None:
        os.nice(_NICENESS)
        traffic = Traffic(world.port, address, seconds)
        attack(traffic)
        counted.put(traffic.answers)

    child = forked.Process(target=work, daemon=True)
    child.start()
    child.join(seconds + 2)
    answers = Counter() if counted.empty() else counted.get()
    child.kill()
    child.join()
    return answers


def _line(row: dict[str, object]) -> str:
    took = [" / ".join(f"{time_:,.0f}" for time_ in row[name].values()) for name in ("report", "healthz")]  # type: ignore[attr-defined]
    if not row["kept"] and row["report"]:
        took[0] = f"**{took[0]}**"
    got = ", ".join(f"{name}: {count:,}" for name, count in row["answers"].items())  # type: ignore[attr-defined]
    cells = row["caller"], row["case"], *took, row["failed"], row["mib"], got
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    sys.exit(main())
