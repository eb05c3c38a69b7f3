"""The chart of the rates of many groups, in Vega-Lite, and pictures of charts; it works offline."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import asdict

from otpconv.charts.point import Point
from otpconv.errors import Misconfigured

#: Formats of pictures.
PICTURES = ("png", "svg")
_SCALE = 2.0


def groups_specification(points: Sequence[Point], by: Sequence[str], title: str) -> dict[str, Any]:
    """Return the Vega-Lite specification of a chart: lines over time, or a mark for each group.

    Args:
        points: at least one.
        by: the dimensions of the groups.
        title: the title of the chart.

    Raises:
        Misconfigured: altair is not installed.
    """
    alt = altair()
    timed = any(point.start is not None for point in points)
    chart = alt.Chart(alt.Data(values=[asdict(point) for point in points]), title=title)
    rate = alt.Y("rate:Q", title="conversion rate", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
    band = {"y": alt.Y("low:Q", title="conversion rate"), "y2": alt.Y2("high:Q")}
    legend = alt.Legend(title=", ".join(by)) if by and timed else None
    group = alt.Color("group:N", sort=None, legend=legend)
    tooltip = [
        alt.Tooltip(f"{name}:{kind}", format=form)
        for name, kind, form in (
            *(("group", "N", ""), ("rate", "Q", ".1%"), ("low", "Q", ".1%"), ("high", "Q", ".1%")),
            *(("requested", "Q", ","), ("pending", "Q", ",")),
        )
    ]
    if timed:
        time = alt.X("start:T", title="requested (UTC)", scale=alt.Scale(type="utc"))
        around = chart.mark_area(opacity=0.2).encode(x=time, **band, color=group)
        middle = chart.mark_line(point=True).encode(x=time, y=rate, color=group, tooltip=tooltip)
    else:
        place = alt.X("group:N", title=", ".join(by) or None, sort=None)
        around = chart.mark_rule().encode(x=place, **band)
        middle = chart.mark_point(filled=True, size=60).encode(x=place, y=rate, color=group, tooltip=tooltip)
    specification: dict[str, Any] = (around + middle).properties(width=640, height=320).to_dict()
    return specification


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
