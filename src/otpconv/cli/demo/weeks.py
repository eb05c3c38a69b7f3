"""Weeks of one-time passwords, made up from a seed, and going on with the time. Pure: it sends nothing."""

import math
from bisect import bisect_right
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import accumulate
from random import Random
from typing import Final, TypeVar

from msgspec import Struct

from otpconv.phone import Phone, parse

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
#: How long ago the traffic begins, ms.
HISTORY_MS: Final = 14 * _DAY_MS
#: Messages an hour, on the average of a week.
_AN_HOUR: Final = 400
#: How long one route has been failing, how long one application has been silent, and when another route
#: failed for how long, ms.
_FAILING_MS, _SILENT_MS = _HOUR_MS, 3 * _HOUR_MS
_INCIDENT_AGO_MS, _INCIDENT_MS = 3 * _DAY_MS + 5 * _HOUR_MS, 4 * _HOUR_MS
#: The share of a route's rate that remains while it fails, and during the incident.
_FAILING, _INCIDENT = 0.05, 0.45

#: The number range that somebody has codes sent to, for how long, ms, its share of the country's logins, and
#: the share of its messages that are verified.
_PUMPED_COUNTRY, PUMPED_RANGE = "DE", "+491721900"
_PUMPED_MS, _PUMPED_SHARE, _PUMPED = 3 * _DAY_MS, 0.02, 0.02

#: Share of the traffic in percent, and hours ahead of UTC.
_COUNTRIES: Final = {
    "DE": (24, 1.0),
    "IN": (20, 5.5),
    "ID": (14, 7.0),
    "BR": (13, -3.0),
    "GB": (10, 0.0),
    "TR": (8, 3.0),
    "NG": (6, 1.0),
    "PH": (5, 8.0),
}
#: Beginnings of mobile numbers, one per carrier, and the digits that follow.
_NUMBERS: Final = {
    "DE": (("+4915112", "+4917212"), 6),
    "IN": (("+91981001", "+91701234"), 5),
    "ID": (("+62812123", "+62817123"), 4),
    "BR": (("+551199123", "+552198123"), 4),
    "GB": (("+44791234", "+44740012"), 4),
    "TR": (("+90532123", "+90542123"), 4),
    "NG": (("+234803123", "+234802123"), 4),
    "PH": (("+63917123", "+63918123"), 4),
}
#: Recipients per country: some of them come again.
_RECIPIENTS: Final = 400
#: Providers and channels: their share, and their difference to a country's rate.
_ROUTES: Final = {
    ("acme", "sms"): (40, 0.0),
    ("birdcall", "sms"): (32, -0.02),
    ("birdcall", "whatsapp"): (8, 0.06),
    ("carrierone", "sms"): (15, -0.05),
    ("carrierone", "voice"): (5, -0.1),
}
#: Applications, by the name of their user: share, sender, and the shares of their templates.
APPLICATIONS: Final = {
    "web": (44, "ACME", {"login": 80, "signup": 20}),
    "mobile-app": (36, "ACME", {"login": 70, "signup": 30}),
    "checkout": (12, "ACMEPAY", {"payment": 100}),
    "partner-portal": (8, "ACME", {"login": 100}),
}
#: The application that stops to report.
_SILENT_APPLICATION: Final = "partner-portal"
_MEDIAN_DELAY_S, _DELAY_SPREAD, _LONGEST_DELAY_S = 21.0, 0.6, 540.0
#: Shares of the unverified messages: users who ask for another code, and codes that are reported as expired.
_RESEND, _EXPIRED = 0.35, 0.4
_MOST_ATTEMPTS: Final = 3

_T = TypeVar("_T")
#: Values to choose from, and the sums of their shares so far.
_Choices = tuple[list[_T], list[int]]
#: A country and a provider.
Route = tuple[str, str]


def _choices(shares: dict[_T, int]) -> _Choices[_T]:
    return list(shares), list(accumulate(shares.values()))


_OF_APPLICATIONS: Final = _choices({name: share for name, (share, _, _) in APPLICATIONS.items()})
_OF_TEMPLATES: Final = {name: _choices(templates) for name, (_, _, templates) in APPLICATIONS.items()}
_OF_ROUTES: Final = _choices({route: share for route, (share, _) in _ROUTES.items()})


class Sent(Struct, frozen=True, gc=False):
    """A message, and what becomes of it.

    Attributes:
        requested_at: ms.
        message_id: unique.
        phone: the recipient.
        provider, channel, template, sender: its values.
        application: a key of `APPLICATIONS`.
        session_id: the login that it belongs to.
        attempt: 1, or more for a resend.
        verified: whether the user types the code back.
        answered_at: when that, or that the code expired, is reported, ms; None: never.
    """

    requested_at: int
    message_id: str
    phone: Phone
    provider: str
    channel: str
    template: str
    sender: str
    application: str
    session_id: str
    attempt: int
    verified: bool
    answered_at: int | None


class Weeks:
    """Traffic with the rhythm of days and weeks. The same seed and time give the same traffic.

    Args:
        seed: of the random traffic.
        now: the time now, ms.
        an_hour: messages an hour, on the average of a week.

    Attributes:
        start: when the traffic begins, ms.
        broken: the route that fails.
        broken_since: from when on, ms.
        silent: the application that no longer reports what becomes of its messages.
        silent_since: from when on, ms.
    """

    def __init__(self, seed: int, now: int, an_hour: int = _AN_HOUR) -> None:
        self._chance = Random(seed)  # noqa: S311 - made-up traffic, not a secret
        self._per_ms = an_hour / _HOUR_MS
        self.start = (now - HISTORY_MS) // _HOUR_MS * _HOUR_MS
        self._recipients = {country: self._phones(country) for country in _COUNTRIES}
        self._rates = {country: self._chance.uniform(0.72, 0.9) for country in _COUNTRIES}
        self.broken = self._busy_route(now)
        self.broken_since = now - _FAILING_MS
        self.silent = _SILENT_APPLICATION
        self.silent_since = now - _SILENT_MS
        self._incident_country = self._chance.choice([name for name in _COUNTRIES if name != self.broken[0]])
        self._incident_from = now - _INCIDENT_AGO_MS
        self._pumped_from = now - _PUMPED_MS
        self._resends: list[tuple[int, int, Sent]] = []
        self._made = 0

    def between(self, start: int, end: int) -> Iterator[Sent]:
        """Return the messages requested in [start, end), ms; call it for one time after the other."""
        for country in _COUNTRIES:
            mean_ms = 1 / (self._per_ms * _activity(country, (start + end) // 2))
            at = start + self._chance.expovariate(1 / mean_ms)
            while at < end:
                yield self._first(country, int(at))
                at += self._chance.expovariate(1 / mean_ms)
        while self._resends and self._resends[0][0] < end:
            at, _, before = heappop(self._resends)
            yield self._message(
                at, before.phone, before.application, before.template, before.session_id, before.attempt + 1
            )

    def _first(self, country: str, at: int) -> Sent:
        application = self._pick(_OF_APPLICATIONS)
        template = self._pick(_OF_TEMPLATES[application])
        phone = self._recipient(country, at)
        return self._message(at, phone, application, template, f"session-{self._made}", 1)

    def _recipient(self, country: str, at: int) -> Phone:
        pumped = country == _PUMPED_COUNTRY and at >= self._pumped_from
        if pumped and self._chance.random() < _PUMPED_SHARE:
            return parse(f"{PUMPED_RANGE}{self._chance.randrange(10_000):04}")
        return self._chance.choice(self._recipients[country])

    def _message(
        self, at: int, phone: Phone, application: str, template: str, session_id: str, attempt: int
    ) -> Sent:
        chance = self._chance
        provider, channel = self._pick(_OF_ROUTES)
        verified = chance.random() < self._rate(phone, provider, channel, at)
        delay_s = min(_LONGEST_DELAY_S, chance.lognormvariate(math.log(_MEDIAN_DELAY_S), _DELAY_SPREAD))
        answered_at: int | None = at + int(delay_s * 1000) + 1_000
        if not verified:
            answered_at = at + 5 * _MINUTE_MS if chance.random() < _EXPIRED else None
        if application == self.silent and (answered_at or 0) >= self.silent_since:
            answered_at = None
        sent = Sent(
            at,
            # Ids grow as messages are handed over, and say nothing about the number.
            str(1_008_030_300_000_000 + self._made),
            phone,
            provider,
            channel,
            template,
            APPLICATIONS[application][1],
            application,
            session_id,
            attempt,
            verified,
            answered_at,
        )
        self._made += 1
        if not verified and attempt < _MOST_ATTEMPTS and chance.random() < _RESEND:
            heappush(self._resends, (at + chance.randrange(45_000, 120_000), self._made, sent))
        return sent

    def _rate(self, phone: Phone, provider: str, channel: str, at: int) -> float:
        if phone.number_range == PUMPED_RANGE:
            return _PUMPED
        country = phone.country
        if (country, provider) == self.broken and at >= self.broken_since:
            return _FAILING
        rate = self._rates[country] + _ROUTES[provider, channel][1]
        incident = 0 <= at - self._incident_from < _INCIDENT_MS
        affected = country == self._incident_country and provider == "acme"
        return rate * _INCIDENT if incident and affected else rate

    def _busy_route(self, now: int) -> Route:
        """Return a route of the country with the most traffic now, where the failure shows soonest."""
        busiest = max(_COUNTRIES, key=lambda country: _activity(country, now))
        return busiest, self._chance.choice(["acme", "birdcall"])

    def _phones(self, country: str) -> list[Phone]:
        beginnings, digits = _NUMBERS[country]
        return [
            parse(f"{self._chance.choice(beginnings)}{self._chance.randrange(10**digits):0{digits}}")
            for _ in range(_RECIPIENTS)
        ]

    def _pick(self, choices: _Choices[_T]) -> _T:
        values, sums = choices
        return values[bisect_right(sums, self._chance.random() * sums[-1])]


def _activity(country: str, time: int) -> float:
    """Return a country's share of the average traffic: little at night, less on Saturday and Sunday."""
    share, ahead = _COUNTRIES[country]
    local = time + ahead * _HOUR_MS
    hour, weekday = local % _DAY_MS / _HOUR_MS, (local // _DAY_MS + 3) % 7
    daily = 1 + 0.7 * math.cos(2 * math.pi * (hour - 15) / 24)
    return share / 100 * daily * (0.8 if weekday >= 5 else 1.08)  # noqa: PLR2004
