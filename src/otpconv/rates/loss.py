"""The loss of a slice: what it verified, beside what was to be expected, and whether chance explains that."""

from otpconv.rates.baseline import Leaf
from otpconv.rates.chance import divergence, lower_tail
from otpconv.rates.intervals import difference, wilson

#: A rate may be this much lower than expected, in proportion, without being a drop.
_TOLERANCE = 0.07
#: Rates move from day to day by more than chance: no past is worth more messages than this.
_STRONGEST, _WEAKEST = 500.0, 5.0
#: A slice is looked at when so many verifications are expected of so many messages.
_LEAST_EXPECTED, _LEAST_REQUESTED = 3.0, 5


def strength_of(known: int) -> float:
    """Return how many messages an expectation is worth that was learned from `known` messages."""
    return min(_STRONGEST, _WEAKEST + known)


class Loss:
    """What the groups of one slice verified in one stretch of time, beside what was to be expected."""

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
        """Add another stretch of time."""
        self.requested += other.requested
        self.verified += other.verified
        self.expected += other.expected
        self.known = max(self.known, other.known)

    @property
    def counts(self) -> bool:
        """Whether it is of so many messages that it can be judged."""
        return self.expected >= _LEAST_EXPECTED and self.requested >= _LEAST_REQUESTED

    @property
    def strength(self) -> float:
        """How many messages the expectation is worth."""
        return strength_of(self.known)

    @property
    def ratio(self) -> float:
        """Verified by expected."""
        return self.verified / self.expected

    @property
    def chance(self) -> float:
        """The chance of so few verifications when the rate is as usual, less the tolerance."""
        tolerated = self.expected * (1 - _TOLERANCE)
        if self.verified >= tolerated:
            return 1.0
        return lower_tail(self.verified, self.requested, tolerated / self.requested, self.strength)

    @property
    def evidence(self) -> float:
        """How much better a drop explains the count, nats."""
        return divergence(self.verified, self.requested, self.expected / self.requested)

    @property
    def lost(self) -> int:
        """Verifications lost, at least."""
        usual = min(1.0, self.expected / self.requested)
        seen = wilson(self.verified, self.requested)
        before = wilson(round(usual * self.strength), round(self.strength))
        if seen is None or before is None:
            return 0
        high = difference(self.verified / self.requested, seen, usual, before)[1]
        return max(0, round(-high * self.requested))
