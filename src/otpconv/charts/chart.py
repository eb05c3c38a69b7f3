"""Rates of many groups as a chart, in Vega-Lite, and pictures of charts; nothing is loaded from the internet.

It takes the rows as `/v1/rates` answers them, and shows the expected rate where there is one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from otpconv.errors import Misconfigured

#: Formats of pictures.
PICTURES = ("png", "svg")
_SCALE = 2.0


def specification(rows: Sequence[Mapping[str, Any]], by: Sequence[str], title: str) -> dict[str, Any]:
    """Return the Vega-Lite specification of a chart: lines over time, or a mark for each group.

    Args:
        rows: of an answer, at least one.
        by: the dimensions of the question.
        title: what it is of.

    Raises:
        Misconfigured: the library that makes it is not installed.
    """
    alt = altair()
    points = [point(row, by) for row in rows]
    timed = any(each["start"] is not None for each in points)
    chart = alt.Chart(alt.Data(values=points), title=title)
    rate = alt.Y("rate:Q", title="conversion rate", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
    band = {"y": alt.Y("low:Q", title="conversion rate"), "y2": alt.Y2("high:Q")}
    legend = alt.Legend(title=", ".join(by)) if by and timed else None
    group = alt.Color("group:N", sort=None, legend=legend)
    told = [
        alt.Tooltip(f"{name}:{kind}", format=form)
        for name, kind, form in (
            *(("group", "N", ""), ("rate", "Q", ".1%"), ("low", "Q", ".1%"), ("high", "Q", ".1%")),
            *(("requested", "Q", ","), ("pending", "Q", ",")),
        )
    ]
    if timed:
        time = alt.X("start:T", title="requested (UTC)", scale=alt.Scale(type="utc"))
        around = chart.mark_area(opacity=0.2).encode(x=time, **band, color=group)
        middle = chart.mark_line(point=True).encode(x=time, y=rate, color=group, tooltip=told)
    else:
        place = alt.X("group:N", title=", ".join(by) or None, sort=None)
        around = chart.mark_rule().encode(x=place, **band)
        middle = chart.mark_point(filled=True, size=60).encode(x=place, y=rate, color=group, tooltip=told)
    made: dict[str, Any] = (around + middle).properties(width=640, height=320).to_dict()
    return made


def picture(chart: dict[str, Any] | str, kind: str) -> bytes:
    """Return the picture of a specification.

    Raises:
        Misconfigured: there is no such format, or the library that draws it is not installed.
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


def point(row: Mapping[str, Any], by: Sequence[str]) -> dict[str, Any]:
    """Return what a chart shows of a row: when, which group, the rate and its interval."""
    expected = row["rate_expected"] is not None
    return {
        "start": row.get("start"),
        "group": label(row, by),
        "rate": row["rate_expected"] if expected else row["rate"],
        "low": row["rate_expected_low"] if expected else row["rate_low"],
        "high": row["rate_expected_high"] if expected else row["rate_high"],
        "requested": row["requested"],
        "pending": row["pending"],
    }


def label(row: Mapping[str, Any], by: Sequence[str]) -> str:
    """Return the name of a row's group: its values, a dash where none was told."""
    if "other" in row:
        return f"{row['other']} other{'s' if row['other'] > 1 else ''}"
    return " / ".join(row[name] or "-" for name in by) or "all"


def altair() -> Any:  # noqa: ANN401 - an extra need not be there
    """Return the library, which takes half a second to load.

    Raises:
        Misconfigured: it is not installed.
    """
    try:
        import altair as alt  # noqa: PLC0415
    except ImportError:
        raise _missing() from None
    return alt


def _missing() -> Misconfigured:
    return Misconfigured("drawing a picture needs more libraries: pip install 'otpconv[plot]'")
