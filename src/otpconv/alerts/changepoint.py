"""Since when a slice has fallen: the profile likelihood over the times at which it may have begun. Pure."""

from collections.abc import Sequence
from math import exp, log

from msgspec import Struct

from otpconv.alerts.level import bounded

#: The share of the likelihood on either side of the interval: 95 % are within.
_TAIL = 0.025


class Slot(Struct, gc=False):
    """The messages of a slice in a short time.

    Attributes:
        start, length: ms.
        requested, verified: messages.
        expected: how many of them were to be verified.
    """

    start: int
    length: int
    requested: int
    verified: float
    expected: float


def began(slots: Sequence[Slot]) -> tuple[int, int, int]:
    """Return when a fall most likely began, and the 95 % interval of that, ms.

    The interval has 95 % of the likelihood of all times, each with the rate that explains what follows best.

    Args:
        slots: in order; at least one.
    """
    requested, verified, expected = 0, 0.0, 0.0
    evidence = []
    for slot in reversed(slots):
        requested += slot.requested
        verified += slot.verified
        expected += slot.expected
        evidence.append(divergence(requested, verified, expected))
    evidence.reverse()
    most = max(evidence)
    shares = [exp(nats - most) * slot.length for nats, slot in zip(evidence, slots, strict=True)]
    first = evidence.index(most)
    total, below = sum(shares), 0.0
    low, high = slots[first].start, slots[first].start
    for slot, share in zip(slots, shares, strict=True):
        if below <= _TAIL * total:
            low = min(slot.start, slots[first].start)
        if below < (1 - _TAIL) * total:
            high = max(slot.start + slot.length, slots[first].start)
        below += share
    return slots[first].start, low, high


def divergence(requested: int, verified: float, expected: float) -> float:
    """Return the logarithm of the likelihood ratio of the rate that was seen to the expected, if lower."""
    if not requested or verified >= expected:
        return 0.0
    usual = bounded(1 - expected / requested)
    failed = 1 - verified / requested
    if failed <= usual:
        return 0.0
    nats = failed * log(failed / usual)
    if verified:
        nats += (1 - failed) * log((1 - failed) / (1 - usual))
    return requested * nats
