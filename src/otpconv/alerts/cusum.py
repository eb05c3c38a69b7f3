"""The Bernoulli CUSUM: finds that failures became more frequent, after an exactly known run length. Pure.

Each trial that fails raises a level by `steps - 1`, each other trial lowers it by 1, to 0 at the lowest. The
CUSUM signals when the level reaches `limit`. This is B = max(0, B) + X - gamma of Reynolds and Stoumbos
(1999, Journal of Quality Technology 31(1), doi 10.1080/00224065.1999.11979900) in units of gamma, which is
1 / `steps`. So all levels are whole numbers, and the run length is that of a finite Markov chain.
"""

from functools import lru_cache
from math import log

from msgspec import Struct

from otpconv.errors import InvalidRequest

#: The most coefficients of the equations of a chain: a second of work, and 30 MB of memory.
MAX_COEFFICIENTS = 400_000


class Design(Struct, frozen=True):
    """When a CUSUM signals.

    Attributes:
        steps: 1 / gamma; at least 2.
        limit: the level at which it signals.
    """

    steps: int
    limit: int


def steps_of(usual: float, bad: float) -> int:
    """Return 1 / gamma for the usual share of failures and the share to find, as a whole number.

    gamma = r1 / r2 with r1 = -ln((1 - p1) / (1 - p0)), r2 = ln(p1 (1 - p0) / (p0 (1 - p1))).

    Args:
        usual: p0, above 0 and below `bad`.
        bad: p1, below 1.
    """
    r1 = -log((1 - bad) / (1 - usual))
    r2 = log(bad * (1 - usual) / (usual * (1 - bad)))
    return max(2, round(r2 / r1))


def run_length(share: float, design: Design) -> float:
    """Return after how many trials the CUSUM signals on average, starting at level 0.

    Solves (I - Q) x = 1 for the chain of levels exactly, by elimination: each level is expressed by the next
    `steps - 1` higher ones.

    Args:
        share: the share of failures, above 0 and at most 1.
        design: the CUSUM.
    """
    width = design.steps - 1
    lower, failed = 1 - share, share
    # x[i] = constants[i] + sum over j of rows[i][j] * x[i + 1 + j]
    constants, rows = [1 / failed], [[0.0] * (width - 1) + [1.0]]
    for _ in range(1, design.limit):
        above = rows[-1]
        scale = 1 - lower * above[0]
        constants.append((1 + lower * constants[-1]) / scale)
        rows.append([*(lower * value / scale for value in above[1:]), failed / scale])
    lengths = [0.0] * (design.limit + width)
    for level in range(design.limit - 1, -1, -1):
        row = rows[level]
        lengths[level] = constants[level] + sum(
            value * length for value, length in zip(row, lengths[level + 1 : level + 1 + width], strict=True)
        )
    return lengths[0]


@lru_cache(maxsize=4096)
def design_for(usual: float, bad: float, trials: float) -> Design:
    """Return the CUSUM with the lowest limit that signals once in so many trials while nothing is wrong.

    Args:
        usual: p0, the usual share of failures; above 0 and below `bad`.
        bad: p1, the share to find soon; below 1.
        trials: the budget: at most one false alarm in so many trials on average.

    Raises:
        InvalidRequest: the budget needs a longer chain than can be solved.
    """
    steps = steps_of(usual, bad)
    low, high = 0, steps
    while high * steps <= MAX_COEFFICIENTS and run_length(usual, Design(steps, high)) < trials:
        low, high = high, 2 * high
    if high * steps > MAX_COEFFICIENTS:
        raise InvalidRequest(
            f"One false alarm in {trials:,.0f} messages needs too long a chain at failure shares of"
            f" {usual:.4f} and {bad:.4f}. Allow more false alarms, or look for a larger fall."
        )
    while high - low > 1:
        middle = (low + high) // 2
        if run_length(usual, Design(steps, middle)) < trials:
            low = middle
        else:
            high = middle
    return Design(steps, high)
