"""One row of an answer: the counts of a slot and group, and what they come to."""

from collections.abc import Sequence

from msgspec import Struct

from otpconv.rates.delays import quantile, total
from otpconv.rates.intervals import Interval, difference, wilson
from otpconv.rates.maturity import Expected, Maturity, Young, expected
from otpconv.storage.contract import Tally


class Cell(Struct):
    """What the rollups hold of one slot and group.

    Attributes:
        tally: the counts.
        delays: how long it took to verify, by bucket; empty where nothing was requested.
        young: the part that is not mature, by the ages (ms) its messages are between.
    """

    tally: Tally = Tally()
    delays: tuple[int, ...] = ()
    young: dict[tuple[int, int], Tally] = {}

    def add(self, other: "Cell") -> None:
        """Take in the counts of another one."""
        self.tally += other.tally
        self.delays = (
            total((self.delays, other.delays))
            if self.delays and other.delays
            else self.delays or other.delays
        )
        for ages, tally in other.young.items():
            self.add_young(ages, tally)

    def add_young(self, ages: tuple[int, int], tally: Tally) -> None:
        """Take in counts that are not mature, and are in `tally` already."""
        self.young[ages] = self.young.get(ages, Tally()) + tally


class Side(Struct, frozen=True):
    """A rate, what it is of, and how sure it is.

    Attributes:
        requested: messages, first attempts or sessions.
        verified: those of them that were verified, whenever that was.
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
    def interval(self) -> Interval | None:
        """Wilson's 95 % interval of `rate`."""
        return wilson(self.verified, self.requested)


class RateRow(Struct, frozen=True):
    """The conversion rate of one slot and group, and what goes with it.

    Attributes:
        start: of the slot, ms; None when the question has no interval.
        group: values of the dimensions asked for, in the order of the question's `by`; "" is "not told".
        others: of the row for all groups without a row of their own, how many they are; else 0.
        now: the rate and its counts, at the level asked for.
        messages: messages requested, at whatever level.
        reported: those of them that any conversion was reported of, true or false.
        times_ms: within how long 50, 90 and 99 % of the verified messages were; None where none was.
        before: what it is compared with; None when the question compares nothing.
    """

    start: int | None
    group: tuple[str, ...]
    others: int
    now: Side
    messages: int
    reported: int
    times_ms: tuple[int | None, int | None, int | None]
    before: Side | None = None

    @property
    def requested(self) -> int:
        """How many, at the level asked for."""
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
    def reported_share(self) -> float | None:
        """The share of the messages that anything was reported of, 0 to 1."""
        return self.reported / self.messages if self.messages else None

    @property
    def change(self) -> float | None:
        """The difference of the expected rates, now less before; None where either is not known."""
        if self.before is None or self.now.expected is None or self.before.expected is None:
            return None
        return self.now.expected.rate - self.before.expected.rate

    @property
    def change_interval(self) -> Interval | None:
        """The 95 % interval of `change`."""
        if self.before is None or self.now.expected is None or self.before.expected is None:
            return None
        now, before = self.now.expected, self.before.expected
        return difference(now.rate, now.interval, before.rate, before.interval)


def side(cell: Cell, level: str, maturity: Maturity | None) -> Side:
    """Return what a cell comes to at a level; without a maturity all of it is mature."""
    requested, verified = counted(cell.tally, level)
    young = [Young(*ages, *counted(tally, level)) for ages, tally in cell.young.items()]
    young = [each for each in young if each.requested]
    pending = sum(each.requested - each.verified for each in young)
    return Side(requested, verified, pending, _expected(requested, verified, young, level, maturity))


def row(start: int | None, group: tuple[str, ...], cell: Cell, now: Side, others: int = 0) -> RateRow:
    """Return the row of a cell, compared with nothing."""
    times = quantile(cell.delays, 0.5), quantile(cell.delays, 0.9), quantile(cell.delays, 0.99)
    return RateRow(start, group, others, now, cell.tally.requested, cell.tally.reported, times)


def counted(tally: Tally, level: str) -> tuple[int, int]:
    """Return what was requested and verified at a level of `LEVELS`."""
    if level == "first_attempt":
        return tally.first_requested, tally.first_verified
    if level == "session":
        return tally.sessions, tally.sessions_verified
    return tally.requested, tally.verified


def _expected(
    requested: int, verified: int, young: Sequence[Young], level: str, maturity: Maturity | None
) -> Expected | None:
    if not young:
        interval = wilson(verified, requested)
        return Expected(verified / requested, interval) if interval else None
    # A session waits for its resends too: how long that takes is not counted.
    if maturity is None or level == "session":
        return None
    return expected(verified, requested, young, maturity)
