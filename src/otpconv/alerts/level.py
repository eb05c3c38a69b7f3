"""How far the verified messages of one slice are from the usual, by a CUSUM of changing rates. Pure.

The usual rate changes with the hour, so each message adds the logarithm of its likelihood ratio. The limit is
that of a `cusum.Design` with the usual rate, so its run length is exact where the rate is constant.
"""

from functools import lru_cache
from math import ceil, log, log2

from msgspec import Struct

from otpconv.alerts.cusum import design_for

#: The falls to find soon: the rate falls to this share of the usual one, e.g. from 85 to 60 %, or nearly all
#: messages are lost. Each has a CUSUM.
FALL, LOSS = 0.7, 0.15
#: Shares of failures and numbers of messages are rounded so, to compute few limits.
_SHARES = 100
#: How far the gamma of a design may be from the optimum.
_ERROR = 0.04
#: The usual share of failures is between these.
_LEAST_FAILED, _MOST_FAILED = 0.01, 0.9
#: The chance to end a fall that lasts, and the chance to go on with one that has ended.
FALSE_END, FALSE_GOING_ON = 0.001, 0.05


class Level(Struct, gc=False, array_like=True):
    """The CUSUM of one slice.

    Attributes:
        nats: the level; above 0.
        since: when it last left 0, ms.
    """

    nats: float
    since: int


def is_testable(failed: float) -> bool:
    """Return whether so few messages fail that a fall can be seen."""
    return failed < _MOST_FAILED


def bounded(failed: float) -> float:
    """Return the closest share of failures for which there are tests."""
    return min(max(failed, _LEAST_FAILED), _MOST_FAILED)


def ratio(messages: int, verified: int, failed: float, left: float) -> float:
    """Return the logarithm of the likelihood ratio of a fall to no fall.

    Args:
        messages: how many were sent.
        verified: those of them that were verified.
        failed: the usual share of failures.
        left: the share of the usual rate that is left in a fall.
    """
    good = left * (1 - failed)
    return (messages - verified) * log((1 - good) / failed) + verified * log(left)


def information(failed: float) -> tuple[float, float]:
    """Return what a message in a fall adds on average, and how that depends on the usual share of failures.

    Returns:
        The divergence of a fall to no fall, nats; and by how much the evidence is overstated, as a share, for
        each unit by which the usual share of failures is really higher.
    """
    bad = 1 - FALL * (1 - failed)
    divergence = bad * log(bad / failed) + (1 - bad) * log(FALL)
    return divergence, (bad - failed) / (failed * (1 - failed)) / divergence


def limits_for(failed: float, messages: float) -> tuple[float, float]:
    """Return the levels at which a slice is found, by `FALL` and `LOSS`, for a budget of each CUSUM.

    Args:
        failed: the usual share of failures.
        messages: each is wrong once in so many messages, on average.
    """
    share, doublings = round(failed * _SHARES), ceil(log2(max(messages, 2)))
    return _limit(share, doublings, FALL), _limit(share, doublings, LOSS)


@lru_cache(maxsize=4096)
def _limit(share: int, doublings: int, left: float) -> float:
    failed = max(share, 1) / _SHARES
    design = design_for(failed, 1 - left * (1 - failed), 2.0**doublings, _ERROR)
    # A message that is verified lowers the level of a design by `down`.
    return design.limit * -log(left) / design.down
