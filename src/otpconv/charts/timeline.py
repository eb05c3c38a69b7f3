"""The chart of one rate over time, for the dashboard and for pictures, as a Vega-Lite specification.

The plot has a fixed place in the picture, so that a page knows which time is under the pointer.
"""

import re
from itertools import zip_longest
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import asdict

from otpconv.charts.chart import FONT, altair
from otpconv.charts.colours import DARK, LIGHT, Colours
from otpconv.charts.labels import labelled
from otpconv.charts.point import Point, rate_range
from otpconv.charts.ticks import Axis, count_axis, rate_axis, time_ticks

#: Width of the plot, and heights of the rate and of the counts below it, px.
_WIDE, _NARROW = (1060, 210, 70), (300, 190, 64)
#: The most labels on the time axis.
_WIDE_TICKS, _NARROW_TICKS = 10, 5
#: Around the plots, px; and between the two.
_LEFT, _RIGHT, _TOP, _BOTTOM, _BETWEEN = 2, 28, 16, 2, 24
#: Size of a picture, and place of its plots in it, as Vega writes them.
_SIZE = re.compile(r'width="[0-9.]+" height="[0-9.]+" viewBox="[-0-9. ]+"')
_PLACE = re.compile(r'transform="translate\(([-0-9.]+),([-0-9.]+)\)"')
#: Height of the labels of the time axis, and width of a character of a label, px.
_TIMES, _CHARACTER = 20, 7.6
_LABEL_SIZE: Final = 12
#: Room for the mark of annotations, and for the label of the steps in progress, px.
_MARK, _IN_PROGRESS = 26, 75


class Note(Struct, frozen=True):
    """An annotation in a chart: a line at a time (ms), with a short mark; the page lists the texts."""

    at: int
    mark: str


class Frame(NamedTuple):
    """Size of a picture, and the place of its plots in it, px."""

    width: int
    height: int
    left: int
    top: int
    plot_width: int
    plot_height: int


class Chart(Struct, frozen=True, tag=True):
    """A chart of one rate over time.

    Attributes:
        points: by time.
        step_ms: from one point to the next, ms.
        dark: for a dark background.
        narrow: for a phone.
        title: above the chart; empty for none.
        ground: the background colour.
        notes: annotations.
        zone: the time zone of the time axis.
    """

    points: list[Point]
    step_ms: int
    dark: bool = False
    narrow: bool = False
    title: str = ""
    ground: str = "transparent"
    notes: list[Note] = []
    zone: str = "UTC"

    @property
    def start(self) -> int:
        """Where the time axis begins, ms."""
        return _start(self.points[0])

    @property
    def end(self) -> int:
        """Where the time axis ends, ms."""
        return _start(self.points[-1]) + self.step_ms

    @property
    def rates(self) -> Axis:
        """The axis of the rates, which fits the rates, their intervals and the rates before."""
        return rate_axis(*rate_range(self.points))

    @property
    def counts(self) -> Axis:
        """The axis of the counts."""
        return count_axis(max(point.requested for point in self.points))

    @property
    def frame(self) -> Frame:
        """The size of the picture without a title, so that a page can reserve the space."""
        width, *heights = _NARROW if self.narrow else _WIDE
        left = _LEFT + _extent(self)
        plots = sum(heights) + _BETWEEN
        return Frame(left + width + _RIGHT, _TOP + plots + _TIMES + _BOTTOM, left, _TOP, width, plots)


def _extent(chart: Chart) -> int:
    """Return the width of the labels left of the plots, px."""
    labels = [tick.label for tick in (*chart.rates.ticks, *chart.counts.ticks)]
    return round(max(map(len, labels)) * _CHARACTER) + 10


def fitted(svg: str, frame: Frame) -> str:
    """Return a picture whose plots are where `frame` says: Vega leaves room for labels that stick out.

    Raises:
        ValueError: the picture is not one of Vega's.
    """
    size, place = _SIZE.search(svg), _PLACE.search(svg)
    if size is None or place is None:
        raise ValueError("not a picture of Vega's")
    x, y = float(place[1]) - frame.left, float(place[2]) - frame.top
    view = f'width="{frame.width}" height="{frame.height}" viewBox="{x:g} {y:g} {frame.width} {frame.height}"'
    return f"{svg[: size.start()]}{view}{svg[size.end() :]}"


def timeline_specification(chart: Chart) -> str:
    """Return the Vega-Lite specification of a chart, as JSON.

    Raises:
        Misconfigured: altair is not installed.
    """
    alt = altair()
    colours = DARK if chart.dark else LIGHT
    width, above, below = _NARROW if chart.narrow else _WIDE
    ticks = time_ticks(
        chart.start, chart.end, _NARROW_TICKS if chart.narrow else _WIDE_TICKS, ZoneInfo(chart.zone)
    )
    scale = alt.Scale(type="utc", domain=[chart.start, chart.end])
    extent = {"minExtent": _TIMES, "maxExtent": _TIMES}
    time = alt.X("start:T", scale=scale, axis=alt.Axis(title=None, grid=False, **labelled(ticks), **extent))
    hidden = alt.Axis(title=None, grid=False, values=[], domain=True, minExtent=0, maxExtent=0)
    base = alt.Chart(alt.InlineData(values=_rows(chart))).encode(x=time)
    whole = alt.vconcat(
        _rates(base.encode(x=time.axis(hidden)), chart, colours).properties(width=width, height=above),
        _counts(base, chart, colours).properties(width=width, height=below),
        spacing=_BETWEEN,
        bounds="flush",
    ).configure(
        background=chart.ground,
        font=FONT,
        padding={"left": _LEFT, "right": _RIGHT, "top": _TOP, "bottom": _BOTTOM},
        autosize=alt.AutoSizeParams(type="pad", contains="content"),
        axis=alt.AxisConfig(
            gridColor=colours.line,
            domainColor=colours.line,
            tickColor=colours.line,
            labelColor=colours.ink,
            labelFontSize=_LABEL_SIZE,
        ),
        view=alt.ViewConfig(stroke=None),
    )
    if chart.title:
        whole = whole.properties(title=chart.title)
    return str(whole.to_json(indent=None, validate=False))


def _rows(chart: Chart) -> list[dict[str, Any]]:
    """Return the chart's data: a row for each point, and one more where a line ends, e.g. before a gap."""
    rows: list[dict[str, Any]] = []
    for point, following in zip_longest(chart.points, chart.points[1:]):
        row = {**asdict(point), "end": _start(point) + chart.step_ms, "open": None}
        if point.unfinished:
            row |= {"rate": None, "low": None, "high": None, "open": point.rate}
        rows.append(row)
        if following is None or following.unfinished or None in {following.rate, following.before}:
            rows.append({**row, "start": row["end"], "requested": 0, "verified": 0})
    return rows


def _start(point: Point) -> int:
    return point.start or 0


def _rates(base: Any, chart: Chart, colours: Colours) -> Any:  # noqa: ANN401 - altair is not loaded here
    """Draw the band, the rate before, and the rate on top."""
    step = {"interpolate": "step-after"}
    rates, extent = chart.rates, _extent(chart)
    rate = {
        "field": "rate",
        "type": "quantitative",
        "axis": {"title": None, "minExtent": extent, "maxExtent": extent, **labelled(rates.ticks)},
        "scale": {"domain": [rates.low, rates.high], "nice": False, "zero": False},
    }
    band = base.mark_area(color=colours.rate, opacity=0.22, **step).encode(y="low:Q", y2="high:Q")
    before = base.mark_line(color=colours.before, strokeDash=[4, 3], strokeWidth=1.5, **step)
    line = base.mark_line(color=colours.rate, strokeWidth=2.25, **step)
    unfinished = base.mark_line(color=colours.rate, strokeWidth=2.25, strokeDash=[2, 3], opacity=0.7, **step)
    return (
        _ground(base, chart, colours, labels=True)
        + band
        + before.encode(y="before:Q")
        + line.encode(y=rate)
        + unfinished.encode(y="open:Q")
    )


def _counts(base: Any, chart: Chart, colours: Colours) -> Any:  # noqa: ANN401
    """Draw the requested messages, and the verified ones in front of them."""
    zero, extent = {"datum": 0}, _extent(chart)
    count = {
        "field": "requested",
        "type": "quantitative",
        "axis": {"title": None, "minExtent": extent, "maxExtent": extent, **labelled(chart.counts.ticks)},
        "scale": {"domain": [0, chart.counts.high], "nice": False},
    }
    faint = {"condition": {"test": "datum.unfinished", "value": 0.4}, "value": 1}
    requested = base.mark_rect(color=colours.requested)
    verified = base.mark_rect(color=colours.rate)
    return (
        _ground(base, chart, colours, labels=False)
        + requested.encode(x2="end:T", y=count, y2=zero, opacity=faint)
        + verified.encode(x2="end:T", y="verified:Q", y2=zero, opacity=faint)
    )


def _ground(base: Any, chart: Chart, colours: Colours, *, labels: bool) -> Any:  # noqa: ANN401
    """Draw what lies behind a plot: the shade of the steps in progress, and a line for each annotation."""
    alt = altair()
    end = {"start": chart.end, "end": chart.end}
    unfinished = next((_start(point) for point in chart.points if point.unfinished), None)
    shades = [] if unfinished is None else [{"start": unfinished, "end": chart.end}]
    notes = _notes(chart)
    # Without rows, Vega-Lite would drop the layer's scale; a row without height draws nothing.
    shaded = base.properties(data=alt.InlineData(values=shades or [end]))
    ruled = base.properties(data=alt.InlineData(values=notes or [{"start": None, "mark": ""}]))
    text = {"color": colours.ink, "fontSize": 11, "y": -4, "baseline": "bottom"}
    ground = shaded.mark_rect(color=colours.line, opacity=0.6).encode(x2="end:T")
    ground += ruled.mark_rule(color=colours.ink, strokeWidth=1.25, strokeDash=[5, 2])
    if labels:
        ground += ruled.mark_text(fontWeight="bold", **text).encode(text="mark:N")
        if shades and _has_room(chart):
            last = base.properties(data=alt.InlineData(values=[{"start": chart.end}]))
            ground += last.mark_text(align="right", text="in progress", **text | {"y": 12}, dx=-4)
    return ground


def _notes(chart: Chart) -> list[dict[str, Any]]:
    """Return a row for each annotation; those close together share a mark, e.g. 1–3."""
    rows: list[dict[str, Any]] = []
    marked = first = None
    for note in chart.notes:
        rows.append({"start": note.at, "mark": ""})
        if marked is None or first is None or note.at - marked["start"] > _MARK * _px_ms(chart):
            marked, first = rows[-1], note
            marked["mark"] = note.mark
        else:
            marked["mark"] = f"{first.mark}–{note.mark}"
    return rows


def _has_room(chart: Chart) -> bool:
    """Return whether no annotation crosses the label of the steps in progress."""
    label = chart.end - _IN_PROGRESS * _px_ms(chart)
    return not chart.narrow and all(note.at < label for note in chart.notes)


def _px_ms(chart: Chart) -> float:
    return (chart.end - chart.start) / (_NARROW if chart.narrow else _WIDE)[0]
