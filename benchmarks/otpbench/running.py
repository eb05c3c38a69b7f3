"""Plays the worlds of the corpus and runs every detector over each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor

from rich.console import Console
from rich.progress import track

from benchmarks.otpbench import detectors
from benchmarks.otpbench.peers import PEERS, variants
from benchmarks.otpbench.results import Result, figures, result
from benchmarks.otpbench.rules import Rule, Slices, alarms
from benchmarks.otpbench.scenes import SCENES, WIDE_SCENES, play

#: The seeds of the worlds of the table, and of those that the peers' rules are tuned on, begin here. Lower
#: ones are to develop otpconv's detectors with; those from 100 on were the table's until detectors were
#: changed after a look at them.
TABLE_SEED, TUNING_SEED = 200, 1_000
#: The name of all detectors of otpconv together.
OURS = "otpconv"
#: Where progress bars go, so that they are not in a table in a file.
_STDERR = Console(stderr=True)
#: A world: its scene and its seed.
_World = tuple[str, int]


def run(worlds: Sequence[_World], processes: int) -> Mapping[str, list[Result]]:
    """Return the results of each detector in these worlds, with a progress bar."""
    results: dict[str, list[Result]] = {}
    with ProcessPoolExecutor(processes) as pool:
        done = pool.map(_play, worlds)
        for some in track(done, "worlds", total=len(worlds), console=_STDERR):
            for name, one in some.items():
                results.setdefault(name, []).append(one)
    return results


def corpus(scenes: Iterable[str], seeds: Sequence[int]) -> list[_World]:
    """Return the worlds of these scenes with these seeds."""
    return [(scene, seed) for scene in scenes for seed in seeds]


def wide(seeds: Sequence[int]) -> list[_World]:
    """Return the worlds with several faults at once with these seeds."""
    return corpus(WIDE_SCENES, seeds)


def tune(seeds: int, processes: int) -> Iterator[tuple[str, Rule, float]]:
    """Yield the best variant of each peer's rule on other worlds than the table's, and its mean score."""
    worlds = corpus(SCENES, range(TUNING_SEED, TUNING_SEED + seeds))
    results: dict[tuple[str, int], list[Result]] = {}
    with ProcessPoolExecutor(processes) as pool:
        for some in track(pool.map(_variants, worlds), "worlds", total=len(worlds), console=_STDERR):
            for key, one in some.items():
                results.setdefault(key, []).append(one)
    for name in PEERS:
        scores = [(figures(results[name, place]).overall, rule) for place, rule in enumerate(variants(name))]
        best = max(scores, key=lambda one: one[0])
        yield name, best[1], best[0]


def _play(world: _World) -> dict[str, Result]:
    played = play(*world)
    slices = Slices(played.world)
    results = {name: result(played, alarms(rule, slices)) for name, rule in PEERS.items()}
    return {OURS: result(played, detectors.alarms(detectors.ours(), played.world)), **results}


def _variants(world: _World) -> dict[tuple[str, int], Result]:
    played = play(*world)
    slices = Slices(played.world)
    return {
        (name, place): result(played, alarms(rule, slices))
        for name in PEERS
        for place, rule in enumerate(variants(name))
    }
