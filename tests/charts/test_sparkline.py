"""Small lines: shared axes, weighted sums of neighbours, and a dotted end."""

import re

from otpconv.charts.point import Point
from otpconv.charts.sparkline import HEIGHT, MAX_POINTS, WIDTH, sparklines

HOUR_MS = 3_600_000


def point(hour: int, rate: float | None, requested: int = 10, *, unfinished: bool = False) -> Point:
    return Point(hour * HOUR_MS, rate, None, None, None, requested, 0, unfinished=unfinished)


def test_lines_share_an_axis_and_show_a_fall() -> None:
    good, bad = [point(n, 0.8) for n in range(4)], [point(n, 0.8 if n < 2 else 0.4) for n in range(4)]
    drawn = sparklines({("a",): good, ("b",): bad, ("c",): [point(0, None)]}, 0, 4 * HOUR_MS)
    assert (drawn.axis.low, drawn.axis.high) == (0.4, 0.8)
    assert set(drawn.lines) == {("a",), ("b",)}
    assert (drawn.lines[("b",)].first, drawn.lines[("b",)].last) == (0.8, 0.4)
    assert drawn.lines[("b",)].line == f"M0.0 1.0L25.0 1.0L50.0 {HEIGHT - 1:.1f}L75.0 {HEIGHT - 1:.1f}"


def test_the_step_in_progress_continues_the_line() -> None:
    points = [point(0, 0.5), point(1, 0.6), point(2, 0.4, unfinished=True)]
    line = sparklines({("a",): points}, 0, 3 * HOUR_MS).lines[("a",)]
    assert line.line.count("L") == 1
    assert line.open.startswith("M" + line.line.rpartition("L")[2])


def test_many_steps_are_summed_weighted_by_their_messages() -> None:
    points = [point(n, 1.0 if n % 2 else 0.0, 30 if n % 2 else 10) for n in range(2 * MAX_POINTS)]
    line = sparklines({("a",): points}, 0, 2 * MAX_POINTS * HOUR_MS).lines[("a",)]
    assert len(re.findall("[ML]", line.line)) == MAX_POINTS
    assert (line.first, line.last) == (0.75, 0.75)
    assert all(0 <= float(x) <= WIDTH for x in re.findall(r"[ML]([0-9.]+)", line.line))
