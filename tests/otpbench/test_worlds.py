"""The worlds of OTP-Bench: reproducible, with the stated rates and delays, and counted as a ledger would."""

from collections import Counter

import numpy as np
import pytest

from benchmarks.otpbench.counting import Counting
from benchmarks.otpbench.results import result
from benchmarks.otpbench.rules import FixedRate, Slices, alarms
from benchmarks.otpbench.scenes import SCENES, play
from benchmarks.otpbench.traffic import NEVER
from otpconv.alerts.detector import WATCHED
from otpconv.model import delay_bin
from otpconv.storage.contract import HOUR_MS, MINUTE_MS
from tests import campaigns
from tests.otpbench.worlds import again, played

SHORT = ["dead operator", "reporter stopped"]
scenes = pytest.mark.parametrize(
    "scene", campaigns.parameters([*SCENES], SHORT, "worlds of the same kind, with another effect")
)


@scenes
def test_a_seed_always_gives_the_same_world(scene: str) -> None:
    one, same, other = played(scene), again(scene), again(scene, 6)
    assert np.array_equal(one.world.messages.requested, same.world.messages.requested)
    assert np.array_equal(one.world.messages.verified, same.world.messages.verified)
    assert one.faults == same.faults
    assert len(one.world.messages.requested) != len(other.world.messages.requested)


@scenes
def test_rates_and_delays_are_near_their_anchors(scene: str) -> None:
    messages = played(scene).world.messages
    verified = messages.verified != NEVER
    assert 0.55 < verified[messages.first].mean() < 0.85
    assert 8_000 < np.median((messages.verified - messages.requested)[verified]) < 24_000


@scenes
def test_counts_are_those_of_the_reports_known_by_then(scene: str) -> None:
    world = played(scene).world
    start = world.routes.start + 300 * HOUR_MS
    counting = Counting(world)
    counting.now = start + 58 * MINUTE_MS
    requested: Counter[tuple[str, ...]] = Counter()
    delays: Counter[tuple[tuple[str, ...], int]] = Counter()
    reported = first_verified = 0
    messages = world.messages
    for place in np.flatnonzero((messages.requested >= start) & (messages.requested < counting.now)):
        leaf = world.routes.leaves[messages.leaf[place]]
        requested[leaf] += 1
        if messages.verified[place] <= counting.now:
            delays[leaf, delay_bin(int(messages.verified[place] - messages.requested[place]))] += 1
            first_verified += bool(messages.first[place])
        reported += int(min(messages.verified[place], messages.unused[place]) <= counting.now)
    counts = counting.hour(start)
    assert {count.group: count.tally.requested for count in counts} == requested
    assert {
        (count.group, place): number
        for count in counts
        for place, number in enumerate(count.delays)
        if number
    } == delays
    assert sum(count.tally.verified for count in counts) == delays.total()
    assert sum(count.tally.first_verified for count in counts) == first_verified
    assert sum(count.tally.reported for count in counts) == reported
    minutes = [counting.minute(start + minute * MINUTE_MS) for minute in range(60)]
    assert sum(count.tally.requested for some in minutes for count in some) == requested.total()


def test_a_dead_route_is_not_verified_and_a_stopped_application_reports_nothing() -> None:
    for scene in SHORT:
        world, (fault,) = played(scene).world, played(scene).faults
        messages = world.messages
        minute = (messages.requested - world.routes.start) // MINUTE_MS
        inside = world.routes.where(fault.values)[messages.leaf]
        inside &= (minute >= fault.start) & (minute < fault.end)
        assert inside.sum() >= 60
        assert (messages.verified[inside] == NEVER).all()
        assert ((messages.unused[inside] == NEVER).all()) == (scene == "reporter stopped")


def test_rules_see_what_counting_counts() -> None:
    world = played("dead operator").world
    slices, counting = Slices(world), Counting(world)
    requested, verified = slices.counts(15)
    minute = 31_000
    counting.now = world.routes.start + minute * MINUTE_MS
    seen = [count for age in range(6, 21) for count in counting.minute(counting.now - age * MINUTE_MS)]
    for place, values in enumerate(slices.values):
        some = [
            count.tally
            for count in seen
            if values.items() <= dict(zip(WATCHED, count.group, strict=True)).items()
        ]
        assert requested[minute, place] == sum(tally.requested for tally in some)
        assert verified[minute, place] == sum(tally.verified for tally in some)


def test_the_alarms_of_a_rule_about_a_dead_route_find_and_name_it() -> None:
    dead = played("dead operator")
    found = result(dead, alarms(FixedRate(), Slices(dead.world)))
    assert found.faults == 1
    assert len(found.after) == 1
    assert 0 < found.after[0] < 90


def test_an_unknown_scene_is_refused() -> None:
    with pytest.raises(ValueError, match="no scene 'dead'"):
        play("dead", 1)
