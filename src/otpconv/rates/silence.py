"""Finds the slices that have stopped reporting, and distinguishes them from routes that fail. Pure.

When nothing is reported about a slice, either its messages fail or its application does not report. Two facts
distinguish these cases:
- Applications report failures too, by `delivered=false`. Where such reports stop, reporting has stopped.
- Siblings: when other applications still report on the same routes, the routes work. When one application
  is silent on several routes at once, the routes are not the cause either.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from otpconv.rates.baseline import Leaf
from otpconv.rates.chance import divergence, lower_tail
from otpconv.rates.loss import strength_of
from otpconv.rates.slices import APPLICATION, Group, Slice, SliceKind, kinds_of, values_of
from otpconv.storage.contract import DIMENSIONS

#: Dimensions that tell applications apart, then those that tell parts of one apart; the preferred ones first.
_WATCHED = (*APPLICATION, "channel", "country", "provider")
#: When reporting stops, up to this share of the expected reports still arrives, of messages just before.
STRAGGLERS = 0.03
#: The least reports to expect for a silence to show, and the probability below which chance is ruled out.
_LEAST_REPORTS, _CHANCE = 10.0, 1e-4
#: The least reports of failures to expect, for their absence to prove that reporting has stopped.
_LEAST_FAILURES = 8.0
#: The least share of a slice's expected reports on routes where other applications still report.
_CONFIRMED = 0.3
#: The least reports to expect on a route for its silence to count.
_LEAST_ON_ROUTE = 3.0
#: By how many nats all traffic must explain the silence better than a part, while anything is reported.
_SOMETHING_COST = 3.0
_COUNTRY, _PROVIDER = DIMENSIONS.index("country"), DIMENSIONS.index("provider")


class Silent(Struct, frozen=True):
    """A slice about which nothing is reported any more.

    Attributes:
        slice: which messages.
        span: the index of the longest span in which it is silent.
        requested, verified: messages in that span.
        expected: verifications to expect in it.
    """

    slice: Slice
    span: int
    requested: int
    verified: int
    expected: float


class _Quiet(Struct, frozen=True):
    """A candidate: its groups, and the index of the span."""

    kind: SliceKind
    values: Group
    span: int
    leaves: dict[Group, Leaf]

    @property
    def requested(self) -> int:
        return sum(leaf.requested for leaf in self.leaves.values())


def silent_slices(spans: Sequence[Mapping[Group, Leaf]]) -> list[Silent]:
    """Return the slices that have stopped reporting, the most evident first; they do not overlap.

    Args:
        spans: for spans of time that end now, the shortest first: the counts of each group.
    """
    left = [dict(leaves) for leaves in spans]
    silent: list[Silent] = []
    while (quiet := _most_evident(left)) is not None:
        silent.append(
            Silent(
                Slice.of(quiet.kind, quiet.values),
                quiet.span,
                quiet.requested,
                sum(leaf.verified for leaf in quiet.leaves.values()),
                sum(leaf.expected for leaf in quiet.leaves.values()),
            )
        )
        left = [
            {group: leaf for group, leaf in leaves.items() if values_of(quiet.kind, group) != quiet.values}
            for leaves in left
        ]
    return silent


def _most_evident(spans: Sequence[Mapping[Group, Leaf]]) -> _Quiet | None:
    groups = {group for leaves in spans for group in leaves}
    kinds = [kind for kind in kinds_of(groups, _WATCHED) if len(kind) < 2]  # noqa: PLR2004
    candidates: dict[tuple[SliceKind, Group], _Quiet] = {}
    for place, leaves in enumerate(spans):
        for kind in kinds:
            for values, part in _parts(leaves, kind).items():
                if _is_quiet(part) and has_stopped(kind, part, leaves):
                    candidates[kind, values] = _Quiet(kind, values, place, part)
    return max(candidates.values(), key=_weight, default=None)


def _weight(quiet: _Quiet) -> tuple[float, int, int]:
    """Return how well a slice explains the missing reports; of equal slices, the simplest one wins."""
    reported = sum(leaf.reported for leaf in quiet.leaves.values())
    reports = sum(leaf.reports for leaf in quiet.leaves.values())
    names = [DIMENSIONS[place] for place in quiet.kind]
    evidence = divergence(reported, quiet.requested, reports / quiet.requested)
    if reported and not names:
        evidence -= _SOMETHING_COST  # a whole account that is silent reports nothing at all
    return round(evidence, 6), -len(names), -_WATCHED.index(names[0]) if names else 0


def _parts(leaves: Mapping[Group, Leaf], kind: SliceKind) -> dict[Group, dict[Group, Leaf]]:
    parts: dict[Group, dict[Group, Leaf]] = {}
    for group, leaf in leaves.items():
        parts.setdefault(values_of(kind, group), {})[group] = leaf
    return parts


def _is_quiet(part: Mapping[Group, Leaf]) -> bool:
    """Return whether almost nothing is reported although many reports are to be expected."""
    reported = sum(leaf.reported for leaf in part.values())
    reports = sum(leaf.reports for leaf in part.values())
    if reports < _LEAST_REPORTS or reported > STRAGGLERS * reports:
        return False
    requested = sum(leaf.requested for leaf in part.values())
    strength = strength_of(sum(leaf.known for leaf in part.values()))
    return lower_tail(reported, requested, reports / requested, strength) < _CHANCE


def has_stopped(kind: SliceKind, part: Mapping[Group, Leaf], everything: Mapping[Group, Leaf]) -> bool:
    """Return whether reporting has stopped, because failing routes do not explain the silence.

    Args:
        kind: of the slice that is silent.
        part: the counts of its groups.
        everything: the counts of all groups, or at least of those on the same routes.
    """
    if not kind or sum(leaf.failures for leaf in part.values()) >= _LEAST_FAILURES:
        return True
    routes = _parts(part, (_COUNTRY, _PROVIDER))
    silent_routes = [
        route
        for route, leaves in routes.items()
        if sum(leaf.reports for leaf in leaves.values()) >= _LEAST_ON_ROUTE
    ]
    name = DIMENSIONS[kind[0]]
    if name == "provider":
        return False  # a provider that fails looks the same
    if len({provider for _, provider in silent_routes}) > 1:
        return True
    if name == "country":
        return False
    elsewhere = {
        (group[_COUNTRY], group[_PROVIDER])
        for group, leaf in everything.items()
        if group not in part and leaf.reported
    }
    confirmed = sum(
        leaf.reports for group, leaf in part.items() if (group[_COUNTRY], group[_PROVIDER]) in elsewhere
    )
    return confirmed >= _CONFIRMED * sum(leaf.reports for leaf in part.values())
