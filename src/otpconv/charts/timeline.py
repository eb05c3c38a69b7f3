"""The chart of one rate over time, for the dashboard and for pictures: in Vega-Lite, made by altair."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

from otpconv.charts.chart import altair, point

_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
#: Below it the axis tells the time of day.
_TWO_DAYS_MS: Final = 2 * 86_400_000
#: Width of the plot, and heights of the rate and of the counts below it, px.
_WIDE, _NARROW = (1060, 210, 70), (300, 190, 64)


class Slot(Struct, frozen=True):
    """One point of the chart.

    Attributes:
        start: ms.
        rate: 0 to 1; None where nothing was requested.
        low, high: the 95 % interval of the rate.
        before: the rate it is compared with.
        requested: messages.
        verified: of these.
        unfinished: whether the step still goes on, so that its counts still grow.
    """

    start: int
    rate: float | None
    low: float | None
    high: float | None
    before: float | None
    requested: int
    verified: int
    unfinished: bool = False


def slot_of(row: Mapping[str, Any], unfinished_from: int | None = None) -> Slot:
    """Return what the chart shows of a row, as `/v1/rates` answers it.

    Args:
        row: the row.
        unfinished_from: slots that start after it (ms) are unfinished; None: all of them are finished.
    """
    shown = point(row, ())
    return Slot(
        start=row.get("start", 0),
        rate=shown["rate"],
        low=shown["low"],
        high=shown["high"],
        before=row.get("before_rate"),
        requested=row["requested"],
        verified=row["verified"],
        unfinished=unfinished_from is not None and row.get("start", 0) > unfinished_from,
    )


class Chart(Struct, frozen=True):
    """What is drawn, and how.

    Attributes:
        slots: by time.
        step_ms: from one to the next.
        dark: on a dark ground.
        narrow: for a telephone.
        title: over it; empty for none.
        ground: the colour behind it.
    """

    slots: list[Slot]
    step_ms: int
    dark: bool = False
    narrow: bool = False
    title: str = ""
    ground: str = "transparent"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture, px, labels included: to keep its place before it is there."""
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


def specification(chart: Chart) -> str:
    """Return the chart as Vega-Lite, in JSON.

    Raises:
        Misconfigured: the library that makes it is not installed.
    """
    alt = altair()
    colours = _DARK if chart.dark else _LIGHT
    width, above, below = _NARROW if chart.narrow else _WIDE
    rows = _rows(chart)
    start, end = chart.slots[0].start, chart.slots[-1].start + chart.step_ms
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
    """Return the chart's data: a row for each slot, and rows at which the lines end."""
    end = chart.slots[-1].start + chart.step_ms
    nothing = {"rate": None, "low": None, "high": None, "open": None, "requested": 0, "verified": 0}
    rows: list[dict[str, Any]] = []
    for slot in chart.slots:
        row = {**asdict(slot), "end": slot.start + chart.step_ms, "open": None}
        if slot.unfinished:
            if rows:
                rows.append({**rows[-1], "start": slot.start, "requested": 0, "verified": 0})
            row |= {"rate": None, "low": None, "high": None, "open": slot.rate}
        rows.append(row)
    last = rows[-1]
    rows.append(
        {**nothing, **{name: last[name] for name in ("rate", "low", "high", "open", "before")}}
        | {"start": end, "end": end}
    )
    return rows


def _rates(base: Any, colours: _Colours) -> Any:  # noqa: ANN401 - altair is not loaded here
    """Draw the band, what was before, and the rate on top."""
    step = {"interpolate": "step-after"}
    percent = {"axis": {"format": "%", "title": None, "tickCount": 5}, "scale": {"zero": False, "nice": True}}
    rate = {"field": "rate", "type": "quantitative", **percent}
    band = base.mark_area(color=colours.rate, opacity=0.22, **step).encode(y="low:Q", y2="high:Q")
    before = base.mark_line(color=colours.before, strokeDash=[4, 3], strokeWidth=1.5, **step)
    line = base.mark_line(color=colours.rate, strokeWidth=2.25, **step)
    unfinished = base.mark_line(color=colours.rate, strokeWidth=2.25, strokeDash=[2, 3], opacity=0.7, **step)
    return band + before.encode(y="before:Q") + line.encode(y=rate) + unfinished.encode(y="open:Q")


def _counts(base: Any, colours: _Colours) -> Any:  # noqa: ANN401
    """Draw what was requested, and what was verified in front of it."""
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
