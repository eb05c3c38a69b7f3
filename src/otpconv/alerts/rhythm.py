"""The usual number of messages of a slice, by hour of the week. Pure.

Each hour of the week has a mean over the past weeks. Until it has been seen, the same hour of other days
stands for it. The level of the last days raises or lowers all hours, so growth is usual. An hour with far
more or far fewer messages than usual counts only in part, so a failure or a campaign hardly changes it.
"""

from array import array
from itertools import pairwise
from math import log, sqrt
from typing import Final

from msgspec import Struct

from otpconv.rates.intervals import Z
from otpconv.storage.contract import HOUR_MS

#: Hours of a week and of a day.
WEEK: Final = 7 * 24
_DAY = 24
#: An hour of the week changes by this share of the difference, once it has been seen more often.
_CHANGE = 0.3
#: The same hour of other days counts as much as this share of a week.
_OTHER_DAYS = 0.5
#: The level forgets half within these hours.
_LEVEL_HALF = 36.0
#: An hour counts as at most and at least so many times the usual.
_MOST, _LEAST = 2.0, 0.4
#: The level that raises all hours, and the expected messages with which it starts.
_LEVELS, _LEVEL_START = (0.1, 10.0), 20.0
#: How much hours vary beyond chance, squared: at least, at the start, and the weight of the start.
_VARIES, _VARIES_START, _VARIES_WEIGHT = 0.02, 0.06, 400.0
#: It forgets half within a month.
_VARIES_KEPT = 0.5 ** (1 / (28 * _DAY))
#: A slice with fewer messages in a month is forgotten.
_FORGOTTEN = 0.5
_NOTHING = -1.0


class Rhythm:
    """The usual of one slice.

    Attributes:
        hours: for how many hours it is known.
        varies: the variance of the number of messages of an hour, beyond chance, divided by the square of its
            mean: the 1 / k of a negative binomial distribution.
        requested, verified: messages of the last weeks; the older ones count less.
    """

    def __init__(self) -> None:
        self.hours = 0
        self.requested = self.verified = 0.0
        self._cells = array("f", [_NOTHING]) * WEEK
        self._observed = self._usual = 0.0
        self._beyond, self._squares = _VARIES_START * _VARIES_WEIGHT, _VARIES_WEIGHT

    @property
    def varies(self) -> float:
        """See the attributes of the class."""
        return max(_VARIES, self._beyond / self._squares)

    @property
    def level(self) -> float:
        """By how much the last days raise or lower all hours."""
        level = (self._observed + _LEVEL_START) / (self._usual + _LEVEL_START)
        return min(max(level, _LEVELS[0]), _LEVELS[1])

    @property
    def is_forgotten(self) -> bool:
        """Whether it has next to no messages."""
        return self.requested < _FORGOTTEN

    def learn(self, hour: int, requested: int, verified: int, *, is_usual: bool = True) -> None:
        """Add an hour; every hour since the first one is to be added.

        Args:
            hour: since 1970, UTC; later than the one before.
            requested: its messages.
            verified: those of them that were verified.
            is_usual: False while something is wrong: then only time passes.
        """
        self.hours += 1
        if not is_usual:
            return
        kept = 0.5 ** (1 / (28 * _DAY))
        self.requested = self.requested * kept + requested
        self.verified = self.verified * kept + verified
        base = self._base(hour)
        seen = float(requested)
        if base > 0 and self.hours > WEEK:
            expected = base * self.level
            seen = min(max(seen, _LEAST * expected), _MOST * expected + 1)
            off = min(max(requested, _LEAST * expected), _MOST * expected + 1) - expected
            self._beyond = self._beyond * _VARIES_KEPT + max(0.0, off * off - expected)
            self._squares = self._squares * _VARIES_KEPT + expected * expected
        if base > 0 and self.hours > _DAY:
            kept = 0.5 ** (1 / _LEVEL_HALF)
            self._observed = self._observed * kept + seen
            self._usual = self._usual * kept + base
        cell = self._cells[hour % WEEK]
        weeks = self.hours // WEEK
        without_level = seen / self.level if self.hours > WEEK else seen
        change = max(_CHANGE, 1 / (1 + weeks)) if cell != _NOTHING else 1.0
        self._cells[hour % WEEK] = (0.0 if cell == _NOTHING else cell) * (1 - change) + without_level * change

    def around(self, time: int) -> tuple[float, float, float]:
        """Return the messages of an hour at the rhythm of a time, ms: at least, usually, at most.

        The first and the last allow for a shift by one hour, e.g. by daylight saving time.
        """
        at = time / HOUR_MS - 0.5
        hour, part = int(at), at - int(at)
        bases = [self._base(hour + n) for n in (-1, 0, 1, 2)]
        level = self.level
        between = [level * (a + part * (b - a)) for a, b in pairwise(bases)]
        return min(between), between[1], max(between)

    def state(self) -> object:
        """Return what `restored` needs, for msgspec."""
        numbers = (self.requested, self.verified, self._observed, self._usual, self._beyond, self._squares)
        return self.hours, numbers, self._cells.tobytes()

    @classmethod
    def restored(cls, state: "RhythmState") -> "Rhythm":
        """Return the rhythm whose `state` this is."""
        rhythm = cls()
        rhythm.hours, numbers, cells = state
        rhythm.requested, rhythm.verified, rhythm._observed, rhythm._usual = numbers[:4]
        rhythm._beyond, rhythm._squares = numbers[4:]
        rhythm._cells = array("f", cells)
        return rhythm

    def _base(self, hour: int) -> float:
        """Return the mean of an hour of the week, before the level."""
        cells, place = self._cells, hour % WEEK
        own, weeks = cells[place], self.hours // WEEK
        if own != _NOTHING and weeks > 3:  # noqa: PLR2004 - other days hardly count
            return own
        others = [cell for cell in cells[place % _DAY :: _DAY] if cell != _NOTHING]
        if not others:
            return 0.0
        mean = sum(others) / len(others)
        if own == _NOTHING:
            return mean
        weight = max(1, weeks)
        return (weight * own + _OTHER_DAYS * mean) / (weight + _OTHER_DAYS)


RhythmState = tuple[int, tuple[float, float, float, float, float, float], bytes]


class Expected(Struct, frozen=True):
    """A number of messages to expect, and how much it varies beyond chance; see `Rhythm.varies`."""

    mean: float
    varies: float

    @property
    def band(self) -> tuple[float, float]:
        """The band of 95 %."""
        width = Z * sqrt(self.mean + self.varies * self.mean**2)
        return max(0.0, self.mean - width), self.mean + width

    def nats(self, seen: float) -> float:
        """Return -ln of a bound on the probability of a number so far from the expected one.

        The bound is Chernoff's for a negative binomial distribution of size k: the likelihood ratio at the
        best mean, x ln(x/m) - (x+k) ln((x+k)/(m+k)); see e.g. S. Boucheron, G. Lugosi, P. Massart,
        "Concentration Inequalities" (2013), section 2.2.
        """
        size = 1 / self.varies
        own = seen * log(seen / self.mean) if seen > 0 else 0.0
        return own - (seen + size) * log((seen + size) / (self.mean + size))
