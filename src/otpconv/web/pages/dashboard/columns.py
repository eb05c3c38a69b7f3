"""The columns that the dashboard's table of groups can have, and in which order they sort. Pure."""

from collections.abc import Callable
from typing import Final, Literal

from msgspec import Struct

from otpconv.errors import InvalidRequest
from otpconv.rates import RateRow
from otpconv.rates.columns import column
from otpconv.rates.intervals import ConfidenceInterval
from otpconv.rates.marks import Marks, lost

Value = float | None


class Column(Struct, frozen=True):
    """A column.

    Attributes:
        name: as in the URL; if the API has this column, its name there.
        title: the text of its header.
        kind: how its values are written.
        value: returns the value that a row shows, given the marks of the table.
        worst: how to sort for the values that people look for first: "" smallest first, "-" largest first.
        narrow: whether a narrow screen shows it unless columns are chosen.
        interval: returns the 95 % interval of the value, which a wide screen shows below it.
    """

    name: str
    title: str
    kind: Literal["percent", "count", "duration", "change", "trend", "money"]
    value: Callable[[RateRow, Marks], Value]
    worst: Literal["", "-"] = "-"
    narrow: bool = False
    interval: Callable[[RateRow], ConfidenceInterval | None] = lambda _: None


def _lost(row: RateRow, marks: Marks) -> Value:
    return lost(row) if marks.has_fallen(row) else None


def _expected_interval(row: RateRow) -> ConfidenceInterval | None:
    return row.now.expected.interval if row.now.expected else None


def _of_api(
    name: str,
    title: str,
    kind: Literal["percent", "count", "duration", "change", "money"],
    worst: Literal["", "-"] = "-",
    *,
    narrow: bool = False,
    interval: Callable[[RateRow], ConfidenceInterval | None] = lambda _: None,
) -> Column:
    value_of = column(name)
    return Column(name, title, kind, lambda row, _: value_of(row), worst, narrow, interval)


COLUMNS: Final = {
    made.name: made
    for made in (
        _of_api("before_rate", "Before", "percent", "", narrow=True),
        _of_api("rate", "Now", "percent", "", narrow=True, interval=lambda row: row.now.interval),
        _of_api("rate_expected", "Expected", "percent", "", interval=_expected_interval),
        _of_api("change", "Change, points", "change", "", narrow=True),
        Column("trend", "Over time", "trend", lambda _row, _marks: None),
        _of_api("requested", "Requested", "count"),
        _of_api("verified", "Verified", "count"),
        _of_api("pending", "Pending", "count"),
        _of_api("before_requested", "Requested before", "count"),
        _of_api("delivered_share", "Delivered", "percent", ""),
        _of_api("rate_of_delivered", "Verified of delivered", "percent", ""),
        _of_api("cost", "Cost", "money"),
        _of_api("cost_per_verified", "Cost per verified", "money"),
        _of_api("unpriced", "Without a price", "count"),
        _of_api("reported_share", "Reported", "percent", ""),
        _of_api("p50_ms", "Median time", "duration"),
        _of_api("p90_ms", "90 % within", "duration"),
        Column("lost", "Lost, at least", "count", _lost),
    )
}
DEFAULT_COLUMNS: Final = ("before_rate", "rate", "change", "trend", "requested", "lost")
#: The columns that need the costs of the groups.
OF_COST: Final = frozenset({"cost", "cost_per_verified", "unpriced"})
#: What the table can be sorted by: the values of the groups, or a column that shows a value.
SORTABLE: Final = ("group", *(name for name in COLUMNS if name != "trend"))


def parse_columns(text: str) -> tuple[str, ...]:
    """Return the columns that a text names, in the order of `COLUMNS`; an empty text names the default ones.

    Raises:
        InvalidRequest: there is no such column, or one is repeated.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if len(set(names)) < len(names) or not set(names) <= COLUMNS.keys():
        raise InvalidRequest(
            f"Invalid columns {text[:80]!r}. Use a comma-separated list of {', '.join(COLUMNS)},"
            " each at most once."
        )
    return tuple(name for name in COLUMNS if name in names) or DEFAULT_COLUMNS


def shown_columns(columns: tuple[str, ...], total: RateRow) -> tuple[str, ...]:
    """Return the columns to show: the default ones, and those of delivery and cost if known, unless chosen.

    Args:
        columns: those of the view.
        total: all messages of the view.
    """
    if columns != DEFAULT_COLUMNS:
        return columns
    known = {*columns}
    known |= {"delivered_share"} if total.receipted else set()
    known |= {"cost_per_verified"} if total.costs else set()
    return tuple(name for name in COLUMNS if name in known)


def require_sortable(order: str) -> None:
    """Return if the table can be sorted so.

    Raises:
        InvalidRequest: it can't.
    """
    if order.removeprefix("-") not in SORTABLE:
        raise InvalidRequest(
            f"Invalid sort {order[:40]!r}. Use {', '.join(SORTABLE)}; a minus puts the largest first."
        )


def next_order(name: str, current: str | None) -> str:
    """Return the order that a click on a header selects: the other direction of the current column.

    Args:
        name: one of `SORTABLE`.
        current: the current order.
    """
    first = COLUMNS[name].worst if name in COLUMNS else ""
    usual, reverse = f"{first}{name}", name if first else f"-{name}"
    return reverse if current == usual else usual
