"""The watch in simulated worlds: what it names, how soon, when it ends, and how often it is wrong."""

import pytest

from alerts.traffic import BEGIN, World, learned, routes, run
from otpconv.alerts.leaves import NAMES, Leaf
from otpconv.rates.slices import Slice
from otpconv.storage.alerts.contract import Ended, Found
from otpconv.storage.contract import HOUR_MS, QUARTER_MS
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
