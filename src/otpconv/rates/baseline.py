"""What a slice's own past leads one to expect of it now: by hour and weekday, shrunk towards its parents.

Little data is not trusted alone. The rate of a group starts from the rate of all traffic and moves towards
the group's country, its route (country and provider), and its own past, each as far as its number of
messages allows. The hours of the day and of the week move it in the same way.
"""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from otpconv.rates.delays import mean_verified_within, quantile, total
from otpconv.rates.slices import Group
from otpconv.storage.contract import DAY_MS, DIMENSIONS

#: How many messages of its own make a group's rate count as much as its parent's.
_LEVEL_WEIGHT, _HOURS_WEIGHT, _SEASON_WEIGHT = 25.0, 60.0, 200.0
#: How far the hours of a day may move a rate.
_SEASON = (0.5, 1.5)
#: Verified messages from which delays are learned for a route or country of its own.
_DELAYS_LEAST = 300
#: The share of verifications after which the rest does not count; slow routes take so many times as long.
_NEARLY_ALL, _SLOW_ROUTES = 0.999, 3
_COUNTRY, _PROVIDER = DIMENSIONS.index("country"), DIMENSIONS.index("provider")


class Seen(NamedTuple):
    """Counts of one group in one stretch of time.

    Attributes:
        requested, verified: messages.
        reported: messages that any conversion was reported of, true or false.
        delays: the verified messages by bin of their delay; empty where it was not asked for.
    """

    requested: int = 0
    verified: int = 0
    reported: int = 0
    delays: tuple[int, ...] = ()

    def plus(self, other: "Seen") -> "Seen":
        """Return the counts of both together."""
        delays = [each for each in (self.delays, other.delays) if each]
        return Seen(
            self.requested + other.requested,
            self.verified + other.verified,
            self.reported + other.reported,
            total(delays) if delays else (),
        )


#: Counts by group.
Counts = Mapping[Group, Seen]


class Level:
    """How the groups did in the time before, whatever the hour, summed for their parents too.

    Attributes:
        counts: by group.
        requested: messages in all.
        arrived_ms: all verifications have come to messages of this age, ms.
    """

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self._parents = _by_parent(counts)
        self.requested = self.parent(()).requested
        self._delays: dict[Group, list[tuple[int, ...]]] = {}
        for group, seen in counts.items():
            if seen.delays:
                for parent in _parents_of(group):
                    self._delays.setdefault(parent, []).append(seen.delays)
        usual = quantile(self.delays(()), _NEARLY_ALL) or DAY_MS
        self.arrived_ms = min(DAY_MS, _SLOW_ROUTES * usual)

    def parent(self, group: Group) -> Seen:
        """Return the counts of all traffic (()), a country, or a country and a provider."""
        return self._parents.get(group, _NOTHING)

    def delays(self, parent: Group) -> tuple[int, ...]:
        """Return the delays of a parent by bin; empty where none is known."""
        counts = self._delays.get(parent)
        if counts is None:
            return ()
        if len(counts) > 1:
            self._delays[parent] = counts = [total(counts)]
        return counts[0]


class Span(Struct, frozen=True):
    """A stretch of time that ends now, and what to compare it with.

    Attributes:
        name: e.g. "1 h".
        start, end: ms; `end` lies far enough back for most verifications to have come.
        seen: the counts in it.
        same_hours: the counts in the same hours of the days before; empty for spans of a day or more.
        same_weekday: likewise of the same weekday in the weeks before.
        level: how the groups did in the time before, whatever the hour.
    """

    name: str
    start: int
    end: int
    seen: Counts
    same_hours: Counts
    same_weekday: Counts
    level: Level


class Leaf(NamedTuple):
    """What one group showed in a span, beside what was to be expected of it.

    Attributes:
        requested, verified, reported: as in `Seen`.
        expected: verifications to expect by now.
        reports: reports to expect by now.
        failures: reports to expect even if no code is verified, that is `delivered=false`.
        known: messages that the expectation was learned from.
    """

    requested: int
    verified: int
    reported: int
    expected: float
    reports: float
    failures: float
    known: int

    def plus(self, other: "Leaf") -> "Leaf":
        """Return the counts of both groups together."""
        return Leaf(
            self.requested + other.requested,
            self.verified + other.verified,
            self.reported + other.reported,
            self.expected + other.expected,
            self.reports + other.reports,
            self.failures + other.failures,
            self.known + other.known,
        )


def expectations(span: Span, now: int, rates: "Rates | None" = None) -> dict[Group, Leaf]:
    """Return what each group showed in a span and what was to be expected.

    Args:
        span: the counts.
        now: the time now, ms: messages too young to be verified count in part.
        rates: the usual rates, where several spans share them; None: those of the span.
    """
    rates = rates or Rates(span.level, span.same_hours, span.same_weekday)
    arrived = _Arrived(span.level, now - span.end, now - span.start)
    leaves = {}
    for group, seen in span.seen.items():
        verified, reported, failed = rates.of(group)
        share = arrived.of(group)
        leaves[group] = Leaf(
            seen.requested,
            seen.verified,
            seen.reported,
            seen.requested * verified * share,
            seen.requested * reported * share,
            seen.requested * failed,
            span.level.counts.get(group, _NOTHING).requested,
        )
    return leaves


class Rates:
    """The shares of messages that are verified, and reported, by group.

    Args:
        level: how the groups did in the time before, whatever the hour.
        same_hours, same_weekday: as in `Span`; empty where the hour makes no difference.
    """

    def __init__(self, level: Level, same_hours: Counts, same_weekday: Counts) -> None:
        self._level = level
        self._alike = same_hours, same_weekday
        self._hours = _by_parent(same_hours)
        self._seasons: dict[Group, float] = {}
        self._found: dict[Group, tuple[float, float, float]] = {}

    def of(self, group: Group) -> tuple[float, float, float]:
        """Return the share verified, the share reported, and the share reported as not verified."""
        found = self._found.get(group)
        if found is None:
            found = self._found[group] = self._of(group)
        return found

    def _of(self, group: Group) -> tuple[float, float, float]:
        country, route = (group[_COUNTRY],), (group[_COUNTRY], group[_PROVIDER])
        everything, own = self._level.parent(()), self._level.counts.get(group, _NOTHING)
        verified = everything.verified / max(1, everything.requested)
        reported = everything.reported / max(1, everything.requested)
        failed = max(0, everything.reported - everything.verified) / max(1, everything.requested)
        for seen in (self._level.parent(country), self._level.parent(route), own):
            verified = _shrunk(seen.verified, seen.requested, verified, _LEVEL_WEIGHT)
            reported = _shrunk(seen.reported, seen.requested, reported, _LEVEL_WEIGHT)
            failed = _shrunk(max(0, seen.reported - seen.verified), seen.requested, failed, _LEVEL_WEIGHT)
        verified *= self._season(country)
        for counts in self._alike:
            seen = counts.get(group, _NOTHING)
            verified = _shrunk(seen.verified, seen.requested, verified, _HOURS_WEIGHT)
        return min(verified, 1.0), min(reported, 1.0), min(failed, 1.0)

    def _season(self, country: Group) -> float:
        """Return how a country's rate at these hours compares with its rate at all hours."""
        if country in self._seasons:
            return self._seasons[country]
        factor = 1.0
        for parent in ((), country):
            level, hours = self._level.parent(parent), self._hours.get(parent, _NOTHING)
            if level.verified:
                usual = level.verified / level.requested
                factor = _shrunk(hours.verified, hours.requested, usual * factor, _SEASON_WEIGHT) / usual
        self._seasons[country] = min(max(factor, _SEASON[0]), _SEASON[1])
        return self._seasons[country]


class _Arrived:
    """The share of the verifications that have come by now, by route where its own delays are known."""

    def __init__(self, level: Level, youngest_ms: int, oldest_ms: int) -> None:
        self._level = level
        self._ages = youngest_ms, oldest_ms
        self._shares: dict[Group, float] = {}

    def of(self, group: Group) -> float:
        route = (group[_COUNTRY], group[_PROVIDER])
        if self._ages[0] >= self._level.arrived_ms:
            return 1.0
        for parent in (route, route[:1], ()):
            share = self._shares.get(parent)
            if share is None:
                share = self._shares[parent] = self._share(parent)
            if share >= 0:
                return share
        return 1.0

    def _share(self, parent: Group) -> float:
        """Return the share of a parent; below 0 where it has too few delays of its own."""
        counts = self._level.delays(parent)
        if sum(counts) >= _DELAYS_LEAST or (counts and not parent):
            return mean_verified_within(counts, *self._ages)
        return -1.0


_NOTHING = Seen()


def _by_parent(counts: Counts) -> dict[Group, Seen]:
    """Sum counts over all traffic, by country, and by country and provider."""
    sums: dict[Group, list[int]] = {}
    for group, seen in counts.items():
        for parent in _parents_of(group):
            found = sums.setdefault(parent, [0, 0, 0])
            found[0] += seen.requested
            found[1] += seen.verified
            found[2] += seen.reported
    return {parent: Seen(found[0], found[1], found[2]) for parent, found in sums.items()}


def _parents_of(group: Group) -> tuple[Group, ...]:
    return (), (group[_COUNTRY],), (group[_COUNTRY], group[_PROVIDER])


def _shrunk(successes: int, trials: int, parent: float, weight: float) -> float:
    return (successes + weight * parent) / (trials + weight)
