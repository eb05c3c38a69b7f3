"""Outages in time: when one began, and what was broken for a while during a window. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from otpconv.rates.baseline import Counts, Leaf, Level, Rates, Span, expectations
from otpconv.rates.loss import Loss
from otpconv.rates.signals import Finding, without
from otpconv.rates.slices import APPLICATION, ROUTE, Group, Kind, Slice, kinds_of, values_of
from otpconv.storage.contract import DAY_MS, DIMENSIONS, HOUR_MS

#: Steps in which a window is looked through, by the longest window, ms.
_STEPS: Final = ((2 * DAY_MS, HOUR_MS), (10 * DAY_MS, 6 * HOUR_MS))
#: An outage is looked for as a fall of a rate to this share of it.
_FALL: Final = 0.6
#: The chance of an outage that is none, over all slices and times.
_CHANCE: Final = 0.01
#: Outages in a verdict.
_MOST: Final = 4
#: When so few of the expected reports came, it was silence.
_QUIET: Final = 0.1
_TINY: Final = 1e-6


class _Run(Struct, frozen=True):
    """A stretch of time in which a slice lost verifications: its first step, and the one after the last."""

    kind: Kind
    values: Group
    first: int
    after: int
    loss: Loss

    @property
    def weight(self) -> tuple[float, int]:
        return self.loss.evidence, -len(self.kind)


def step_of(length: int) -> int:
    """Return the step in which a window of this length (ms) is looked through, ms."""
    return next((step for longest, step in _STEPS if length <= longest), DAY_MS)


def dated(finding: Finding, slots: Mapping[int, tuple[int, int, int]]) -> Finding:
    """Return a finding with its beginning, as far as that shows, and with the counts since then.

    Args:
        finding: a drop or a silence that lasts until the last slot.
        slots: requested, verified and reported of its slice, by the slot's start (ms).
    """
    since = _beginning(finding, slots)
    if since is None:
        return finding
    loss = Loss()
    loss.known = finding.requested
    for start, (requested, verified, _) in slots.items():
        if start >= since:
            loss.requested += requested
            loss.verified += verified
            loss.expected += requested * finding.usual
    lost = loss.lost if finding.kind == "drop" else 0
    return replace(
        finding,
        since=since,
        requested=loss.requested,
        verified=loss.verified,
        expected=loss.expected,
        lost=lost,
    )


def _beginning(finding: Finding, slots: Mapping[int, tuple[int, int, int]]) -> int | None:
    """Return the start of the slot in which a finding began, ms; None where that does not show."""
    since = None
    if finding.kind == "silence":
        for start in sorted(slots, reverse=True):
            requested, _, reported = slots[start]
            if reported > _QUIET * requested:
                break
            since = start
        return since
    best = total = 0.0
    for start in sorted(slots, reverse=True):
        requested, verified, _ = slots[start]
        total += _score(verified, requested, finding.usual, finding.rate / max(finding.usual, _TINY))
        if total > best:
            best, since = total, start
    return since


def outages(
    slots: Mapping[int, Counts], step: int, level: Level, broken: Sequence[Finding], now: int
) -> list[Finding]:
    """Return what was broken for a while, the latest first.

    Args:
        slots: the counts by the slot's start, ms.
        step: length of a slot, ms.
        level: how the groups usually do.
        broken: what is broken now, which is left out.
        now: the time now, ms.
    """
    rates = Rates(level, {}, {})
    leaves = {}
    for start, counts in slots.items():
        span = Span("", start, start + step, counts, {}, {}, level)
        gone = [each.slice for each in broken if start + step > each.since]
        leaves[start] = without(expectations(span, now, rates), gone)
    kinds = _kinds({group for found in leaves.values() for group in found})
    found: list[Finding] = []
    while len(found) < _MOST and (run := _worst(leaves, kinds)) is not None:
        found.append(_finding(run, leaves, step))
        ratio = min(1.0, run.loss.ratio)
        for start, part in leaves.items():
            if run.first <= start < run.after:
                leaves[start] = {
                    group: leaf._replace(expected=leaf.expected * ratio)
                    if values_of(run.kind, group) == run.values
                    else leaf
                    for group, leaf in part.items()
                }
    return sorted(found, key=lambda each: each.until or 0, reverse=True)


def _kinds(groups: Iterable[Group]) -> list[Kind]:
    kinds = kinds_of(groups, (*ROUTE, *APPLICATION))
    route = {DIMENSIONS.index("country"), DIMENSIONS.index("provider")}
    return [kind for kind in kinds if len(kind) < 2 or set(kind) == route]  # noqa: PLR2004


def _worst(leaves: Mapping[int, Mapping[Group, Leaf]], kinds: Sequence[Kind]) -> _Run | None:
    """Return the outage that is most evident, if any is more than chance."""
    series: dict[tuple[Kind, Group], dict[int, Loss]] = {}
    for start in sorted(leaves):
        for group, leaf in leaves[start].items():
            for kind in kinds:
                by_start = series.setdefault((kind, values_of(kind, group)), {})
                by_start.setdefault(start, Loss()).add(leaf)
    least = _CHANCE / max(1, len(series) * len(leaves))
    runs = (_run(kind, values, by_start) for (kind, values), by_start in series.items())
    return max(
        (run for run in runs if run is not None and run.loss.counts and run.loss.chance <= least),
        key=lambda run: run.weight,
        default=None,
    )


def _run(kind: Kind, values: Group, series: Mapping[int, Loss]) -> _Run | None:
    """Return the stretch in which a fall explains the counts best (Kadane's maximum subarray)."""
    best = total = 0.0
    first = None
    stretch: tuple[int, int] | None = None
    for start, loss in series.items():
        if total <= 0:
            total, first = 0.0, start
        total += _score(loss.verified, loss.requested, loss.expected / loss.requested, _FALL)
        if total > best and first is not None:
            best, stretch = total, (first, start)
    if stretch is None:
        return None
    whole = Loss()
    for start, loss in series.items():
        if stretch[0] <= start <= stretch[1]:
            whole.include(loss)
    return _Run(kind, values, stretch[0], stretch[1] + 1, whole)


def _score(verified: int, requested: int, usual: float, fall: float) -> float:
    """Return how much better a rate of usual * fall explains the counts than the usual one, nats."""
    usual = min(max(usual, _TINY), 1 - _TINY)
    fallen = min(max(usual * fall, _TINY), 1 - _TINY)
    return verified * log(fallen / usual) + (requested - verified) * log((1 - fallen) / (1 - usual))


def _finding(run: _Run, leaves: Mapping[int, Mapping[Group, Leaf]], step: int) -> Finding:
    part = [
        leaf
        for start, found in leaves.items()
        if run.first <= start < run.after
        for group, leaf in found.items()
        if values_of(run.kind, group) == run.values
    ]
    quiet = sum(leaf.reported for leaf in part) <= _QUIET * sum(leaf.reports for leaf in part)
    application = not run.kind or DIMENSIONS[run.kind[0]] in APPLICATION
    return Finding(
        "silence" if quiet and application else "drop",
        Slice.of(run.kind, run.values),
        run.first,
        run.after - 1 + step,
        run.loss.requested,
        run.loss.verified,
        run.loss.expected,
        run.loss.lost,
    )
