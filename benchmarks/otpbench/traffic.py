"""Makes the messages of one world up from a seed: who sends how much where, and what becomes of each message.

`docs/explanation/otp-bench.md` lists the distributions.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from math import log
from operator import and_
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from otpconv.alerts.detector import WATCHED
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS

#: Days to learn from, and the days behind them in which alarms are scored.
HISTORY_DAYS: Final = 21
SCORED_DAYS: Final = 2
#: Monday, 2 March 2026, 00:00 UTC.
_EPOCH: Final = 1_772_409_600_000
#: The first day of a weekend, Mondays being 0.
_SATURDAY: Final = 5
MINUTES: Final = (HISTORY_DAYS + SCORED_DAYS) * DAY_MS // MINUTE_MS
_HOURS: Final = MINUTES // 60
#: The funnels that the rates and delays are anchored at: verified share and median delay, ms. The second one
#: is that of the provider `chat`.
_SMS: Final = (0.72, 13_500)
_CHAT: Final = (0.62, 16_700)
_PROVIDERS: Final = ("acme", "birdcall", "chat")
_KEYS: Final = ("LTAIapp", "LTAIweb")
_COUNTRIES: Final = (
    *("BR", "DE", "FR", "GB", "ID", "IN", "MX", "NG", "PH", "US", "VN", "ZA"),
    *("AR", "CO", "EG", "ES", "IT", "KE", "PK", "TR"),
)
#: The spread of the logarithm of delays.
_SPREAD: Final = 0.8
#: A code expires after so long, ms; then some applications report that it was not used.
_EXPIRES_MS: Final = 600_000
#: The share of users who ask for another code once the first one did not come within a minute, and the share
#: of the usual rate that it has.
_RESENDS, _RESENT_RATE = 0.35, 0.8
#: The verified share of messages that nobody wants.
_PUMPED_RATE: Final = 0.01
#: Of codes that a supplier enters: the verified share, the logarithm of the median delay, ms, and its spread.
_ENTERED: Final = (0.97, log(5_000), 0.2)
#: Never: the time of a report that is not made, ms.
NEVER: Final = np.iinfo(np.int64).max

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
#: Values of the dimensions `WATCHED`, in their order.
Leaf = tuple[str, str, str, str]


class Effect(Struct, frozen=True):
    """The difference for some messages for some time.

    Attributes:
        values: of which messages: dimension and value.
        start, end: minutes of the world (half-open).
        volume: traffic, as a multiple of the usual.
        rate: the verified share, as a multiple of the usual.
        delay: delays, as a multiple of the usual.
        silent: whether nothing is reported about these messages.
        entered: whether a supplier enters the codes: nearly all, quickly, and evenly.
        pumped: further messages whose codes nobody wants, as a multiple of the usual traffic.
    """

    values: Mapping[str, str]
    start: int
    end: int
    volume: float = 1.0
    rate: float = 1.0
    delay: float = 1.0
    silent: bool = False
    entered: bool = False
    pumped: float = 0.0


class Size(Struct, frozen=True):
    """How large a world is."""

    countries: int = 6
    messages_a_day: int = 30_000


class Messages(Struct, frozen=True):
    """The messages of a world in the order of their requests; all arrays have one element per message.

    Attributes:
        requested: when, ms.
        leaf: index of its `Leaf`.
        first: whether it is a first attempt.
        verified: when its verification is reported, ms; `NEVER` if it is not.
        unused: when it is reported that its code was not used, ms; `NEVER` if that is not reported.
    """

    requested: Ints
    leaf: Ints
    first: Flags
    verified: Ints
    unused: Ints


class Routes:
    """Who sends where, and the usual traffic, rate and delay of each leaf.

    Attributes:
        start: of the world, ms.
        leaves: the combinations of values that have traffic.
        usual: messages a minute, for each leaf and minute.
    """

    def __init__(self, chance: np.random.Generator, size: Size) -> None:
        self.start = _EPOCH + int(chance.integers(26 * 7)) * DAY_MS
        countries = sorted(chance.choice(_COUNTRIES, size.countries, replace=False).tolist())
        self.leaves: list[Leaf] = []
        for country in countries:
            served = sorted(chance.choice(_PROVIDERS, int(chance.integers(2, 4)), replace=False).tolist())
            for carrier in range(int(chance.integers(2, 4))):
                self.leaves += [
                    (country, f"{country} {carrier + 1}", provider, key)
                    for provider in served
                    for key in _KEYS
                ]
        names = [sorted({leaf[place] for leaf in self.leaves}) for place in range(len(WATCHED))]
        places = [
            np.array([values.index(leaf[place]) for leaf in self.leaves])
            for place, values in enumerate(names)
        ]
        weight = np.ones(len(self.leaves))
        logit = np.zeros(len(self.leaves))
        delay = np.zeros(len(self.leaves))
        for index, values in zip(places, names, strict=True):
            weight *= chance.lognormal(0, 0.6, len(values))[index]
            logit += chance.normal(0, 0.25, len(values))[index]
            delay += chance.normal(0, 0.15, len(values))[index]
        anchors = np.array([_CHAT if leaf[2] == "chat" else _SMS for leaf in self.leaves])
        self.logit = logit + np.log(anchors[:, 0] / (1 - anchors[:, 0]))
        self.delay = np.log(anchors[:, 1]) + delay
        self.reports_unused = np.array([leaf[3] == _KEYS[0] for leaf in self.leaves])
        self._countries, self._keys = places[0], places[3]
        self._zones = chance.integers(-8, 9, len(countries))
        self.usual = weight[:, None] / weight.sum() * size.messages_a_day / 1440 * self._rhythm(chance)

    def where(self, values: Mapping[str, str]) -> Flags:
        """Return for each leaf whether it has these values."""
        some = [
            np.array([leaf[WATCHED.index(name)] == value for leaf in self.leaves])
            for name, value in values.items()
        ]
        return reduce(and_, some, np.ones(len(self.leaves), dtype=bool))

    def _rhythm(self, chance: np.random.Generator) -> Floats:
        """Return how much of the mean traffic each leaf has in each minute: by day and week, and noise."""
        zones = self._zones
        minutes = np.arange(MINUTES)
        local = minutes[None, :] / 60 + zones[:, None]
        depth = chance.uniform(0.5, 0.85, len(zones))[:, None]
        by_day = 1 + depth * np.cos((local - chance.uniform(14, 20, len(zones))[:, None]) / 24 * 2 * np.pi)
        weekday = ((self.start - _EPOCH) // DAY_MS + local // 24) % 7
        by_week = np.where(weekday >= _SATURDAY, chance.uniform(0.6, 1.1, len(zones))[:, None], 1.0)
        by_hour = chance.gamma(150, 1 / 150, (len(zones), _HOURS)).repeat(60, axis=1)
        growth = 1 + chance.uniform(-0.004, 0.008) * (minutes / 1440)
        application = chance.normal(1, 0.03, (len(_KEYS), MINUTES // 1440)).repeat(1440, axis=1)
        rhythm: Floats = (by_day * by_week * by_hour * growth)[self._countries] * application[self._keys]
        return rhythm

    def swing(self, chance: np.random.Generator) -> Floats:
        """Return how the logit of the rate of each leaf differs from hour to hour: by day, and by chance."""
        hours = np.arange(_HOURS)
        days = chance.normal(0, 0.05, (len(self._zones), _HOURS // 24)).repeat(24, axis=1)
        by_day = 0.08 * np.cos((hours[None, :] + self._zones[:, None]) / 24 * 2 * np.pi)
        swing: Floats = (days + by_day)[self._countries]
        return swing


class World(Struct, frozen=True):
    """A world: its routes and its messages."""

    routes: Routes
    messages: Messages


def make(chance: np.random.Generator, routes: Routes, effects: Sequence[Effect]) -> World:
    """Return a world with these routes and effects."""
    volume = np.ones_like(routes.usual)
    pumped = np.zeros_like(routes.usual)
    for effect in effects:
        where = np.ix_(routes.where(effect.values), np.arange(effect.start, effect.end))
        volume[where] *= effect.volume
        pumped[where] += effect.pumped * routes.usual[where]
    fates = _Fates(chance, routes, effects)
    users = _arrivals(chance, routes.usual * volume)
    bots = _arrivals(chance, pumped)
    used = fates.draw(users)
    resent = _resent(chance, users, used)
    parts = [
        (*users, used, True),
        (*resent, fates.draw(resent, _RESENT_RATE), False),
        (*bots, fates.draw(bots, _PUMPED_RATE), True),
    ]
    leaf, at, verified = (np.concatenate([part[place] for part in parts]) for place in range(3))
    first = np.concatenate([np.full(len(part[1]), part[3]) for part in parts])
    reported = ~fates.are_silent(leaf, at)
    unused = reported & routes.reports_unused[leaf] & (verified == NEVER)
    order = np.argsort(at, kind="stable")
    order = order[at[order] < MINUTES * MINUTE_MS]
    start = routes.start
    return World(
        routes,
        Messages(
            at[order] + start,
            leaf[order],
            first[order],
            np.where(reported & (verified != NEVER), verified + start, NEVER)[order],
            np.where(unused, at + _EXPIRES_MS + start, NEVER)[order],
        ),
    )


def _arrivals(chance: np.random.Generator, intensity: Floats) -> tuple[Ints, Ints]:
    """Return the leaf of each message, and when it was requested, ms since the start."""
    counts = chance.poisson(intensity)
    leaves, minutes = np.nonzero(counts)
    repeats = counts[leaves, minutes]
    leaf, minute = leaves.repeat(repeats), minutes.repeat(repeats)
    return leaf, minute * MINUTE_MS + chance.integers(0, MINUTE_MS, len(leaf))


def _resent(chance: np.random.Generator, sent: tuple[Ints, Ints], verified: Ints) -> tuple[Ints, Ints]:
    """Return the messages of users who ask again, since they have not verified within a minute."""
    leaf, at = sent
    asks = (verified > at + MINUTE_MS) & (chance.random(len(at)) < _RESENDS)
    return leaf[asks], at[asks] + chance.integers(MINUTE_MS, 2 * MINUTE_MS, int(asks.sum()))


class _Fates:
    """Decides what becomes of each message."""

    def __init__(self, chance: np.random.Generator, routes: Routes, effects: Sequence[Effect]) -> None:
        self._chance = chance
        self._routes = routes
        self._effects = effects
        self._swing = routes.swing(chance)

    def draw(self, sent: tuple[Ints, Ints], rate: float = 1.0) -> Ints:
        """Return when each message is verified, ms since the start; `NEVER` if it is not."""
        leaf, at = sent
        hour = np.minimum(at // HOUR_MS, _HOURS - 1)
        share = rate / (1 + np.exp(-(self._routes.logit[leaf] + self._swing[leaf, hour])))
        median, spread = self._routes.delay[leaf], np.full(len(leaf), _SPREAD)
        for effect in self._effects:
            some = self._affects(effect, leaf, at)
            share[some] *= effect.rate
            median[some] += log(effect.delay)
            if effect.entered:
                share[some], median[some], spread[some] = _ENTERED
        delay = np.exp(median + spread * self._chance.standard_normal(len(leaf))).astype(np.int64) + 1
        verified = (self._chance.random(len(leaf)) < share) & (delay < _EXPIRES_MS)
        return np.where(verified, at + delay, NEVER)

    def are_silent(self, leaf: Ints, at: Ints) -> Flags:
        """Return for each message whether nothing is reported about it."""
        silent = np.zeros(len(leaf), dtype=bool)
        for effect in self._effects:
            if effect.silent:
                silent |= self._affects(effect, leaf, at)
        return silent

    def _affects(self, effect: Effect, leaf: Ints, at: Ints) -> Flags:
        inside = (at >= effect.start * MINUTE_MS) & (at < effect.end * MINUTE_MS)
        affected: Flags = self._routes.where(effect.values)[leaf] & inside
        return affected
