"""The watch in simulated worlds: what it names, how soon, when it ends, and how often it is wrong."""

import pytest

from benchmarks.alerts import trials
from benchmarks.alerts.world import BEGIN, World, learned, routes, run
from otpconv.alerts.leaves import NAMES, Leaf
from otpconv.rates.slices import Slice
from otpconv.storage.alerts.contract import Ended, Found
from otpconv.storage.contract import HOUR_MS, MINUTE_MS, QUARTER_MS
from tests import campaigns

#: The time at which the failures begin, and the one at which they end, ms.
FAILS, WORKS = BEGIN + (28 * 24 + 9) * HOUR_MS, BEGIN + (29 * 24 + 9) * HOUR_MS


def _left(which: Slice, share: float, leaf: Leaf, at: int) -> float:
    inside = which.covers(dict(zip(NAMES, leaf, strict=True)))
    return share if FAILS <= at < WORKS and inside else 1.0


@pytest.mark.rounds
@pytest.mark.parametrize(
    "which",
    campaigns.parameters(
        [
            Slice(),
            Slice((("country", "C2"),)),
            Slice((("provider", "p1"),)),
            Slice((("country", "C1"), ("provider", "p3"))),
        ],
        [Slice((("provider", "p1"),))],
        "other kinds of slices",
    ),
    ids=lambda which: which.label,
)
def test_the_failing_slice_is_named_and_its_end_is_found(which: Slice) -> None:
    worlds = campaigns.rounds(20, at_least=3)
    named = alone = ended = 0
    for seed in range(worlds):
        world = World(seed, routes(5), left=lambda leaf, at: _left(which, 0.3, leaf, at))
        watch, at = learned(world)
        changes = run(watch, world, at, WORKS + 24 * HOUR_MS, QUARTER_MS)
        opened = []
        for _, change in changes:
            if isinstance(change, Found) and change.values not in opened:
                opened.append(change.values)
        named += opened[:1] == [which.values]
        alone += len(opened) == 1
        ended += any(isinstance(change, Ended) and when > WORKS for when, change in changes)
    assert named >= 0.95 * worlds
    assert ended >= 0.95 * named
    assert alone >= 0.6 * worlds


@pytest.mark.campaign("only here: days of 205 healthy slices, minute by minute, take minutes")
def test_false_alarms_stay_within_the_budget() -> None:
    # By the minute, as live: batches of half an hour hide two in three false alarms. A budget of ten a month
    # shows more in a short time than the usual one.
    worlds, days, a_month = campaigns.rounds(20, at_least=2), 8, 10.0
    found = sum(trials.false_alarms(seed, days, MINUTE_MS, budget=a_month) for seed in range(worlds))
    budget = worlds * days / 30 * a_month
    assert found <= budget + 1.65 * budget**0.5  # the 95 % point of a Poisson distribution


@pytest.mark.campaign("only here: each world takes seconds")
def test_at_most_one_in_ten_findings_is_false() -> None:
    worlds = [
        trials.discoveries(seed, 10, 14, HOUR_MS // 2) for seed in range(campaigns.rounds(20, at_least=3))
    ]
    findings, false = map(sum, zip(*worlds, strict=True))
    assert findings >= 3 * len(worlds)
    assert false <= 0.1 * findings


def _shifted(leaf: Leaf, at: int) -> float:
    """Give more messages to some routes for a day: a campaign, and bursts."""
    campaign = leaf[0] in {"C1", "C3"} and FAILS <= at < WORKS
    burst = leaf[2] == "p2" and at // HOUR_MS % 7 == 0
    return 8.0 if campaign else 5.0 if burst else 1.0


@pytest.mark.rounds
@pytest.mark.parametrize(
    ("a_day", "shift"),
    campaigns.parameters(
        [(400, 0), (8, 0), (400, HOUR_MS)], [(400, 0)], "sparse slices, and another summer time"
    ),
)
def test_campaigns_bursts_and_other_clocks_are_no_falls(a_day: int, shift: int) -> None:
    worlds = campaigns.rounds(20, at_least=2)
    found = 0
    for seed in range(worlds):
        world = World(seed, routes(10), a_day=a_day, more=_shifted if not shift else None)
        watch, at = learned(world)
        world.phase -= shift / HOUR_MS
        found += len(trials.opened(run(watch, world, at, WORKS, QUARTER_MS)))
    # Two days of a budget of one false alarm in a month.
    assert found <= 1 + 0.1 * worlds
