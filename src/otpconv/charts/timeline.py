"""The chart of one rate over time, for the dashboard and for pictures, as a Vega-Lite specification.

The plot has a fixed place in the picture, so that a page knows which time is under the pointer.
"""

from itertools import zip_longest
from math import ceil
from typing import Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from otpconv.charts.chart import FONT
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
#: Height of the labels of the time axis, and width of a character of a label, px.
_TIMES, _CHARACTER = 20, 7.6
_LABEL_SIZE: Final = 12
#: Steps of the axis of numbers or seconds at most.
_MOST_STEPS: Final = 5
#: Room for the mark of annotations, and for the label of the steps in progress, px.
_MARK, _IN_PROGRESS = 26, 75
#: The names of the data: the points, the steps in progress, the annotations, and the end.
_POINTS, _UNFINISHED, _NOTES, _END = "points", "unfinished", "notes", "end"


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
        unit: of `rate`, `before` and the band around them: shares, numbers, or seconds.
        band_of_before: whether the band is around `before`, e.g. the usual values, instead of around `rate`.
    """

    points: list[Point]
    step_ms: int
    dark: bool = False
    narrow: bool = False
    title: str = ""
    ground: str = "transparent"
    notes: list[Note] = []
    zone: str = "UTC"
    unit: Literal["share", "number", "seconds"] = "share"
    band_of_before: bool = False

    @property
    def start(self) -> int:
        """Where the time axis begins, ms."""
        return _start(self.points[0])

    @property
    def end(self) -> int:
        """Where the time axis ends, ms."""
        return _start(self.points[-1]) + self.step_ms

    @property
    def unfinished_from(self) -> int:
        """Where the steps in progress begin, ms; the end without any."""
        return next((_start(point) for point in self.points if point.unfinished), self.end)

    @property
    def rates(self) -> Axis:
        """The axis of the rates, which fits the rates, their intervals and the rates before."""
        low, high = rate_range(self.points)
        if self.unit == "share":
            return rate_axis(low, high)
        return count_axis(ceil(high), _MOST_STEPS, " s" if self.unit == "seconds" else "")

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


def timeline_specification(chart: Chart) -> str:
    """Return the Vega-Lite specification of a chart, as JSON: altair would take half a second for it."""
    colours = DARK if chart.dark else LIGHT
    width, above, below = _NARROW if chart.narrow else _WIDE
    ticks = time_ticks(
        chart.start, chart.end, _NARROW_TICKS if chart.narrow else _WIDE_TICKS, ZoneInfo(chart.zone)
    )
    shown = {"title": None, "grid": False, **labelled(ticks), **_extents(_TIMES)}
    hidden = {"title": None, "grid": False, "domain": True, "values": list[float](), **_extents(0)}
    rates = [*_ground(colours), *_labels(chart, colours), *_rates(chart, colours)]
    counts = [*_ground(colours), *_counts(chart, colours)]
    specification: dict[str, Any] = {
        "datasets": _datasets(chart),
        "vconcat": [
            {"width": width, "height": above, "encoding": {"x": _time(chart, hidden)}, "layer": rates},
            {"width": width, "height": below, "encoding": {"x": _time(chart, shown)}, "layer": counts},
        ],
        "spacing": _BETWEEN,
        "bounds": "flush",
        "config": {
            "background": chart.ground,
            "font": FONT,
            "padding": {"left": _LEFT, "right": _RIGHT, "top": _TOP, "bottom": _BOTTOM},
            "autosize": {"type": "pad", "contains": "content"},
            "axis": {
                "gridColor": colours.line,
                "domainColor": colours.line,
                "tickColor": colours.line,
                "labelColor": colours.ink,
                "labelFontSize": _LABEL_SIZE,
            },
            "view": {"stroke": None},
        },
    }
    if chart.title:
        specification["title"] = chart.title
    return msgspec.json.encode(specification).decode()


def _time(chart: Chart, axis: dict[str, Any]) -> dict[str, Any]:
    scale = {"type": "utc", "domain": [chart.start, chart.end]}
    return {"field": "start", "type": "temporal", "scale": scale, "axis": axis}


def _datasets(chart: Chart) -> dict[str, list[dict[str, Any]]]:
    """Return the data of the layers, by name."""
    # Without rows, Vega-Lite would drop the layer's scale; a row without height draws nothing.
    return {
        _POINTS: _rows(chart),
        _UNFINISHED: [{"start": chart.unfinished_from, "end": chart.end}],
        _NOTES: _notes(chart) or [{"start": None, "mark": ""}],
        _END: [{"start": chart.end}],
    }


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


def _rates(chart: Chart, colours: Colours) -> list[dict[str, Any]]:
    """Draw the band, the rate before, and the rate on top."""
    rates = chart.rates
    rate = _quantity("rate") | {
        "axis": _labels_of(chart, rates),
        "scale": {"domain": [rates.low, rates.high], "nice": False, "zero": False},
    }
    line, dotted = {"color": colours.rate, "strokeWidth": 2.25}, {"strokeDash": [2, 3], "opacity": 0.7}
    before = {"color": colours.before, "strokeDash": [4, 3], "strokeWidth": 1.5}
    band = {"color": colours.before if chart.band_of_before else colours.rate, "opacity": 0.22}
    return [
        _steps("area", band, y=_quantity("low"), y2={"field": "high"}),
        _steps("line", before, y=_quantity("before")),
        _steps("line", line, y=rate),
        _steps("line", line | dotted, y=_quantity("open")),
    ]


def _counts(chart: Chart, colours: Colours) -> list[dict[str, Any]]:
    """Draw the requested messages, and the verified ones in front of them."""
    count = _quantity("requested") | {
        "axis": _labels_of(chart, chart.counts),
        "scale": {"domain": [0, chart.counts.high], "nice": False},
    }
    faint: dict[str, Any] = {"condition": {"test": "datum.unfinished", "value": 0.4}, "value": 1}
    bar: dict[str, dict[str, Any]] = {"x2": {"field": "end"}, "y2": {"datum": 0}, "opacity": faint}
    return [
        _layer(_POINTS, "rect", {"color": colours.requested}, y=count, **bar),
        _layer(_POINTS, "rect", {"color": colours.rate}, y=_quantity("verified"), **bar),
    ]


def _ground(colours: Colours) -> list[dict[str, Any]]:
    """Draw what lies behind a plot: the shade of the steps in progress, and a line for each annotation."""
    return [
        _layer(_UNFINISHED, "rect", {"color": colours.line, "opacity": 0.6}, x2={"field": "end"}),
        _layer(_NOTES, "rule", {"color": colours.ink, "strokeWidth": 1.25, "strokeDash": [5, 2]}),
    ]


def _labels(chart: Chart, colours: Colours) -> list[dict[str, Any]]:
    """Draw the marks of the annotations, and the label of the steps in progress if there is room."""
    text = {"color": colours.ink, "fontSize": 11, "baseline": "bottom"}
    mark = text | {"fontWeight": "bold", "y": -4}
    label = text | {"text": "in progress", "align": "right", "y": 12, "dx": -4}
    marks = _layer(_NOTES, "text", mark, text={"field": "mark", "type": "nominal"})
    return [marks, _layer(_END, "text", label)] if _has_room(chart) else [marks]


def _steps(kind: str, look: dict[str, Any], **encoding: dict[str, Any]) -> dict[str, Any]:
    """Return a layer that keeps the value of a point for its whole step."""
    return _layer(_POINTS, kind, look | {"interpolate": "step-after"}, **encoding)


def _layer(data: str, kind: str, look: dict[str, Any], **encoding: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"name": data}, "mark": {"type": kind, **look}, "encoding": encoding}


def _quantity(field: str) -> dict[str, Any]:
    return {"field": field, "type": "quantitative"}


def _labels_of(chart: Chart, axis: Axis) -> dict[str, Any]:
    return {"title": None, **_extents(_extent(chart)), **labelled(axis.ticks)}


def _extents(size: int) -> dict[str, int]:
    return {"minExtent": size, "maxExtent": size}


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
    """Return whether there are steps in progress, and no annotation crosses their label."""
    label = chart.end - _IN_PROGRESS * _px_ms(chart)
    unfinished = chart.unfinished_from < chart.end
    return unfinished and not chart.narrow and all(note.at < label for note in chart.notes)


def _px_ms(chart: Chart) -> float:
    return (chart.end - chart.start) / (_NARROW if chart.narrow else _WIDE)[0]
