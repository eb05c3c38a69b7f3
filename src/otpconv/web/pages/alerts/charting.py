"""The chart of an alert: expected and seen over time. Pure."""

from typing import Final, Literal

from otpconv.alerts.showing.expectation import Quantity, Step
from otpconv.alerts.showing.series import Series
from otpconv.charts.point import Point
from otpconv.charts.timeline import Chart, Note
from otpconv.storage.alerts.contract import Alert

_UNITS: Final[dict[Quantity, Literal["share", "number", "seconds"]]] = {
    "verified": "share",
    "reported": "share",
    "messages": "number",
    "delay": "seconds",
}
#: What the chart shows, for people.
QUANTITIES: Final[dict[Quantity, str]] = {
    "verified": "verified messages",
    "reported": "messages with a report",
    "messages": "messages requested",
    "delay": "90 % of the codes are entered within",
}


def marks_of(alert: Alert, series: Series) -> list[tuple[int, str]]:
    """Return what happened, with its times (ms), as far as it is in the chart."""
    start, end = series.steps[0].start, series.steps[-1].start + series.step_ms
    happened = [
        (alert.found.since, "Began, estimated"),
        (alert.found_at, "Alert opened"),
        *([(alert.resolved_at, "Alert resolved")] if alert.resolved_at is not None else []),
    ]
    return [(at, what) for at, what in happened if start <= at < end]


def chart_of(
    alert: Alert, series: Series, now: int, zone: str, *, dark: bool = False, narrow: bool = False
) -> Chart:
    """Return the chart of an alert.

    Args:
        alert: the alert.
        series: expected and seen; with at least one step.
        now: the time now, ms: later steps are still going on.
        zone: the name of a time zone.
        dark: for a dark background.
        narrow: for a phone.
    """
    unit = _UNITS[series.quantity]
    notes = [Note(at, str(number)) for number, (at, _) in enumerate(marks_of(alert, series), 1)]
    return Chart(
        [_point(step, 1000.0 if unit == "seconds" else 1.0, now - series.step_ms) for step in series.steps],
        series.step_ms,
        dark,
        narrow,
        notes=notes,
        zone=zone,
        unit=unit,
        band_of_before=True,
    )


def _point(step: Step, scale: float, unfinished_from: int) -> Point:
    seen, low, high, usual = (
        None if value is None else value / scale for value in (step.seen, step.low, step.high, step.usual)
    )
    return Point(
        step.start,
        seen,
        low,
        high,
        usual,
        step.requested,
        step.counted,
        unfinished=step.start > unfinished_from,
    )
