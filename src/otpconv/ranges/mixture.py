"""How probably each number range is pumped: a mixture of two beta-binomial distributions. Pure.

A usual range has the usual share of its country, carrier and providers. Of the messages to a pumped range,
only those of real users are verified as usual, almost none of the others. Expectation-maximisation: A. P.
Dempster, N. M. Laird, D. B. Rubin, "Maximum likelihood from incomplete data via the EM algorithm", Journal of
the Royal Statistical Society B 39 (1977).
"""

from collections import defaultdict
from collections.abc import Sequence
from math import exp, log

from msgspec import Struct

from otpconv.ranges.beta_binomial import log_likelihood
from otpconv.ranges.traffic import RangeTraffic
from otpconv.ranges.usual import Usual, spreads
from otpconv.storage import deadline
from otpconv.storage.contract import Span

#: The share of real users in a new range that is pumped, on average, and how much such ranges differ.
GENUINE, GENUINE_SPREAD = 0.06, 0.05
#: Fraud at least doubles the messages to a range: its usual users explain at most this share of them.
_MOST_GENUINE = 0.5
#: The share of pumped ranges before anything is known, and how many ranges it counts like: of all countries,
#: and of one country.
_FIRST_PUMPED, _PRIOR_RANGES, _PRIOR_RANGES_OF_COUNTRY = 0.005, 200.0, 200.0
#: Rounds at most, and the change of a posterior below which another round changes nothing that matters.
_ROUNDS, _SETTLED = 40, 1e-3


class Judged(Struct, frozen=True):
    """A number range and how probably it is pumped.

    Attributes:
        traffic: its messages.
        usual: the share of verified messages that is usual for its country, carrier and providers.
        posterior: the probability that it is pumped, 0 to 1.
    """

    traffic: RangeTraffic
    usual: float
    posterior: float


def judge(ranges: Sequence[RangeTraffic], span: Span) -> list[Judged]:
    """Return how probably each range is pumped, in the same order.

    Args:
        ranges: of all countries of an account: countries with few ranges borrow from the others.
        span: the window of their messages, ms.

    Raises:
        Unavailable: the time for the answer is over.
    """
    posteriors = [0.0] * len(ranges)
    shares: list[float] = []
    spread: dict[str, float] = {}
    pumped: dict[str, float] = {}
    for _ in range(_ROUNDS):
        deadline.check()
        weights = [1 - posterior for posterior in posteriors]
        usual = Usual(ranges, weights)
        shares = [usual.share(traffic) for traffic in ranges]
        spread = spreads(ranges, weights, shares, spread)
        pumped = _pumped(ranges, posteriors)
        last, posteriors = (
            posteriors,
            [
                _posterior(traffic, share, spread[traffic.country], pumped[traffic.country], span)
                for traffic, share in zip(ranges, shares, strict=True)
            ],
        )
        if all(abs(new - old) < _SETTLED for new, old in zip(posteriors, last, strict=True)):
            break
    return [Judged(*each) for each in zip(ranges, shares, posteriors, strict=True)]


def _pumped(ranges: Sequence[RangeTraffic], posteriors: Sequence[float]) -> dict[str, float]:
    """Return the share of pumped ranges by country."""
    sums: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for traffic, posterior in zip(ranges, posteriors, strict=True):
        sums[traffic.country][0] += posterior
        sums[traffic.country][1] += 1
    overall = (sum(posteriors) + _FIRST_PUMPED * _PRIOR_RANGES) / (len(posteriors) + _PRIOR_RANGES)
    return {
        country: (found + overall * _PRIOR_RANGES_OF_COUNTRY) / (number + _PRIOR_RANGES_OF_COUNTRY)
        for country, (found, number) in sums.items()
    }


def _posterior(traffic: RangeTraffic, share: float, spread: float, pumped: float, span: Span) -> float:
    genuine = max(GENUINE, _known_users(traffic, share, span))
    if genuine > _MOST_GENUINE:
        return 0.0
    requested, verified = traffic.requested, traffic.verified
    as_pumped = log_likelihood(verified, requested, share * genuine, GENUINE_SPREAD)
    as_usual = log_likelihood(verified, requested, share, spread)
    against = as_usual - as_pumped + log((1 - pumped) / pumped)
    return 1 / (1 + exp(min(700.0, against)))


def _known_users(traffic: RangeTraffic, share: float, span: Span) -> float:
    """Return how many of the messages its users of before explain, as a share.

    A carrier that fails loses the messages that its ranges always had. Fraud comes on top of them.
    """
    window = span[1] - span[0]
    since = max(window, span[0] - traffic.first_requested_at)
    return traffic.verified_before * window / since / (share * traffic.requested)
