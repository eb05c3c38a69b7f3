"""Which slices have stopped reporting, told apart from routes that fail.

When nothing is reported about a slice, either its messages fail or nobody reports. Two things tell these
apart:
- Reports of `delivered=false` come of failures too. Where they used to come and stop, reporting has stopped.
- Siblings: when other applications still report on the same routes, the routes work. When one application
  is silent on several routes at once, the routes are not the reason either.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from otpconv.rates.baseline import Leaf
from otpconv.rates.chance import divergence, lower_tail
from otpconv.rates.loss import strength_of
from otpconv.rates.slices import APPLICATION, Group, Kind, Slice, kinds_of, values_of
from otpconv.storage.contract import DIMENSIONS

#: Dimensions in which an application shows, then those in which part of one may; in the order of preference.
_WATCHED = (*APPLICATION, "channel", "country", "provider")
#: So few of the expected reports still come when reporting has stopped: those of messages sent just before.
_STRAGGLERS = 0.03
#: Reports to expect before their absence says anything, and the chance of it that is too small, per slice.
_LEAST_REPORTS, _CHANCE = 10.0, 1e-4
#: Reports of failures to expect before their absence proves that reporting has stopped.
_LEAST_FAILURES = 8.0
#: The share of a slice's expected reports that must be on routes where others still report.
_CONFIRMED = 0.3
#: Reports to expect on a route before its silence counts.
_LEAST_ON_ROUTE = 3.0
#: What all traffic has to explain better than a part, while something is reported, nats.
_SOMETHING_COST = 3.0
_COUNTRY, _PROVIDER = DIMENSIONS.index("country"), DIMENSIONS.index("provider")


class Silent(Struct, frozen=True):
    """A slice about which nothing is reported.

    Attributes:
        slice: which messages.
        span: the place of the longest span in which it is silent.
        requested, verified: messages in that span.
        expected: verifications to expect in it.
    """

    slice: Slice
    span: int
    requested: int
    verified: int
    expected: float


class _Quiet(Struct, frozen=True):
    """A candidate: its groups, and the place of the span."""

    kind: Kind
    values: Group
    span: int
    leaves: dict[Group, Leaf]

    @property
    def requested(self) -> int:
        return sum(leaf.requested for leaf in self.leaves.values())


def silent_slices(spans: Sequence[Mapping[Group, Leaf]]) -> list[Silent]:
    """Return the slices that have stopped reporting, the most evident first, each message in one at most.

    Args:
        spans: the groups' counts in stretches of time that end now, the shortest first.
    """
    left = [dict(leaves) for leaves in spans]
    found: list[Silent] = []
    while (quiet := _most_evident(left)) is not None:
        found.append(
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
    return found


def _most_evident(spans: Sequence[Mapping[Group, Leaf]]) -> _Quiet | None:
    groups = {group for leaves in spans for group in leaves}
    kinds = [kind for kind in kinds_of(groups, _WATCHED) if len(kind) < 2]  # noqa: PLR2004
    candidates: dict[tuple[Kind, Group], _Quiet] = {}
    for place, leaves in enumerate(spans):
        for kind in kinds:
            for values, part in _parts(leaves, kind).items():
                if _is_quiet(part) and _has_stopped(kind, part, leaves):
                    candidates[kind, values] = _Quiet(kind, values, place, part)
    return max(candidates.values(), key=_weight, default=None)


def _weight(quiet: _Quiet) -> tuple[float, int, int]:
    """Return how well a slice explains what is missing; of equal ones the simplest and likeliest is named."""
    reported = sum(leaf.reported for leaf in quiet.leaves.values())
    reports = sum(leaf.reports for leaf in quiet.leaves.values())
    names = [DIMENSIONS[place] for place in quiet.kind]
    evidence = divergence(reported, quiet.requested, reports / quiet.requested)
    if reported and not names:
        evidence -= _SOMETHING_COST  # the whole account says nothing at all
    return round(evidence, 6), -len(names), -_WATCHED.index(names[0]) if names else 0


def _parts(leaves: Mapping[Group, Leaf], kind: Kind) -> dict[Group, dict[Group, Leaf]]:
    parts: dict[Group, dict[Group, Leaf]] = {}
    for group, leaf in leaves.items():
        parts.setdefault(values_of(kind, group), {})[group] = leaf
    return parts


def _is_quiet(part: Mapping[Group, Leaf]) -> bool:
    """Tell whether hardly anything is reported where much should be."""
    reported = sum(leaf.reported for leaf in part.values())
    reports = sum(leaf.reports for leaf in part.values())
    if reports < _LEAST_REPORTS or reported > _STRAGGLERS * reports:
        return False
    requested = sum(leaf.requested for leaf in part.values())
    strength = strength_of(sum(leaf.known for leaf in part.values()))
    return lower_tail(reported, requested, reports / requested, strength) < _CHANCE


def _has_stopped(kind: Kind, part: Mapping[Group, Leaf], everything: Mapping[Group, Leaf]) -> bool:
    """Tell whether failing routes do not explain why a slice is quiet."""
    if not kind or sum(leaf.failures for leaf in part.values()) >= _LEAST_FAILURES:
        return True
    routes = _parts(part, (_COUNTRY, _PROVIDER))
    telling = [
        route
        for route, leaves in routes.items()
        if sum(leaf.reports for leaf in leaves.values()) >= _LEAST_ON_ROUTE
    ]
    name = DIMENSIONS[kind[0]]
    if name == "provider":
        return False  # a provider that fails looks just like this
    if len({provider for _, provider in telling}) > 1:
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
