"""Worlds to try verdicts in: seeded traffic with its rhythm, and at most one thing that is broken in it."""

import math
import random
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import accumulate, islice, product
from pathlib import Path

from benchmarks.dataset import record
from otpconv.model import Conversion, Dimensions, Requested
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, Entry

_BATCH = 20_000
#: The share of the failing slice that must be named.
_NEARLY_ALL = 0.8
#: The least number of expected messages of the failing slice.
_LEAST = 20
#: How long after it an unused code is reported, ms; and the share of them that is, where some are.
_UNUSED_MS, _SOMETIMES = 300_000, 0.2
_COUNTRIES = ("DE", "IN", "ID", "BR", "GB", "TR", "NG", "PH", "MX", "FR", "US", "VN")
_PROVIDERS = ("acme", "birdcall", "carrierone", "dialup", "echo")
_TEMPLATES = ("login", "signup", "payment", "reset")
_SENDERS = ("ACME", "OTP")
_KEYS = ("LTAIweb", "LTAIapp", "LTAIbatch")
#: In which dimension each kind of fault shows.
_SHOWS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "route": (("country", "provider"),),
    "provider": (("provider",),),
    "country": (("country",),),
    "silence": (("template",), ("sender",), ("access_key",)),
}
#: What a slice of messages has in common.
Values = dict[str, str]


class World:
    """Messages of some days up to `now`, made up from a seed.

    Attributes:
        now: the end, ms.
        kinds: every combination of dimensions that has traffic.
        fault: the values of the messages that are broken; None in a healthy world.
        outage: start and end of the fault, ms.
        is_silence: whether the fault is that nothing is reported.
    """

    def __init__(
        self, seed: int, now: int, fault: str = "none", *, messages: int = 50_000, account: int = 1
    ) -> None:
        """Make up a world.

        Args:
            seed: decides everything else.
            now: the end, ms.
            fault: "none"; "route": one route at 15 % of its rate for 2 hours; "provider", "country": likewise
                everywhere; "silence": one application reports nothing for 3 hours.
            messages: in all; more if the failing slice would have too few.
            account: whose messages.
        """
        self._chance = chance = random.Random(f"{seed} {fault}")
        self.now = now
        self._account = account
        self._days = chance.choice((8, 8, 15, 30))
        self._messages = messages
        self._make_routes(chance)
        self._rhythm = chance.uniform(0.0, 0.8), chance.uniform(0.0, 0.04)
        self._peak = chance.randrange(24)
        self._median_ms = {provider: chance.uniform(12_000, 60_000) for provider in _PROVIDERS}
        self._failures = chance.choice((0.0, 0.0, _SOMETIMES, 1.0))
        hours = 3 if fault == "silence" else 2
        self.outage = self.now - hours * HOUR_MS, self.now
        self.fault = None if fault == "none" else self._pick(fault, hours)
        self.is_silence = fault == "silence"

    def fill(self, data: Path) -> None:
        """Write all of it into the journal of a data folder, and apply it."""
        reports = self._reports()
        record(data, iter(lambda: list(islice(reports, _BATCH)), []), self.now)

    def _make_routes(self, chance: random.Random) -> None:
        countries = chance.sample(_COUNTRIES, chance.randint(2, 10))
        providers = chance.sample(_PROVIDERS, chance.randint(2, 4))
        templates = chance.sample(_TEMPLATES, chance.randint(2, 4))
        # A template belongs to an application, which has an access key; a sender is shared.
        applications = [(name, chance.choice(_SENDERS), chance.choice(_KEYS)) for name in templates]
        size = {name: chance.lognormvariate(0, 1) for name in (*countries, *providers, *_TEMPLATES)}
        rate = {name: chance.uniform(-0.3, 0.3) for name in (*countries, *providers, *_TEMPLATES)}
        level = chance.uniform(0.6, 1.4)
        self.kinds: list[Dimensions] = []
        self._weights: list[float] = []
        self._rates: list[float] = []
        for country, provider, (template, sender, key) in product(countries, providers, applications):
            self.kinds.append(Dimensions(country, "", provider, template, sender, access_key=key))
            self._weights.append(size[country] * size[provider] * size[template])
            logit = level + rate[country] + rate[provider] + rate[template] + chance.gauss(0, 0.1)
            self._rates.append(1 / (1 + math.exp(-logit)))

    def _pick(self, fault: str, hours: int) -> Values:
        """Choose a failing slice: any that has enough messages in that time."""
        names = self._chance.choice(
            [each for each in _SHOWS[fault] if fault == "route" or self._varies(*each)]
        )
        volume: dict[tuple[str, ...], float] = {}
        for kind, weight in zip(self.kinds, self._weights, strict=True):
            values = tuple(getattr(kind, name) for name in names)
            volume[values] = volume.get(values, 0.0) + weight
        density = sum(self._density(self.now - n * HOUR_MS) for n in range(hours)) / self._total()
        least = (_LEAST + 3 * math.sqrt(_LEAST)) * sum(self._weights) / density
        # Where nothing has enough, there is more of everything.
        self._messages = max(self._messages, math.ceil(least / max(volume.values())))
        enough = [values for values, weight in volume.items() if weight * self._messages >= least]
        chosen = self._chance.choice(sorted(enough))
        return dict(zip(names, chosen, strict=True))

    def _density(self, at: int) -> float:
        hour = at / HOUR_MS - self._peak
        return 1 + self._rhythm[0] * math.cos(hour / 24 * 2 * math.pi)

    def _total(self) -> float:
        return sum(self._density(self.now - n * HOUR_MS) for n in range(self._days * 24))

    def _times(self) -> list[int]:
        start = self.now - self._days * DAY_MS
        step = 10 * MINUTE_MS
        slots = range(start, self.now, step)
        cumulative = list(accumulate(self._density(slot) for slot in slots))
        drawn = (self._chance.random() * cumulative[-1] for _ in range(self._messages))
        places = sorted(bisect_left(cumulative, point) for point in drawn)
        return [slots[place] + self._chance.randrange(step) for place in places]

    def _reports(self) -> Iterator[Entry]:
        chance = self._chance
        day_effect = {day: chance.gauss(0, 0.01) for day in range(self._days + 1)}
        chosen = chance.choices(range(len(self.kinds)), self._weights, k=self._messages)
        for number, (at, place) in enumerate(zip(self._times(), chosen, strict=True)):
            kind = self.kinds[place]
            message_id = str(1_008_030_300_000_000 + number)
            yield Entry(Requested(self._account, message_id, at, kind))
            broken = self.fault is not None and at >= self.outage[0] and self._is_in(kind)
            if broken and self.is_silence:
                continue
            rate = self._rates[place] + day_effect[(self.now - at) // DAY_MS]
            rate *= 1 + self._rhythm[1] * math.cos((at / HOUR_MS - self._peak) / 24 * 2 * math.pi)
            if broken:
                rate *= 0.15
            if chance.random() < rate:
                after = int(chance.lognormvariate(math.log(self._median_ms[kind.provider]), 0.7)) + 1
                if at + after <= self.now:
                    yield Entry(
                        Conversion(
                            self._account, delivered=True, conversion_time=at + after, message_id=message_id
                        )
                    )
            elif at + _UNUSED_MS <= self.now and chance.random() < self._failures:
                unused_at = at + _UNUSED_MS
                yield Entry(
                    Conversion(
                        self._account, delivered=False, conversion_time=unused_at, message_id=message_id
                    )
                )

    def is_named_by(self, values: Mapping[str, str]) -> bool:
        """Return whether these values name the failing slice, and nothing healthy.

        Nearly all of it is enough: where a provider has one message in forty elsewhere, the provider in its
        one country is as right a name as the provider.
        """
        broken = named = 0.0
        for kind, weight in zip(self.kinds, self._weights, strict=True):
            is_named = all(getattr(kind, name) == value for name, value in values.items())
            is_broken = self._is_in(kind)
            if is_named and not is_broken:
                return False
            broken += weight * is_broken
            named += weight * is_named
        return named >= _NEARLY_ALL * broken

    def _varies(self, name: str) -> bool:
        return len({getattr(kind, name) for kind in self.kinds}) > 1

    def _is_in(self, kind: Dimensions) -> bool:
        return all(getattr(kind, name) == value for name, value in (self.fault or {}).items())
