"""Small charts of rates as paths of an SVG, for tables and small multiples on pages. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from otpconv.charts.point import Point
from otpconv.charts.ticks import Axis, rate_axis

#: Size of the drawing's coordinates; a page scales it.
WIDTH: Final = 100
HEIGHT: Final = 24
#: The most points of a line; more are summed in groups of neighbours.
MAX_POINTS: Final = 48


class Sparkline(Struct, frozen=True):
    """A line as paths of an SVG of `WIDTH` by `HEIGHT`.

    Attributes:
        line: the finished steps.
        open: the steps in progress; empty without any.
        first, last: the first and the last known rate.
    """

    line: str
    open: str
    first: float
    last: float


class Sparklines(Struct, frozen=True):
    """The lines of several groups, and the axis of rates that they share."""

    axis: Axis
    lines: dict[tuple[str, ...], Sparkline]


def sparklines(groups: Mapping[tuple[str, ...], Sequence[Point]], start: int, end: int) -> Sparklines:
    """Return the lines of several groups, all with the same axes; a group without a rate has none.

    Args:
        groups: the points of each group by time; steps without messages may be missing.
        start: of the time axis, ms.
        end: of the time axis, ms.
    """
    merged = {group: _merged(points, start, end) for group, points in groups.items()}
    rates = [point.rate for points in merged.values() for point in points if point.rate is not None]
    axis = rate_axis(min(rates, default=0.0), max(rates, default=1.0), 4)
    lines = {}
    for group, points in merged.items():
        known = [point for point in points if point.rate is not None]
        if known:
            done = [point for point in known if not point.unfinished]
            still = known[len(done) - 1 if done else 0 :] if len(done) < len(known) else []
            lines[group] = Sparkline(
                _path(done, axis, start, end),
                _path(still, axis, start, end),
                known[0].rate or 0.0,
                known[-1].rate or 0.0,
            )
    return Sparklines(axis, lines)


def _merged(points: Sequence[Point], start: int, end: int) -> list[Point]:
    """Sum neighbouring points until there are at most `MAX_POINTS`; a rate is weighted by its messages."""
    step = (end - start) / MAX_POINTS
    slots: dict[int, list[Point]] = {}
    for point in points:
        slots.setdefault(int(((point.start or 0) - start) // step), []).append(point)
    return [_sum(of) if len(of) > 1 else of[0] for _, of in sorted(slots.items())]


def _sum(points: Sequence[Point]) -> Point:
    known = [(point.rate, point.requested) for point in points if point.rate is not None]
    requested = sum(weight for _, weight in known)
    return Point(
        start=points[0].start,
        rate=sum(rate * weight for rate, weight in known) / requested if requested else None,
        low=None,
        high=None,
        before=None,
        requested=requested,
        verified=sum(point.verified for point in points),
        unfinished=points[-1].unfinished,
    )


def _path(points: Sequence[Point], axis: Axis, start: int, end: int) -> str:
    """Return the path through the points; a single point becomes a short line."""
    places = [
        (
            ((point.start or 0) - start) / (end - start) * WIDTH,
            (axis.high - (point.rate or 0.0)) / (axis.high - axis.low) * (HEIGHT - 2) + 1,
        )
        for point in points
    ]
    if len(places) == 1:
        places.append((min(places[0][0] + 2, WIDTH), places[0][1]))
    return "".join(f"{'L' if n else 'M'}{x:.1f} {y:.1f}" for n, (x, y) in enumerate(places))
