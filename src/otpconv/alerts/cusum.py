"""The Bernoulli CUSUM: finds that failures became more frequent, after an exactly known run length. Pure.

Each trial that fails raises a level by `steps - down`, each other trial lowers it by `down`, to 0 at the
lowest. The CUSUM signals when the level reaches `limit`. This is B = max(0, B) + X - gamma of Reynolds and
Stoumbos (1999, Journal of Quality Technology 31(1), doi 10.1080/00224065.1999.11979900) in units of
1 / `steps`, with gamma = `down` / `steps`. So all levels are whole numbers, and the run length is that of a
finite Markov chain.
"""

from functools import lru_cache
from itertools import count
from math import ceil, log

from msgspec import Struct

from otpconv.errors import InvalidRequest

#: The most coefficients of the equations of a chain: a second of work, and 30 MB of memory.
MAX_COEFFICIENTS = 400_000


class Design(Struct, frozen=True):
    """When a CUSUM signals.

    Attributes:
        steps: levels of a unit; at least 2.
        limit: the level at which it signals.
        down: by how much a trial that does not fail lowers the level; below `steps`.
    """

    steps: int
    limit: int
    down: int = 1


def gamma_of(usual: float, bad: float) -> float:
    """Return gamma for the usual share of failures and the share to find.

    gamma = r1 / r2 with r1 = -ln((1 - p1) / (1 - p0)), r2 = ln(p1 (1 - p0) / (p0 (1 - p1))).

    Args:
        usual: p0, above 0 and below `bad`.
        bad: p1, below 1.
    """
    return -log((1 - bad) / (1 - usual)) / log(bad * (1 - usual) / (usual * (1 - bad)))


def steps_of(usual: float, bad: float) -> int:
    """Return 1 / gamma as a whole number; see `gamma_of`."""
    return max(2, round(1 / gamma_of(usual, bad)))


def run_length(share: float, design: Design) -> float:
    """Return after how many trials the CUSUM signals on average, starting at level 0.

    Solves (I - Q) x = 1 for the chain of levels exactly, by elimination in a band: a level depends on the one
    `down` below it and the one `steps - down` above it.

    Args:
        share: the share of failures, above 0 and at most 1.
        design: the CUSUM.
    """
    down, up = design.down, design.steps - design.down
    # x[i] = constants[i] + sum over j of rows[i][j] * x[i + 1 + j]
    constants: list[float] = []
    rows: list[list[float]] = []
    for level in range(design.limit):
        # x[level] = constant + sum over j of part[j] * x[lowest + j]
        lowest = max(0, level - down)
        part = [0.0] * (level + up - lowest + 1)
        part[0], part[-1] = 1 - share, part[-1] + share
        constant = 1.0
        for lower in range(lowest, level):
            weight = part[lower - lowest]
            if weight:
                constant += weight * constants[lower]
                for place, value in enumerate(rows[lower], lower - lowest + 1):
                    part[place] += weight * value
        # All parts add up to 1. Adding those above is exact where 1 - part[level - lowest] would not be:
        # W. K. Grassmann, M. I. Taksar, D. P. Heyman, Operations Research 33 (1985).
        above = part[level - lowest + 1 :]
        scale = sum(above)
        constants.append(constant / scale)
        rows.append([value / scale for value in above])
    lengths = [0.0] * (design.limit + up)
    for level in range(design.limit - 1, -1, -1):
        pairs = zip(rows[level], lengths[level + 1 : level + 1 + up], strict=True)
        lengths[level] = constants[level] + sum(value * length for value, length in pairs)
    return lengths[0]


@lru_cache(maxsize=4096)
def design_for(usual: float, bad: float, trials: float, error: float | None = None) -> Design:
    """Return the CUSUM with the lowest limit that signals once in so many trials while nothing is wrong.

    Args:
        usual: p0, the usual share of failures; above 0 and below `bad`.
        bad: p1, the share to find soon; below 1.
        trials: the budget: at most one false alarm in so many trials on average.
        error: how far gamma may be from the optimum, as a share of gamma and of 1 - gamma: with less, the
            chain is longer. By default, gamma is 1 / `steps_of`.

    Raises:
        InvalidRequest: the budget needs a longer chain than can be solved.
    """
    steps, down = (steps_of(usual, bad), 1) if error is None else _steps_for(gamma_of(usual, bad), error)

    def length(limit: int) -> float:
        if limit * steps > MAX_COEFFICIENTS:
            raise InvalidRequest(
                f"One false alarm in {trials:,.0f} messages needs too long a chain at failure shares of"
                f" {usual:.4f} and {bad:.4f}. Allow more false alarms, or look for a larger fall."
            )
        return log(run_length(usual, Design(steps, limit, down)))

    wanted = log(trials)
    low, low_length, high, high_length = 0, 0.0, steps, length(steps)
    while high_length < wanted:
        low, low_length, high = high, high_length, 2 * high
        high_length = length(high)
    while high - low > 1:
        # The logarithm of the run length is nearly linear in the limit.
        middle = low + ceil((high - low) * (wanted - low_length) / (high_length - low_length))
        middle = min(max(middle, low + 1), high - 1)
        between = length(middle)
        if between < wanted:
            low, low_length = middle, between
        else:
            high, high_length = middle, between
    return Design(steps, high, down)


def _steps_for(gamma: float, error: float) -> tuple[int, int]:
    """Return the smallest `steps`, and `down`, so that `down` / `steps` is close enough to gamma."""
    downs = ((steps, min(max(1, round(gamma * steps)), steps - 1)) for steps in count(2))
    return next(
        (steps, down) for steps, down in downs if abs(down / steps - gamma) <= error * min(gamma, 1 - gamma)
    )
