"""The table that `otpconv rates` prints."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from otpconv.cli.characters import one_line

_Row = Mapping[str, Any]


def table(answer: Mapping[str, Any], dimensions: Sequence[str]) -> Table:
    """Return the answer of `/v1/rates` as a table for a terminal."""
    rows = answer["rows"]
    title = f"{iso(answer['start'])} to {iso(answer['end'])}: {answer['denominator']}"
    shown = Table(title=title, title_justify="left")
    if any("start" in row for row in rows):
        shown.add_column("start")
    for name in dimensions:
        shown.add_column(name)
    columns = _columns(answer)
    for name in columns:
        shown.add_column(name, justify="right")
    for row in rows:
        start = [iso(row["start"])] if "start" in row else []
        shown.add_row(*start, *_group(row, dimensions), *(value(row) for value in columns.values()))
    return shown


def iso(time: int) -> str:
    """Format a time (ms) to the minute, UTC."""
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def percentage(share: float | None) -> str:
    """Format a share, 0 to 1, as a percentage."""
    return "-" if share is None else f"{share:.1%}"


def _columns(answer: Mapping[str, Any]) -> dict[str, Callable[[_Row], str]]:
    """Return the columns, the most important first, without those that are empty in this answer."""
    columns: dict[str, Callable[[_Row], str]] = {
        "requested": lambda row: str(row["requested"]),
        "verified": lambda row: str(row["verified"]),
        "rate": lambda row: percentage(row["rate"]),
        "95 %": lambda row: _between(row["rate_low"], row["rate_high"]),
    }
    if any(row["pending"] for row in answer["rows"]):
        columns["pending"] = lambda row: str(row["pending"])
        columns["expected"] = lambda row: percentage(row["rate_expected"])
    if "compared" in answer:
        columns["before"] = lambda row: percentage(row["before_rate"])
        columns["change"] = lambda row: _points(row["change"])
        columns["change 95 %"] = lambda row: _between(row["change_low"], row["change_high"], _points)
    return columns | {
        "reported": lambda row: percentage(row["reported_share"]),
        "p50": lambda row: _seconds(row["p50_ms"]),
        "p90": lambda row: _seconds(row["p90_ms"]),
        "p99": lambda row: _seconds(row["p99_ms"]),
    }


def _group(row: _Row, dimensions: Sequence[str]) -> list[str]:
    if "other" in row:
        count = row["other"]
        return [f"({count} other{'s' if count > 1 else ''})", *("" for _ in dimensions[1:])]
    return ["-" if row[name] is None else one_line(str(row[name])) for name in dimensions]


def _between(low: float | None, high: float | None, form: Callable[[float | None], str] = percentage) -> str:
    return "-" if low is None or high is None else f"{form(low)} to {form(high)}"


def _points(change: float | None) -> str:
    """Format a difference of two rates as percentage points."""
    return "-" if change is None else f"{change * 100:+.1f}"


def _seconds(time_ms: int | None) -> str:
    return "-" if time_ms is None else f"{time_ms / 1000:,.1f} s"
