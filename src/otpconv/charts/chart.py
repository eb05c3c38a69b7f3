"""The chart of the rates of many groups, in Vega-Lite, and pictures of charts; it works offline."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import asdict

from otpconv.charts.colours import LIGHT
from otpconv.charts.labels import labelled
from otpconv.charts.point import Point, rate_range
from otpconv.charts.ticks import rate_axis, time_ticks
from otpconv.errors import Misconfigured

#: Formats of pictures.
PICTURES = ("png", "svg")
_SCALE = 2.0
#: Small charts of groups: how many beside each other, their width and height (px), and labels of times.
_COLUMNS, _MULTIPLE, _MULTIPLE_TICKS = 3, (240, 110), 4
#: The fonts of charts: those of the pages.
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"


def groups_specification(points: Sequence[Point], by: Sequence[str], title: str) -> dict[str, Any]:
    """Return the Vega-Lite specification of a chart: a small chart over time, or a mark, for each group.

    The small charts share their axes, so that groups can be compared.

    Args:
        points: at least one.
        by: the dimensions of the groups.
        title: the title of the chart.

    Raises:
        Misconfigured: altair is not installed.
    """
    alt = altair()
    rates = rate_axis(*rate_range(points))
    axis = alt.Axis(title=None, **labelled(rates.ticks))
    scale = alt.Scale(domain=[rates.low, rates.high], nice=False, zero=False)
    rate = alt.Y("rate:Q", axis=axis, scale=scale)
    band = {"y": alt.Y("low:Q", axis=axis, scale=scale), "y2": alt.Y2("high:Q")}
    data = alt.InlineData(values=[asdict(point) for point in points])
    if any(point.start is not None for point in points):
        whole = _multiples(alt.Chart(data), points, rate, band)
    else:
        chart = alt.Chart(data)
        place = alt.X("group:N", title=", ".join(by) or None, sort=None)
        around = chart.mark_rule().encode(x=place, **band)
        whole = (around + chart.mark_point(filled=True, size=60).encode(x=place, y=rate)).properties(
            width=640, height=320
        )
    specification: dict[str, Any] = whole.properties(title=title).configure(font=FONT).to_dict()
    return specification


def _multiples(chart: Any, points: Sequence[Point], rate: Any, band: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return a small chart for each group: the rate with its interval, dotted while a step is in progress."""
    alt = altair()
    times = [point.start or 0 for point in points]
    ticks = time_ticks(min(times), max(times), _MULTIPLE_TICKS)
    domain = alt.Scale(type="utc", domain=[min(times), max(times)])
    time = alt.X("start:T", scale=domain, axis=alt.Axis(title=None, grid=False, **labelled(ticks)))
    finished = chart.transform_filter("!datum.unfinished")
    around = chart.mark_area(opacity=0.2, color=LIGHT.rate).encode(x=time, **band)
    line = finished.mark_line(color=LIGHT.rate).encode(x=time, y=rate)
    dots = chart.mark_circle(color=LIGHT.rate, size=18).encode(
        x=time, y=rate, opacity=alt.condition("datum.unfinished", alt.value(0.35), alt.value(1.0))
    )
    names = list(dict.fromkeys(point.group for point in points))
    header = alt.Header(title=None, labelFontWeight="bold", labelAnchor="start")
    return (
        (around + line + dots)
        .properties(width=_MULTIPLE[0], height=_MULTIPLE[1])
        .facet(facet=alt.Facet("group:N", header=header, sort=names), columns=_COLUMNS)
    )


def picture(chart: dict[str, Any] | str, kind: str) -> bytes:
    """Return the picture of a specification.

    Raises:
        Misconfigured: the format is unknown, or vl-convert is not installed.
    """
    if kind not in PICTURES:
        raise Misconfigured(f"a picture is a .png or a .svg file, not {kind!r}")
    try:
        import vl_convert  # noqa: PLC0415 - an extra
    except ImportError:
        raise _missing() from None
    if kind == "svg":
        return str(vl_convert.vegalite_to_svg(chart)).encode()
    return bytes(vl_convert.vegalite_to_png(chart, scale=_SCALE))


def altair() -> Any:  # noqa: ANN401 - an extra need not be there
    """Import altair, which takes half a second.

    Raises:
        Misconfigured: altair is not installed.
    """
    try:
        import altair as alt  # noqa: PLC0415
    except ImportError:
        raise _missing() from None
    return alt


def _missing() -> Misconfigured:
    return Misconfigured("drawing a picture needs more libraries: pip install 'otpconv[plot]'")
