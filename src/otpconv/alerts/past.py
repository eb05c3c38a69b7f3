"""The usual rate of a slice, by hour of the day and of the week, learned from four weeks. Pure.

An hour is learned a day later, so that a failure is not usual while it is new. Messages of a finding are
never learned.
"""

from collections import deque
from math import sqrt

from msgspec import Struct

from otpconv.storage.contract import HOUR_MS

_DAY, _WEEK, _PAST = 24, 7 * 24, 28 * 24
#: With so many messages, the rate of a slice counts as much as that of its parent; the rate at an hour of the
#: day, as much as that of all hours; the rate at an hour of the week, as much as that of the hour of the day.
_OWN_WEIGHT, _HOUR_WEIGHT = 25.0, 60.0
#: A rate is known no better than this, however much traffic there is: it also varies from day to day.
_VARIATION = 0.01
#: How many standard errors the usual share of failures is raised by.
_SURE = 2.0


class Counts(Struct, gc=False):
    """Messages, and how many of them were verified."""

    requested: int = 0
    verified: int = 0

    def add(self, other: "Counts", sign: int = 1) -> None:
        """Add other counts, or subtract them."""
        self.requested += sign * other.requested
        self.verified += sign * other.verified


class Usual(Struct, frozen=True, gc=False):
    """What to expect of a slice at some hour.

    Attributes:
        failed: the share of the messages that are not verified, at the upper end of its uncertainty.
        verified: the share that is verified.
    """

    failed: float
    verified: float


class Past:
    """The past of one slice."""

    def __init__(self) -> None:
        self.total = Counts()
        self._hours: deque[tuple[int, Counts]] = deque()
        self._by_day = [Counts() for _ in range(_DAY)]
        self._by_week = [Counts() for _ in range(_WEEK)]
        self._first: int | None = None

    def learn(self, hour: int, counts: Counts) -> None:
        """Add the counts of an hour, and forget hours more than four weeks before it.

        Args:
            hour: since 1970, UTC; later than the hour before.
            counts: of the whole hour.
        """
        if self._first is None:
            self._first = hour
        self._hours.append((hour, counts))
        self._count(hour, counts, 1)
        while self._hours[0][0] <= hour - _PAST:
            self._count(*self._hours.popleft(), -1)

    def known_hours(self, hour: int) -> int:
        """Return for how many hours the slice has been known at an hour since 1970."""
        return 0 if self._first is None else hour - self._first

    def usual(self, hour: int, parent: float | None) -> Usual:
        """Return what to expect at an hour.

        Args:
            hour: since 1970, UTC.
            parent: the rate of the slice around this one, from which the rate starts; None if there is none.
        """
        total, day, week = self.total, self._by_day[hour % _DAY], self._by_week[hour % _WEEK]
        own = total.verified / total.requested if total.requested else 0.5
        rate = own if parent is None else _shrunk(total, parent, _OWN_WEIGHT)
        rate = _shrunk(week, _shrunk(day, rate, _HOUR_WEIGHT), _HOUR_WEIGHT)
        known = _HOUR_WEIGHT + day.requested
        uncertain = _SURE * sqrt(rate * (1 - rate) / known) + _VARIATION
        return Usual(
            min(max(1 - rate + uncertain, _VARIATION), 1 - _VARIATION),
            rate,
        )

    def _count(self, hour: int, counts: Counts, sign: int) -> None:
        self.total.add(counts, sign)
        self._by_day[hour % _DAY].add(counts, sign)
        self._by_week[hour % _WEEK].add(counts, sign)


def hour_of(time: int) -> int:
    """Return the hour since 1970 that a time (ms) is in."""
    return time // HOUR_MS


def _shrunk(counts: Counts, towards: float, weight: float) -> float:
    return (counts.verified + weight * towards) / (counts.requested + weight)
