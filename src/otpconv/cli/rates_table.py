"""The table that `otpconv rates` prints: as many columns as fit, each number whole."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from rich.cells import cell_len
from rich.table import Table

from otpconv.cli.characters import one_line
from otpconv.cli.zone import is_midnight, local
from otpconv.money import amount_text

_Row = Mapping[str, Any]

#: Characters between two columns.
_GAP = 2
#: The least width of a column of longer names; and its least width beside less important numbers.
_LEAST, _COMFORTABLE = 6, 14
#: The numbers from the most important on: where not all fit, the last ones are dropped.
_IMPORTANCE = (
    *(
        "rate",
        "requested",
        "verified",
        "without",
        "flagged",
        "change",
        "95 %",
        "change 95 %",
        "expected",
        "pending",
        "before",
    ),
    *("delivered", "per verified", "of delivered", "cost", "unpriced"),
    *("same mix", "same mix 95 %", "p50", "reported", "p90", "p99"),
)
#: The column that shows what `order` sorts by, where it has another name.
_SHOWN_AS = {
    "rate_low": "95 %",
    "rate_high": "95 %",
    "rate_expected": "expected",
    "reported_share": "reported",
    "p50_ms": "p50",
    "p90_ms": "p90",
    "p99_ms": "p99",
    "change_same_mix": "same mix",
    "delivered_share": "delivered",
    "rate_of_delivered": "of delivered",
    "cost_per_verified": "per verified",
}


class _Column(Struct):
    """A column: its name, a cell for each row, and the characters that it gets."""

    name: str
    cells: list[str]
    width: int = 0

    @property
    def natural(self) -> int:
        """The characters that no cell exceeds."""
        return max(map(cell_len, (self.name, *self.cells)))


class RatesTable(Struct):
    """A table, and the names of the columns that did not fit."""

    table: Table
    dropped: list[str]


def rates_table(
    answer: Mapping[str, Any],
    dimensions: Sequence[str],
    zone: ZoneInfo,
    *,
    width: int | None = None,
    order: str = "",
) -> RatesTable:
    """Return the rows of an answer of `/v1/rates` as a table without lines between its cells.

    Args:
        answer: the answer.
        dimensions: of the question.
        zone: the time zone of the times.
        width: characters of the terminal. Columns that don't fit are dropped, and long names are cut, but
            never a number. None shows everything.
        order: the question's order, whose column is among the last to be dropped.
    """
    rows = answer["rows"]
    times = [_Column("start", _starts(rows, zone))] if any("start" in row for row in rows) else []
    numbers = [_Column(name, [value(row) for row in rows]) for name, value in _values(answer).items()]
    names = [_Column(name, []) for name in dimensions]
    for row in rows:
        for column, cell in zip(names, _group(row, dimensions), strict=True):
            column.cells.append(cell)
    for column in (*times, *names, *numbers):
        column.width = column.natural
    least = _least_name(rows)
    if width is not None:
        rate = [column for column in numbers if column.name == "rate"]
        if _width([*times, *rate], names, least) > width:
            names = [_joined(names)]
        numbers = _fitting(times, names, numbers, width, least, order.removeprefix("-"))
        _share(names, width - _width([*times, *numbers], []), least)
    shown = {column.name for column in numbers}
    dropped = [name for name in _values(answer) if name not in shown]
    return RatesTable(_drawn([*times, *names], numbers, rows), dropped)


def percentage(share: float | None) -> str:
    """Format a share, 0 to 1, as a percentage."""
    return "-" if share is None else f"{share:.1%}"


def _drawn(texts: Iterable[_Column], numbers: Iterable[_Column], rows: Sequence[_Row]) -> Table:
    drawn = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    cells = []
    for columns, justify in ((texts, "left"), (numbers, "right")):
        for column in columns:
            drawn.add_column(
                column.name,
                justify="left" if justify == "left" else "right",
                width=column.width,
                no_wrap=True,
                overflow="ellipsis",
            )
            cells.append(column.cells)
    for row, texts_of_row in zip(rows, zip(*cells, strict=True), strict=True):
        drawn.add_row(*texts_of_row, style="red" if is_surely_worse(row) else None)
    return drawn


def is_surely_worse(row: _Row) -> bool:
    """Return whether a row's rate has fallen: the whole 95 % interval of its change is below zero."""
    high = row.get("change_high")
    return high is not None and high < 0


def _width(columns: Sequence[_Column], names: Sequence[_Column], least: int = 0) -> int:
    """Return the characters of columns, and of columns of names at their least width."""
    widths = [column.width for column in columns] + [min(column.natural, least) for column in names]
    return sum(widths) + _GAP * (len(widths) - 1)


def _fitting(
    times: list[_Column],
    names: list[_Column],
    numbers: list[_Column],
    width: int,
    least: int,
    order: str,
) -> list[_Column]:
    """Return the columns of numbers that fit, in their usual order."""
    first = _SHOWN_AS.get(order, order)
    rank = {name: place for place, name in enumerate(_IMPORTANCE)} | {first: 0, "rate": -1}
    kept: list[_Column] = []
    for column in sorted(numbers, key=lambda column: rank[column.name]):
        important = column.name in {"rate", "requested", first}
        if _width([*times, *kept, column], names, least if important else max(least, _COMFORTABLE)) <= width:
            kept.append(column)
    return [column for column in numbers if column in kept]


def _share(names: list[_Column], room: int, least: int) -> None:
    """Give columns of names the room that is left, the same to each that needs it."""
    room -= _GAP * len(names)
    for column in names:
        column.width = min(column.natural, least)
        room -= column.width
    while room > 0 and (short := [column for column in names if column.width < column.natural]):
        for column in short[:room]:
            column.width += 1
            room -= 1


def _joined(names: Sequence[_Column]) -> _Column:
    """Return one column for the names of all dimensions."""
    cells = [
        " / ".join(filter(None, cells)) for cells in zip(*(column.cells for column in names), strict=True)
    ]
    return _Column(" / ".join(column.name for column in names), cells)


def _least_name(rows: Iterable[_Row]) -> int:
    """Return the least width of a column of names, which never cuts the number of the other groups."""
    return max((_LEAST, *(len(f"({row['other']:,}…") for row in rows if "other" in row)))


def _starts(rows: Sequence[_Row], zone: ZoneInfo) -> list[str]:
    """Return the beginnings of the intervals: days where each begins a day, else times."""
    starts = [row["start"] for row in rows]
    days = all(is_midnight(start, zone) for start in starts)
    return [local(start, zone)[: len("2026-01-31") if days else None] for start in starts]


def _values(answer: Mapping[str, Any]) -> dict[str, Callable[[_Row], str]]:
    """Return the columns of numbers, without those that are empty in this answer."""
    columns: dict[str, Callable[[_Row], str]] = {
        "requested": lambda row: f"{row['requested']:,}",
        "verified": lambda row: f"{row['verified']:,}",
        "rate": lambda row: percentage(row["rate"]),
        "95 %": lambda row: _between(row["rate_low"], row["rate_high"]),
    }
    if any(row["pending"] for row in answer["rows"]):
        columns["pending"] = lambda row: f"{row['pending']:,}"
        columns["expected"] = lambda row: percentage(row["rate_expected"])
    if any(row.get("flagged_requested") for row in answer["rows"]):
        columns["without"] = lambda row: percentage(row["rate_without_flagged"])
        columns["flagged"] = lambda row: f"{row['flagged_requested']:,}"
    if "compared" in answer:
        columns["before"] = lambda row: percentage(row["before_rate"])
        columns["change"] = lambda row: _points(row["change"])
        columns["change 95 %"] = lambda row: _between(row["change_low"], row["change_high"], _points)
        if any(row.get("change_same_mix") is not None for row in answer["rows"]):
            columns["same mix"] = lambda row: _points(row["change_same_mix"])
            columns["same mix 95 %"] = lambda row: _between(
                row["change_same_mix_low"], row["change_same_mix_high"], _points
            )
    return (
        columns
        | _deliveries_and_costs(answer["rows"])
        | {
            "reported": lambda row: percentage(row["reported_share"]),
            "p50": lambda row: _seconds(row["p50_ms"]),
            "p90": lambda row: _seconds(row["p90_ms"]),
            "p99": lambda row: _seconds(row["p99_ms"]),
        }
    )


def _deliveries_and_costs(rows: Sequence[_Row]) -> dict[str, Callable[[_Row], str]]:
    """Return the columns of receipts and of money, without those that are empty in all rows."""
    columns: dict[str, Callable[[_Row], str]] = {}
    if any(row.get("receipted") for row in rows):
        columns["delivered"] = lambda row: percentage(row["delivered_share"])
        columns["of delivered"] = lambda row: percentage(row["rate_of_delivered"])
    if any(row.get("costs") for row in rows):
        columns["cost"] = lambda row: _amounts(row, "cost")
        columns["per verified"] = lambda row: _amounts(row, "cost_per_verified")
        if any(row["unpriced"] for row in rows):
            columns["unpriced"] = lambda row: f"{row['unpriced']:,}"
    return columns


def _amounts(row: _Row, name: str) -> str:
    """Format an amount in each currency; it is at least so much if messages have no price."""
    least = ">= " if row["unpriced"] else ""
    amounts = [
        f"{amount_text(cost[name])} {cost['currency']}" for cost in row["costs"] if cost[name] is not None
    ]
    return least + " + ".join(amounts) if amounts else "-"


def _group(row: _Row, dimensions: Sequence[str]) -> list[str]:
    if "other" in row:
        count = row["other"]
        return [f"({count:,} other{'s' if count > 1 else ''})", *("" for _ in dimensions[1:])]
    return ["-" if row[name] is None else one_line(str(row[name])) for name in dimensions]


def _between(low: float | None, high: float | None, form: Callable[[float | None], str] = percentage) -> str:
    return "-" if low is None or high is None else f"{form(low)} to {form(high)}"


def _points(change: float | None) -> str:
    """Format a difference of two rates as percentage points."""
    return "-" if change is None else f"{change * 100:+.1f}"


def _seconds(time_ms: int | None) -> str:
    return "-" if time_ms is None else f"{time_ms / 1000:,.1f} s"
