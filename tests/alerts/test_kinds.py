"""Each kind of alert in simulated worlds that have it, and all of them in worlds that have none."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from alerts.minutes import (
    BEGIN,
    USUAL,
    Change,
    Episode,
    Fault,
    Group,
    World,
    between,
    episodes,
    learned,
    routes,
    some_world,
)
from otpconv.alerts.conversion import ConversionWatch
from otpconv.alerts.detector import Detector
from otpconv.alerts.detectors import Detectors
from otpconv.alerts.entering import Entering
from otpconv.alerts.reporting import Reporting
from otpconv.alerts.slowness import Slowness
from otpconv.alerts.traffic import Traffic
from otpconv.storage.alerts.contract import Kind, Values
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS
from tests import campaigns

#: The messages of a world; a world with fewer routes costs less, and shows as much.
GROUPS = routes(4, 3, 2) if campaigns.CAMPAIGN else routes(2, 2, 2)
#: The faults begin an hour after the worlds, and last.
HOUR, LASTS = 60, 10**6
#: The share of the budget that each kind gets by default.
BUDGET = 0.1


def a_world(seed: int, fault: Fault = lambda *_: USUAL, **given: Any) -> World:  # noqa: ANN401 - of `World`
    """Return a world of these tests."""
    return some_world(seed, fault, **{"groups": GROUPS} | given)


class Case:
    """A fault, and the alert that it has to open within some hours."""

    def __init__(
        self,
        name: str,
        make: Callable[[], Detector],
        alert: tuple[Kind, Values],
        change: Change,
        holds: Callable[[Group], bool] = lambda _: True,
        *,
        hours: int = 12,
        fails: bool | None = None,
        named: float = 0.9,
    ) -> None:
        self.name, self.make, self.alert, self.hours = name, make, alert, hours
        #: In so many of all worlds, its slice is named.
        self.named = named
        self.fault = between(HOUR, LASTS, change, holds)
        self.given = {} if fails is None else {"fails": fails}

    def run(self, seed: int) -> list[Episode]:
        """Return the alerts in one world."""
        return episodes(
            self.make(),
            a_world(seed, self.fault, **self.given),
            self.hours * 60,
            lambda found: (found.kind, found.values) == self.alert,
        )


ONE: Values = (("country", "C1"), ("provider", "p1"))
CASES = [
    Case("no messages", lambda: Traffic(BUDGET, BUDGET), ("nothing_sent", ()), Change(messages=0)),
    Case(
        "an application that sends nothing",
        lambda: Traffic(BUDGET, BUDGET),
        ("nothing_sent", (("access_key", "k1"),)),
        Change(messages=0),
        lambda group: group[3] == "k1",
    ),
    Case(
        "a pumped route",
        lambda: Traffic(BUDGET, BUDGET),
        ("volume", ONE),
        Change(messages=8, rate=0.1),
        lambda group: group[0] == "C1" and group[2] == "p1",
        named=0.8,  # sometimes its country is
    ),
    Case("no reports", lambda: Reporting(BUDGET), ("reporter_stopped", ()), Change(reported=False)),
    Case(
        "an application without reports",
        lambda: Reporting(BUDGET),
        ("reporter_stopped", (("access_key", "k1"),)),
        Change(reported=False),
        lambda group: group[3] == "k1",
    ),
    Case(
        "a provider without reports where failures are reported",
        lambda: Reporting(BUDGET),
        ("reporter_stopped", (("provider", "p1"),)),
        Change(reported=False),
        lambda group: group[2] == "p1",
        fails=True,
    ),
    Case(
        "a slow provider",
        lambda: Slowness(BUDGET),
        ("slower", (("provider", "p1"),)),
        Change(delay=2.5),
        lambda group: group[2] == "p1",
    ),
    Case(
        "a supplier that enters the codes",
        Entering,
        ("codes_entered", ONE),
        Change(rate=1.2, delay=0.2, even=True),
        lambda group: group[0] == "C1" and group[2] == "p1",
        hours=48,
    ),
]


@pytest.mark.rounds
@pytest.mark.parametrize(
    "case",
    campaigns.parameters(CASES, [CASES[0], CASES[2], CASES[4], CASES[6], CASES[7]], "other slices"),
    ids=lambda case: case.name,
)
def test_the_fault_is_found_and_its_slice_is_named(case: Case) -> None:
    worlds = campaigns.rounds(40) if campaigns.CAMPAIGN else 1
    found = [case.run(seed) for seed in range(worlds)]
    named = [
        some
        for some in found
        if any((one.found.kind, one.found.values) == case.alert and one.opened >= HOUR for one in some)
    ]
    assert len(named) >= case.named * worlds - 0.6
    early = sum(one.opened < HOUR for some in found for one in some)
    assert early <= 0.01 * worlds


#: Weeks without a fault: holidays, a shift by an hour, a campaign that converts, sparse and uneven traffic.
HEALTHY: dict[str, Callable[[int], World]] = {
    "usual": a_world,
    "holidays": lambda seed: a_world(seed, days=lambda day: 0.45 if day == 0 else 1.0),
    "daylight saving time": lambda seed: a_world(
        seed, shift=lambda at: HOUR_MS * (1 - 2 * (seed % 2)) if at >= BEGIN else 0
    ),
    "campaign": lambda seed: a_world(
        seed, between(HOUR, 5 * HOUR, Change(messages=4), lambda group: group[0] == "C1")
    ),
    "sparse": lambda seed: a_world(seed, a_day=600, groups=routes(10, 3, 2)),
    "faster": lambda seed: a_world(seed, between(HOUR, LASTS, Change(delay=0.5))),
    "a dead provider": lambda seed: a_world(
        seed, between(HOUR, LASTS, Change(rate=0.001), lambda group: group[2] == "p1")
    ),
}


class NoFalls:
    """No detector of falls: it has tests of its own."""

    name = "none"

    def __init__(self, budget: float) -> None:
        self.budget = budget

    def look(self, *_: object) -> list[object]:
        return []

    def memory(self) -> dict[str, bytes]:
        return {}

    def recall(self, _: object) -> None:
        return None


@pytest.mark.rounds
@pytest.mark.parametrize("name", campaigns.parameters([*HEALTHY], ["usual"], "other worlds without a fault"))
def test_false_alarms_of_all_other_kinds_stay_within_the_budget(name: str) -> None:
    """A budget of one a month, of which these kinds have four tenths, over half a day or, in short, less."""
    worlds, minutes = (campaigns.rounds(10, at_least=1), 12 * 60) if campaigns.CAMPAIGN else (1, 30)
    found = [
        episode
        for seed in range(worlds)
        for episode in episodes(Detectors(1.0, NoFalls), HEALTHY[name](seed), minutes)  # type: ignore[arg-type]
    ]
    budget = 4 * BUDGET * worlds * minutes * MINUTE_MS / (30 * DAY_MS)
    assert len(found) <= budget + 1.65 * math.sqrt(budget) + 1


APART: list[tuple[Change, Callable[[Group], bool], tuple[Kind, Values]]] = [
    (
        Change(reported=False),
        lambda group: group[3] == "k1",
        ("reporter_stopped", (("access_key", "k1"),)),
    ),
    (Change(rate=0.01), lambda group: group[2] == "p1", ("conversion_fell", (("provider", "p1"),))),
]


@pytest.mark.rounds
@pytest.mark.parametrize(
    ("change", "holds", "alert"),
    campaigns.parameters(APART, APART[:1], "the other of the two kinds"),
    ids=["an application stops reporting", "a provider fails"],
)
def test_a_stopped_reporter_and_a_failing_route_are_told_apart(
    change: Change, holds: Callable[[Group], bool], alert: tuple[Kind, Values]
) -> None:
    """Just the right one is open after two hours, in 9 of 10 worlds; in short, after half an hour."""
    worlds, minutes = (campaigns.rounds(20, at_least=2), 3 * HOUR) if campaigns.CAMPAIGN else (1, 90)
    right = 0
    for seed in range(worlds):
        world = a_world(seed, between(HOUR, LASTS, change, holds), a_day=30_000)
        found = episodes(Detectors(1.0, ConversionWatch), world, minutes)
        kinds = {"reporter_stopped", "conversion_fell"}
        open_ones = [one.found for one in found if one.ended is None and one.found.kind in kinds]
        right += [(one.kind, one.values) for one in open_ones] == [alert]
    assert right >= 0.9 * worlds - 0.6


def test_an_alert_ends_when_its_fault_does() -> None:
    fault = between(HOUR, 2 * HOUR, Change(reported=False))
    (stopped,) = episodes(Reporting(BUDGET), a_world(1, fault), 3 * HOUR)
    assert stopped.found.kind == "reporter_stopped"
    assert HOUR < stopped.opened < 2 * HOUR
    assert stopped.ended is not None
    assert 2 * HOUR < stopped.ended < 3 * HOUR
    since = (stopped.found.since - BEGIN) // MINUTE_MS
    assert stopped.found.since_low <= BEGIN + HOUR * MINUTE_MS <= stopped.found.since_high + 2 * MINUTE_MS
    assert abs(since - HOUR) <= 3


def test_what_detectors_remember_makes_a_restart_exact() -> None:
    """With a restart after each ten minutes, the changes are equal to those without one."""
    fault = between(10, 50, Change(messages=0.0), lambda group: group[3] == "k1")
    pumped = between(60, LASTS, Change(messages=9, rate=0.1, delay=3), lambda group: group[0] == "C1")
    both = lambda group, at: (  # noqa: E731
        pumped(group, at) if fault(group, at) is USUAL else fault(group, at)
    )
    world = a_world(3, both, groups=routes(2, 2, 2), a_day=30_000)
    detectors = Detectors(1.0, NoFalls)  # type: ignore[arg-type]
    learned(detectors, world)
    parts = {**detectors.memory()}
    changes = []
    for restarts in (False, True):
        seen = []
        for minute in range(80):
            if restarts and minute % 10 == 0:
                detectors = Detectors(1.0, NoFalls)  # type: ignore[arg-type]
                detectors.recall(parts)
            world.now = BEGIN + minute * MINUTE_MS
            seen.append(detectors.look(world.now, world))
            if restarts:
                parts |= detectors.memory()
        changes.append(seen)
    assert changes[0] == changes[1]
    assert {one.kind for some in changes[0] for one in some} >= {"nothing_sent", "volume"}


def test_memories_of_another_version_are_dropped() -> None:
    detectors = Detectors(1.0, NoFalls)  # type: ignore[arg-type]
    detectors.look(BEGIN, a_world(1, groups=routes(1, 2), a_day=3_000))
    parts = dict.fromkeys(detectors.memory(), b"of another version")
    fresh = Detectors(1.0, NoFalls)  # type: ignore[arg-type]
    fresh.recall(parts)
    assert fresh.memory().keys() == Detectors(1.0, NoFalls).memory().keys()  # type: ignore[arg-type]
