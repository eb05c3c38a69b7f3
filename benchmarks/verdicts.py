"""`python -m benchmarks.verdicts`: how often the dashboard's verdict is right, over many seeded worlds.

It prints a table: for each kind of fault and each window the share of worlds in which the verdict agrees with
the world. A healthy world agrees when nothing is named; another one when the failure is named first, and
nothing healthy is called silent or broken before it.
"""

import argparse
import random
import tempfile
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.worlds import World
from otpconv.rates.evidence import find_evidence
from otpconv.rates.fetch import learn_maturity
from otpconv.rates.question import RateQuery
from otpconv.rates.signals import Evidence
from otpconv.storage.contract import DAY_MS, HOUR_MS
from otpconv.storage.sqlite import SqliteLedgerReader

#: Windows of the dashboard, ms.
WINDOWS: Mapping[str, int] = {
    "1h": HOUR_MS,
    "6h": 6 * HOUR_MS,
    "24h": DAY_MS,
    "7d": 7 * DAY_MS,
    "30d": 30 * DAY_MS,
}
#: Kinds of faults, and the share of worlds to reach.
FAULTS: Mapping[str, float] = {
    "none": 0.95,
    "route": 0.95,
    "silence": 0.95,
    "provider": 0.95,
    "country": 0.95,
}
#: When the last world ends; the others up to a week before, ms.
_NOW = 1_795_737_600_000


def agrees(world: World, found: Evidence) -> bool:
    """Tell whether a verdict agrees with the world that it is on."""
    drops, silences = found.now.drops, found.now.silences
    if world.fault is None:
        return not drops and not silences
    named, others = (silences, drops) if world.is_silence else (drops, silences)
    return bool(named) and world.is_named_by(dict(named[0].slice.values)) and not others


def try_world(seed: int, fault: str, messages: int = 50_000) -> dict[str, bool]:
    """Return in which windows the verdict on a world of so many messages agrees with it."""
    world = World(seed, _NOW - random.Random(seed).randrange(7 * DAY_MS), fault, messages=messages)
    with tempfile.TemporaryDirectory(prefix="otpconv-verdicts-") as folder:
        world.fill(Path(folder))
        ledger = SqliteLedgerReader(Path(folder) / "ledger.sqlite")
        verdicts = {}
        for window, length in WINDOWS.items():
            query = RateQuery(world.now - length, world.now)
            maturity = learn_maturity(ledger, 1, {}, end=query.end, now=world.now)
            verdicts[window] = agrees(world, find_evidence(ledger, 1, query, maturity, world.now))
        ledger.close()
    return verdicts


def main() -> None:
    """Try the worlds that the command line asks for and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts", description=__doc__)
    parser.add_argument("--worlds", type=int, default=200, help="of each kind of fault")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first one")
    parser.add_argument("faults", nargs="*", metavar="FAULT", default=list(FAULTS), help=f"of {list(FAULTS)}")
    arguments = parser.parse_args()
    print(f"{'fault':10}{'worlds':>8}" + "".join(f"{window:>8}" for window in WINDOWS), flush=True)
    seeds = range(arguments.first, arguments.first + arguments.worlds)
    with ProcessPoolExecutor() as pool:
        for fault in arguments.faults:
            right: Counter[str] = Counter()
            for seed, verdicts in zip(seeds, pool.map(partial(try_world, fault=fault), seeds), strict=True):
                right.update(window for window, agreed in verdicts.items() if agreed)
                wrong = [window for window, agreed in verdicts.items() if not agreed]
                if wrong:
                    print(f"  {fault} {seed}: wrong in {', '.join(wrong)}")
            shares = "".join(f"{right[window] / len(seeds):>8.1%}" for window in WINDOWS)
            print(f"{fault:10}{len(seeds):>8}{shares}", flush=True)


if __name__ == "__main__":
    main()
