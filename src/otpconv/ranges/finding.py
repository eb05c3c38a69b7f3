"""Number ranges as answers show them. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from msgspec import Struct

from otpconv.ranges.costs import MeanPrices, cost_of
from otpconv.ranges.mixture import Judged
from otpconv.rates.cost import Cost
from otpconv.storage.contract import DAY_MS
from otpconv.storage.range_counts import RangeCount

#: A range is flagged above this posterior, and elevated from the second one on.
FLAGGED, ELEVATED = 0.95, 0.5
#: Whoever blocks a range looks at it again after this time, ms: numbers get new owners.
REVIEW_MS = 30 * DAY_MS


class RangeFinding(Struct, frozen=True):
    """A number range that may be pumped.

    Attributes:
        judged: its messages and its posterior.
        prefixes: what to block: its prefix, or its members if the prefix has other ranges with messages.
        costs: the messages that were not verified, beyond those that usually are not, and what they cost.
    """

    judged: Judged
    prefixes: tuple[str, ...]
    costs: tuple[Cost, ...]

    @property
    def flagged(self) -> bool:
        """Whether the range looks so much like fraud that rates are also shown without it."""
        return self.judged.posterior > FLAGGED

    @property
    def lost(self) -> float:
        """How many messages were not verified beyond those that usually are not."""
        traffic = self.judged.traffic
        return max(0.0, self.judged.usual * traffic.requested - traffic.verified)


class SuspiciousRoute(Struct, frozen=True):
    """A provider that may be entering the codes itself, in a country, and why, in words."""

    country: str
    provider: str
    reasons: tuple[str, ...]


class Assessment(Struct, frozen=True):
    """What a search for pumped ranges found.

    Attributes:
        start, end: the window of the messages, ms, whole hours.
        assessed_at: when they were counted, ms.
        ranges: how many ranges, some of them joined, were judged.
        messages: the messages to these ranges.
        findings: the ranges that may be pumped, the most probable first, of the same probability the largest.
        routes: providers whose codes may be entered by the provider.
    """

    start: int
    end: int
    assessed_at: int
    ranges: int
    messages: int
    findings: tuple[RangeFinding, ...]
    routes: tuple[SuspiciousRoute, ...]

    @property
    def flagged(self) -> tuple[RangeFinding, ...]:
        """The findings that are flagged."""
        return tuple(finding for finding in self.findings if finding.flagged)


def largest_first(judged: Iterable[Judged], least: float, most: int) -> list[Judged]:
    """Return the ranges with at least a posterior, the most probable first; at most `most`."""
    some = [each for each in judged if each.posterior >= least]
    some.sort(
        key=lambda each: (-round(each.posterior, 2), -each.traffic.requested, each.traffic.number_range)
    )
    return some[:most]


def findings(
    judged: Sequence[Judged], counts: Iterable[RangeCount], prices: MeanPrices
) -> tuple[RangeFinding, ...]:
    """Return ranges with what to block, and what they cost.

    Args:
        judged: the ranges.
        counts: all ranges that had messages.
        prices: of a message.
    """
    counted = sorted({count.number_range for count in counts})
    return tuple(RangeFinding(each, _prefixes(each, counted), cost_of(each, prices)) for each in judged)


def _prefixes(judged: Judged, counted: Sequence[str]) -> tuple[str, ...]:
    prefix, members = judged.traffic.number_range, judged.traffic.members
    if members == (prefix,):
        return members
    covered = 0
    place = bisect_left(counted, prefix)
    while place < len(counted) and counted[place].startswith(prefix) and covered <= len(members):
        covered += 1
        place += 1
    return (prefix,) if covered == len(members) else members
