"""Invented traffic to number ranges, with and without fraud, for tests and `benchmarks/ranges.py`.

A world has 2,000 ranges of 10,000 numbers in 8 countries, each with 2 providers and 3 carriers, in a window
of 7 days. All numbers are drawn with a seed:

- The usual share of a country is uniform in 0.65 to 0.9; a provider and a carrier change it by up to 0.04.
- The share of a range has a beta distribution around it, whose spread is uniform in 0.01 to 0.05 by country.
- A range has a lognormal number of messages, median 20, sigma 1.2; each provider sends a random part.
- 15 more ranges are pumped, in random countries, with 8 to 120 messages, log-uniform. A part of them is of
  real users, who verify as usual. `assumed` draws this part as the mixture assumes it, `any_share` does not.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from random import Random

from msgspec import Struct

from otpconv.ranges.mixture import GENUINE, GENUINE_SPREAD
from otpconv.storage.contract import DAY_MS
from otpconv.storage.range_counts import RangeCount

START, END = 100 * DAY_MS, 107 * DAY_MS
CODES: Mapping[str, str] = {
    "DE": "+4915",
    "FR": "+336",
    "BR": "+5511",
    "IN": "+919",
    "ID": "+628",
    "MX": "+5255",
    "NG": "+2348",
    "US": "+1",
}
PROVIDERS, CARRIERS = ("acme", "bravo"), 3
RANGES, PUMPED = 2_000, 15
_LEAST, _MOST = 8, 120


class World(Struct, frozen=True):
    """Counts of ranges, and which of them are pumped."""

    counts: list[RangeCount]
    pumped: frozenset[str]


def assumed(random: Random) -> float:
    """Draw a share of real users as the mixture assumes it."""
    return beta(random, GENUINE, GENUINE_SPREAD)


def any_share(random: Random) -> float:
    """Draw a share of real users from 0 to 0.4, which the mixture does not assume."""
    return random.uniform(0, 0.4)


class Country:
    """A country of a world."""

    def __init__(self, code: str, random: Random) -> None:
        self.code = code
        self.base = random.uniform(0.65, 0.9)
        self.spread = random.uniform(0.01, 0.05)
        self.providers = {name: random.uniform(-0.04, 0.04) for name in PROVIDERS}
        self.carriers = [random.uniform(-0.04, 0.04) for _ in range(CARRIERS)]

    def usual(self, carrier: int, provider: str) -> float:
        """Return the share of messages of usual ranges that are verified."""
        return self.base + self.providers[provider] + self.carriers[carrier]


#: The share of verified messages: of a country, carrier and provider, from the usual one.
Fault = Callable[[Random, Country, int, str, float], float]


def healthy(_: Random, __: Country, ___: int, ____: str, share: float) -> float:
    """Change nothing."""
    return share


def make(
    seed: int,
    *,
    pumped: int = PUMPED,
    users: Callable[[Random], float] = assumed,
    fault: Fault = healthy,
    history: bool = False,
    split: int = 1,
) -> World:
    """Make a world.

    Args:
        seed: of all draws.
        pumped: the number of pumped ranges.
        users: draws the share of real users of a pumped range.
        fault: changes the shares of usual ranges.
        history: whether usual ranges had messages in the 28 days before, as many and without a fault.
        split: of every third attack, over how many neighbouring ranges it is spread.
    """
    random = Random(seed)
    countries = [Country(code, random) for code in CODES]
    used: set[str] = set()
    counts: list[RangeCount] = []
    for _ in range(RANGES):
        country = random.choice(countries)
        number_range, carrier = _new_range(random, country, used)
        requested = max(1, round(20 * math.exp(random.gauss(0, 1.2))))
        shift = beta(random, country.base, country.spread) - country.base
        counts += _messages(random, country, carrier, number_range, requested, shift, fault, history=history)
    found: set[str] = set()
    for index in range(pumped):
        country = random.choice(countries)
        number_range, carrier = _new_range(random, country, used)
        requested = round(math.exp(random.uniform(math.log(_LEAST), math.log(_MOST))))
        genuine = users(random)
        parts = split if index % 3 == 0 else 1
        for part in range(parts):
            name = number_range if parts == 1 else f"{number_range[:-1]}{part}"
            used.add(name)
            found.add(name)
            some = requested // parts + (part < requested % parts)
            counts += _messages(
                random, country, carrier, name, some, 0.0, partial(_pumped, genuine=genuine), history=False
            )
    return World(counts, frozenset(found))


def carrier_of(number_range: str) -> str:
    """Return the carrier of an invented range: its last digit but three decides."""
    return f"carrier {int(number_range[-3]) % CARRIERS}"


def beta(random: Random, mean: float, spread: float) -> float:
    """Draw from a beta distribution with a mean and the correlation within a range."""
    both = 1 / spread - 1
    return random.betavariate(mean * both, (1 - mean) * both)


def _pumped(_: Random, __: Country, ___: int, ____: str, share: float, *, genuine: float) -> float:
    return share * genuine


def _new_range(random: Random, country: Country, used: set[str]) -> tuple[str, int]:
    while True:
        number_range = f"{CODES[country.code]}{random.randrange(10**5):05}"
        if number_range not in used:
            used.add(number_range)
            return number_range, int(carrier_of(number_range)[-1])


def _messages(  # noqa: PLR0917
    random: Random,
    country: Country,
    carrier: int,
    number_range: str,
    requested: int,
    shift: float,
    fault: Fault,
    *,
    history: bool,
) -> list[RangeCount]:
    part = random.random()
    by_provider = dict.fromkeys(PROVIDERS, 0)
    for _ in range(requested):
        by_provider[PROVIDERS[random.random() < part]] += 1
    counts = []
    for provider, some in by_provider.items():
        usual = min(0.99, max(0.01, country.usual(carrier, provider) + shift))
        share = fault(random, country, carrier, provider, usual)
        verified = sum(random.random() < share for _ in range(some))
        before = round(4 * some * usual) if history else 0
        first = START - 28 * DAY_MS if history else START
        if some:
            counts.append(
                RangeCount(
                    number_range=number_range,
                    country=country.code,
                    provider=provider,
                    first_requested_at=first,
                    requested=some,
                    verified=verified,
                    verified_before=before,
                )
            )
    return counts


def _fails(of: Callable[[Country, int, str], bool], left: float) -> Fault:
    def fault(_: Random, country: Country, carrier: int, provider: str, share: float) -> float:
        return left * share if of(country, carrier, provider) else share

    return fault


def _fails_for_hours(of: Callable[[Country, int, str], bool], hours: float) -> Fault:
    def fault(random: Random, country: Country, carrier: int, provider: str, share: float) -> float:
        # The messages of a range come in a burst of about a day, so that they fall into the outage together.
        if not of(country, carrier, provider) or random.random() > (24 + hours) / (7 * 24):
            return share
        return share * (1 - random.uniform(0, min(1.0, hours / 24)))

    return fault


#: Faults without fraud, by name.
FAULTS: Mapping[str, Fault] = {
    "no fault": healthy,
    "a provider at 10 % in one country": _fails(lambda c, _, p: (c.code, p) == ("DE", "acme"), 0.1),
    "a provider at 10 % everywhere": _fails(lambda _, __, p: p == "acme", 0.1),
    "a dead carrier in one country": _fails(lambda c, n, _: (c.code, n) == ("BR", 0), 0.03),
    "a dead country": _fails(lambda c, _, __: c.code == "NG", 0.03),
    "nobody reports": _fails(lambda _, __, ___: True, 0.01),
    "a carrier dead for 12 hours": _fails_for_hours(lambda c, n, _: (c.code, n) == ("BR", 0), 12),
    "a country dead for 24 hours": _fails_for_hours(lambda c, _, __: c.code == "IN", 24),
}
