"""One specification draws every answer, and asks nobody for anything."""

import json
import subprocess
import sys
from typing import Any

import pytest

from otpconv.charts.chart import altair, groups_specification, picture
from otpconv.charts.point import point_of
from otpconv.charts.timeline import Chart, timeline_specification
from otpconv.cli.rates_points import points_of
from otpconv.errors import Misconfigured
from otpconv.rates.row import RateRow, Side

ROW: dict[str, Any] = {
    "requested": 10,
    "verified": 5,
    "pending": 0,
    "rate": 0.5,
    "rate_low": 0.3,
    "rate_high": 0.7,
    "rate_expected": None,
    "rate_expected_low": None,
    "rate_expected_high": None,
}
GROUPS = [ROW | {"country": "DE"}, ROW | {"country": None}, ROW | {"other": 3}]
HOURS = [row | {"start": hour * 3_600_000} for hour in range(3) for row in GROUPS]


@pytest.mark.parametrize("rows", [GROUPS, HOURS])
def test_groups_and_times_are_drawn_as_png_and_svg(rows: list[dict[str, Any]]) -> None:
    chart = groups_specification(points_of(rows, ["country"]), ["country"], "a title")
    for name in ("DE", "3 others", "a title"):
        assert name in json.dumps(chart)
    assert "url" not in chart["data"]
    assert picture(chart, "svg").startswith(b"<svg")
    assert picture(chart, "png").startswith(b"\x89PNG")


def test_the_expected_rate_goes_before_the_one_that_still_grows() -> None:
    expected = {"rate_expected": 0.8, "rate_expected_low": 0.6, "rate_expected_high": 0.9}
    shown, plain = points_of([ROW | expected, ROW], [])
    assert (shown.rate, shown.low, shown.high) == (0.8, 0.6, 0.9)
    assert (plain.rate, plain.group) == (0.5, "all")
    (route,) = points_of([ROW | {"country": "DE", "carrier": None}], ["country", "carrier"])
    assert route.group == "DE / -"


def test_a_picture_of_another_format_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"\.png or a \.svg"):
        picture({}, "gif")


def test_without_the_library_it_says_what_to_install() -> None:
    blocked = (
        "import sys\n"
        "sys.modules['altair'] = sys.modules['vl_convert'] = None\n"
        "from otpconv.charts.chart import altair, groups_specification, picture\n"
        "for draw in (lambda: groups_specification([], [], ''), lambda: picture({}, 'svg')):\n"
        "    try:\n"
        "        draw()\n"
        "    except Exception as error:\n"
        "        print(error)\n"
    )
    told = subprocess.run(  # noqa: S603
        [sys.executable, "-c", blocked], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    assert told.count("pip install 'otpconv[plot]'") == 2


def test_one_rate_over_time_is_drawn_as_the_dashboard_draws_it() -> None:
    rows = [ROW | {"start": hour * 3_600_000, "before_rate": 0.6} for hour in range(3)]
    chart = Chart(points_of(rows, []), 3_600_000, title="a title", ground="white")
    drawn = timeline_specification(chart)
    assert '"before":0.6' in drawn.replace(" ", "")
    assert "a title" in drawn
    altair().Chart.from_dict(json.loads(drawn))  # Vega-Lite's schema has all of it
    assert picture(drawn, "svg").startswith(b"<svg")


def test_the_step_that_still_goes_on_is_drawn_as_unfinished() -> None:
    hour = 3_600_000
    half = Side(10, 5, 0, None)
    rows = [RateRow(n * hour, (), 0, half, 10, 5, (None, None, None), Side(10, 6, 0, None)) for n in range(3)]
    slots = [point_of(row, unfinished_from=int(1.5 * hour)) for row in rows]
    assert [slot.unfinished for slot in slots] == [False, False, True]
    data = json.loads(timeline_specification(Chart(slots, hour)))
    points = next(rows for rows in data["datasets"].values() if "rate" in rows[0])
    # The finished line ends where the unfinished one begins, and that one at the end of its step.
    assert [(each["start"], each["rate"]) for each in points if each["rate"] is not None][-1] == (
        2 * hour,
        0.5,
    )
    assert [each["start"] for each in points if each["open"] is not None] == [2 * hour, 3 * hour]
    assert picture(timeline_specification(Chart(slots, hour)), "svg").startswith(b"<svg")


def test_a_step_whose_messages_are_all_young_has_no_rate_yet_and_is_no_outage() -> None:
    for verified, pending, rate in ((0, 10, None), (1, 9, 0.1), (0, 9, 0.0)):
        side = Side(10, verified, pending, None)
        row = RateRow(0, (), 0, side, 10, verified, (None, None, None), None)
        point = point_of(row, unfinished_from=0)
        (same,) = points_of(
            [
                ROW
                | {
                    "rate": verified / 10,
                    "rate_expected": None,
                    "pending": pending,
                    "requested": 10,
                    "verified": verified,
                }
            ],
            [],
        )
        assert (point.rate, same.rate) == (rate, rate)
        assert (point.low is None, same.low is None) == (rate is None, rate is None)
