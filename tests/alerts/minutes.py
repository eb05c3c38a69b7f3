"""Simulated traffic by the minute, with rhythm, delays and faults, as a `Source` for detectors."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from otpconv.alerts.detector import Detector
from otpconv.model import DELAY_BINS
from otpconv.storage.alerts.contract import Found, Values
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, Count, Tally

Group = tuple[str, str, str, str]
#: The first simulated minute: a Thursday, like the beginning of 1970, and a whole week.
BEGIN = 7 * DAY_MS * 2_600
_EDGES_MS = np.array([0.0, *(1000 * 2 ** (n / 2) for n in range(DELAY_BINS - 1)), math.inf])


class Change(Struct, frozen=True, kw_only=True):
    """What differs with the messages of a group at a time."""

    messages: float = 1.0
    rate: float = 1.0
    delay: float = 1.0
    even: bool = False
    reported: bool = True


USUAL = Change()
#: What changes for a group at a time, ms.
Fault = Callable[[Group, int], Change]


class World:
    """Some weeks of hours, then minutes.

    Args:
        seed: of the random numbers.
        groups: which messages there are.
        a_day: messages of all groups in a day.
        varies: the standard deviation of the number of an hour beyond chance, as a share.
        fails: whether applications report failures, after ten minutes.
        growth: the factor of the traffic over four weeks.
        days: the factor of each day since `BEGIN`, e.g. for holidays.
        shift: by how many ms the rhythm is later at a time, e.g. for daylight saving time.
        fault: how messages differ.
    """

    def __init__(
        self,
        seed: int,
        groups: Sequence[Group],
        *,
        a_day: float = 20_000,
        varies: float = 0.15,
        fails: bool = False,
        growth: float = 1.0,
        days: Callable[[int], float] = lambda _: 1.0,
        shift: Callable[[int], int] = lambda _: 0,
        fault: Fault = lambda *_: USUAL,
    ) -> None:
        self._random = random = np.random.default_rng(seed)
        self.groups = groups
        count = len(groups)
        share = random.lognormal(0, 0.7, count)
        self._an_hour = a_day / 24 * share / share.sum()
        self._rate = random.uniform(0.65, 0.92, count)
        self._median = 13_500 * random.lognormal(0, 0.25, count)
        self._swing, self._phase = random.uniform(0.3, 0.85), random.uniform(0, 24)
        self._varies, self._fails, self._growth = varies, fails, growth
        self._days, self._shift, self._fault = days, shift, fault
        self._noise: dict[int, np.ndarray] = {}
        self._kept: dict[int, list[tuple[Group, int, np.ndarray, bool]]] = {}
        self._kept_hours: dict[int, list[Count]] = {}
        self._usual = [self._shares(place, USUAL) for place in range(count)]
        self.now = BEGIN

    def minute(self, start: int) -> list[Count]:
        """See `Source`."""
        age = self.now - start - MINUTE_MS // 2
        known = max(1, int(np.searchsorted(_EDGES_MS, age, "right")) - 1)
        return [
            self._count(group, sent, bins[:known], seen, age)
            for group, sent, bins, seen in self._minute(start)
        ]

    def hour(self, start: int) -> list[Count]:
        """See `Source`."""
        if start < BEGIN:
            return self._hour(start)
        sums: dict[Group, list[Count]] = {}
        for minute in range(start, start + HOUR_MS, MINUTE_MS):
            for count in self.minute(minute):
                sums.setdefault(count.group, []).append(count)  # type: ignore[arg-type]
        return [
            Count(
                0,
                group,
                sum((count.tally for count in counts), Tally()),
                tuple(map(sum, zip(*(count.delays for count in counts), strict=True))),
            )
            for group, counts in sums.items()
        ]

    def _mean(self, time: int) -> np.ndarray:
        """Return the messages to expect in an hour at a time."""
        local = (time - self._shift(time)) / HOUR_MS
        wave = 1 + self._swing * math.sin(2 * math.pi * ((local - self._phase) % 24) / 24)
        weekend = 0.6 if int(local // 24) % 7 in {2, 3} else 1.0
        grown = self._growth ** ((time - BEGIN) / (28 * DAY_MS))
        hour = time // HOUR_MS
        if hour not in self._noise:
            shape = 1 / max(self._varies, 1e-3) ** 2
            common = self._random.gamma(shape, 1 / shape)
            self._noise[hour] = common * self._random.gamma(shape, 1 / shape, len(self.groups))
        day = self._days((time - BEGIN) // DAY_MS)
        mean: np.ndarray = self._an_hour * wave * weekend * grown * day * self._noise[hour]
        return mean

    def _shares(self, place: int, change: Change) -> np.ndarray:
        """Return the chance of each bin of delays, and of none."""
        sigma = 0.15 if change.even else 0.9
        scaled = np.log(np.maximum(_EDGES_MS, 1e-9) / (self._median[place] * change.delay)) / sigma
        below = np.array([0.5 * (1 + math.erf(value / math.sqrt(2))) for value in scaled])
        verified = np.diff(below) * min(0.99, self._rate[place] * change.rate)
        return np.append(verified, max(0.0, 1 - verified.sum()))

    def _minute(self, start: int) -> list[tuple[Group, int, np.ndarray, bool]]:
        if start not in self._kept:
            changes = [self._fault(group, start) for group in self.groups]
            means = self._mean(start) / 60 * np.array([change.messages for change in changes])
            made = []
            for place, sent in enumerate(self._random.poisson(means)):
                if sent:
                    change = changes[place]
                    shares = self._usual[place] if change is USUAL else self._shares(place, change)
                    bins = self._random.multinomial(sent, shares)[:-1]
                    made.append((self.groups[place], int(sent), bins, change.reported))
            self._kept[start] = made
        return self._kept[start]

    def _hour(self, start: int) -> list[Count]:
        if start in self._kept_hours:
            return self._kept_hours[start]
        counts = self._kept_hours[start] = []
        for place, sent in enumerate(self._random.poisson(self._mean(start + HOUR_MS // 2))):
            if sent:
                bins = self._random.multinomial(sent, self._usual[place])[:-1]
                counts.append(self._count(self.groups[place], int(sent), bins, True, DAY_MS))
        return counts

    def _count(self, group: Group, sent: int, bins: np.ndarray, seen: bool, age: int) -> Count:  # noqa: FBT001
        delays = [0] * DELAY_BINS
        if seen:
            delays[: len(bins)] = bins.tolist()
        verified = sum(delays)
        reported = sent if seen and self._fails and age > 10 * MINUTE_MS else verified
        tally = Tally(sent, verified, sent, verified, reported=reported)
        return Count(0, group, tally, tuple(delays))


def routes(countries: int, providers: int, keys: int = 1) -> list[Group]:
    """Return groups of some countries with one carrier each; each application uses each route."""
    return [
        (f"C{country}", f"{country}01", f"p{provider}", f"k{key}")
        for country in range(countries)
        for provider in range(providers)
        for key in range(keys)
    ]


class Episode(Struct):
    """An alert as it was opened and ended, minutes after `BEGIN`; None: it lasts."""

    opened: int
    ended: int | None
    found: Found


def learned(detector: Detector, world: World) -> None:
    """Let a detector learn the past."""
    for minute in range(-30, 0):
        world.now = BEGIN + minute * MINUTE_MS
        detector.look(world.now, world)


def episodes(
    detector: Detector, world: World, minutes: int, until: Callable[[Found], bool] = lambda _: False
) -> list[Episode]:
    """Return the alerts of some minutes; stop early once one is opened that `until` accepts."""
    learned(detector, world)
    all_of_them: list[Episode] = []
    lasting: dict[tuple[str, Values], Episode] = {}
    for minute in range(minutes):
        world.now = BEGIN + minute * MINUTE_MS
        for change in detector.look(world.now, world):
            key = change.kind, change.values
            if not isinstance(change, Found):
                lasting.pop(key).ended = minute
            elif key in lasting:
                lasting[key].found = change
            else:
                lasting[key] = Episode(minute, None, change)
                all_of_them.append(lasting[key])
                if until(change):
                    return all_of_them
    return all_of_them


def some_world(seed: int, fault: Fault = lambda *_: USUAL, **given: Any) -> World:  # noqa: ANN401 - of `World`
    """Return one of many worlds: quiet, busy, uneven, growing or shrinking, with and without failures."""
    random = np.random.default_rng(seed)
    usual = {
        "a_day": 15_000 * float(random.lognormal(0, 0.5)),
        "varies": float(random.uniform(0.03, 0.25)),
        "fails": bool(seed % 2),
        "growth": float(random.uniform(0.7, 1.4)),
    }
    return World(seed, given.pop("groups", routes(4, 3, 2)), fault=fault, **usual | given)


def between(start: int, end: int, change: Change, holds: Callable[[Group], bool] = lambda _: True) -> Fault:
    """Return a fault of some groups between two minutes after `BEGIN`."""
    return lambda group, at: change if start <= (at - BEGIN) // MINUTE_MS < end and holds(group) else USUAL
