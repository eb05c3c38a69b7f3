"""Finds that messages flow and nobody reports their conversions (`reporter_stopped`). Pure.

It looks at each minute twice: soon, when most codes are verified; and once failures are reported, too. Where
an application reports failures, their absence proves that reporting has stopped, even for one provider.
"""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import Final

from otpconv.alerts.detector import Source
from otpconv.alerts.episodes import Episode
from otpconv.alerts.learning import Learning
from otpconv.alerts.memory import Memory, decoded
from otpconv.alerts.silences import Shares, Silences, SilencesState
from otpconv.alerts.slicing import WatchedGroup, slices_by
from otpconv.alerts.usual_reports import Failed, Learned, UsualReports
from otpconv.rates.intervals import Z
from otpconv.rates.slices import Slice
from otpconv.storage.alerts.contract import Change, Ended, Evidence, Found
from otpconv.storage.contract import HOUR_MS, MINUTE_MS, Count

#: So long after the end of a minute, failures are reported, ms.
_LATE_MS: Final = 15 * MINUTE_MS
#: From so many missing reports on, it is critical.
_CRITICAL = 100.0
_SOON = slices_by((), ("access_key",))


class Reporting:
    """Watches whether conversions are reported.

    Args:
        budget: false alarms a month over all slices.
    """

    name = "reporting"

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._learning = Learning()
        self._usual = UsualReports()
        self._soon = Silences(_SOON, self._is_not_found_late)
        self._late = Silences(slices_by(("provider",), ("access_key",)))
        #: The last minute of a silence that was found soon.
        self._silent_until: dict[Slice, int] = {}
        self._memory = Memory(self.name)

    def look(self, now: int, source: Source) -> Sequence[Change]:
        """See `Detector.look`."""
        for hour in self._learning.due(now):
            self._usual.learn(source.hour(hour * HOUR_MS), self._is_silent)
        if not self._learning.is_done(now) or not self._usual.applications:
            return []
        soon, late = now - self._usual.age - MINUTE_MS, now - _LATE_MS - MINUTE_MS
        changes = self._add(self._soon, soon, source.minute(soon), self._soon_shares, now)
        self._silent_until = {
            **{which: until for which, until in self._silent_until.items() if until >= late},
            **dict.fromkeys(self._soon.episodes.open, soon),
        }
        counts = [count for count in source.minute(late) if not self._was_silent(count.group, late)]
        changes += self._add(self._late, late, counts, self._late_shares, now)
        self._usual.learn_failures(counts, self._is_silent)
        return changes

    def silent(self) -> dict[Slice, int]:
        """Return the slices about which it is found, or nearly, that nobody reports; and since when, ms."""
        return self._soon.silent() | self._late.silent()

    def memory(self) -> Mapping[str, bytes]:
        """See `Detector.memory`."""
        failed, until = self._usual.failures(), [*self._silent_until.items()]
        silences = failed, until, self._soon.state(), self._late.state()
        upto = self._learning.next
        learned = self._memory.learned(upto, lambda: (upto, self._usual.learned()))
        return learned | self._memory.changed(silences=silences)

    def recall(self, parts: Mapping[str, bytes]) -> None:
        """See `Detector.recall`."""
        state = decoded(parts, "reporting.learned", tuple[int, Learned])
        silences = decoded(
            parts,
            "reporting.silences",
            tuple[Failed, list[tuple[Slice, int]], SilencesState, SilencesState],
        )
        if state is None or silences is None:
            return
        self._learning.next, learned = state
        failed, until, soon, late = silences
        self._silent_until = dict(until)
        self._usual.restore(learned, failed)
        self._soon.restore(soon)
        self._late.restore(late)

    def _add(
        self,
        silences: Silences,
        start: int,
        counts: Sequence[Count],
        shares_of: Callable[[WatchedGroup], Shares],
        now: int,
    ) -> list[Change]:
        """Add a minute that began at `start`, ms, at one age."""
        silences.set_limit(self._usual.a_month, 2 * (1 + self._usual.applications), self._budget)
        ended = silences.add(start, counts, shares_of, now)
        return [
            *(Ended("reporter_stopped", which.values) for which in ended),
            *(_found(which, episode, now) for which, episode in silences.episodes.open.items()),
        ]

    def _soon_shares(self, group: WatchedGroup) -> Shares:
        return Shares(self._usual.verified(group) * self._usual.arrived, 0.0)

    def _late_shares(self, group: WatchedGroup) -> Shares:
        failed = self._usual.failed(group)
        return Shares(min(0.99, self._usual.verified(group) + failed), failed)

    def _is_silent(self, group: WatchedGroup) -> bool:
        return self._soon.is_silent(group) or self._late.is_silent(group)

    def _is_not_found_late(self, which: Slice) -> bool:
        return which not in self._late.episodes.open

    def _was_silent(self, group: WatchedGroup, start: int) -> bool:
        """Return whether it was found soon that nobody reported about a group in a minute."""
        return any(self._silent_until.get(which, -1) >= start for which in _SOON(group))


def _found(which: Slice, episode: Episode, now: int) -> Found:
    sums = episode.sums
    missing = sums.expected - sums.verified
    width = Z * sqrt(max(1.0, sums.expected))
    return Found(
        "reporter_stopped",
        which.values,
        "critical" if missing >= _CRITICAL else "warning",
        episode.since,
        episode.low,
        episode.high,
        Evidence(
            requested=sums.requested,
            verified=sums.verified,
            expected=sums.expected,
            expected_low=max(0.0, sums.expected - width),
            expected_high=min(float(sums.requested), sums.expected + width),
            usual=sums.expected / max(1, sums.requested),
            late_ms=now - episode.since,
        ),
    )
