"""The usual share of verified messages by country, provider and carrier, and how much ranges differ. Pure.

Where there are few ranges, the share of the larger group counts more. The share of a carrier by a provider is
drawn towards that of the provider in the country, this towards that of the country, and this towards that of
all countries.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from otpconv.ranges.traffic import RangeTraffic

#: The most messages of a range that count for the usual share: one with many is not more usual.
_MOST_OF_RANGE = 30
#: The share of the larger group counts like so many messages.
_PRIOR_MESSAGES = 60.0
#: Before anything is known: half of the messages are verified, as after 2 messages.
_FIRST_SHARE, _FIRST_MESSAGES = 0.5, 2.0
#: No share is nearer to 0 or 1.
_LEAST_SHARE = 0.002
#: How much ranges differ before anything is known, and the least and the most: shares of 0.8 have a standard
#: deviation of 0.07, from 0.013 to 0.22.
_FIRST_SPREAD, _LEAST_SPREAD, _MOST_SPREAD = 0.03, 0.001, 0.3
#: It counts like the evidence of so many pairs of messages.
_PRIOR_PAIRS = 2_000.0
#: The estimate is 5 % too low on average in simulated worlds, and uncertain. Too high is only more careful.
_CAREFUL = 1.1

_Cell = tuple[str, ...]
#: A group, and the larger group that it is drawn to.
_Sums = defaultdict[_Cell, list[float]]


class Usual:
    """The usual shares, estimated from ranges.

    Args:
        ranges: in any order.
        weights: of each range, how probably it is a usual one.
    """

    def __init__(self, ranges: Sequence[RangeTraffic], weights: Sequence[float]) -> None:
        sums: _Sums = defaultdict(lambda: [0.0, 0.0])
        for traffic, weight in zip(ranges, weights, strict=True):
            part = weight * min(1.0, _MOST_OF_RANGE / traffic.requested)
            for provider, (requested, verified) in traffic.providers.items():
                for cell in _cells(traffic, provider):
                    sums[cell][0] += part * requested
                    sums[cell][1] += part * verified
        self._shares: dict[_Cell, float] = {}
        for cell in sorted(sums, key=len):
            requested_, verified_ = sums[cell]
            if cell:
                prior, strength = self._shares[cell[:-1]], _PRIOR_MESSAGES
            else:
                prior, strength = _FIRST_SHARE, _FIRST_MESSAGES
            share = (verified_ + prior * strength) / (requested_ + strength)
            self._shares[cell] = min(1 - _LEAST_SHARE, max(_LEAST_SHARE, share))

    def share(self, traffic: RangeTraffic) -> float:
        """Return the share that is usual for the country, carrier and providers of a range."""
        expected = 0.0
        for provider, (requested, _) in traffic.providers.items():
            expected += requested * self._shares[traffic.country, provider, traffic.carrier]
        return expected / traffic.requested


def spreads(
    ranges: Sequence[RangeTraffic], weights: Sequence[float], shares: Sequence[float], known: dict[str, float]
) -> dict[str, float]:
    """Return by country how much the shares of usual ranges differ: the correlation within a range.

    By moments: of a beta-binomial count, z² = (verified - n share)² / (n share (1 - share)) has the mean
    1 + (n - 1) spread. So the spread is the slope of z² - 1 over n - 1, each weighted with 1 over the
    variance of z². In ranges that were joined, only pairs of messages to the same one are correlated.
    Countries with few ranges are drawn to all countries.

    Args:
        ranges: in any order.
        weights: how probably each is a usual one.
        shares: the usual share of each.
        known: the spreads of the last round, by country.
    """
    sums: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for traffic, weight, share in zip(ranges, weights, shares, strict=True):
        requested = traffic.requested
        pairs = traffic.pairs / requested
        off = traffic.verified - requested * share
        square = off * off / (requested * share * (1 - share))
        part = weight * pairs / (1 + pairs * known.get(traffic.country, _FIRST_SPREAD)) ** 2
        for country in ("*", traffic.country):
            sums[country][0] += part * (square - 1)
            sums[country][1] += part * pairs
    overall = _spread(sums.pop("*", [0.0, 0.0]), _FIRST_SPREAD)
    return {country: _CAREFUL * _spread(some, overall) for country, some in sums.items()}


def _spread(sums: Iterable[float], prior: float) -> float:
    over, pairs = sums
    return min(_MOST_SPREAD, max(_LEAST_SPREAD, (over + prior * _PRIOR_PAIRS) / (pairs + _PRIOR_PAIRS)))


def _cells(traffic: RangeTraffic, provider: str) -> tuple[_Cell, ...]:
    """Return the groups of some messages, the largest first."""
    country = traffic.country
    return (), (country,), (country, provider), (country, provider, traffic.carrier)
