"""Traffic of many messages in which one provider breaks in one country, and the truth about it."""

import math
import random
from bisect import bisect_left
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from benchmarks.dataset import record
from otpconv.model import Conversion, Dimensions, Requested
from otpconv.storage.contract import Entry

HOUR_MS = 3_600_000
COUNTRIES = {"DE": 25, "IN": 20, "ID": 15, "BR": 12, "GB": 10, "TR": 8, "NG": 6, "PH": 4}
PROVIDERS = {"acme": 45, "birdcall": 35, "carrierone": 20}
TEMPLATES = {"login": 70, "signup": 20, "payment": 10}
BROKEN = ("ID", "birdcall")
#: How long ago it broke.
BROKEN_MS = 5 * HOUR_MS
_BATCH = 25_000

Route = tuple[str, str]


class Traffic:
    """Messages evenly over the time up to `now`, made up from a seed.

    Attributes:
        now: the end, ms.
        verified: when the verified messages of each route were requested, ms, in order.
        requested: when all of them were.
    """

    def __init__(self, messages: int, now: int, hours: int = 48) -> None:
        self.now = now
        self._start, self._messages = now - hours * HOUR_MS, messages
        self.requested: dict[Route, list[int]] = {route: [] for route in product(COUNTRIES, PROVIDERS)}
        self.verified: dict[Route, list[int]] = {route: [] for route in self.requested}

    def fill(self, data: Path) -> None:
        """Write all of it into the journal of a data folder, and apply it."""
        record(data, self._batches(), self.now)

    def truth(self, route: Route, start: int, end: int) -> tuple[int, int]:
        """How many messages of a route were requested in [start, end), and how many of them verified."""
        return _within(self.requested[route], start, end), _within(self.verified[route], start, end)

    def _batches(self) -> Iterator[list[Entry]]:
        chance = random.Random(7)
        rates = {route: chance.uniform(0.62, 0.88) for route in self.requested}
        weights = [
            COUNTRIES[country] * PROVIDERS[provider] * TEMPLATES[template]
            for country, provider, template in product(COUNTRIES, PROVIDERS, TEMPLATES)
        ]
        kinds = [Dimensions(c, "", p, t, "ACME") for c, p, t in product(COUNTRIES, PROVIDERS, TEMPLATES)]
        for first in range(0, self._messages, _BATCH):
            numbers = range(first, min(first + _BATCH, self._messages))
            chosen = chance.choices(kinds, weights, k=len(numbers))
            yield [
                each
                for number, dimensions in zip(numbers, chosen, strict=True)
                for each in self._reports(number, dimensions, rates, chance)
            ]

    def _reports(
        self, number: int, dimensions: Dimensions, rates: dict[Route, float], chance: random.Random
    ) -> Iterator[Entry]:
        at = self._start + number * (self.now - self._start) // self._messages
        message_id = str(1_008_030_300_000_000 + number)
        route = dimensions.country, dimensions.provider
        yield Entry(Requested(1, message_id, at, dimensions, "", "", f"session {number}", 1))
        self.requested[route].append(at)
        rate = 0.04 if route == BROKEN and at >= self.now - BROKEN_MS else rates[route]
        verified_at = at + int(chance.lognormvariate(math.log(30_000), 0.7))
        if chance.random() < rate and verified_at <= self.now:
            yield Entry(Conversion(1, True, verified_at, message_id))
            self.verified[route].append(at)


def _within(times: list[int], start: int, end: int) -> int:
    return bisect_left(times, end) - bisect_left(times, start)
