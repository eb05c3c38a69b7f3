"""How long it takes to verify, read from counts by bucket; `model.delay_bin` says which bucket is which.

Within a bucket a delay is taken to be spread evenly over its logarithm, and under a second evenly over time.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import log2
from operator import add

from otpconv.model import DELAY_BINS

_SECOND_MS = 1000
#: Samples taken of a stretch of time to average over it.
_SAMPLES = 12


def total(counts: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Add counts bucket by bucket."""
    sums = (0,) * DELAY_BINS
    for each in counts:
        sums = tuple(map(add, sums, each))
    return sums


def quantile(counts: Sequence[int], share: float) -> int | None:
    """Return within how many ms `share` (0 to 1) of the messages were verified; None where none was.

    It is exact to the width of a bucket at worst, and for a smooth distribution to a few percent. The last
    bucket has no end: what falls in there is told as its beginning, 26 hours.
    """
    wanted, below = share * sum(counts), 0
    for bucket, count in enumerate(counts):
        if count and below + count >= wanted:
            return round(_time_at(bucket, (wanted - below) / count))
        below += count
    return None


def verified_within(counts: Sequence[int], age_ms: float) -> float:
    """Return F(age): the share of the verified messages, 0 to 1, that were verified within `age_ms`."""
    return _within(list(accumulate(counts, initial=0)), age_ms)


def mean_verified_within(counts: Sequence[int], youngest_ms: float, oldest_ms: float) -> float:
    """Return F averaged over messages whose ages are spread evenly between two ages, ms."""
    step = (oldest_ms - youngest_ms) / _SAMPLES
    below = list(accumulate(counts, initial=0))
    return sum(_within(below, youngest_ms + (n + 0.5) * step) for n in range(_SAMPLES)) / _SAMPLES


def _within(below: Sequence[int], age_ms: float) -> float:
    """Return F(age) by the sums of the counts before each bucket, and of all of them."""
    verified = below[-1]
    if age_ms <= 0 or not verified:
        return 0.0
    place = age_ms / _SECOND_MS if age_ms < _SECOND_MS else 1 + 2 * log2(age_ms / _SECOND_MS)
    bucket = min(int(place), DELAY_BINS - 1)
    part = 0.0 if bucket == DELAY_BINS - 1 else (place - bucket) * (below[bucket + 1] - below[bucket])
    return (below[bucket] + part) / verified


def _time_at(bucket: int, part: float) -> float:
    """Return the delay (ms) that `part` of a bucket stays below."""
    if bucket == 0:
        return part * _SECOND_MS
    return float(_SECOND_MS * 2 ** ((bucket - 1 + (0 if bucket == DELAY_BINS - 1 else part)) / 2))
