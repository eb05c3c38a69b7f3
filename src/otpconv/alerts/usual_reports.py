"""Which share of the messages of a group is verified, and reported as failed, as a rule. Pure."""

from collections.abc import Callable, Sequence
from math import log
from typing import Final

from msgspec import Struct

from otpconv.alerts.detector import WATCHED
from otpconv.alerts.slicing import WatchedGroup
from otpconv.model import DELAY_BINS
from otpconv.rates.delays import verified_within
from otpconv.storage.contract import MINUTE_MS, Count

#: Groups whose usual shares are kept; further ones have those of their application.
MAX_GROUPS: Final = 4_000
#: A minute is looked at this long after its end, ms: the first time by which so many verifications have come.
_AGES, _ARRIVED = (2 * MINUTE_MS, 3 * MINUTE_MS, 5 * MINUTE_MS, 10 * MINUTE_MS), 0.7
#: With so many messages, the own shares of a group count as much as those of its application.
_OWN_WEIGHT = 25.0
#: What is learned forgets half within these hours; failures, within these minutes.
_HALF_HOURS, _HALF_MINUTES = 7 * 24, 3 * 24 * 60
#: What is kept of an even flow, times this, is a month of it.
_A_MONTH = 30 * 24 * log(2) / _HALF_HOURS
#: A group with less is forgotten; no share is higher.
_FORGOTTEN, _HIGHEST = 0.5, 0.99
_KEY = WATCHED.index("access_key")


class _Sums(Struct, gc=False, array_like=True):
    """Messages of the past, and those of them that were verified, or reported as failed."""

    requested: float = 0.0
    found: float = 0.0

    @property
    def share(self) -> float:
        return self.found / self.requested if self.requested else 0.0


class UsualReports:
    """What is usual for the messages of an account.

    Attributes:
        age: how long after its end a minute is looked at, ms.
        arrived: the share of the verifications that have come by then.
    """

    def __init__(self) -> None:
        self.age, self.arrived = _AGES[-1], 1.0
        self._groups: dict[WatchedGroup, _Sums] = {}
        self._delays = [0.0] * DELAY_BINS
        self._failed: dict[str, _Sums] = {}
        self._keys: dict[str, _Sums] = {}

    @property
    def applications(self) -> int:
        """How many applications have messages."""
        return len(self._keys)

    @property
    def a_month(self) -> float:
        """Messages of all groups in a month."""
        return _A_MONTH * sum(sums.requested for sums in self._keys.values())

    def learn(self, counts: Sequence[Count], is_silent: Callable[[WatchedGroup], bool]) -> None:
        """Add an hour, but for the groups about which nobody reports."""
        kept = 0.5 ** (1 / _HALF_HOURS)
        for sums in self._groups.values():
            sums.requested *= kept
            sums.found *= kept
        self._delays = [number * kept for number in self._delays]
        for count in counts:
            own = self._groups.get(count.group)
            if is_silent(count.group) or (own is None and len(self._groups) >= MAX_GROUPS):
                continue
            own = self._groups.setdefault(count.group, _Sums())
            own.requested += count.tally.requested
            own.found += count.tally.verified
            if count.delays:
                self._delays = [a + b for a, b in zip(self._delays, count.delays, strict=True)]
        self._groups = {group: sums for group, sums in self._groups.items() if sums.requested > _FORGOTTEN}
        self._prepare()

    def learn_failures(self, counts: Sequence[Count], is_silent: Callable[[WatchedGroup], bool]) -> None:
        """Add a minute that is so old that applications have reported failures, if they ever do."""
        kept = 0.5 ** (1 / _HALF_MINUTES)
        for count in counts:
            if is_silent(count.group) or (count.group[_KEY] not in self._keys):
                continue
            tally, sums = count.tally, self._failed.setdefault(count.group[_KEY], _Sums())
            sums.requested = sums.requested * kept + tally.requested
            sums.found = sums.found * kept + max(0, tally.reported - tally.verified)

    def verified(self, group: WatchedGroup) -> float:
        """Return the share of a group's messages that is verified at any time."""
        own, parent = self._groups.get(group, _Sums()), self._keys.get(group[_KEY], _Sums())
        share = (own.found + _OWN_WEIGHT * parent.share) / (own.requested + _OWN_WEIGHT)
        return min(_HIGHEST, share)

    def failed(self, group: WatchedGroup) -> float:
        """Return the share of a group's messages that is reported as not verified."""
        return self._failed.get(group[_KEY], _Sums()).share

    def learned(self) -> object:
        """Return what `restore` needs, for msgspec, and what changes by the hour."""
        return [*self._groups.items()], self._delays

    def failures(self) -> object:
        """Return what `restore` needs, for msgspec, and what changes by the minute."""
        return [*self._failed.items()]

    def restore(self, learned: "Learned", failed: "Failed") -> None:
        """Go on from what another one's `learned` and `failures` returned."""
        self._groups, self._delays, self._failed = dict(learned[0]), learned[1], dict(failed)
        self._prepare()

    def _prepare(self) -> None:
        """Compute the shares of applications, and when to look at a minute."""
        self._keys = {}
        for group, own in self._groups.items():
            sums = self._keys.setdefault(group[_KEY], _Sums())
            sums.requested += own.requested
            sums.found += own.found
        self._failed = {key: sums for key, sums in self._failed.items() if key in self._keys}
        bins = [round(1000 * number) for number in self._delays]
        for age in _AGES:
            self.age, self.arrived = age, verified_within(bins, age)
            if self.arrived >= _ARRIVED:
                return


Learned = tuple[list[tuple[WatchedGroup, _Sums]], list[float]]
Failed = list[tuple[str, _Sums]]
