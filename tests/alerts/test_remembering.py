"""What a watch remembers: after a restart, it finds the same as without."""

from functools import cache

import msgspec
from hypothesis import given, settings, strategies as st

from benchmarks.alerts.world import BEGIN, World, learned, routes
from otpconv.alerts.leaves import Leaf
from otpconv.alerts.past import Counts
from otpconv.alerts.remembering import State, changed_parts, recalled, state_of
from otpconv.alerts.watching import Watch
from otpconv.storage.alerts.contract import Change, Ended, Found
from otpconv.storage.contract import DAY_MS, HOUR_MS
from tests import campaigns

_START = BEGIN + 28 * DAY_MS
_DAYS = 14
#: This route is dead for longer than a week, so that it becomes usual; this one has no more messages from a
#: time on, and this one comes later.
_DEAD, _GONE, _NEW = (("C0", "", "p1"), ("C1", "", "p2"), ("C2", "", "p0"))


def _left(leaf: Leaf, at: int) -> float:
    return 0.0 if leaf == _DEAD and _START + DAY_MS <= at < _START + 10 * DAY_MS else 1.0


def _more(leaf: Leaf, at: int) -> float:
    gone = leaf == _GONE and at >= _START - 20 * DAY_MS
    return 0.0 if gone or (leaf == _NEW and at < _START + DAY_MS) else 1.0


def _hours() -> tuple[Watch, list[dict[Leaf, Counts]]]:
    world = World(4, routes(3), days=42, left=_left, more=_more)
    watch, _ = learned(world)
    starts = range(_START, _START + _DAYS * DAY_MS, HOUR_MS)
    return watch, [world.counts(start, HOUR_MS) for start in starts]


def _run(restarts: set[int]) -> list[list[Change]]:
    watch, hours = _hours()
    parts: dict[str, bytes] = {}
    changes = []
    for number, counts in enumerate(hours):
        changes.append(watch.add(_START + number * HOUR_MS, HOUR_MS, counts))
        parts |= changed_parts(watch)
        if number in restarts:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state_of(watch)), type=State)
            watch = Watch(1.0)
            recalled(watch, state, parts)
    return changes


@cache
def _without() -> list[list[Change]]:
    return _run(set())


def test_a_fall_that_lasts_a_week_becomes_usual() -> None:
    changes = [change for some in _without() for change in some]
    assert any(isinstance(change, Found) and change.values[-1] == ("provider", "p1") for change in changes)
    assert sum(isinstance(change, Ended) for change in changes) >= 1
    (ended,) = [n for n, some in enumerate(_without()) if any(isinstance(change, Ended) for change in some)][
        :1
    ]
    assert 7 * 24 <= ended - 24 <= 8 * 24


@settings(max_examples=campaigns.rounds(100, at_least=5), deadline=None)
@given(st.sets(st.integers(0, _DAYS * 24 - 1), max_size=8))
def test_restarts_at_any_time_change_nothing(restarts: set[int]) -> None:
    assert _run(restarts) == _without()


def test_the_parts_are_few_and_bounded() -> None:
    watch, hours = _hours()
    names: set[str] = set()
    for number, counts in enumerate(hours):
        watch.add(_START + number * HOUR_MS, HOUR_MS, counts)
        parts = changed_parts(watch)
        names |= parts.keys()
        assert number == 0 or len(parts) <= 4 or number % 24 < 2 or "leaves/0" in parts
    assert len(names) <= 120 + 32 + 168 + 1
