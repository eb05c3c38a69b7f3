"""What chance alone explains: the lower tail of a beta-binomial count, and many tests at once."""

from collections.abc import Iterable
from math import erfc, exp, lgamma, log, sqrt

#: Longer tails use the normal distribution, because the sum would take too long.
_LONGEST_SUM = 2_000
#: A probability so close to 1 and 0 that logarithms stay finite.
_TINY = 1e-9


def lower_tail(count: float, trials: float, rate: float, strength: float) -> float:
    """Return the chance of at most `count` successes in `trials`, when the rate itself is uncertain.

    The rate follows a beta distribution with mean `rate` that is worth `strength` trials: the count is
    beta-binomial. See e.g. N. L. Johnson, "Univariate Discrete Distributions", chapter 6.

    Args:
        count: successes seen.
        trials: at least 1.
        rate: the rate to expect, 0 to 1.
        strength: above 0; how many trials the knowledge of the rate is worth.
    """
    rate = min(max(rate, _TINY), 1 - _TINY)
    a, b = rate * strength, (1 - rate) * strength
    seen = int(count)
    if seen > _LONGEST_SUM:
        variance = trials * rate * (1 - rate) * (trials + strength) / (strength + 1)
        return erfc((trials * rate - count - 0.5) / sqrt(2 * max(variance, _TINY))) / 2
    # From where it is likeliest, not from 0: the chance of 0 in many trials may be too small for a float.
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
    """Return the logarithm of the chance of `count` in `trials`, of a beta-binomial distribution."""
    ways = -log(trials + 1) - _log_beta(count + 1, trials - count + 1)
    return ways + _log_beta(a + count, b + trials - count) - _log_beta(a, b)


def _log_beta(x: float, y: float) -> float:
    return lgamma(x) + lgamma(y) - lgamma(x + y)


def divergence(count: float, trials: float, rate: float) -> float:
    """Return how many nats better a rate of `count` / `trials` explains the count than `rate`; 0 or more.

    It is the logarithm of the likelihood ratio of two binomial distributions.
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
    """Return the largest chance that counts as a discovery, so that at most `share` of them are false.

    Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", J. R. Statist. Soc. B 57 (1995). It
    also holds for tests that depend on each other positively, such as those of a part and of the whole.

    Args:
        chances: of the tests with any prospect; the others need not be given.
        tests: how many there were in all.
        share: 0 to 1.

    Returns:
        A threshold; 0 when nothing is a discovery.
    """
    threshold = 0.0
    for place, chance in enumerate(sorted(chances), start=1):
        if chance <= share * place / tests:
            threshold = chance
    return threshold
