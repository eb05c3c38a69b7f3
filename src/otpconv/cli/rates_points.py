"""The points of a chart, from the rows that `/v1/rates` answers."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from otpconv.charts.point import Point, tells_nothing


def points_of(rows: Sequence[Mapping[str, Any]], by: Sequence[str], until: int | None = None) -> list[Point]:
    """Return the points of rows, as JSON; they have the expected rate where there is one.

    Args:
        rows: the rows of an answer.
        by: the dimensions of the question.
        until: the end of the question's window, ms: the step that it cuts is unfinished.
    """
    starts = sorted({row["start"] for row in rows if "start" in row})
    step_ms = min((after - start for start, after in pairwise(starts)), default=0)
    cut = starts[-1] if step_ms and until is not None and starts[-1] + step_ms > until else None
    return [_point(row, by, cut) for row in rows]


def _point(row: Mapping[str, Any], by: Sequence[str], cut: int | None) -> Point:
    rate = "rate" if row["rate_expected"] is None else "rate_expected"
    unknown = rate == "rate" and tells_nothing(row["verified"], row["pending"], row["requested"])
    return Point(
        start=row.get("start"),
        rate=None if unknown else row[rate],
        low=None if unknown else row[f"{rate}_low"],
        high=None if unknown else row[f"{rate}_high"],
        before=row.get("before_rate"),
        requested=row["requested"],
        verified=row["verified"],
        pending=row["pending"],
        group=_group(row, by),
        unfinished=cut is not None and row["start"] == cut,
    )


def _group(row: Mapping[str, Any], by: Sequence[str]) -> str:
    """Return the name of a row's group: its values, with a dash for an unknown one."""
    if "other" in row:
        return f"{row['other']} other{'s' if row['other'] > 1 else ''}"
    return " / ".join(row[name] or "-" for name in by) or "all"
