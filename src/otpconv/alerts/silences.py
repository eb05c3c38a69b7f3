"""Finds the slices about which almost nothing is reported, at one age of the messages. Pure.

A CUSUM finds them. The rule of the dashboard, `rates.silence.has_stopped`, then tells a reporter that has
stopped from routes that fail.
"""

from collections.abc import Callable, Mapping, Sequence
from math import log

from msgspec import Struct

from otpconv.alerts.detector import WATCHED
from otpconv.alerts.episodes import Episode, Episodes, EpisodesState, Score, limit_of
from otpconv.alerts.slicing import SlicesOf, WatchedGroup
from otpconv.rates.baseline import Leaf
from otpconv.rates.silence import STRAGGLERS, has_stopped
from otpconv.rates.slices import Group, Slice, SliceKind
from otpconv.storage.contract import DIMENSIONS, MINUTE_MS, Count

#: Reports are missing while even this part of the usual share is more than the reports that come.
_TOLERANCE = 0.8
#: The least reports to expect of a silence, on one route of it, and on all routes but the largest one; and
#: the least time that it lasts, ms.
_LEAST_REPORTS, _LEAST_ON_ROUTE, _LEAST_ELSEWHERE, _LEAST_MS = 12.0, 3.0, 4.0, 3 * MINUTE_MS
_KEY = WATCHED.index("access_key")


class Shares(Struct, frozen=True, gc=False):
    """What to expect of the messages of a group: the shares that are reported, and reported as failed."""

    reported: float
    failed: float


class _Part(Struct, gc=False, array_like=True):
    """The messages of a group during an episode.

    Attributes:
        requested, verified, reported: messages.
        expected: reports to expect.
        failures: reports of failures to expect.
        elsewhere: messages of other applications on the same route that are reported.
    """

    requested: int = 0
    verified: int = 0
    reported: int = 0
    expected: float = 0.0
    failures: float = 0.0
    elsewhere: int = 0


class Silences:
    """The silent slices of some kinds.

    Args:
        slices_of: the slices of a group.
        may_open: returns whether a slice may be found; others find it already if not.

    Attributes:
        episodes: of the slices.
        limit: the level from which on a slice is looked at.
    """

    def __init__(self, slices_of: SlicesOf, may_open: Callable[[Slice], bool] = lambda _: True) -> None:
        self._slices_of = slices_of
        self._may_open = may_open
        self.episodes = Episodes(self._is_stopped, lambda _: self.limit)
        self.limit = float("inf")
        self._parts: dict[Slice, dict[WatchedGroup, _Part]] = {}
        self._until = 0

    def add(
        self, start: int, counts: Sequence[Count], shares_of: Callable[[WatchedGroup], Shares], now: int
    ) -> list[Slice]:
        """Add a minute that began at `start`, ms, and return the slices whose silence has ended."""
        self._until = start + MINUTE_MS
        ended = self.episodes.add(start, self._scores(counts, shares_of), now)
        raised = self.episodes.raised - self.episodes.open.keys()
        self._parts = {which: parts for which, parts in self._parts.items() if which in raised}
        return ended

    def set_limit(self, messages: float, slices: int, budget: float) -> None:
        """Compute the limit from the messages of a month, the number of slices and the budget."""
        self.limit = limit_of(messages, slices, budget)

    def silent(self) -> dict[Slice, int]:
        """Return the slices that are silent, or nearly, and since when, ms."""
        return {
            which: since
            for which, since in self.episodes.since().items()
            if self.episodes.level(which) >= self.limit / 2
        }

    def is_silent(self, group: WatchedGroup) -> bool:
        """Return whether a slice that a group is in is silent, or nearly."""
        return any(self.episodes.level(which) >= self.limit / 2 for which in self._slices_of(group))

    def state(self) -> object:
        """Return what `restore` needs, for msgspec."""
        return self.episodes.state(), [(which, [*parts.items()]) for which, parts in self._parts.items()]

    def restore(self, state: "SilencesState") -> None:
        """Go on from what another one's `state` returned."""
        self.episodes.restore(state[0])
        self._parts = {which: dict(parts) for which, parts in state[1]}

    def _scores(
        self, counts: Sequence[Count], shares_of: Callable[[WatchedGroup], Shares]
    ) -> dict[Slice, Score]:
        scores: dict[Slice, Score] = {}
        on_route: dict[WatchedGroup, int] = {}
        for count in counts:
            on_route[count.group[:_KEY]] = on_route.get(count.group[:_KEY], 0) + count.tally.reported
        for count in counts:
            group, tally, shares = count.group, count.tally, shares_of(count.group)
            reported = min(tally.requested, tally.reported)
            usual, silent = _TOLERANCE * shares.reported, STRAGGLERS * shares.reported
            nats = reported * log(STRAGGLERS / _TOLERANCE)
            nats += (tally.requested - reported) * log((1 - silent) / (1 - usual))
            score = Score(nats, tally.requested, tally.verified, tally.requested * shares.reported)
            for which in self._slices_of(group):
                scores.setdefault(which, Score()).add(score)
                part = self._parts.setdefault(which, {}).setdefault(group, _Part())
                part.requested += tally.requested
                part.verified += tally.verified
                part.reported += reported
                part.expected += score.expected
                part.failures += tally.requested * shares.failed
                part.elsewhere += on_route[group[:_KEY]] - tally.reported
        return scores

    def _is_stopped(self, which: Slice, episode: Episode) -> bool:
        parts, expected = self._parts.get(which, {}), episode.sums.expected
        if (
            not self._may_open(which)
            or expected < _LEAST_REPORTS
            or sum(part.reported for part in parts.values()) > STRAGGLERS * expected
            or self._until - episode.since < _LEAST_MS
        ):
            return False
        own = {_whole(group): _leaf(part) for group, part in parts.items()}
        others = {
            _whole((*group[:_KEY], "")): Leaf(0, 0, part.elsewhere, 0.0, 0.0, 0.0, 0)
            for group, part in parts.items()
            if part.elsewhere
        }
        kind: SliceKind = tuple(DIMENSIONS.index(name) for name, _ in which.values)
        return has_stopped(kind, own, {**others, **own}) and _is_not_one_route(parts)


SilencesState = tuple[EpisodesState, list[tuple[Slice, list[tuple[WatchedGroup, _Part]]]]]


def _is_not_one_route(parts: Mapping[WatchedGroup, _Part]) -> bool:
    """Return whether the routes but the largest one are silent too, if there are others."""
    routes: dict[WatchedGroup, list[float]] = {}
    for group, part in parts.items():
        sums = routes.setdefault(group[:_KEY], [0.0, 0.0])
        sums[0] += part.expected
        sums[1] += part.reported
    largest = max(routes.values())
    expected = sum(sums[0] for sums in routes.values()) - largest[0]
    reported = sum(sums[1] for sums in routes.values()) - largest[1]
    if expected < _LEAST_ELSEWHERE:
        return sum(sums[0] >= _LEAST_ON_ROUTE for sums in routes.values()) <= 1
    return reported <= max(1.0, STRAGGLERS * expected)


def _leaf(part: _Part) -> Leaf:
    return Leaf(part.requested, part.verified, part.reported, part.expected, part.expected, part.failures, 0)


def _whole(group: WatchedGroup) -> Group:
    """Return the values of all dimensions; those that are not watched are empty."""
    values = dict(zip(WATCHED, group, strict=True))
    return tuple(values.get(name, "") for name in DIMENSIONS)
