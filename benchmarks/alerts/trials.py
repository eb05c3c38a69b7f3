"""Trials of the watch in seeded worlds: each function runs one world and returns its result."""

import time

from msgspec import Struct

from benchmarks.alerts.world import BEGIN, World, learned, routes, run
from otpconv.alerts.conversion import ConversionWatch
from otpconv.alerts.cusum import design_for, run_length
from otpconv.alerts.leaves import NAMES, Leaf
from otpconv.rates.slices import Slice
from otpconv.storage.alerts.contract import Change, Found, Values
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, Count

#: Falls begin this long after the 28 days that are learned, ms.
_AFTER_MS = 6 * HOUR_MS
#: Messages that may be lost before the time to find it begins.
_FIRST_LOST = 50
_FALLS = BEGIN + 28 * DAY_MS + _AFTER_MS


class Live(Struct):
    """What a live watch found in one world.

    Attributes:
        first: the time (ms) at which the first fall of a slice was found after a fault; None: none was.
        named: whether it was the slice of the fault.
        others: falls that share no messages with the fault.
        lost: messages of the fault by the minute in which they were sent, from its start.
        minutes: the age at which the watch counts.
    """

    first: int | None
    named: bool
    others: int
    lost: list[int]
    minutes: int

    def lost_by(self, at: int) -> int:
        """Return how many messages of the fault were sent before a time, ms."""
        return sum(self.lost[: (at - _FALLS) // MINUTE_MS])

    @property
    def in_time(self) -> bool:
        """Whether it was found within 5 minutes of the first 50 messages of the fault."""
        total = 0
        for minute, sent in enumerate(self.lost):
            total += sent
            if total >= _FIRST_LOST:
                return self.first is not None and self.first <= _FALLS + (minute + 6) * MINUTE_MS
        return True


def false_alarms(seed: int, days: int, step: int, *, a_day: float = 400, budget: float = 1.0) -> int:
    """Return how many falls are found in 205 healthy slices.

    Args:
        seed: of the world.
        days: how long it is watched, after 28 days that are learned.
        step: messages are counted in batches of this length, ms.
        a_day: messages of a route in a day: the median.
        budget: false alarms in a month.
    """
    world = World(seed, routes(40), a_day=a_day, days=days + 28)
    watch, start = learned(world, budget)
    return len(opened(run(watch, world, start, start + days * DAY_MS, step)))


def fault(
    seed: int,
    which: Slice,
    leaves: list[Leaf],
    *,
    left: float,
    a_day: float,
    hours: int,
    median_s: float = 13.5,
    spread: float = 1.0,
    rate: float | None = None,
    rhythm: bool = True,
) -> Live:
    """Run a live watch in a world where a slice falls to a share of its usual rate.

    Args:
        seed: of the world.
        which: the slice.
        leaves: of the world.
        left: the share.
        a_day: messages of a route in a day: the median.
        hours: how long it is watched after that.
        median_s: of the delays.
        spread: of their logarithms.
        rate: the usual rate of all routes; by default they differ.
        rhythm: whether the rate follows the hour and the day of the week.
    """

    def inside(leaf: Leaf) -> bool:
        return which.covers(dict(zip(NAMES, leaf, strict=True)))

    world = World(
        seed,
        leaves,
        a_day=a_day,
        days=35,
        left=lambda leaf, at: left if at >= _FALLS and inside(leaf) else 1.0,
        median_s=median_s,
        spread=spread,
    )
    if rate is not None:
        world.usual[:] = rate
    if not rhythm:
        world.wave = world.weekend = 0.0
    watch = ConversionWatch(1.0)
    live = Live(None, named=False, others=0, lost=[], minutes=0)
    # The first start is so early that all is learned, and a trial is over, before the fall.
    for now in range(_FALLS - 2 * HOUR_MS, _FALLS + hours * HOUR_MS, MINUTE_MS):
        world.now = now
        minute = _Minute(world)
        for change in watch.look(now, minute):
            if isinstance(change, Found):
                _note(live, change, which, now)
        if minute.start >= _FALLS:
            live.lost.append(sum(count.tally.requested for count in minute.counts if inside(_leaf(count))))
        if live.first is not None and live.in_time:
            break
    live.minutes = watch.minutes
    return live


class _Minute:
    """A source that keeps the last minute that was asked for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.start, self.counts = 0, list[Count]()

    def minute(self, start: int) -> list[Count]:
        self.start, self.counts = start, self._world.minute(start)
        return self.counts

    def hour(self, start: int) -> list[Count]:
        return self._world.hour(start)


def _leaf(count: Count) -> Leaf:
    return count.group[0], count.group[1], count.group[2]


def _note(live: Live, found: Found, which: Slice, now: int) -> None:
    both = dict(found.values)
    if all(both.get(name, value) == value for name, value in which.values) and now > _FALLS:
        if live.first is None:
            live.first, live.named = now, found.values == which.values
    else:
        live.others += 1


def optimal_messages(usual: float, left: float, false_alarms_every: float) -> float:
    """Return after how many messages a CUSUM that knows the fall finds it on average, at best.

    Args:
        usual: the usual rate.
        left: the share of it that is left.
        false_alarms_every: messages of the slice for each false alarm.
    """
    design = design_for(1 - usual, 1 - left * usual, false_alarms_every, 0.02)
    return run_length(1 - left * usual, design)


def opened(changes: list[tuple[int, Change]]) -> list[tuple[int, Found]]:
    """Return the falls that were found, without their updates, with the times."""
    lasting: set[Values] = set()
    first = []
    for at, change in changes:
        if not isinstance(change, Found):
            lasting.discard(change.values)
        elif change.values not in lasting:
            lasting.add(change.values)
            first.append((at, change))
    return first


def discoveries(seed: int, faults: int, days: int, step: int) -> tuple[int, int]:
    """Return how many falls of a world are found, and how many of those findings are false.

    In 205 slices, some routes fall to 30 to 70 % for half a day each. A finding is false if less than half of
    its messages belong to routes that fell.

    Args:
        seed: of the world.
        faults: how many routes fall.
        days: how long it is watched.
        step: messages are counted in batches of this length, ms.
    """
    leaves = routes(40)
    world = World(seed, leaves, days=days + 28)
    random = world.random
    falls = {
        leaves[place]: (
            BEGIN + 28 * DAY_MS + int(random.integers(days * 24 - 12)) * HOUR_MS,
            random.uniform(0.3, 0.7),
        )
        for place in random.choice(len(leaves), faults, replace=False)
    }

    def left(leaf: Leaf, at: int) -> float:
        begin, share = falls.get(leaf, (0, 1.0))
        return share if begin <= at < begin + 12 * HOUR_MS else 1.0

    world.left = left
    watch, start = learned(world)
    findings = opened(run(watch, world, start, start + days * DAY_MS, step))
    false = 0
    for at, found in findings:
        which = Slice(found.values)
        inside = [leaf for leaf in leaves if which.covers(dict(zip(NAMES, leaf, strict=True)))]
        failing = [leaf for leaf in inside if leaf in falls and 0 <= at - falls[leaf][0] <= 13 * HOUR_MS]
        sizes = {leaf: world.a_day[place] for place, leaf in enumerate(leaves)}
        false += 2 * sum(sizes[leaf] for leaf in failing) < sum(sizes[leaf] for leaf in inside)
    return len(findings), int(false)


def cost(minutes: int) -> tuple[int, float, float, int]:
    """Watch 1,000 leaves.

    Args:
        minutes: how many are measured.

    Returns:
        The slices watched; CPU seconds for a minute, on average and at most; bytes to be written a minute.
    """
    world = World(1, routes(25, 4, 10), a_day=800, days=35)
    watch = ConversionWatch(1.0)
    times: list[float] = []
    written = 0
    now = BEGIN + 28 * DAY_MS
    while len(times) < minutes:
        world.now = now
        minute = _Minute(world)
        minute.minute(now - (watch.minutes + 1) * MINUTE_MS)
        began = time.process_time()
        watch.look(now, minute)
        parts = watch.memory()
        if watch.watched:
            times.append(time.process_time() - began)
            written += sum(map(len, parts.values()))
        now += MINUTE_MS
    return watch.watched, sum(times) / minutes, max(times), written // minutes
