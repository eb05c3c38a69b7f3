"""What targets get in random worlds equals what a simple model says, on every engine."""

from collections import Counter

import pytest

from campaigns import CAMPAIGN, rounds
from notifications.worlds import World
from storage.engines import Engine, SqliteEngine, sqlite_first

pytestmark = pytest.mark.rounds


@pytest.mark.long("hundreds of commits for each world")
@sqlite_first
def test_targets_get_what_the_model_says(engine: Engine) -> None:
    sent = held = 0
    worlds = rounds(200) if CAMPAIGN else 3
    for seed in range(worlds if isinstance(engine, SqliteEngine) else 2):
        with engine.notifying() as open_one:
            world = World(seed, open_one())
            world.run()
        for target in world.targets:
            wire = world.wires[target.id]
            assert Counter(wire.sent) == Counter(world.expected[target.id]), (seed, target.id, target.rules)
            assert len(wire.keys) == len({*wire.keys}), seed
            sent += len(wire.sent)
            held += sum(len(items) > 2 for _, items in wire.sent)
    assert sent > 100
    assert held
