"""Which slices the messages of a group of `WATCHED` values are in, and their sums. Pure."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from otpconv.alerts.detector import WATCHED
from otpconv.alerts.episodes import Score
from otpconv.rates.slices import Slice
from otpconv.storage.contract import Count

#: Values of `WATCHED`, in their order.
WatchedGroup = tuple[str, ...]
#: Returns the slices that the messages of a group are in.
SlicesOf = Callable[[WatchedGroup], Sequence[Slice]]

#: Groups whose slices are known without making them again.
_KEPT = 8_192


def slices_by(*kinds: Sequence[str]) -> SlicesOf:
    """Return the function that returns the slices of some kinds that a group is in.

    Args:
        kinds: the dimensions of each kind, in the order of `WATCHED`.
    """
    places = [tuple(WATCHED.index(name) for name in kind) for kind in kinds]

    @lru_cache(maxsize=_KEPT)
    def slices_of(group: WatchedGroup) -> Sequence[Slice]:
        return [Slice(tuple((WATCHED[place], group[place]) for place in kind)) for kind in places]

    return slices_of


def sums_of(counts: Iterable[Count], slices_of: SlicesOf) -> dict[Slice, Score]:
    """Return the messages of counts by slice."""
    sums: dict[Slice, Score] = {}
    for count in counts:
        requested, verified = count.tally.requested, count.tally.verified
        for which in slices_of(count.group):
            score = sums.get(which)
            if score is None:
                score = sums[which] = Score()
            score.requested += requested
            score.verified += verified
    return sums
