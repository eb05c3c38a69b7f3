"""Simulated traffic by country, carrier and provider, with the rhythm of days and weeks."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from otpconv.alerts.leaves import Leaf
from otpconv.alerts.past import Counts
from otpconv.alerts.watching import Watch
from otpconv.model import DELAY_BINS
from otpconv.storage.alerts.contract import Change
from otpconv.storage.contract import HOUR_MS, MINUTE_MS, Count, Tally

#: The part left of the usual rate of a leaf at a time, ms.
Left = Callable[[Leaf, int], float]
#: The time at which worlds begin, ms: a Monday.
BEGIN = 2_000 * 7 * 24 * HOUR_MS + 4 * 24 * HOUR_MS


#: Of the days of a week, from 0.
_SATURDAY = 5


class World:
    """Leaves with their rates, rhythms and delays; also a `Source`.

    Args:
        seed: of all that is random.
        leaves: the leaves.
        a_day: messages of a leaf in a day: the median over the leaves.
        days: in which traffic grows or shrinks by up to a half.
        left: the part left of the usual rate.
        median_s, spread: of the delays, which are log-normal.
        more: by how much more messages a leaf has at a time.
    """

    def __init__(
        self,
        seed: int,
        leaves: Sequence[Leaf],
        *,
        a_day: float = 400,
        days: int = 60,
        left: Left | None = None,
        median_s: float = 13.5,
        spread: float = 1.0,
        more: Left | None = None,
        sizes: float = 0.8,
    ) -> None:
        self.random = random = np.random.default_rng(seed)
        self.leaves, count = leaves, len(leaves)
        self.usual, self.phase = random.uniform(0.6, 0.93, count), random.uniform(0, 24, count)
        self.a_day, self.swing = a_day * random.lognormal(0, sizes, count), random.uniform(0.2, 0.8, count)
        self.growth = random.uniform(-0.5, 0.5, count)
        self.days, self.left, self.more = days, left, more
        self.median_s, self.spread = median_s, spread
        #: How far the rate follows the hour of the day, and how much lower it is at weekends.
        self.wave, self.weekend = 0.03, 0.02
        self.now = BEGIN
        edges = [0.001, *(2 ** (place / 2) for place in range(DELAY_BINS - 1)), 1e9]
        within = [self.within(edge) for edge in edges]
        self.bins = np.diff(within) / (within[-1] - within[0])

    def within(self, seconds: float) -> float:
        """Return the share of those who verify who have verified after so many seconds."""
        score = math.log(max(seconds, 1e-3) / self.median_s) / self.spread
        return 0.5 * (1 + math.erf(score / math.sqrt(2)))

    def sample(self, start: int, length: int, within: float = 1.0) -> tuple[Any, Any]:
        """Return the messages of each leaf in a time (ms), and how many are verified."""
        hour = (start - BEGIN) / HOUR_MS
        wave = np.sin(2 * math.pi * (hour % 24 - self.phase) / 24)
        weekend = hour // 24 % 7 >= _SATURDAY
        rate = np.clip(self.usual + self.wave * wave - self.weekend * weekend, 0.05, 0.99)
        if self.left is not None:
            rate = rate * np.array([self.left(leaf, start) for leaf in self.leaves])
        grown = 1 + self.growth * hour / (self.days * 24)
        mean = self.a_day * length / (24 * HOUR_MS) * (1 + self.swing * wave) * grown
        mean *= 0.6 if weekend else 1.0
        if self.more is not None:
            mean = mean * np.array([self.more(leaf, start) for leaf in self.leaves])
        requested = self.random.poisson(mean)
        return requested, self.random.binomial(requested, rate * within)

    def recorded(self, start: int, end: int, minutes: int) -> "Recording":
        """Return a source that answers the same each time.

        Args:
            start: the first minute that it has, ms; it also has the 28 days before by hour.
            end: of its minutes, ms.
            minutes: the age at which a minute is counted.
        """
        hours = {at: self.hour(at) for at in range(start - 28 * 24 * HOUR_MS, end, HOUR_MS)}
        minute = {}
        for at in range(start - 10 * MINUTE_MS, end, MINUTE_MS):
            self.now = at + (minutes + 1) * MINUTE_MS
            minute[at] = self.minute(at)
        return Recording(minute, hours)

    def counts(self, start: int, length: int, within: float = 1.0) -> dict[Leaf, Counts]:
        """Return the counts of a time, by leaf."""
        requested, verified = self.sample(start, length, within)
        return {
            self.leaves[place]: Counts(int(requested[place]), int(verified[place]))
            for place in np.flatnonzero(requested).tolist()
        }

    def minute(self, start: int) -> list[Count]:
        """Return the counts of a minute as they are known at `now`."""
        ages = [(self.now - start - part * MINUTE_MS / 8) / 1000 for part in range(1, 8)]
        within = sum(self.within(age) for age in ages) / len(ages)
        return [
            _count(start, leaf, count, ()) for leaf, count in self.counts(start, MINUTE_MS, within).items()
        ]

    def hour(self, start: int) -> list[Count]:
        """Return the counts of an hour."""
        if start < BEGIN:
            return []
        return [
            _count(
                start, leaf, count, tuple(self.random.multinomial(int(count.verified), self.bins).tolist())
            )
            for leaf, count in self.counts(start, HOUR_MS).items()
        ]


class Recording:
    """A source with the counts of minutes and hours.

    Args:
        minutes, hours: by their start, ms.
    """

    def __init__(self, minutes: dict[int, list[Count]], hours: dict[int, list[Count]]) -> None:
        self.minutes, self.hours = minutes, hours

    def minute(self, start: int) -> list[Count]:
        """Return the counts of a minute."""
        return self.minutes.get(start, [])

    def hour(self, start: int) -> list[Count]:
        """Return the counts of an hour."""
        return self.hours.get(start, [])


def _count(start: int, leaf: Leaf, count: Counts, delays: tuple[int, ...]) -> Count:
    requested, verified = count.requested, int(count.verified)
    return Count(start, (*leaf, "app"), Tally(requested, verified, requested, verified), delays)


def routes(countries: int, carriers: int = 1, providers: int = 4) -> list[Leaf]:
    """Return leaves: each country has all carriers and providers."""
    return [
        (f"C{country}", f"k{country}-{carrier}" if carriers > 1 else "", f"p{provider}")
        for country in range(countries)
        for carrier in range(carriers)
        for provider in range(providers)
    ]


def learned(world: World, budget: float = 1.0, days: int = 28) -> tuple[Watch, int]:
    """Return a watch that has learned the first days of a world, and the time after them, ms."""
    watch, hour = Watch(budget), BEGIN // HOUR_MS
    for each in range(hour, hour + days * 24):
        watch.learn(each, hour + days * 24, world.counts(each * HOUR_MS, HOUR_MS))
    return watch, BEGIN + days * 24 * HOUR_MS


def run(watch: Watch, world: World, start: int, end: int, step: int) -> list[tuple[int, Change]]:
    """Return the changes of a watch over a time, by steps (ms), with the times at which they were found."""
    return [
        (at + step, change)
        for at in range(start, end, step)
        for change in watch.add(at, step, world.counts(at, step))
    ]
