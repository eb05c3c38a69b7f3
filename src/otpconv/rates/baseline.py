"""The rate to expect of a group, from its past: by hour and weekday, shrunk towards its parents. Pure.

A group with little data does not rely on it alone. Its rate starts from the rate of all traffic and moves
towards the rate of its country, of its route (country and provider), and of its own past. The more messages
there are, the further it moves. The hours of the day and of the week move it in the same way.
"""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from otpconv.rates.delays import mean_verified_within, quantile, total
from otpconv.rates.slices import Group
from otpconv.storage.contract import DAY_MS, DIMENSIONS

#: With this many messages, a group's own rate counts as much as its parent's.
_PAST_WEIGHT, _HOURS_WEIGHT, _SEASON_WEIGHT = 25.0, 60.0, 200.0
#: The factors by which the hours of a day may move a rate, at least and at most.
_SEASON = (0.5, 1.5)
#: With this many verified messages, a route or a country has delays of its own.
_DELAYS_LEAST = 300
#: All verifications have arrived after this share of them; slow routes take this many times as long.
_NEARLY_ALL, _SLOW_ROUTES = 0.999, 3
_COUNTRY, _PROVIDER = DIMENSIONS.index("country"), DIMENSIONS.index("provider")


class GroupCount(NamedTuple):
    """The counts of one group in one span of time.

    Attributes:
        requested, verified: messages.
        reported: messages with any conversion reported, true or false.
        delays: the verified messages by bin of their delay; empty where delays were not fetched.
    """

    requested: int = 0
    verified: int = 0
    reported: int = 0
    delays: tuple[int, ...] = ()

    def plus(self, other: "GroupCount") -> "GroupCount":
        """Return the sum of both counts."""
        delays = [bins for bins in (self.delays, other.delays) if bins]
        return GroupCount(
            self.requested + other.requested,
            self.verified + other.verified,
            self.reported + other.reported,
            total(delays) if delays else (),
        )


#: GroupCounts by group.
GroupCounts = Mapping[Group, GroupCount]


class Baseline:
    """The past counts of all groups and their parents, over all hours.

    Attributes:
        counts: by group.
        requested: messages in total.
        arrived_ms: a message of this age (ms) has its verification, if it gets one.

    Args:
        counts: by group, with delays.
    """

    def __init__(self, counts: GroupCounts) -> None:
        self.counts = counts
        self._parents = _by_parent(counts)
        self.requested = self.parent(()).requested
        self._delays: dict[Group, list[tuple[int, ...]]] = {}
        for group, count in counts.items():
            if count.delays:
                for parent in _parents_of(group):
                    self._delays.setdefault(parent, []).append(count.delays)
        usual = quantile(self.delays(()), _NEARLY_ALL) or DAY_MS
        self.arrived_ms = min(DAY_MS, _SLOW_ROUTES * usual)

    def parent(self, group: Group) -> GroupCount:
        """Return the counts of all traffic (()), a country, or a country and a provider."""
        return self._parents.get(group, _NOTHING)

    def delays(self, parent: Group) -> tuple[int, ...]:
        """Return the delays of a parent by bin; empty where there are none."""
        counts = self._delays.get(parent)
        if counts is None:
            return ()
        if len(counts) > 1:
            self._delays[parent] = counts = [total(counts)]
        return counts[0]


class WatchedSpan(Struct, frozen=True):
    """A span of time that ends now, and what to compare it with.

    Attributes:
        name: e.g. "1 h".
        start, end: ms; `end` is so far back that most verifications have arrived.
        counts: the counts in the span.
        same_hours: the counts in the same hours of the days before; empty for spans of a day or more.
        same_weekday: the same for the same weekday in the weeks before.
        baseline: the past counts, over all hours.
    """

    name: str
    start: int
    end: int
    counts: GroupCounts
    same_hours: GroupCounts
    same_weekday: GroupCounts
    baseline: Baseline


class Leaf(NamedTuple):
    """The counts of one group in a span, and what to expect.

    Attributes:
        requested, verified, reported: as in `GroupCount`.
        expected: verifications to expect by now.
        reports: messages with a report to expect by now.
        failures: messages to expect with `delivered=false` only.
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
        """Return the sum of both groups."""
        return Leaf(
            self.requested + other.requested,
            self.verified + other.verified,
            self.reported + other.reported,
            self.expected + other.expected,
            self.reports + other.reports,
            self.failures + other.failures,
            self.known + other.known,
        )


def expectations(span: WatchedSpan, now: int, rates: "UsualRates | None" = None) -> dict[Group, Leaf]:
    """Return the counts of each group in a span, and what to expect.

    Args:
        span: the counts, and what to compare them with.
        now: the time now, ms; young messages count in part, as some verifications are still to come.
        rates: the usual rates, where several spans share them; None: those of the span.
    """
    rates = rates or UsualRates(span.baseline, span.same_hours, span.same_weekday)
    arrived = _Arrived(span.baseline, now - span.end, now - span.start)
    leaves = {}
    for group, count in span.counts.items():
        verified, reported, failed = rates.of(group)
        share = arrived.of(group)
        leaves[group] = Leaf(
            count.requested,
            count.verified,
            count.reported,
            count.requested * verified * share,
            count.requested * reported * share,
            count.requested * failed,
            span.baseline.counts.get(group, _NOTHING).requested,
        )
    return leaves


class UsualRates:
    """The shares of messages that are verified, and reported, by group.

    Args:
        baseline: the past counts, over all hours.
        same_hours, same_weekday: as in `WatchedSpan`; empty where the hour makes no difference.
    """

    def __init__(self, baseline: Baseline, same_hours: GroupCounts, same_weekday: GroupCounts) -> None:
        self._baseline = baseline
        self._alike = same_hours, same_weekday
        self._hours = _by_parent(same_hours)
        self._seasons: dict[Group, float] = {}
        self._shares: dict[Group, tuple[float, float, float]] = {}

    def of(self, group: Group) -> tuple[float, float, float]:
        """Return the shares that are verified, reported, and reported as not verified only."""
        shares = self._shares.get(group)
        if shares is None:
            shares = self._shares[group] = self._of(group)
        return shares

    def _of(self, group: Group) -> tuple[float, float, float]:
        country, route = (group[_COUNTRY],), (group[_COUNTRY], group[_PROVIDER])
        everything, own = self._baseline.parent(()), self._baseline.counts.get(group, _NOTHING)
        verified = everything.verified / max(1, everything.requested)
        reported = everything.reported / max(1, everything.requested)
        failed = max(0, everything.reported - everything.verified) / max(1, everything.requested)
        for count in (self._baseline.parent(country), self._baseline.parent(route), own):
            verified = _shrunk(count.verified, count.requested, verified, _PAST_WEIGHT)
            reported = _shrunk(count.reported, count.requested, reported, _PAST_WEIGHT)
            failed = _shrunk(max(0, count.reported - count.verified), count.requested, failed, _PAST_WEIGHT)
        verified *= self._season(country)
        for counts in self._alike:
            count = counts.get(group, _NOTHING)
            verified = _shrunk(count.verified, count.requested, verified, _HOURS_WEIGHT)
        return min(verified, 1.0), min(reported, 1.0), min(failed, 1.0)

    def _season(self, country: Group) -> float:
        """Return a country's rate at these hours, divided by its rate at all hours."""
        if country in self._seasons:
            return self._seasons[country]
        factor = 1.0
        for parent in ((), country):
            past, hours = self._baseline.parent(parent), self._hours.get(parent, _NOTHING)
            if past.verified:
                usual = past.verified / past.requested
                factor = _shrunk(hours.verified, hours.requested, usual * factor, _SEASON_WEIGHT) / usual
        self._seasons[country] = min(max(factor, _SEASON[0]), _SEASON[1])
        return self._seasons[country]


class _Arrived:
    """The share of the verifications that have arrived by now, by route where it has delays of its own."""

    def __init__(self, baseline: Baseline, youngest_ms: int, oldest_ms: int) -> None:
        self._baseline = baseline
        self._ages = youngest_ms, oldest_ms
        self._shares: dict[Group, float] = {}

    def of(self, group: Group) -> float:
        route = (group[_COUNTRY], group[_PROVIDER])
        if self._ages[0] >= self._baseline.arrived_ms:
            return 1.0
        for parent in (route, route[:1], ()):
            share = self._shares.get(parent)
            if share is None:
                share = self._shares[parent] = self._share(parent)
            if share >= 0:
                return share
        return 1.0

    def _share(self, parent: Group) -> float:
        """Return the share of a parent; -1 where it has too few delays of its own."""
        counts = self._baseline.delays(parent)
        if sum(counts) >= _DELAYS_LEAST or (counts and not parent):
            return mean_verified_within(counts, *self._ages)
        return -1.0


_NOTHING = GroupCount()


def _by_parent(counts: GroupCounts) -> dict[Group, GroupCount]:
    """Sum counts over all traffic, by country, and by country and provider."""
    sums: dict[Group, list[int]] = {}
    for group, count in counts.items():
        for parent in _parents_of(group):
            sums_of = sums.setdefault(parent, [0, 0, 0])
            sums_of[0] += count.requested
            sums_of[1] += count.verified
            sums_of[2] += count.reported
    return {parent: GroupCount(sums_of[0], sums_of[1], sums_of[2]) for parent, sums_of in sums.items()}


def _parents_of(group: Group) -> tuple[Group, ...]:
    return (), (group[_COUNTRY],), (group[_COUNTRY], group[_PROVIDER])


def _shrunk(successes: int, trials: int, parent: float, weight: float) -> float:
    return (successes + weight * parent) / (trials + weight)
