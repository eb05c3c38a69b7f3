"""One row of an answer: a conversion rate, its counts, and how sure it is. Pure."""

from msgspec import Struct

from otpconv.money import MICROS
from otpconv.rates.cost import Cost
from otpconv.rates.intervals import ConfidenceInterval, newcombe, wilson
from otpconv.rates.maturity import Expected
from otpconv.rates.slices import Group


class Side(Struct, frozen=True):
    """A rate with its counts; one row has one for its window, and one for the window before.

    Attributes:
        requested: messages, first attempts or sessions.
        verified: those of them that were verified, at any time.
        pending: those of them that are younger than the maturity horizon and not verified.
        expected: the rate when all of them are mature; None where that would be a guess.
    """

    requested: int
    verified: int
    pending: int
    expected: Expected | None

    @property
    def rate(self) -> float | None:
        """The share of the requested that were verified, 0 to 1; None where nothing was requested."""
        return self.verified / self.requested if self.requested else None

    @property
    def interval(self) -> ConfidenceInterval | None:
        """Wilson's 95 % interval of `rate`."""
        return wilson(self.verified, self.requested)


class SameMix(Struct, frozen=True):
    """The change of a rate where the mix of messages is the same in both windows; see `mix.py`.

    Attributes:
        change: now minus before, -1 to 1.
        interval: its 95 % interval.
        share: the share of the requested that could be compared, 0 to 1.
    """

    change: float
    interval: ConfidenceInterval
    share: float


class FlaggedCount(Struct, frozen=True):
    """The messages of a row that are to number ranges that look like fraud."""

    requested: int = 0
    verified: int = 0


class RateRow(Struct, frozen=True):
    """The conversion rate of one slot and group.

    Attributes:
        start: of the slot, ms; None when the question has no interval.
        group: values of the dimensions asked for, in the order of the question's `by`; "" is "unknown".
        others: in the row for all groups without a row of their own, the number of these groups; else 0.
        now: the rate and its counts, at the level asked for.
        messages: messages requested, at any level.
        reported: those of them with any conversion reported, true or false.
        times_ms: within how long 50, 90 and 99 % of the verified messages were verified; None where none was.
        before: what it is compared with; None when the question compares nothing.
        same_mix: the change with the mix held constant; None where nobody asked, or where too few messages
            are comparable.
        receipted: messages with a receipt that says something about delivery.
        delivered: those of them that the vendor says were delivered.
        delivered_verified: those of the delivered ones that were verified.
        costs: what the messages cost, by currency; None when nobody asked.
        verified_for_cost: what a cost is divided by: verified messages or sessions; 0 where a rate has no
            cost of its own.
        flagged: the messages to number ranges that look like fraud; None when nobody asked, or where they
            can't be counted.
    """

    start: int | None
    group: Group
    others: int
    now: Side
    messages: int
    reported: int
    times_ms: tuple[int | None, int | None, int | None]
    before: Side | None = None
    same_mix: SameMix | None = None
    receipted: int = 0
    delivered: int = 0
    delivered_verified: int = 0
    costs: tuple[Cost, ...] | None = None
    verified_for_cost: int = 0
    flagged: FlaggedCount | None = None

    @property
    def requested(self) -> int:
        """How many were requested, at the level asked for."""
        return self.now.requested

    @property
    def verified(self) -> int:
        """How many of them were verified."""
        return self.now.verified

    @property
    def rate(self) -> float | None:
        """The share of the requested that were verified, 0 to 1."""
        return self.now.rate

    @property
    def rate_without_flagged(self) -> float | None:
        """The rate of the messages to ranges that are not flagged; None if there are none or nobody asked."""
        if self.flagged is None or self.requested <= self.flagged.requested:
            return None
        return (self.verified - self.flagged.verified) / (self.requested - self.flagged.requested)

    @property
    def reported_share(self) -> float | None:
        """The share of the messages with any conversion reported, 0 to 1."""
        return self.reported / self.messages if self.messages else None

    @property
    def delivered_share(self) -> float | None:
        """The share of the messages with a receipt that were delivered, 0 to 1."""
        return self.delivered / self.receipted if self.receipted else None

    @property
    def rate_of_delivered(self) -> float | None:
        """The share of the delivered messages that were verified, 0 to 1."""
        return self.delivered_verified / self.delivered if self.delivered else None

    @property
    def unpriced(self) -> int | None:
        """The messages whose price is not known, so that no cost includes them; None when nobody asked."""
        if self.costs is None:
            return None
        return self.messages - sum(cost.messages for cost in self.costs)

    @property
    def cost(self) -> Cost | None:
        """What the messages cost, if it is in one currency."""
        return self.costs[0] if self.costs and len(self.costs) == 1 else None

    def per_verified(self, cost: Cost) -> float | None:
        """Return a cost, in units of its currency, divided by the verified messages or sessions."""
        return cost.micros / MICROS / self.verified_for_cost if self.verified_for_cost else None

    @property
    def change(self) -> float | None:
        """The difference of the expected rates, now minus before; None where one of them is unknown."""
        if self.before is None or self.now.expected is None or self.before.expected is None:
            return None
        return self.now.expected.rate - self.before.expected.rate

    @property
    def change_interval(self) -> ConfidenceInterval | None:
        """The 95 % interval of `change`."""
        if self.before is None or self.now.expected is None or self.before.expected is None:
            return None
        now, before = self.now.expected, self.before.expected
        return newcombe(now.rate, now.interval, before.rate, before.interval)
