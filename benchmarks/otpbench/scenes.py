"""The scenes of OTP-Bench: what happens in each, and what of it is a fault."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
from msgspec import Struct

from benchmarks.otpbench.traffic import HISTORY_DAYS, MINUTES, Effect, Routes, Size, World, make

#: A fault is in a slice with at least so many messages in the hour after its start; else nobody could see it.
_LEAST: Final = 30
#: Minutes before the first fault in which alarms are already scored, and behind the last one.
_BEFORE, _BEHIND = 360, 120
_SCORED: Final = HISTORY_DAYS * 1440


class Fault(Struct, frozen=True):
    """A true fault: the messages with these values, from one minute of the world to another (half-open)."""

    values: Mapping[str, str]
    start: int
    end: int


class Played(Struct, frozen=True):
    """A world in which a scene was played, and its labels."""

    scene: str
    seed: int
    world: World
    faults: Sequence[Fault]


class _Stage:
    """Chooses where and when something happens."""

    def __init__(self, chance: np.random.Generator, routes: Routes) -> None:
        self.chance = chance
        self.routes = routes

    def time(self, least: float, most: float) -> tuple[int, int]:
        """Return start and end (minutes) of something that takes so many hours."""
        length = round(self.chance.uniform(least, most) * 60)
        start = int(self.chance.integers(_SCORED + _BEFORE, MINUTES - _BEHIND - length))
        return start, start + length

    def slice_at(self, names: Sequence[str], minute: int) -> dict[str, str]:
        """Return a slice by these dimensions that has enough messages in the hour from a minute on."""
        routes = self.routes
        places = [("country", "carrier", "provider", "access_key").index(name) for name in names]
        slices = sorted({tuple(leaf[place] for place in places) for leaf in routes.leaves})
        chosen = [dict(zip(names, values, strict=True)) for values in slices]
        sent = [routes.usual[routes.where(values), minute : minute + 60].sum() for values in chosen]
        enough = [values for values, count in zip(chosen, sent, strict=True) if count >= _LEAST]
        # Where nothing has enough, it is the largest.
        return enough[self.chance.integers(len(enough))] if enough else chosen[int(np.argmax(sent))]


#: Plays something on a stage: the effects, and the faults.
_Play = Callable[[_Stage], tuple[list[Effect], list[Fault]]]


def _normal(_: _Stage) -> tuple[list[Effect], list[Fault]]:
    return [], []


def _dead_operator(stage: _Stage) -> tuple[list[Effect], list[Fault]]:
    start, end = stage.time(3, 8)
    names = [("country", "provider"), ("country", "carrier", "provider")][stage.chance.integers(2)]
    values = stage.slice_at(names, start)
    return [Effect(values, start, end, rate=0.0)], [Fault(values, start, end)]


def _slow_operator(stage: _Stage) -> tuple[list[Effect], list[Fault]]:
    start, end = stage.time(4, 10)
    names = [("country", "provider"), ("country", "carrier")][stage.chance.integers(2)]
    values = stage.slice_at(names, start)
    slow = Effect(values, start, end, delay=float(stage.chance.uniform(6, 12)), rate=0.85)
    return [slow], [Fault(values, start, end)]


def _pumping(stage: _Stage) -> tuple[list[Effect], list[Fault]]:
    start, end = stage.time(4, 10)
    values = stage.slice_at(("country", "carrier", "provider"), start)
    return [Effect(values, start, end, pumped=float(stage.chance.uniform(2, 5)))], [Fault(values, start, end)]


def _code_entering(stage: _Stage) -> tuple[list[Effect], list[Fault]]:
    start, end = stage.time(24, 30)
    values = stage.slice_at(("country", "provider"), start)
    return [Effect(values, start, end, entered=True)], [Fault(values, start, end)]


def _reporter_stopped(stage: _Stage) -> tuple[list[Effect], list[Fault]]:
    start, end = stage.time(3, 10)
    values = stage.slice_at(("access_key",), start)
    return [Effect(values, start, end, silent=True)], [Fault(values, start, end)]


def _campaign(stage: _Stage) -> tuple[list[Effect], list[Fault]]:
    """Play eight times the usual traffic of the country with the lowest rate."""
    start, end = stage.time(6, 10)
    routes = stage.routes
    logits = {
        leaf[0]: float(routes.logit[routes.where({"country": leaf[0]})].mean()) for leaf in routes.leaves
    }
    return [Effect({"country": min(logits, key=logits.__getitem__)}, start, end, volume=8.0)], []


def _autofill(stage: _Stage) -> tuple[list[Effect], list[Fault]]:
    """Play an update of an application, which all of its users have within 12 hours, in six steps."""
    start = _SCORED + _BEFORE
    values = stage.slice_at(("access_key",), start)
    steps = [*range(start, start + 720, 120), MINUTES]
    return [
        Effect(values, begin, end, rate=1 + 0.04 * (step + 1) / 6, delay=1 - 0.4 * (step + 1) / 6)
        for step, (begin, end) in enumerate(pairwise(steps))
    ], []


def _holiday(stage: _Stage) -> tuple[list[Effect], list[Fault]]:
    """Play a day on which a country, or everybody, sends less than half."""
    start = _SCORED + _BEFORE
    values = stage.slice_at(("country",), start) if stage.chance.integers(2) else {}
    return [Effect(values, start, start + 1440, volume=0.45, rate=0.98)], []


def _many(count: int, stage: _Stage) -> tuple[list[Effect], list[Fault]]:
    """Play several dead routes at once, in different countries."""
    start, end = stage.time(6, 8)
    faults: dict[str, Fault] = {}
    for _ in range(100 * count):
        values = stage.slice_at(("country", "provider"), start)
        faults.setdefault(values["country"], Fault(values, start, end))
        if len(faults) == count:
            break
    return [Effect(fault.values, start, end, rate=0.0) for fault in faults.values()], [*faults.values()]


_SPARSE: Final = Size(countries=20, messages_a_day=6_000)
_WIDE: Final = Size(countries=20, messages_a_day=90_000)
#: The scenes of the corpus, with the size of their worlds.
SCENES: Final[Mapping[str, tuple[_Play, Size]]] = {
    "normal days": (_normal, Size()),
    "sparse": (_normal, _SPARSE),
    "dead operator": (_dead_operator, Size()),
    "slow operator": (_slow_operator, Size()),
    "pumping range": (_pumping, Size()),
    "code-entering supplier": (_code_entering, Size()),
    "reporter stopped": (_reporter_stopped, Size()),
    "campaign": (_campaign, Size()),
    "auto-fill update": (_autofill, Size()),
    "holiday": (_holiday, Size()),
}
#: Further scenes, which are not scored: many slices, several of them broken at once.
WIDE_SCENES: Final[Mapping[str, tuple[_Play, Size]]] = {"several at once": (partial(_many, 4), _WIDE)}


def play(scene: str, seed: int, size: Size | None = None) -> Played:
    """Play a scene in a world that its name and the seed decide.

    Args:
        scene: its name.
        seed: of the world.
        size: of the world; by default that of the scene.

    Raises:
        ValueError: there is no such scene.
    """
    scenes = {**SCENES, **WIDE_SCENES}
    if scene not in scenes:
        raise ValueError(f"There is no scene {scene!r}. Use one of: {', '.join(scenes)}.")
    acts, usual = scenes[scene]
    chance = np.random.default_rng([seed, *scene.encode()])
    routes = Routes(chance, size or usual)
    effects, faults = acts(_Stage(chance, routes))
    return Played(scene, seed, make(chance, routes, effects), faults)
