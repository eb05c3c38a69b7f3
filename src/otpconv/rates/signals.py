"""Finds failures: the slices that stopped reporting, and those that convert worse than expected. Pure.

It reads counts and expectations, not the storage, so pages and alerts can use the same functions.

- *Silence*: almost nothing is reported about a slice, although reports are to be expected, and failing routes
  alone do not explain it.
- *Drop*: a slice has fewer verifications than its baseline predicts, by more than chance and the usual
  variation explain. Silent slices are removed first, so that healthy routes are not blamed.
- Of overlapping slices, only the one that explains the loss best is named. Its loss is then removed from the
  other slices.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from otpconv.rates.baseline import Leaf, WatchedSpan, expectations
from otpconv.rates.chance import false_discovery
from otpconv.rates.loss import Loss
from otpconv.rates.silence import silent_slices
from otpconv.rates.slices import Group, Slice, SliceKind, is_route, kinds_of, values_of
from otpconv.storage.contract import DIMENSIONS

#: Of the slices that are named, at most this share is named by chance alone.
_FALSE_SHARE = 0.05
#: With this many expected verifications, a shorter span shows whether a drop is over.
_ENOUGH_TO_RECOVER = 8.0
#: By how many nats a larger slice must explain the loss better than a slice within it; and by how many a pair
#: must explain it better than a single value, unless the pair is a country and a provider.
_SIZE_COST, _PAIR_COST = 2.5, 1.5
#: The most drops to name: more of them are one fault that no dimension describes.
_MOST = 12
#: With fewer verifications expected in the longest span, even a sharp drop does not show.
_LEAST_POWER = 20.0


class Signal(Struct, frozen=True):
    """A slice that is broken, or was.

    Attributes:
        kind: "drop" (codes are not verified) or "silence" (nothing is reported).
        slice: which messages.
        since: about when it began, ms; at the latest, the start of the span.
        until: about when it ended, ms; None while it lasts.
        requested, verified: messages in that time.
        expected: verifications to expect in that time.
        lost: the least number of lost verifications (the end of the 95 % interval that is nearer to none).
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
    """The current signals.

    Attributes:
        silences: slices about which nothing is reported any more, the largest first.
        drops: slices that convert worse than expected, the costliest first (verifications lost an hour).
        expected: verifications to expect for all traffic in the longest span.
        learned_from: messages that the baseline was learned from.
    """

    silences: list[Signal]
    drops: list[Signal]
    expected: float
    learned_from: int

    @property
    def has_enough_traffic(self) -> bool:
        """Whether a sharp drop of all traffic would show."""
        return self.expected >= _LEAST_POWER


class Evidence(Struct, frozen=True):
    """The signals, now and during a window.

    Attributes:
        now: the signals at the end of the window.
        earlier: the outages during the window that are over, the latest first.
    """

    now: Assessment
    earlier: list[Signal]


#: A slice in one span: the span's place, the kind, the values.
_Key = tuple[int, SliceKind, Group]
_Leaves = dict[Group, Leaf]


def assess(
    spans: Sequence[WatchedSpan], now: int, is_silent: Callable[[Slice], bool] = lambda _: True
) -> Assessment:
    """Return the current signals.

    Args:
        spans: spans of time that end now, the shortest first.
        now: the time now, ms.
        is_silent: returns whether a slice that looks silent is; if not, it may be a drop.
    """
    by_span = [expectations(span, now) for span in spans]
    silences = [
        Signal(
            "silence",
            silent.slice,
            spans[silent.span].start,
            None,
            silent.requested,
            silent.verified,
            silent.expected,
            lost=0,
        )
        for silent in silent_slices(by_span)
        if is_silent(silent.slice)
    ]
    reporting = [without(leaves, [silence.slice for silence in silences]) for leaves in by_span]
    return Assessment(
        silences,
        _drops(spans, reporting),
        max((sum(leaf.expected for leaf in leaves.values()) for leaves in by_span), default=0.0),
        max((span.baseline.requested for span in spans), default=0),
    )


def without(leaves: Mapping[Group, Leaf], slices: Iterable[Slice]) -> _Leaves:
    """Return the groups that are not in any of the slices."""
    left_out = list(slices)
    return {
        group: leaf
        for group, leaf in leaves.items()
        if not any(part.covers(dict(zip(DIMENSIONS, group, strict=True))) for part in left_out)
    }


def _drops(spans: Sequence[WatchedSpan], by_span: list[_Leaves]) -> list[Signal]:
    kinds = kinds_of({group for leaves in by_span for group in leaves})
    sums = _sums(by_span, kinds)
    chances = {key: loss.chance for key, loss in sums.items()}
    threshold = false_discovery(
        (chance for chance in chances.values() if chance < 1), len(chances), _FALSE_SHARE
    )
    suspects = {key for key, chance in chances.items() if chance <= threshold}
    drops: list[tuple[float, Signal]] = []
    while suspects and len(drops) < _MOST:
        key = max(suspects, key=lambda key: (_weight(key, sums), key))
        loss, (place, kind, values) = sums[key], key
        if not _is_over(key, sums):
            cost = loss.lost / max(1, spans[place].end - spans[place].start)
            drops.append((cost, _drop(spans[place], Slice.of(kind, values), loss)))
        by_span = [
            _explained(leaves, kind, values, sums.get((n, kind, values))) for n, leaves in enumerate(by_span)
        ]
        sums = _sums(by_span, sorted({kind for _, kind, _ in suspects} | {kind}))
        suspects = {rest for rest in suspects - {key} if rest in sums and sums[rest].chance <= threshold}
    return [drop for _, drop in sorted(drops, key=lambda pair: -pair[0])]


def _sums(by_span: Sequence[_Leaves], kinds: Sequence[SliceKind]) -> dict[_Key, Loss]:
    sums: dict[_Key, Loss] = {}
    for place, leaves in enumerate(by_span):
        for group, leaf in leaves.items():
            for kind in kinds:
                key = place, kind, values_of(kind, group)
                loss = sums.get(key)
                if loss is None:
                    loss = sums[key] = Loss()
                loss.add(leaf)
    return {key: loss for key, loss in sums.items() if loss.counts}


def _weight(key: _Key, sums: Mapping[_Key, Loss]) -> float:
    """Return how well a slice explains the loss, in nats; larger slices are penalized."""
    _, kind, _ = key
    route = len(kind) == 2 and is_route(kind)  # noqa: PLR2004
    cost = 0.0 if route else _SIZE_COST if kind else 2 * _SIZE_COST
    return sums[key].evidence - cost - (_PAIR_COST if len(kind) > 1 and not route else 0.0)


def _is_over(key: _Key, sums: Mapping[_Key, Loss]) -> bool:
    """Return whether a shorter span shows that a slice has recovered."""
    place, kind, values = key
    halfway = (1 + sums[key].ratio) / 2
    shorter = [sums.get((n, kind, values)) for n in range(place)]
    enough = [loss for loss in shorter if loss is not None and loss.expected >= _ENOUGH_TO_RECOVER]
    return bool(enough) and enough[0].ratio > halfway


def _explained(leaves: _Leaves, kind: SliceKind, values: Group, loss: Loss | None) -> _Leaves:
    """Remove the loss of a slice from the expectations of its groups."""
    if loss is None:
        return leaves
    ratio = min(1.0, loss.ratio)
    return {
        group: leaf._replace(expected=leaf.expected * ratio) if values_of(kind, group) == values else leaf
        for group, leaf in leaves.items()
    }


def _drop(span: WatchedSpan, which: Slice, loss: Loss) -> Signal:
    return Signal("drop", which, span.start, None, loss.requested, loss.verified, loss.expected, loss.lost)
