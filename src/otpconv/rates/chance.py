"""What chance alone explains: tails of beta-binomial counts, likelihood ratios, many tests at once. Pure."""

from collections.abc import Iterable
from math import erfc, exp, lgamma, log, sqrt

#: Longer tails are approximated by the normal distribution: an exact sum takes too long.
_LONGEST_SUM = 2_000
#: The distance of probabilities from 0 and 1 that keeps logarithms finite.
_TINY = 1e-9


def lower_tail(count: float, trials: float, rate: float, strength: float) -> float:
    """Return the probability of at most `count` successes in `trials`, where the rate itself is uncertain.

    The rate has a beta distribution with mean `rate` and the weight of `strength` trials, so the count is
    beta-binomial. See e.g. N. L. Johnson, "Univariate Discrete Distributions", chapter 6.

    Args:
        count: successes seen.
        trials: at least 1.
        rate: the rate to expect, 0 to 1.
        strength: the number of trials that the knowledge of the rate is worth, above 0.
    """
    rate = min(max(rate, _TINY), 1 - _TINY)
    a, b = rate * strength, (1 - rate) * strength
    seen = int(count)
    if seen > _LONGEST_SUM:
        variance = trials * rate * (1 - rate) * (trials + strength) / (strength + 1)
        return erfc((trials * rate - count - 0.5) / sqrt(2 * max(variance, _TINY))) / 2
    # Sum from the likeliest count outwards. The probability of 0 in many trials may underflow a float.
    start = min(seen, int(trials * rate))
    total = below = above = exp(_log_chance(start, trials, a, b))
    for i in range(start, 0, -1):
        below *= i * (trials - i + b) / ((trials - i + 1) * (a + i - 1))
        total += below
    for i in range(start, seen):
        if trials - i - 1 + b <= 0:
            break
        above *= (trials - i) * (a + i) / ((i + 1) * (trials - i - 1 + b))
        total += above
    return min(1.0, total)


def _log_chance(count: int, trials: float, a: float, b: float) -> float:
    """Return the logarithm of the beta-binomial probability of `count` in `trials`."""
    ways = -log(trials + 1) - _log_beta(count + 1, trials - count + 1)
    return ways + _log_beta(a + count, b + trials - count) - _log_beta(a, b)


def _log_beta(x: float, y: float) -> float:
    return lgamma(x) + lgamma(y) - lgamma(x + y)


def divergence(count: float, trials: float, rate: float) -> float:
    """Return by how many nats a rate of `count` / `trials` explains the count better than `rate`; 0 or more.

    This is the logarithm of the likelihood ratio of two binomial distributions.
    """
    rate = min(max(rate, _TINY), 1 - _TINY)
    share = min(max(count / trials, 0.0), 1.0)
    nats = 0.0
    if share > 0:
        nats += share * log(share / rate)
    if share < 1:
        nats += (1 - share) * log((1 - share) / (1 - rate))
    return max(0.0, nats * trials)


def false_discovery(chances: Iterable[float], tests: int, share: float) -> float:
    """Return the threshold at which, on average, at most `share` of the discoveries are false.

    A test whose probability is at or below the threshold is a discovery. This also holds for positively
    dependent tests, such as those of a part and of the whole. Y. Benjamini, Y. Hochberg, "Controlling the
    false discovery rate", J. R. Statist. Soc. B 57 (1995).

    Args:
        chances: the probabilities of the tests; those close to 1 may be left out.
        tests: the number of all tests.
        share: 0 to 1.

    Returns:
        The threshold; 0 when there is no discovery.
    """
    threshold = 0.0
    for place, chance in enumerate(sorted(chances), start=1):
        if chance <= share * place / tests:
            threshold = chance
    return threshold
