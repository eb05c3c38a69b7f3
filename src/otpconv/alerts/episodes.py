"""Opens and ends what detectors find: a CUSUM for each slice, and one in the other direction. Pure.

A detector gives, for each minute and slice, by how many nats a change explains the minute better than the
usual does. While nothing is wrong, the sum falls; it is never below 0. A sum that starts anew once it is over
`ln(n)` gets there at most once in n trials on average, whatever the distributions are: G. Lorden, "Procedures
for reacting to a change in distribution", Annals of Mathematical Statistics 42 (1971).
"""

from collections.abc import Callable, Mapping
from math import log
from typing import Final

from msgspec import Struct

from otpconv.rates.slices import Slice, overlap
from otpconv.storage.contract import DAY_MS, MINUTE_MS

#: Minutes of a month, the time that the budget is for.
MONTH_MINUTES: Final = 30 * 24 * 60
#: An alert ends once its end explains the messages better by so many nats, and has lasted so long, ms.
_ENDS_NATS, _ENDS_MS = 7.0, 5 * MINUTE_MS
#: What lasts longer is the new usual, ms.
LASTS_MS: Final = 7 * DAY_MS
#: A larger slice is named although it explains a change worse by so many nats for each dimension.
_SIZE_COST = 1.0
#: Beginnings that are worse by at most so many nats are in the 95 % interval: half of chi-squared's 3.84.
_INTERVAL_NATS = 1.92


class Score(Struct, gc=False):
    """What one minute says about a slice.

    Attributes:
        nats: by how much a change explains it better than the usual; below 0: the usual is better.
        requested, verified: messages.
        expected: what was to be expected of what the kind is about.
        delays: verified messages by bin of their delay; empty where the kind is not about them.
        others, others_expected: messages of the slice around this one that are not in it, and to be expected.
    """

    nats: float = 0.0
    requested: int = 0
    verified: int = 0
    expected: float = 0.0
    delays: tuple[int, ...] = ()
    others: int = 0
    others_expected: float = 0.0

    def add(self, other: "Score") -> None:
        """Add what another minute, or another part of the slice, says."""
        self.nats += other.nats
        self.requested += other.requested
        self.verified += other.verified
        self.expected += other.expected
        self.others += other.others
        self.others_expected += other.others_expected
        if other.delays:
            delays = self.delays or (0,) * len(other.delays)
            self.delays = tuple([a + b for a, b in zip(delays, other.delays, strict=True)])


class Episode(Struct, gc=False):
    """What speaks for a change of one slice since it may have begun.

    Attributes:
        since: when the level left 0, ms: the likeliest beginning.
        low, high: the interval of `since`, 95 %, ms.
        sums: of the minutes since then; `nats` is the level.
        opened_at: when it was found, ms; 0: not yet.
        back, back_since: the level that speaks for the end, and when it left 0, ms.
    """

    since: int
    low: int
    high: int
    sums: Score
    opened_at: int = 0
    back: float = 0.0
    back_since: int = 0


class Episodes:
    """The episodes of one kind.

    Args:
        opens: returns whether an episode over its limit is to be opened; it has the guards of its kind.
        limit: returns the level from which on a slice is looked at.
    """

    def __init__(self, opens: Callable[[Slice, Episode], bool], limit: Callable[[Slice], float]) -> None:
        self._opens = opens
        self._limit = limit
        self._all: dict[Slice, Episode] = {}
        #: Since when nothing speaks clearly against a beginning, and how much does, for the interval.
        self._before: dict[Slice, tuple[int, float]] = {}

    @property
    def open(self) -> dict[Slice, Episode]:
        """The episodes that are open."""
        return {which: episode for which, episode in self._all.items() if episode.opened_at}

    @property
    def raised(self) -> set[Slice]:
        """The slices for which something speaks, whether or not they are open."""
        return set(self._all)

    def since(self) -> dict[Slice, int]:
        """Return since when something speaks for a slice, ms, whether or not it is open."""
        return {which: episode.since for which, episode in self._all.items()}

    def level(self, which: Slice) -> float:
        """Return the level of a slice, in nats; of an open one its limit at least."""
        episode = self._all.get(which)
        if episode is None:
            return 0.0
        return max(episode.sums.nats, self._limit(which) if episode.opened_at else 0.0)

    def is_explained(self, which: Slice) -> bool:
        """Return whether an open episode has messages in common with a slice."""
        return any(overlap(which, other) for other in self.open)

    def add(self, start: int, scores: Mapping[Slice, Score], at: int) -> list[Slice]:
        """Add a minute that began at `start`, ms, and return the slices whose episode has ended.

        Args:
            start: of the minute.
            scores: of all slices that are watched; slices without evidence may be left out.
            at: the time now, ms.
        """
        is_open = self.open
        for which, score in scores.items():
            if which in is_open:
                self._continue(is_open[which], start, score)
            elif not any(overlap(which, other) for other in is_open):
                self._raise(which, start, score)
        self._forget(scores, at)
        ended = [
            which
            for which, episode in is_open.items()
            if (episode.back >= _ENDS_NATS and at - episode.back_since >= _ENDS_MS)
            or at - episode.opened_at > LASTS_MS
        ]
        for which in ended:
            del self._all[which]
        self._open_best(at)
        return ended

    def state(self) -> object:
        """Return what `restore` needs, for msgspec."""
        return [*self._all.items()], [*self._before.items()]

    def restore(self, state: "EpisodesState") -> None:
        """Go on from what another one's `state` returned."""
        self._all = dict(state[0])
        self._before = dict(state[1])

    def _forget(self, scores: Mapping[Slice, Score], at: int) -> None:
        """Forget slices that have no messages any more."""
        self._before = {which: pair for which, pair in self._before.items() if which in scores}
        for which in [which for which in self._all if which not in scores]:
            if not self._all[which].opened_at and at - self._all[which].since > DAY_MS:
                del self._all[which]

    def _continue(self, episode: Episode, start: int, score: Score) -> None:
        back = episode.back - score.nats
        if back <= 0:
            episode.back, episode.back_since = 0.0, 0
        else:
            episode.back = min(back, 2 * _ENDS_NATS)
            episode.back_since = episode.back_since or start
        if not episode.back:
            episode.sums.add(score)

    def _raise(self, which: Slice, start: int, score: Score) -> None:
        episode = self._all.get(which)
        nats = score.nats + (episode.sums.nats if episode else 0.0)
        if nats <= 0:
            self._all.pop(which, None)
            since, against = self._before.get(which, (start, 0.0))
            against -= nats
            if against > _INTERVAL_NATS:
                self._before.pop(which, None)
            else:
                self._before[which] = since, against
            return
        if episode is None:
            low = self._before.pop(which, (start, 0.0))[0]
            episode = self._all[which] = Episode(start, min(low, start), start, Score())
        if episode.sums.nats <= _INTERVAL_NATS:
            episode.high = start
        episode.sums.add(score)

    def _open_best(self, at: int) -> None:
        """Open the episodes over their limit; of overlapping ones, the one that explains the most."""
        while True:
            over = {
                which: episode
                for which, episode in self._all.items()
                if not episode.opened_at
                and episode.sums.nats >= self._limit(which)
                and self._opens(which, episode)
            }
            if not over:
                return
            best = max(
                over, key=lambda which: (over[which].sums.nats - _SIZE_COST * len(which.values), which)
            )
            over[best].opened_at = at
            for which in [which for which in self._all if which != best and overlap(which, best)]:
                if not self._all[which].opened_at:
                    del self._all[which]


EpisodesState = tuple[list[tuple[Slice, Episode]], list[tuple[Slice, tuple[int, float]]]]


def limit_of(trials_a_month: float, slices: int, budget: float) -> float:
    """Return the level that all slices together reach `budget` times a month at most while nothing is wrong.

    Args:
        trials_a_month: messages or minutes that may begin or continue an episode, of one slice in a month.
        slices: how many are watched.
        budget: false alarms a month; above 0.
    """
    return log(max(2.0, trials_a_month * max(1, slices) / budget))
