"""How sure it is that the messages of one slice are verified less often than usual, by two CUSUMs. Pure.

A level is a share of the limit of a `cusum.Design`: at 1, the slice is found. The usual rate changes with the
hour and the mix of routes, and the design with it; where they are constant, the run length is exact.
"""

from functools import lru_cache
from math import ceil, log, log2, sqrt

from msgspec import Struct

from otpconv.alerts.cusum import design_for
from otpconv.alerts.past import OWN_WEIGHT

#: The falls to find soon: the rate falls to this share of the usual one, e.g. from 85 to 60 %, or nearly all
#: messages are lost. Each has a CUSUM, with this share of the budget: the second one finds a loss after a few
#: messages even with a small budget.
FALL, LOSS = 0.7, 0.15
#: The shares of the budget.
_OF_FALL, _OF_LOSS = 0.75, 0.25
#: Budgets are rounded up to powers of the square root of 2, to compute few designs.
_PER_DOUBLING = 2
#: How far gamma of a design may be from the optimum.
_ERROR = 0.04
#: The usual share of failures is rounded up to a multiple of 1 / _SHARES, to compute few designs.
_SHARES = 200
#: The usual share of failures for which there are tests, at least and at most.
_LEAST_FAILED, _MOST_FAILED = 0.01, 0.9
#: By how much a rate differs from day to day, and from hour to hour where little is known of it: standard
#: deviations.
_VARIATION, _HOURLY = 0.005, 0.02
#: The most standard errors that the usual share of failures is raised by.
_SURE = 2.0
#: The chance to end a fall that lasts, and the chance to go on with one that has ended.
_FALSE_END, _FALSE_GOING_ON = 0.001, 0.05
#: The logarithms of the bounds of Wald's test (see sprt.py) between which a fall has neither ended nor not.
ENDED, GOES_ON = log(_FALSE_END / (1 - _FALSE_GOING_ON)), log((1 - _FALSE_END) / _FALSE_GOING_ON)


class Level(Struct, gc=False, array_like=True):
    """The level of one slice.

    Attributes:
        level: above 0.
        since: when it last left 0, ms.
    """

    level: float
    since: int


class Weights(Struct, frozen=True, gc=False):
    """By how much a message raises or lowers the levels of `FALL` and `LOSS`."""

    fall_up: float
    fall_down: float
    loss_up: float
    loss_down: float


def is_testable(failed: float) -> bool:
    """Return whether so few messages fail that a fall can be seen."""
    return failed < _MOST_FAILED


def bounded(failed: float) -> float:
    """Return the closest share of failures for which there are tests."""
    return min(max(failed, _LEAST_FAILED), _MOST_FAILED)


def weights_for(failed: float, budget: int) -> Weights:
    """Return what a message weighs, so that a slice is wrongly found as often as its budget says, on average.

    Args:
        failed: the usual share of failures, bounded.
        budget: see `budget_of`.
    """
    return _weights(ceil(failed * _SHARES - 1e-9), budget)


def budget_of(messages: float) -> int:
    """Return the budget of a slice that may be wrongly found once in so many messages."""
    return ceil(_PER_DOUBLING * log2(max(messages, 2)))


def ratio(messages: int, verified: float, failed: float) -> float:
    """Return the logarithm of the likelihood ratio of `FALL` to no fall.

    Args:
        messages: how many were sent.
        verified: those of them that were verified.
        failed: the usual share of failures.
    """
    return (messages - verified) * log((1 - FALL * (1 - failed)) / failed) + verified * log(FALL)


def margin(failed: float, total: float, day: float, budget: int) -> float:
    """Return by how much to raise the usual share of failures, since it is learned.

    If it is really higher by e, a CUSUM is wrong exp(c e) times as often. So over an error with the variance
    v, it is wrong exp(c^2 v / 2) times as often: as if it were higher by c v / 2.

    Args:
        failed: the usual share of failures.
        total: how many messages it was learned from.
        day: those of them at this hour of the day.
        budget: see `budget_of`.
    """
    failed = bounded(failed)
    spread = failed * (1 - failed)
    hourly = 1 / (_HOURLY**-2 + day / spread)
    variance = spread / (OWN_WEIGHT + total) + hourly + _VARIATION**2
    bad = 1 - FALL * (1 - failed)
    divergence = bad * log(bad / failed) + (1 - bad) * log(FALL)
    growth = budget / _PER_DOUBLING * log(2) * (bad - failed) / spread / divergence
    return min(growth * variance / 2, _SURE * sqrt(variance))


# The designs that are kept, as a watch needs the same ones each minute.
@lru_cache(maxsize=16_384)
def _weights(share: int, budget: int) -> Weights:
    failed = share / _SHARES
    fall, loss = (
        design_for(failed, 1 - left * (1 - failed), 2 ** (budget / _PER_DOUBLING) / of, _ERROR)
        for left, of in ((FALL, _OF_FALL), (LOSS, _OF_LOSS))
    )
    return Weights(
        (fall.steps - fall.down) / fall.limit,
        fall.down / fall.limit,
        (loss.steps - loss.down) / loss.limit,
        loss.down / loss.limit,
    )
