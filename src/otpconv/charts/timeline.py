"""The chart of one rate over time, for the dashboard and for pictures, as a Vega-Lite specification."""

from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

from otpconv.charts.chart import altair
from otpconv.charts.point import Point

_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
#: Shorter charts have the time of day on the axis.
_TWO_DAYS_MS: Final = 2 * 86_400_000
#: Width of the plot, and heights of the rate and of the counts below it, px.
_WIDE, _NARROW = (1060, 210, 70), (300, 190, 64)


class Chart(Struct, frozen=True):
    """A chart of one rate over time.

    Attributes:
        points: by time.
        step_ms: from one point to the next, ms.
        dark: for a dark background.
        narrow: for a phone.
        title: above the chart; empty for none.
        ground: the background colour.
    """

    points: list[Point]
    step_ms: int
    dark: bool = False
    narrow: bool = False
    title: str = ""
    ground: str = "transparent"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture with its labels, px, so that a page can reserve the space."""
        width, *heights = _NARROW if self.narrow else _WIDE
        return width + 47, sum(heights) + 52


class _Colours(Struct, frozen=True):
    ink: str
    line: str
    rate: str
    before: str
    requested: str


_LIGHT = _Colours(ink="#57615d", line="#e6eae8", rate="#0f6f67", before="#86918c", requested="#cfd8d4")
_DARK = _Colours(ink="#a2ada8", line="#2b3230", rate="#62cbbd", before="#77837e", requested="#3a4441")


def timeline_specification(chart: Chart) -> str:
    """Return the Vega-Lite specification of a chart, as JSON.

    Raises:
        Misconfigured: altair is not installed.
    """
    alt = altair()
    colours = _DARK if chart.dark else _LIGHT
    width, above, below = _NARROW if chart.narrow else _WIDE
    rows = _rows(chart)
    start, end = _start(chart.points[0]), _start(chart.points[-1]) + chart.step_ms
    time = alt.X(
        "start:T",
        scale=alt.Scale(type="utc", domain=[start, end]),
        axis=alt.Axis(
            title=None,
            format="%H:%M" if end - start < _TWO_DAYS_MS else "%-d %b",
            tickCount=4 if chart.narrow else 10,
            labelOverlap=True,
            grid=False,
        ),
    )
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=time)
    unlabelled = base.encode(x=time.axis(alt.Axis(title=None, labels=False, ticks=False, grid=False)))
    whole = alt.vconcat(
        _rates(unlabelled, colours).properties(width=width, height=above),
        _counts(base, colours).properties(width=width, height=below),
        spacing=14,
    ).configure(
        background=chart.ground,
        font=_FONT,
        padding={"left": 2, "right": 8, "top": 6, "bottom": 2},
        axis=alt.AxisConfig(
            gridColor=colours.line,
            domainColor=colours.line,
            tickColor=colours.line,
            labelColor=colours.ink,
            labelFontSize=12,
        ),
        view=alt.ViewConfig(stroke=None),
    )
    if chart.title:
        whole = whole.properties(title=chart.title)
    return str(whole.to_json(indent=None, validate=False))


def _rows(chart: Chart) -> list[dict[str, Any]]:
    """Return the chart's data: a row for each point, and rows at which the lines end."""
    end = _start(chart.points[-1]) + chart.step_ms
    nothing = {"rate": None, "low": None, "high": None, "open": None, "requested": 0, "verified": 0}
    rows: list[dict[str, Any]] = []
    for point in chart.points:
        row = {**asdict(point), "end": _start(point) + chart.step_ms, "open": None}
        if point.unfinished:
            if rows:
                rows.append({**rows[-1], "start": point.start, "requested": 0, "verified": 0})
            row |= {"rate": None, "low": None, "high": None, "open": point.rate}
        rows.append(row)
    last = rows[-1]
    rows.append(
        {**nothing, **{name: last[name] for name in ("rate", "low", "high", "open", "before")}}
        | {"start": end, "end": end}
    )
    return rows


def _start(point: Point) -> int:
    return point.start or 0


def _rates(base: Any, colours: _Colours) -> Any:  # noqa: ANN401 - altair is not loaded here
    """Draw the band, the rate before, and the rate on top."""
    step = {"interpolate": "step-after"}
    percent = {"axis": {"format": "%", "title": None, "tickCount": 5}, "scale": {"zero": False, "nice": True}}
    rate = {"field": "rate", "type": "quantitative", **percent}
    band = base.mark_area(color=colours.rate, opacity=0.22, **step).encode(y="low:Q", y2="high:Q")
    before = base.mark_line(color=colours.before, strokeDash=[4, 3], strokeWidth=1.5, **step)
    line = base.mark_line(color=colours.rate, strokeWidth=2.25, **step)
    unfinished = base.mark_line(color=colours.rate, strokeWidth=2.25, strokeDash=[2, 3], opacity=0.7, **step)
    return band + before.encode(y="before:Q") + line.encode(y=rate) + unfinished.encode(y="open:Q")


def _counts(base: Any, colours: _Colours) -> Any:  # noqa: ANN401
    """Draw the requested messages, and the verified ones in front of them."""
    ground = {"datum": 0}
    count = {
        "field": "requested",
        "type": "quantitative",
        "axis": {"title": None, "tickCount": 2, "format": "~s"},
    }
    faint = {"condition": {"test": "datum.unfinished", "value": 0.4}, "value": 1}
    requested = base.mark_rect(color=colours.requested)
    verified = base.mark_rect(color=colours.rate)
    return requested.encode(x2="end:T", y=count, y2=ground, opacity=faint) + verified.encode(
        x2="end:T", y="verified:Q", y2=ground, opacity=faint
    )
