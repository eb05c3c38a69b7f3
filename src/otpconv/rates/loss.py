"""The loss of a slice: verifications, those to expect, and whether chance explains the gap. Pure."""

from otpconv.rates.baseline import Leaf
from otpconv.rates.chance import divergence, lower_tail
from otpconv.rates.intervals import newcombe, wilson

#: A rate that is lower than expected by this share of it is not a drop yet.
_TOLERANCE = 0.07
#: The past counts as this many messages at most: rates also vary from day to day.
_STRONGEST, _WEAKEST = 500.0, 5.0
#: The least verifications to expect, and the least messages, for a slice to be judged.
_LEAST_EXPECTED, _LEAST_REQUESTED = 3.0, 5


def strength_of(known: int) -> float:
    """Return the weight, in messages, of an expectation that was learned from `known` messages."""
    return min(_STRONGEST, _WEAKEST + known)


class Loss:
    """The counts of one slice in one span of time, and the verifications to expect."""

    __slots__ = ("expected", "known", "requested", "verified")

    def __init__(self) -> None:
        self.requested = self.verified = self.known = 0
        self.expected = 0.0

    def add(self, leaf: Leaf) -> None:
        """Add the counts of one group."""
        self.requested += leaf.requested
        self.verified += leaf.verified
        self.expected += leaf.expected
        self.known += leaf.known

    def include(self, other: "Loss") -> None:
        """Add the counts of another span of time."""
        self.requested += other.requested
        self.verified += other.verified
        self.expected += other.expected
        self.known = max(self.known, other.known)

    @property
    def counts(self) -> bool:
        """Whether there are enough messages to judge."""
        return self.expected >= _LEAST_EXPECTED and self.requested >= _LEAST_REQUESTED

    @property
    def strength(self) -> float:
        """The weight of the expectation, in messages."""
        return strength_of(self.known)

    @property
    def ratio(self) -> float:
        """Verified / expected."""
        return self.verified / self.expected

    @property
    def chance(self) -> float:
        """The probability of so few verifications at the usual rate, minus the tolerance."""
        tolerated = self.expected * (1 - _TOLERANCE)
        if self.verified >= tolerated:
            return 1.0
        return lower_tail(self.verified, self.requested, tolerated / self.requested, self.strength)

    @property
    def evidence(self) -> float:
        """By how many nats a drop explains the count better."""
        return divergence(self.verified, self.requested, self.expected / self.requested)

    @property
    def lost(self) -> int:
        """The least number of lost verifications: the end of the 95 % interval that is nearer to none."""
        usual = min(1.0, self.expected / self.requested)
        seen = wilson(self.verified, self.requested)
        before = wilson(round(usual * self.strength), round(self.strength))
        if seen is None or before is None:
            return 0
        high = newcombe(self.verified / self.requested, seen, usual, before)[1]
        return max(0, round(-high * self.requested))
