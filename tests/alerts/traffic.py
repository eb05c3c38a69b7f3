"""Simulated traffic by country and provider, with the rhythm of days and weeks."""

import math
from collections.abc import Callable

import numpy as np

from otpconv.alerts.past import Counts
from otpconv.alerts.watching import Leaf, Watch
from otpconv.storage.contract import HOUR_MS

#: Whether a leaf fails at an hour.
Fails = Callable[[Leaf, int], bool]


def watched(
    seed: int, *, days: int, countries: int, budget: float = 1.0, fails: Fails = lambda *_: False
) -> Watch:
    """Return a watch over simulated days, with four providers in each country.

    The rate of a failing leaf is 30 % of the usual one. Traffic grows or shrinks by up to a half.
    """
    random = np.random.default_rng(seed)
    leaves = [(f"C{n // 4}", f"p{n % 4}") for n in range(4 * countries)]
    count = len(leaves)
    usual, phase = random.uniform(0.6, 0.93, count), random.uniform(0, 24, count)
    a_day, swing = 400 * random.lognormal(0, 0.8, count), random.uniform(0.2, 0.8, count)
    growth = random.uniform(-0.5, 0.5, count)
    watch = Watch(budget)
    for hour in range(days * 24):
        wave = np.sin(2 * math.pi * (hour % 24 - phase) / 24)
        weekend = hour // 24 % 7 >= 5
        rate = np.clip(usual + 0.03 * wave - 0.02 * weekend, 0.05, 0.99)
        rate = rate * np.array([0.3 if fails(leaf, hour) else 1.0 for leaf in leaves])
        grown = 1 + growth * hour / (days * 24)
        requested = random.poisson(a_day / 24 * (1 + swing * wave) * (0.6 if weekend else 1) * grown)
        verified = random.binomial(requested, rate)
        counts = {
            leaf: Counts(int(sent), int(used))
            for leaf, sent, used in zip(leaves, requested, verified, strict=True)
            if sent
        }
        watch.add(hour * HOUR_MS, (hour + 1) * HOUR_MS, counts)
    return watch
