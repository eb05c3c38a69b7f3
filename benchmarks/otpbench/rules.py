"""The rules of peers: each looks at every slice in every minute, at the counts known then.

Numbers that its source leaves open are tuned in its favour (`python -m benchmarks.otpbench tune`).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final, Protocol

import numpy as np
from msgspec import Struct

from benchmarks.otpbench.traffic import HISTORY_DAYS, MINUTES, NEVER, Flags, Floats, Ints, World
from otpconv.alerts.detector import WATCHED
from otpconv.storage.contract import MINUTE_MS

_DAY: Final = 1440
_SCORED: Final = HISTORY_DAYS * _DAY
#: An alarm lasts until its rule was quiet for an hour; then it can be raised again.
_HOLD: Final = 60
#: A rule sees a message once it has this age, minutes: half of the codes would not be entered yet before.
_AGE: Final = 5
#: The days of the past that rules with a past know.
_PAST_DAYS: Final = 14


class Alarm(Struct, frozen=True):
    """An alarm that was raised.

    Attributes:
        minute: of the world.
        values: of which slice.
        kind: what it says; empty if its rule says only one thing.
    """

    minute: int
    values: Mapping[str, str]
    kind: str = ""


class Slices:
    """The slices of a world that rules watch, and their counts at each minute.

    All traffic, each value of a dimension, and each combination of country, carrier and provider; slices with
    the same messages are one.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        leaves = world.routes.leaves
        found: dict[bytes, Mapping[str, str]] = {}
        for names in _kinds():
            places = [WATCHED.index(name) for name in names]
            for chosen in sorted({tuple(leaf[place] for place in places) for leaf in leaves}):
                values = dict(zip(names, chosen, strict=True))
                found.setdefault(world.routes.where(values).tobytes(), values)
        self.values = [*found.values()]
        self._members = np.array([np.frombuffer(member, dtype=bool) for member in found], dtype=np.float64).T
        self._cache: dict[int, tuple[Floats, Floats]] = {}

    def counts(self, window: int) -> tuple[Floats, Floats]:
        """Return the requested and the verified messages of a sliding window, for each minute and slice.

        Args:
            window: its length, minutes; it ends `_AGE` minutes before the minute.
        """
        if window not in self._cache:
            messages, start = self._world.messages, self._world.routes.start
            minute = (messages.requested - start) // MINUTE_MS + 1 + _AGE
            known = np.where(
                messages.verified == NEVER,
                np.int64(2 * MINUTES),
                (messages.verified - start) // MINUTE_MS + 1,
            )
            requested = self._sliding(messages.leaf, minute, minute + window)
            verified = self._sliding(messages.leaf, np.maximum(minute, known), minute + window)
            self._cache[window] = requested, verified
        return self._cache[window]

    def _sliding(self, leaf: Ints, begin: Ints, end: Ints) -> Floats:
        """Count, for each minute and slice, the messages that are in it from `begin` to `end`."""
        leaves = self._members.shape[0]
        steps = np.zeros((MINUTES + 1) * leaves)
        counted = (begin < end) & (begin < MINUTES)
        for at, sign in ((begin[counted], 1.0), (np.minimum(end[counted], MINUTES), -1.0)):
            steps += sign * np.bincount(at * leaves + leaf[counted], minlength=len(steps))
        sums = steps.reshape(MINUTES + 1, leaves)[:MINUTES].cumsum(axis=0)
        counts: Floats = sums @ self._members
        return counts


class Rule(Protocol):
    """A rule: says for each scored minute and slice whether it fires."""

    def fires(self, slices: Slices) -> Flags:
        """Return for each scored minute and slice whether the rule fires."""


class FixedRate(Struct, frozen=True):
    """Fires while less than a fixed share is verified.

    Vonage Verify blocks a network by its volume and conversion rate. The threshold is 35 %, and the volume is
    not published.

    Attributes:
        threshold: the share.
        window: minutes.
        least: messages in the window.
    """

    threshold: float = 0.35
    window: int = 60
    least: int = 20

    def fires(self, slices: Slices) -> Flags:
        """Return for each scored minute and slice whether the rule fires."""
        requested, verified = (counts[_SCORED:] for counts in slices.counts(self.window))
        fires: Flags = (requested >= self.least) & (verified < self.threshold * requested)
        return fires


class HalfFail(Struct, frozen=True):
    """Fires while at least half of the messages fail, and at least five: the rule of circuit breakers.

    Attributes:
        share: of the messages that fail.
        least: failed messages in the window.
        window: minutes.
    """

    share: float = 0.5
    least: int = 5
    window: int = 15

    def fires(self, slices: Slices) -> Flags:
        """Return for each scored minute and slice whether the rule fires."""
        requested, verified = (counts[_SCORED:] for counts in slices.counts(self.window))
        failed = requested - verified
        fires: Flags = (failed >= self.least) & (failed >= self.share * requested)
        return fires


class Sigmas(Struct, frozen=True):
    """Fires while the rate is so many standard deviations from its mean of the last 14 days.

    The mean and the deviation are those of the windows that end at each full hour and have enough messages.

    Attributes:
        sigmas: how many.
        window: minutes.
        least: messages in the window.
        both: whether it also fires above the mean.
    """

    sigmas: float = 3.0
    window: int = 60
    least: int = 20
    both: bool = False

    def fires(self, slices: Slices) -> Flags:
        """Return for each scored minute and slice whether the rule fires."""
        requested, verified = slices.counts(self.window)
        rate = verified / np.maximum(requested, 1)
        past = slice(_SCORED - _PAST_DAYS * _DAY, _SCORED, 60)
        known = requested[past] >= self.least
        count = known.sum(axis=0)
        mean = np.where(known, rate[past], 0).sum(axis=0) / np.maximum(count, 1)
        deviation = np.sqrt(
            np.where(known, (rate[past] - mean) ** 2, 0).sum(axis=0) / np.maximum(count - 1, 1)
        )
        now = rate[_SCORED:]
        far = now < mean - self.sigmas * deviation
        if self.both:
            far |= now > mean + self.sigmas * deviation
        fires: Flags = far & (requested[_SCORED:] >= self.least) & (count >= _DAY // 60)
        return fires


class UnusedCodes(Struct, frozen=True):
    """Fires while too many codes of a day or of an hour are not used, as in the fraud protection of Authgear.

    A day allows the largest of 20, a share of the verified codes of the day, and that share of the best of
    the last 14 days. An hour allows the largest of 3, a sixth of this, and the share of its verified codes.
    Source: `docs/specs/fraud-protection.md` in authgear/authgear-server, with the share 0.2, by country.

    Attributes:
        share: of the verified codes.
        floor: codes of a day that are always allowed.
        hourly_floor: those of an hour.
        countries_only: whether only countries are watched.
    """

    share: float = 0.2
    floor: int = 20
    hourly_floor: int = 3
    countries_only: bool = True

    def fires(self, slices: Slices) -> Flags:
        """Return for each scored minute and slice whether the rule fires."""
        requested, verified = slices.counts(_DAY)
        best = np.array(
            [
                verified[minute - _PAST_DAYS * _DAY : minute : 60].max(axis=0)
                for minute in range(_SCORED, MINUTES, 60)
            ]
        ).repeat(60, axis=0)
        today, used = requested[_SCORED:], verified[_SCORED:]
        a_day = np.maximum(self.floor, self.share * np.maximum(best, used))
        requested, verified = (counts[_SCORED:] for counts in slices.counts(60))
        an_hour = np.maximum(np.maximum(self.hourly_floor, a_day / 6), self.share * verified)
        fires: Flags = (today - used > a_day) | (requested - verified > an_hour)
        if self.countries_only:
            fires &= np.array([[*values] == ["country"] for values in slices.values])
        return fires


def alarms(rule: Rule, slices: Slices) -> list[Alarm]:
    """Return the alarms of a rule in the scored time, in order."""
    fires = rule.fires(slices)
    raised = [
        Alarm(_SCORED + minute, values)
        for place, values in enumerate(slices.values)
        for minute in _raised(np.flatnonzero(fires[:, place]).tolist())
    ]
    return sorted(raised, key=lambda alarm: alarm.minute)


def _raised(minutes: Sequence[int]) -> Iterator[int]:
    last = None
    for minute in minutes:
        if last is None or minute - last > _HOLD:
            yield minute
        last = minute


def _kinds() -> Iterator[tuple[str, ...]]:
    """Yield the dimensions of slices, the fewest first."""
    yield ()
    yield from ((name,) for name in WATCHED)
    for length in (2, 3):
        yield from combinations(("country", "carrier", "provider"), length)
