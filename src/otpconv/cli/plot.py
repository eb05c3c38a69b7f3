"""Rates drawn in a terminal: a bar for each group, or a line over time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from otpconv.charts.chart import label, point

#: Columns of a bar, and of a line at most.
_BAR, _LINE = 40, 80
_HEIGHTS = "▁▂▃▄▅▆▇█"


def lines(rows: Sequence[Mapping[str, Any]], by: Sequence[str]) -> Iterator[str]:
    """Return the drawing line by line; a bar and a line go from 0 to 100 %."""
    names = list(dict.fromkeys(label(row, by) for row in rows))
    width = max((len(name) for name in names), default=0)
    timed = any("start" in row for row in rows)
    for name in names:
        of = [row for row in rows if label(row, by) == name]
        drawn = _line(of, by) if timed else _bar(point(of[0], by))
        yield f"{name:<{width}}  {drawn}"


def _bar(shown: Mapping[str, Any]) -> str:
    if shown["rate"] is None:
        return "-"
    cells = ["░" if shown["low"] <= (n + 0.5) / _BAR <= shown["high"] else " " for n in range(_BAR)]
    full = round(shown["rate"] * _BAR)
    bar = "█" * full + "".join(cells[full:])
    return f"{bar}  {shown['rate']:.1%}  ({shown['low']:.1%} to {shown['high']:.1%})"


def _line(rows: Sequence[Mapping[str, Any]], by: Sequence[str]) -> str:
    rates = [point(row, by)["rate"] for row in rows]
    each = -(-len(rates) // _LINE)
    parts = [[rate for rate in rates[n : n + each] if rate is not None] for n in range(0, len(rates), each)]
    marks = [_HEIGHTS[min(7, int(sum(part) / len(part) * 8))] if part else " " for part in parts]
    last = next((rate for rate in reversed(rates) if rate is not None), None)
    return "".join(marks) + ("" if last is None else f"  {last:.1%}")
