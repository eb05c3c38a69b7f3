"""`python -m benchmarks.ranges`: what the search for pumped number ranges finds in invented worlds.

Prints the tables of docs/explanation/ranges.md. `benchmarks/range_worlds.py` describes the worlds.
"""

import argparse
import time
from collections.abc import Callable, Iterable

from msgspec import Struct

from benchmarks.range_worlds import END, FAULTS, START, World, any_share, carrier_of, make
from otpconv.ranges.mixture import Judged, judge
from otpconv.ranges.traffic import roll_up

FLAGGED = 0.95
#: The first seed: the method and the bins were made with the seeds below.
FIRST = 200
#: The bins of the reliability curve: up to so much.
BINS = (0.05, 0.25, 0.75, 0.95, 1.0)


class Score(Struct, frozen=True):
    """The findings in a world.

    Attributes:
        found: pumped ranges within a flagged range.
        false: flagged ranges most of whose messages are not pumped.
        cpu_s: the time of the search.
        cases: of each judged range, its posterior and whether it is pumped.
    """

    found: int
    false: int
    cpu_s: float
    cases: list[tuple[float, bool]]


def score(world: World) -> Score:
    """Search a world, and compare with the truth."""
    began = time.process_time()
    judged = judge(roll_up(world.counts, carrier_of), (START, END))
    cpu_s = time.process_time() - began
    requested: dict[str, int] = {}
    for count in world.counts:
        requested[count.number_range] = requested.get(count.number_range, 0) + count.requested
    cases = [(each.posterior, _is_pumped(each, world, requested)) for each in judged]
    members = {member for each in judged if each.posterior > FLAGGED for member in each.traffic.members}
    false = sum(posterior > FLAGGED and not pumped for posterior, pumped in cases)
    return Score(len(world.pumped & members), false, cpu_s, cases)


def _is_pumped(judged: Judged, world: World, requested: dict[str, int]) -> bool:
    members = judged.traffic.members
    pumped = sum(requested[member] for member in members if member in world.pumped)
    return 2 * pumped > sum(requested[member] for member in members)


def reliability(scores: Iterable[Score]) -> list[tuple[float, int, float, float]]:
    """Return for each bin: its upper end, the cases, their mean posterior, and the share that is pumped."""
    cases = [case for each in scores for case in each.cases]
    rows = []
    low = 0.0
    for high in BINS:
        some = [case for case in cases if low < case[0] <= high]
        if some:
            mean = sum(posterior for posterior, _ in some) / len(some)
            rows.append((high, len(some), mean, sum(pumped for _, pumped in some) / len(some)))
        low = high
    return rows


#: Worlds with fraud, by name.
WORLDS: dict[str, Callable[[int], World]] = {
    "as assumed": make,
    "0 to 40 % real users": lambda seed: make(seed, users=any_share),
    "the same, a third spread over 10 ranges each": lambda seed: make(seed, users=any_share, split=10),
}


def _row(name: str, scores: list[Score], of: int) -> str:
    found = sum(each.found for each in scores) / len(scores)
    false = sum(each.false for each in scores) / len(scores)
    cpu = sum(each.cpu_s for each in scores) / len(scores)
    most = max(each.false for each in scores)
    return f"| {name} | {f'{found:.1f} of {of}' if of else '-'} | {false:.2f} | {most} | {cpu:.2f} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranges", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--reliability", type=int, default=200, help="seeds of the reliability curve")
    parser.add_argument("--first", type=int, default=FIRST, help="the first seed")
    arguments = parser.parse_args()
    first = arguments.first
    print("| world | found | false flags, mean | most | CPU s |\n| --- | --- | --- | --- | --- |")
    for name, world in WORLDS.items():
        worlds = [world(first + seed) for seed in range(arguments.seeds)]
        print(_row(name, [score(each) for each in worlds], len(worlds[0].pumped)), flush=True)
    for name, fault in FAULTS.items():
        for history in (False, True):
            scores = [
                score(make(first + seed, pumped=0, fault=fault, history=history))
                for seed in range(arguments.seeds)
            ]
            print(_row(f"{name}{', known ranges' * history}", scores, 0), flush=True)
    if arguments.reliability:
        rows = reliability(score(make(first + seed)) for seed in range(arguments.reliability))
        print("\n| posterior up to | ranges | mean posterior | pumped |\n| --- | --- | --- | --- |")
        for high, cases, mean, pumped in rows:
            print(f"| {high} | {cases:,} | {mean:.3f} | {pumped:.3f} |")


if __name__ == "__main__":
    main()
