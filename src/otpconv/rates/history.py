"""Signals over time: when one began, and outages during a window. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from otpconv.rates.baseline import (
    Baseline,
    GroupCount,
    GroupCounts,
    Leaf,
    UsualRates,
    WatchedSpan,
    expectations,
)
from otpconv.rates.loss import Loss
from otpconv.rates.signals import Assessment, Signal, without
from otpconv.rates.slices import APPLICATION, ROUTE, Group, Slice, SliceKind, kinds_of, values_of
from otpconv.storage.contract import DAY_MS, DIMENSIONS, HOUR_MS

#: The longest windows, and the step in which each is searched, ms.
_STEPS: Final = ((2 * DAY_MS, HOUR_MS), (10 * DAY_MS, 6 * HOUR_MS))
#: The search assumes that an outage reduces a rate to this share of it.
_FALL: Final = 0.6
#: The probability of a false outage, over all slices and times.
_CHANCE: Final = 0.01
#: The most outages to return.
_MOST: Final = 4
#: At or below this share of the expected reports, it was silence.
_QUIET: Final = 0.1
_TINY: Final = 1e-6
#: A slice: its kind and its values.
_Key = tuple[SliceKind, Group]


class _Run(Struct, frozen=True):
    """A run of steps in which a slice lost verifications: its first step, and the one after the last."""

    kind: SliceKind
    values: Group
    first: int
    after: int
    loss: Loss

    @property
    def weight(self) -> tuple[float, int]:
        return self.loss.evidence, -len(self.kind)


def step_of(length: int) -> int:
    """Return the step in which a window of this length (ms) is searched, ms."""
    return next((step for longest, step in _STEPS if length <= longest), DAY_MS)


def date_signals(
    found: Assessment, slots_of: Mapping[Slice, Mapping[int, GroupCount]], end: int
) -> Assessment:
    """Return an assessment whose signals have their beginnings, with the drops that now cost most first.

    Args:
        found: the assessment.
        slots_of: for the slices of those signals to date: their counts by slot (start, ms), up to now.
        end: when the last slot ends, ms.
    """

    def dated(signal: Signal) -> Signal:
        return _dated(signal, slots_of[signal.slice]) if signal.slice in slots_of else signal

    drops = sorted(
        map(dated, found.drops), key=lambda drop: drop.lost / max(1, end - drop.since), reverse=True
    )
    return replace(found, silences=list(map(dated, found.silences)), drops=drops)


def _dated(signal: Signal, slots: Mapping[int, GroupCount]) -> Signal:
    """Return a signal with its beginning, and with the counts since then; unchanged where that is unclear."""
    since = _beginning(signal, slots)
    if since is None:
        return signal
    loss = Loss()
    loss.known = signal.requested
    for start, count in slots.items():
        if start >= since:
            loss.requested += count.requested
            loss.verified += count.verified
            loss.expected += count.requested * signal.usual
    return replace(
        signal,
        since=since,
        requested=loss.requested,
        verified=loss.verified,
        expected=loss.expected,
        lost=loss.lost if signal.kind == "drop" else 0,
    )


def _beginning(signal: Signal, slots: Mapping[int, GroupCount]) -> int | None:
    """Return the start of the slot in which a signal began, ms; None where that is unclear."""
    since = None
    if signal.kind == "silence":
        for start in sorted(slots, reverse=True):
            if slots[start].reported > _QUIET * slots[start].requested:
                break
            since = start
        return since
    fall = signal.rate / max(signal.usual, _TINY)
    best = total = 0.0
    for start in sorted(slots, reverse=True):
        total += _score(slots[start].verified, slots[start].requested, signal.usual, fall)
        if total > best:
            best, since = total, start
    return since


def outages(
    slots: Mapping[int, GroupCounts], step: int, baseline: Baseline, broken: Sequence[Signal], now: int
) -> list[Signal]:
    """Return the outages that are over, the latest first.

    Args:
        slots: the counts by the slot's start, ms.
        step: length of a slot, ms.
        baseline: the past counts, with groups by the same dimensions.
        broken: the current signals, which are left out.
        now: the time now, ms.
    """
    rates = UsualRates(baseline, {}, {})
    by_slot = {}
    for start, counts in slots.items():
        span = WatchedSpan("", start, start + step, counts, {}, {}, baseline)
        known = [signal.slice for signal in broken if start + step > signal.since]
        by_slot[start] = without(expectations(span, now, rates), known)
    groups = {group for leaves in by_slot.values() for group in leaves}
    kinds = _kinds(groups)
    keys = {group: [(kind, values_of(kind, group)) for kind in kinds] for group in groups}
    found: list[Signal] = []
    while len(found) < _MOST and (run := _worst(by_slot, keys)) is not None:
        found.append(_signal(run, by_slot, step))
        ratio = min(1.0, run.loss.ratio)
        for start, leaves in by_slot.items():
            if run.first <= start < run.after:
                by_slot[start] = {
                    group: leaf._replace(expected=leaf.expected * ratio)
                    if values_of(run.kind, group) == run.values
                    else leaf
                    for group, leaf in leaves.items()
                }
    return sorted(found, key=lambda signal: signal.until or 0, reverse=True)


def _kinds(groups: Iterable[Group]) -> list[SliceKind]:
    kinds = kinds_of(groups, (*ROUTE, *APPLICATION))
    route = {DIMENSIONS.index("country"), DIMENSIONS.index("provider")}
    return [kind for kind in kinds if len(kind) < 2 or set(kind) == route]  # noqa: PLR2004


def _worst(by_slot: Mapping[int, Mapping[Group, Leaf]], keys: Mapping[Group, Sequence[_Key]]) -> _Run | None:
    """Return the most evident outage, if there is one that chance does not explain.

    Args:
        by_slot: the groups by the slot's start, ms.
        keys: the slices of each group.
    """
    series: dict[_Key, dict[int, Loss]] = {}
    for start in sorted(by_slot):
        slot: dict[_Key, Loss] = {}
        for group, leaf in by_slot[start].items():
            for key in keys[group]:
                loss = slot.get(key)
                if loss is None:
                    loss = slot[key] = Loss()
                    series.setdefault(key, {})[start] = loss
                loss.add(leaf)
    least = _CHANCE / max(1, len(series) * len(by_slot))
    runs = (_run(kind, values, by_start) for (kind, values), by_start in series.items())
    return max(
        (run for run in runs if run is not None and run.loss.counts and run.loss.chance <= least),
        key=lambda run: run.weight,
        default=None,
    )


def _run(kind: SliceKind, values: Group, series: Mapping[int, Loss]) -> _Run | None:
    """Return the run of steps in which a fall explains the counts best (Kadane's maximum subarray)."""
    best = total = 0.0
    first = None
    bounds: tuple[int, int] | None = None
    for start, loss in series.items():
        if total <= 0:
            total, first = 0.0, start
        total += _score(loss.verified, loss.requested, loss.expected / loss.requested, _FALL)
        if total > best and first is not None:
            best, bounds = total, (first, start)
    if bounds is None:
        return None
    whole = Loss()
    for start, loss in series.items():
        if bounds[0] <= start <= bounds[1]:
            whole.include(loss)
    return _Run(kind, values, bounds[0], bounds[1] + 1, whole)


def _score(verified: int, requested: int, usual: float, fall: float) -> float:
    """Return by how many nats a rate of usual * fall explains the counts better than the usual rate."""
    usual = min(max(usual, _TINY), 1 - _TINY)
    fallen = min(max(usual * fall, _TINY), 1 - _TINY)
    return verified * log(fallen / usual) + (requested - verified) * log((1 - fallen) / (1 - usual))


def _signal(run: _Run, by_slot: Mapping[int, Mapping[Group, Leaf]], step: int) -> Signal:
    part = [
        leaf
        for start, leaves in by_slot.items()
        if run.first <= start < run.after
        for group, leaf in leaves.items()
        if values_of(run.kind, group) == run.values
    ]
    quiet = sum(leaf.reported for leaf in part) <= _QUIET * sum(leaf.reports for leaf in part)
    application = not run.kind or DIMENSIONS[run.kind[0]] in APPLICATION
    return Signal(
        "silence" if quiet and application else "drop",
        Slice.of(run.kind, run.values),
        run.first,
        run.after - 1 + step,
        run.loss.requested,
        run.loss.verified,
        run.loss.expected,
        run.loss.lost,
    )
