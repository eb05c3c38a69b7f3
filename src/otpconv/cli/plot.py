"""Draws rates in a terminal: a bar for each group, or a line over time."""

from collections.abc import Iterator, Sequence

from otpconv.charts.point import Point

#: Width of a bar, and of a line at most, characters.
_BAR, _LINE = 40, 80
_HEIGHTS = "▁▂▃▄▅▆▇█"


def plot_lines(points: Sequence[Point]) -> Iterator[str]:
    """Yield the lines of the drawing; bars and lines are scaled from 0 to 100 %."""
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.group, []).append(point)
    width = max((len(name) for name in groups), default=0)
    timed = any(point.start is not None for point in points)
    for name, of_group in groups.items():
        drawn = _line(of_group) if timed else _bar(of_group[0])
        yield f"{name:<{width}}  {drawn}"


def _bar(point: Point) -> str:
    if point.rate is None or point.low is None or point.high is None:
        return "-"
    cells = ["░" if point.low <= (n + 0.5) / _BAR <= point.high else " " for n in range(_BAR)]
    full = round(point.rate * _BAR)
    bar = "█" * full + "".join(cells[full:])
    return f"{bar}  {point.rate:.1%}  ({point.low:.1%} to {point.high:.1%})"


def _line(points: Sequence[Point]) -> str:
    rates = [point.rate for point in points]
    width = -(-len(rates) // _LINE)
    parts = [[rate for rate in rates[n : n + width] if rate is not None] for n in range(0, len(rates), width)]
    marks = [_HEIGHTS[min(7, int(sum(part) / len(part) * 8))] if part else " " for part in parts]
    last = next((rate for rate in reversed(rates) if rate is not None), None)
    return "".join(marks) + ("" if last is None else f"  {last:.1%}")
