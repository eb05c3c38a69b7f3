"""A day of one-time passwords, made up from a seed, and the truth about it. Pure: it sends nothing."""

import math
from collections import defaultdict
from collections.abc import Iterator
from random import Random

import phonenumbers
from msgspec import Struct
from phonenumbers import carrier

_HOUR_MS = 3_600_000
#: Messages are requested in this part of the day; the rest has room for resends and late conversions.
_SPAN_MS = 45 * _HOUR_MS // 2
_NOON_MS = 12 * _HOUR_MS
#: How many of the world's messages go where.
_COUNTRIES = {"DE": 25, "IN": 20, "ID": 15, "BR": 12, "GB": 10, "TR": 8, "NG": 6, "PH": 4}
_PROVIDERS = {"acme": 45, "birdcall": 35, "carrierone": 20}
_TEMPLATES = {"login": 70, "signup": 20, "payment": 10}
_CARRIERS = 3
#: The conversion probability of a route that fails.
_BROKEN = 0.05
_MEDIAN_DELAY_S, _DELAY_SPREAD, _LONGEST_DELAY_S = 30.0, 0.7, 600.0
_RESEND, _MOST_ATTEMPTS = 0.4, 3
#: Shares of the messages, or of their conversions, with something out of the ordinary.
_SENT_TWICE, _REPORTED_TWICE, _EARLY = 0.03, 0.05, 0.03
_BY_NUMBER, _BY_BOTH = 0.10, 0.20
_MISTYPED, _GIVEN_UP = 0.05, 0.30
#: Messages of one call.
_BATCH = 500

#: A country and a provider.
Route = tuple[str, str]


class Sent(Struct, frozen=True):
    """A message, as `POST /v1/messages` takes it."""

    message_id: str
    requested_at: int
    to: str
    provider: str
    template: str
    session_id: str
    attempt: int


class Told(Struct, frozen=True):
    """A conversion, as a service reports it by SmsConversion."""

    delivered: bool
    conversion_time: int
    message_id: str | None
    to: str | None

    def parameters(self) -> dict[str, str]:
        """Return the parameters of the call, spelled as the official Python SDK spells them."""
        given = {
            "ConversionTime": str(self.conversion_time),
            "Delivered": str(self.delivered),
            "MessageId": self.message_id,
            "To": self.to,
        }
        return {name: value for name, value in given.items() if value is not None}


class TrueCounts(Struct):
    """How many messages were requested, and how many of them were verified."""

    requested: int = 0
    verified: int = 0

    def count(self, *, verified: bool) -> None:
        """Count one message."""
        self.requested += 1
        self.verified += verified


class Batch(Struct):
    """The reports to send, in three steps; early conversions come before their message."""

    early: list[Told]
    messages: list[Sent]
    late: list[Told]


class Day(Struct):
    """A day of traffic.

    Attributes:
        start: its beginning, ms.
        noon: when the broken route breaks, ms.
        end: after its last report, ms.
        broken: the route that fails from noon on.
        batches: the reports to send, in order.
        truth: what the rates have to be, by route.
        before: the same for the broken route, until noon.
        after: the same for the broken route, from noon on.
    """

    start: int
    noon: int
    end: int
    broken: Route
    batches: list[Batch]
    truth: dict[Route, TrueCounts]
    before: TrueCounts
    after: TrueCounts


def day(seed: int, messages: int, now: int) -> Day:
    """Return a day of traffic that lies within the 24 hours before `now` (ms).

    The same seed and number of messages give the same day, but for where it begins: at a whole hour.
    """
    start = -(-now // _HOUR_MS) * _HOUR_MS - 24 * _HOUR_MS
    return _Maker(seed, messages, start).make()


class _Maker:
    """Makes up one day."""

    def __init__(self, seed: int, messages: int, start: int) -> None:
        self._chance = Random(seed)  # noqa: S311 - made-up traffic, not a secret
        self._messages = messages
        self._start = start
        self._noon = start + _NOON_MS
        self._numbers = {country: _numbers(country, self._chance) for country in _COUNTRIES}
        self._rates = {
            (country, provider): self._chance.uniform(0.55, 0.92)
            for country in _COUNTRIES
            for provider in _PROVIDERS
        }
        # Of the largest country, so that even a small day has some of its messages.
        self._broken = (next(iter(_COUNTRIES)), self._pick(_PROVIDERS))
        self._truth: dict[Route, TrueCounts] = defaultdict(TrueCounts)
        self._halves = TrueCounts(), TrueCounts()
        self._sent: list[tuple[Sent, list[Told]]] = []

    def make(self) -> Day:
        while len(self._sent) < self._messages:
            self._session(f"session-{len(self._sent)}")
        before, after = self._halves
        return Day(
            start=self._start,
            noon=self._noon,
            end=self._start + 23 * _HOUR_MS,
            broken=self._broken,
            batches=self._batches(),
            truth=dict(self._truth),
            before=before,
            after=after,
        )

    def _session(self, session_id: str) -> None:
        """Somebody logs in: asks for a code, and for another one where the first one brings nothing."""
        country = self._pick(_COUNTRIES)
        number = next(self._numbers[country])
        template = self._pick(_TEMPLATES)
        time = self._start + int(self._share_of_day() * _SPAN_MS)
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            route = country, self._pick(_PROVIDERS)
            # Ids grow as messages are handed over, and say nothing about the number.
            message_id = str(1_008_030_300_000_000 + len(self._sent))
            sent = Sent(message_id, time, number, route[1], template, session_id, attempt)
            verified = self._chance.random() < self._probability(route, time)
            self._truth[route].count(verified=verified)
            if route == self._broken:
                self._halves[time >= self._noon].count(verified=verified)
            self._sent.append((sent, self._conversions(sent, verified=verified)))
            full = len(self._sent) == self._messages
            if verified or full or self._chance.random() > _RESEND:
                return
            time += self._chance.randrange(45_000, 120_000)

    def _conversions(self, sent: Sent, *, verified: bool) -> list[Told]:
        """Return the reports about a message, once each."""
        chance = self._chance
        delay_s = min(_LONGEST_DELAY_S, chance.lognormvariate(math.log(_MEDIAN_DELAY_S), _DELAY_SPREAD))
        time = sent.requested_at + max(2, int(delay_s * 1000))
        told = []
        if chance.random() < (_MISTYPED if verified else _GIVEN_UP):
            # A wrong code is typed before the right one.
            told.append(Told(delivered=False, conversion_time=time - 1, message_id=sent.message_id, to=None))
        if verified:
            kind = chance.random()
            number = sent.to.removeprefix("+")
            told.append(
                Told(
                    delivered=True,
                    conversion_time=time,
                    message_id=None if kind < _BY_NUMBER else sent.message_id,
                    to=number if kind < _BY_BOTH else None,
                )
            )
        return told

    def _batches(self) -> list[Batch]:
        """Put everything in the order in which it is sent, and some of it twice."""
        chance = self._chance
        in_order = sorted(self._sent, key=lambda sent: sent[0].requested_at)
        batches: list[Batch] = []
        again: list[Sent] = []
        for first in range(0, len(in_order), _BATCH):
            batch = Batch([], again, [])
            again = []
            for sent, conversions in in_order[first : first + _BATCH]:
                batch.messages.append(sent)
                if chance.random() < _SENT_TWICE:
                    again.append(sent)
                early = chance.random() < _EARLY
                for told in conversions:
                    (batch.early if early else batch.late).append(told)
                    if chance.random() < _REPORTED_TWICE:
                        batch.late.append(told)
            chance.shuffle(batch.late)
            batches.append(batch)
        if again:
            batches.append(Batch([], again, []))
        return batches

    def _probability(self, route: Route, time: int) -> float:
        return _BROKEN if route == self._broken and time >= self._noon else self._rates[route]

    def _pick(self, weights: dict[str, int]) -> str:
        return self._chance.choices(list(weights), list(weights.values()))[0]

    def _share_of_day(self) -> float:
        """Return a time of the day, 0 to 1; around noon there is three times as much traffic as at night."""
        while True:
            share = self._chance.random()
            if self._chance.random() < 0.625 - 0.375 * math.cos(2 * math.pi * share):
                return share


def _numbers(country: str, chance: Random) -> Iterator[str]:
    """Return valid mobile numbers of a country in E.164, of several carriers, none of them twice."""
    examples = _examples(country, chance)
    seen = set()
    while True:
        example = chance.choice(examples)
        number = _mobile(country, example[:-5] + f"{chance.randrange(100_000):05}")
        if number is None or number.national_number in seen:
            continue
        seen.add(number.national_number)
        yield phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _examples(country: str, chance: Random) -> list[str]:
    """Return national numbers of a few carriers, one each, near the example of the number plan."""
    example = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    if example is None:
        raise ValueError(f"The number plan of {country} has no example.")
    digits = str(example.national_number)
    found = {"": digits}
    for _ in range(500):
        near = f"{digits[0]}{chance.randrange(1000):03}{digits[4:]}"
        number = _mobile(country, near)
        if number is not None:
            found.setdefault(carrier.name_for_valid_number(number, "en"), near)
        if len(found) > _CARRIERS:
            break
    return list(found.values())[-_CARRIERS:]


def _mobile(country: str, digits: str) -> phonenumbers.PhoneNumber | None:
    code = phonenumbers.country_code_for_region(country)
    number = phonenumbers.PhoneNumber(country_code=code, national_number=int(digits))
    return number if phonenumbers.is_valid_number_for_region(number, country) else None
