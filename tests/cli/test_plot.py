"""Charts in a terminal: labelled axes that fit the rates, one chart for each group, never too wide."""

import pytest

from otpconv.charts.point import Point
from otpconv.cli.plot import plot_lines
from otpconv.cli.rates_points import points_of

HOUR_MS = 3_600_000


def point(hour: int, rate: float | None, group: str = "all", *, unfinished: bool = False) -> Point:
    return Point(hour * HOUR_MS, rate, None, None, None, 100, 50, group=group, unfinished=unfinished)


def test_a_fall_looks_like_one() -> None:
    lines = list(plot_lines([point(n, 0.78 if n < 6 else 0.5) for n in range(9)]))
    assert lines[0] == "all: 78.0% -> 50.0% (9 steps)"
    assert lines[1].startswith("80% ┤")
    assert "╮" in lines[2]
    assert lines[10].startswith("50% ┤")
    assert "╰" in lines[10]
    assert lines[-1].split() == ["1970-01-01", "00:00", "1970-01-01", "08:00"]


def test_every_group_has_a_chart_of_its_own_with_the_same_axis() -> None:
    points = [point(n, 0.5 + number / 20, f"g{number}") for n in range(4) for number in range(10)]
    lines = list(plot_lines(points))
    assert [line.partition(":")[0] for line in lines if "steps" in line] == [f"g{n}" for n in range(10)]
    assert len([line for line in lines if line.startswith("100% ┤")]) == 10


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("steps", [1, 2, 30, 168, 2_000])
def test_no_line_is_wider_than_the_terminal(width: int, steps: int) -> None:
    rates = [None if n % 7 == 3 else n % 5 / 5 for n in range(steps)]
    lines = list(plot_lines([point(n, rate) for n, rate in enumerate(rates)], width=width))
    assert max(map(len, lines)) <= max(width, 44)


def test_a_step_that_the_window_cuts_is_in_progress() -> None:
    row = dict.fromkeys(("rate_low", "rate_high", "rate_expected"), None)
    rows = [
        row | {"rate": 0.5, "requested": 2, "verified": 1, "pending": 0, "start": n * HOUR_MS} for n in (0, 1)
    ]
    assert [each.unfinished for each in points_of(rows, (), HOUR_MS + 1)] == [False, True]
    assert [each.unfinished for each in points_of(rows, (), 2 * HOUR_MS)] == [False, False]
    assert "the last one in progress" in next(plot_lines(points_of(rows, (), HOUR_MS + 1)))
