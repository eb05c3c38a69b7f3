"""How long it takes to verify, from counts by bin; `model.delay_bin` defines the bins. Pure.

Within a bin, the delays are assumed to be uniform in their logarithm; under a second, uniform in time.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import log2
from operator import add

from otpconv.model import DELAY_BINS

_SECOND_MS = 1000
#: Samples for the mean over a range of ages.
_SAMPLES = 12


def total(counts: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Add counts bin by bin."""
    sums = (0,) * DELAY_BINS
    for bins in counts:
        sums = tuple(map(add, sums, bins))
    return sums


def quantile(counts: Sequence[int], share: float) -> int | None:
    """Return the delay (ms) within which `share` (0 to 1) of the messages were verified; None if none was.

    The error is a few percent for a smooth distribution, and one bin at most. The last bin is open: its
    delays are returned as its start, 26 hours.
    """
    wanted, below = share * sum(counts), 0
    for place, count in enumerate(counts):
        if count and below + count >= wanted:
            return round(_time_at(place, (wanted - below) / count))
        below += count
    return None


def verified_within(counts: Sequence[int], age_ms: float) -> float:
    """Return F(age): the share of the verified messages, 0 to 1, that were verified within `age_ms`."""
    return _within(list(accumulate(counts, initial=0)), age_ms)


def mean_verified_within(counts: Sequence[int], youngest_ms: float, oldest_ms: float) -> float:
    """Return the mean of F over messages whose ages are uniform between two ages, ms."""
    step = (oldest_ms - youngest_ms) / _SAMPLES
    below = list(accumulate(counts, initial=0))
    return sum(_within(below, youngest_ms + (n + 0.5) * step) for n in range(_SAMPLES)) / _SAMPLES


def _within(below: Sequence[int], age_ms: float) -> float:
    """Return F(age), given the number of verified messages below each bin, and of all."""
    verified = below[-1]
    if age_ms <= 0 or not verified:
        return 0.0
    position = age_ms / _SECOND_MS if age_ms < _SECOND_MS else 1 + 2 * log2(age_ms / _SECOND_MS)
    place = min(int(position), DELAY_BINS - 1)
    part = 0.0 if place == DELAY_BINS - 1 else (position - place) * (below[place + 1] - below[place])
    return (below[place] + part) / verified


def _time_at(place: int, part: float) -> float:
    """Return the delay (ms) below which `part` (0 to 1) of a bin lies."""
    if place == 0:
        return part * _SECOND_MS
    return float(_SECOND_MS * 2 ** ((place - 1 + (0 if place == DELAY_BINS - 1 else part)) / 2))
