"""Suppliers that enter the codes are found in generated worlds, and honest ones are left alone."""

import math
from random import Random

from otpconv.advice.route import RoutesByCarrier, routes_of
from otpconv.advice.suspicion import suspicions
from otpconv.model import DELAY_BINS, delay_bin
from otpconv.storage.contract import DAY_MS, Count, Tally
from tests import campaigns


def _world(random: Random, *, supplier: bool) -> RoutesByCarrier:
    """Return the routes of a month: 2 to 5 providers, 1 to 3 carriers, and perhaps a supplier "fraud"."""
    counts = []
    median = random.uniform(7, 25)
    quality = {name: random.gauss(0, 0.5) for name in "abcde"[: random.randint(2, 5)]}
    for carrier in ["", "one", "two"][: random.randint(1, 3)]:
        usual = random.gauss(1.4, 0.4)
        for name, better in quality.items():
            rate = 1 / (1 + math.exp(-usual - better))
            counts.append(_count(random, (carrier, name), rate, median * random.uniform(0.7, 1.4), 0.8))
        if supplier:
            counts.append(_count(random, (carrier, "fraud"), 0.97, random.uniform(2, 4), 0.2))
    return routes_of(counts, 30 * DAY_MS)


def _count(random: Random, group: tuple[str, str], rate: float, median: float, spread: float) -> Count:
    attempts = random.randint(200, 1_500)
    verified = sum(random.random() < rate for _ in range(attempts))
    delays = [0] * DELAY_BINS
    for _ in range(verified):
        delays[delay_bin(max(1, round(1000 * median * math.exp(random.gauss(0, spread)))))] += 1
    tally = Tally(attempts, verified, attempts, verified, reported=attempts)
    return Count(29 * DAY_MS, group, tally, tuple(delays))


def test_a_supplier_that_enters_the_codes_is_found_in_95_of_100_worlds() -> None:
    worlds = campaigns.rounds(400)
    found = [suspicions(_world(Random(seed), supplier=True)) for seed in range(worlds)]
    assert sum("fraud" in one for one in found) >= 0.95 * worlds


def test_an_honest_provider_is_suspected_in_at_most_5_of_100_worlds() -> None:
    worlds = campaigns.rounds(400)
    found = [suspicions(_world(Random(seed), supplier=False)) for seed in range(worlds)]
    assert sum(bool(one) for one in found) <= 0.05 * worlds
