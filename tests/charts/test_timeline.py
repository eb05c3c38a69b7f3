"""The data of the chart over time: no step is left out, and annotations close together share a mark."""

import json
import random
from itertools import pairwise
from typing import Any

from campaigns import rounds
from otpconv.charts.point import Point
from otpconv.charts.timeline import Chart, Note, timeline_specification

STEP_MS = 60_000


def datasets(chart: Chart) -> list[list[dict[str, Any]]]:
    specification = json.loads(timeline_specification(chart))
    return list(specification["datasets"].values())


def random_points(chance: random.Random) -> list[Point]:
    """Steps with gaps in the rate and in the rate before; the last ones may be in progress."""
    count, done = chance.randint(1, 30), chance.randint(0, 30)
    return [
        Point(
            n * STEP_MS,
            rate := None if chance.random() < 0.4 else chance.random(),
            rate,
            rate,
            None if chance.random() < 0.4 else chance.random(),
            0 if rate is None else 5,
            1,
            unfinished=n >= done,
        )
        for n in range(count)
    ]


def test_every_known_rate_is_a_line_over_its_whole_step() -> None:
    chance = random.Random(1)
    for _ in range(rounds(5)):
        points = random_points(chance)
        (rows,) = (data for data in datasets(Chart(points, STEP_MS)) if "requested" in data[0])
        for name, value_of in (
            ("rate", lambda point: None if point.unfinished else point.rate),
            ("open", lambda point: point.rate if point.unfinished else None),
            ("before", lambda point: point.before),
        ):
            # A line goes on at the value of a row until the next row, if that has a value too.
            drawn = {
                (row["start"], following["start"], row[name])
                for row, following in pairwise(rows)
                if None not in {row[name], following[name]} and row["start"] < following["start"]
            }
            assert drawn == {
                (point.start, (point.start or 0) + STEP_MS, value_of(point))
                for point in points
                if value_of(point) is not None
            }


def test_annotations_that_are_close_together_share_a_mark() -> None:
    points = [Point(n * STEP_MS, 0.5, 0.4, 0.6, 0.5, 2, 1) for n in range(100)]
    times = [0, STEP_MS // 2, STEP_MS, 50 * STEP_MS]
    chart = Chart(points, STEP_MS, notes=[Note(at, str(n)) for n, at in enumerate(times, 1)])
    (rows,) = (data for data in datasets(chart) if "mark" in data[0])
    assert [row["start"] for row in rows] == times
    assert [row["mark"] for row in rows] == ["1–3", "", "", "4"]
