"""The beta-binomial distribution: counts whose share itself varies. Pure."""

from math import lgamma


def log_likelihood(verified: int, requested: int, mean: float, spread: float) -> float:
    """Return ln P(verified of requested), but for the binomial coefficient, which comparisons don't need.

    J. G. Skellam, "A probability distribution derived from the binomial distribution …", Journal of the Royal
    Statistical Society B 10 (1948).

    Args:
        verified: of the messages.
        requested: the messages.
        mean: the mean share, above 0 and below 1.
        spread: the correlation of two messages of the same range, above 0 and below 1. The share has a beta
            distribution with a + b = 1 / spread - 1.
    """
    both = 1 / spread - 1
    a = mean * both
    b = both - a
    return (
        lgamma(verified + a)
        + lgamma(requested - verified + b)
        - lgamma(requested + both)
        + lgamma(both)
        - lgamma(a)
        - lgamma(b)
    )
