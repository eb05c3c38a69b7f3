"""95 % confidence intervals of a rate, and of the difference of two rates. Pure."""

from math import sqrt

#: The normal distribution's 97.5 % point: two-sided 95 %.
Z = 1.959963984540054

#: Low and high end of a 95 % interval.
ConfidenceInterval = tuple[float, float]


def wilson(verified: int, requested: int) -> ConfidenceInterval | None:
    """Return Wilson's 95 % score interval of verified / requested; None where nothing was requested.

    E. B. Wilson, "Probable inference", JASA 22 (1927); recommended over Wald's for every sample size by
    Brown, Cai and DasGupta, Statistical Science 16 (2001).
    """
    return score(verified, requested, requested) if requested else None


def score(verified: int, expected: float, squares: float) -> ConfidenceInterval:
    """Return the 95 % score interval of the rate p where message i is verified by now with chance p * F_i.

    The interval has all p with (verified - p * expected)² <= Z² * (p * expected - p² * squares). It compares
    the deviation with the variance of a sum of unequal Bernoulli trials. With every F_i = 1 it is Wilson's.

    Args:
        verified: messages verified by now.
        expected: the sum of F_i, above 0.
        squares: the sum of F_i², less the variance of `expected` where F is itself an estimate.
    """
    a = expected * expected + Z * Z * squares
    if a <= 0:  # F is so uncertain that every rate is possible
        return 0.0, 1.0
    b = 2 * verified * expected + Z * Z * expected
    root = sqrt(max(0.0, b * b - 4 * a * verified * verified))
    # At 0 and at 1 the formula suffers from rounding. `verified` may exceed `expected` by chance.
    low = 0.0 if verified == 0 else min(1.0, (b - root) / (2 * a))
    return low, 1.0 if verified >= expected else min(1.0, (b + root) / (2 * a))


def newcombe(
    rate: float, around: ConfidenceInterval, before: float, around_before: ConfidenceInterval
) -> ConfidenceInterval:
    """Return the 95 % interval of rate - before, of two independent rates with their own 95 % intervals.

    For two Wilson intervals this is Newcombe's hybrid score interval: R. G. Newcombe, "Interval estimation
    for the difference between independent proportions", Statistics in Medicine 17 (1998), method 10.
    """
    change = rate - before
    low = change - sqrt((rate - around[0]) ** 2 + (around_before[1] - before) ** 2)
    high = change + sqrt((around[1] - rate) ** 2 + (before - around_before[0]) ** 2)
    return max(-1.0, low), min(1.0, high)
