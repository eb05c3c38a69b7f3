"""Draws rates in a terminal: a bar for each group, or a small chart over time for each group, with axes."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from zoneinfo import ZoneInfo

from otpconv.charts.point import Point
from otpconv.charts.ticks import Axis, rate_axis
from otpconv.cli.zone import local

_UTC = ZoneInfo("UTC")
#: Width of a bar, and of the line of a chart at most, characters; steps are at most this wide.
_BAR, _LINE, _STEP = 40, 96, 4
#: Rows of the only chart, and of each of several.
_ROWS, _SMALL_ROWS = 10, 5


def plot_lines(points: Sequence[Point], zone: ZoneInfo = _UTC, width: int = 80) -> Iterator[str]:
    """Yield the lines of the drawing.

    Bars are scaled from 0 to 100 %. The axis of a chart over time fits the rates; all charts share it.

    Args:
        points: of all groups.
        zone: the time zone of the times; it must be named beside the drawing.
        width: of the terminal, characters.
    """
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.group, []).append(point)
    names = max((len(name) for name in groups), default=0)
    if not any(point.start is not None for point in points):
        for name, of_group in groups.items():
            yield f"{name:<{names}}  {_bar(of_group[0])}"
        return
    rates = [point.rate for point in points if point.rate is not None]
    rows = _ROWS if len(groups) == 1 else _SMALL_ROWS
    axis = rate_axis(min(rates, default=0.0), max(rates, default=1.0), rows // 2)
    starts = sorted({point.start or 0 for point in points})
    for number, (name, of_group) in enumerate(groups.items()):
        if number:
            yield ""
        yield from _chart(name, of_group, starts, zone, axis=axis, rows=rows, width=min(width, _LINE))


def _bar(point: Point) -> str:
    if point.rate is None or point.low is None or point.high is None:
        return "-"
    cells = ["░" if point.low <= (n + 0.5) / _BAR <= point.high else " " for n in range(_BAR)]
    full = round(point.rate * _BAR)
    bar = "█" * full + "".join(cells[full:])
    return f"{bar}  {point.rate:.1%}  ({point.low:.1%} to {point.high:.1%})"


def _chart(
    name: str,
    points: Sequence[Point],
    starts: Sequence[int],
    zone: ZoneInfo,
    *,
    axis: Axis,
    rows: int,
    width: int,
) -> Iterator[str]:
    """Yield a title, the rows of a line between labelled axes, and the time axis."""
    known = [point.rate for point in points if point.rate is not None]
    labels = [tick.label.replace("\N{NO-BREAK SPACE}", "") for tick in axis.ticks]
    margin = max(map(len, labels))
    rates, per_column = _columns(points, starts, width - margin - 2)
    note = ", the last one in progress" if any(point.unfinished for point in points) else ""
    change = f"{known[0]:.1%} -> {known[-1]:.1%}" if known else "no messages"
    yield f"{name}: {change} ({per_column}{note})"
    # A row for each label, and the same number of rows between two labels.
    every = max(1, round(rows / (len(labels) - 1)))
    rows = every * (len(labels) - 1) + 1
    grid = _line(rates, axis, rows)
    for row in range(rows):
        place, rest = divmod(rows - 1 - row, every)
        label = labels[place] if rest == 0 else ""
        yield f"{label:>{margin}} {'┤' if label else '│'}{''.join(grid[row]).rstrip()}"
    length = len(rates)
    yield f"{'':>{margin}} └{'─' * length}"
    first, last = local(starts[0], zone), local(starts[-1], zone)
    yield f"{'':>{margin}}  {first}{last:>{max(len(last) + 1, length - len(first))}}"


def _columns(points: Sequence[Point], starts: Sequence[int], width: int) -> tuple[list[float | None], str]:
    """Return the rate of each column, and what a column is; several steps are weighted by their messages."""
    at = {point.start: point for point in points}
    steps = [at.get(start) for start in starts]
    together = -(-len(steps) // max(1, width))
    wide = max(1, min(_STEP, width // max(1, len(steps))))
    rates: list[float | None] = []
    for first in range(0, len(steps), together):
        part = [
            step for step in steps[first : first + together] if step is not None and step.rate is not None
        ]
        requested = sum(step.requested for step in part)
        rate = sum((step.rate or 0.0) * step.requested for step in part) / requested if requested else None
        rates.extend([rate] * wide)
    return rates, f"{together} steps a column" if together > 1 else f"{len(steps)} steps"


def _line(rates: Sequence[float | None], axis: Axis, rows: int) -> list[list[str]]:
    """Return the characters of a line, the top row first."""
    grid = [[" "] * len(rates) for _ in range(rows)]
    places = [
        None if rate is None else round((axis.high - rate) / (axis.high - axis.low) * (rows - 1))
        for rate in rates
    ]
    for column, place in enumerate(places):
        if place is not None:
            grid[place][column] = "─"
    for column, (before, place) in enumerate(pairwise(places), 1):
        if before is None or place is None or before == place:
            continue
        upper, lower = sorted((before, place))
        grid[before][column] = "╮" if before < place else "╯"
        grid[place][column] = "╰" if before < place else "╭"
        for row in range(upper + 1, lower):
            grid[row][column] = "│"
    return grid
