"""Decides what is broken: which slices have stopped reporting, and which convert worse than they should.

Pure: it reads counts and expectations, and knows neither storage nor pages. Pages and alerts use it alike.

- A slice is *silent* when almost nothing is reported about it although reports would come if all were
  well, and failing routes alone do not explain it.
- A slice has *dropped* when it verifies less than its baseline leads to expect, by more than chance and the
  usual ups and downs explain. What is silent is left out before, so that healthy routes are not blamed.
- Of overlapping slices the one that explains the loss best is named, once, and its loss is taken off the
  others.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from otpconv.rates.baseline import Leaf, Span, expectations
from otpconv.rates.chance import false_discovery
from otpconv.rates.loss import Loss
from otpconv.rates.silence import silent_slices
from otpconv.rates.slices import Group, Kind, Slice, is_route, kinds_of, values_of
from otpconv.storage.contract import DIMENSIONS

#: At most this share of the slices that are named may be named by chance alone.
_FALSE_SHARE = 0.05
#: In a shorter span, so many expected verifications show whether a drop is over.
_ENOUGH_TO_RECOVER = 8.0
#: What a larger slice has to explain better than one within it, nats; and what a pair has to explain better
#: than one value alone, unless it is a country and a provider.
_SIZE_COST, _PAIR_COST = 2.5, 1.5
#: Findings of a verdict; more than this are one fault that no dimension names.
_MOST = 12
#: Verifications expected in the longest span below which nothing can be said.
_LEAST_POWER = 20.0


class Finding(Struct, frozen=True):
    """A slice that is broken.

    Attributes:
        kind: "drop" (codes are not verified) or "silence" (nothing is reported).
        slice: which messages.
        since: from about when on, ms; the start of the span at the latest.
        until: to about when, ms; None while it lasts.
        requested, verified: messages in that time.
        expected: verifications to expect in that time.
        lost: verifications lost, at least (the end of the 95 % interval that is nearer to none).
    """

    kind: Literal["drop", "silence"]
    slice: Slice
    since: int
    until: int | None
    requested: int
    verified: int
    expected: float
    lost: int

    @property
    def rate(self) -> float:
        """The share of the messages that were verified."""
        return self.verified / self.requested

    @property
    def usual(self) -> float:
        """The share to expect."""
        return min(1.0, self.expected / self.requested)


class Assessment(Struct, frozen=True):
    """What is broken now.

    Attributes:
        silences: slices about which nothing is reported any more, the largest first.
        drops: slices that convert too little, the costliest first (verifications lost an hour, at least).
        expected: verifications that were to be expected over all traffic in the longest span.
        learned_from: messages that the baseline was learned from.
    """

    silences: list[Finding]
    drops: list[Finding]
    expected: float
    learned_from: int

    @property
    def is_telling(self) -> bool:
        """Whether there was enough to see a sharp drop of all traffic."""
        return self.expected >= _LEAST_POWER


#: A slice in one span: the span's place, the kind, the values.
_Key = tuple[int, Kind, Group]
_Leaves = dict[Group, Leaf]


def assess(spans: Sequence[Span], now: int) -> Assessment:
    """Return what is broken now.

    Args:
        spans: stretches of time that end now, the shortest first.
        now: the time now, ms.
    """
    leaves = [expectations(span, now) for span in spans]
    silences = []
    for silence in silent_slices(leaves):
        span = spans[silence.span]
        silences.append(
            Finding(
                "silence",
                silence.slice,
                span.start,
                None,
                silence.requested,
                silence.verified,
                silence.expected,
                lost=0,
            )
        )
    heard = [without(found, [silence.slice for silence in silences]) for found in leaves]
    return Assessment(
        silences,
        _drops(spans, heard),
        max((sum(leaf.expected for leaf in found.values()) for found in leaves), default=0.0),
        max((span.level.requested for span in spans), default=0),
    )


def without(leaves: Mapping[Group, Leaf], slices: Iterable[Slice]) -> _Leaves:
    """Return the groups that are in none of the slices."""
    left_out = list(slices)
    return {
        group: leaf
        for group, leaf in leaves.items()
        if not any(each.covers(dict(zip(DIMENSIONS, group, strict=True))) for each in left_out)
    }


def _drops(spans: Sequence[Span], leaves: list[_Leaves]) -> list[Finding]:
    kinds = kinds_of({group for found in leaves for group in found})
    sums = _sums(leaves, kinds)
    chances = {key: found.chance for key, found in sums.items()}
    threshold = false_discovery(
        (chance for chance in chances.values() if chance < 1), len(chances), _FALSE_SHARE
    )
    suspects = {key for key, chance in chances.items() if chance <= threshold}
    drops: list[tuple[float, Finding]] = []
    while suspects and len(drops) < _MOST:
        key = max(suspects, key=lambda key: (_weight(key, sums), key))
        found, (place, kind, values) = sums[key], key
        if not _is_over(key, sums):
            cost = found.lost / max(1, spans[place].end - spans[place].start)
            drops.append((cost, _finding(spans[place], Slice.of(kind, values), found)))
        leaves = [
            _explained(each, kind, values, sums.get((n, kind, values))) for n, each in enumerate(leaves)
        ]
        sums = _sums(leaves, sorted({kind for _, kind, _ in suspects} | {kind}))
        suspects = {each for each in suspects - {key} if each in sums and sums[each].chance <= threshold}
    return [finding for _, finding in sorted(drops, key=lambda pair: -pair[0])]


def _sums(leaves: Sequence[_Leaves], kinds: Sequence[Kind]) -> dict[_Key, Loss]:
    sums: dict[_Key, Loss] = {}
    for place, found in enumerate(leaves):
        for group, leaf in found.items():
            for kind in kinds:
                key = place, kind, values_of(kind, group)
                found_before = sums.get(key)
                if found_before is None:
                    found_before = sums[key] = Loss()
                found_before.add(leaf)
    return {key: loss for key, loss in sums.items() if loss.counts}


def _weight(key: _Key, sums: Mapping[_Key, Loss]) -> float:
    """Return how well a slice explains the loss: the smallest that does is named."""
    _, kind, _ = key
    route = len(kind) == 2 and is_route(kind)  # noqa: PLR2004
    cost = 0.0 if route else _SIZE_COST if kind else 2 * _SIZE_COST
    return sums[key].evidence - cost - (_PAIR_COST if len(kind) > 1 and not route else 0.0)


def _is_over(key: _Key, sums: Mapping[_Key, Loss]) -> bool:
    """Tell whether a shorter span shows that a slice has recovered."""
    place, kind, values = key
    halfway = (1 + sums[key].ratio) / 2
    shorter = [sums.get((n, kind, values)) for n in range(place)]
    telling = [each for each in shorter if each is not None and each.expected >= _ENOUGH_TO_RECOVER]
    return bool(telling) and telling[0].ratio > halfway


def _explained(leaves: _Leaves, kind: Kind, values: Group, found: Loss | None) -> _Leaves:
    """Take what a slice lost off what is expected of its groups."""
    if found is None:
        return leaves
    ratio = min(1.0, found.ratio)
    return {
        group: leaf._replace(expected=leaf.expected * ratio) if values_of(kind, group) == values else leaf
        for group, leaf in leaves.items()
    }


def _finding(span: Span, which: Slice, found: Loss) -> Finding:
    return Finding(
        "drop", which, span.start, None, found.requested, found.verified, found.expected, found.lost
    )
