"""The dashboard's table of groups: which groups it shows, in which order, and how many it hides. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from otpconv.rates import RateRow
from otpconv.rates.columns import IN_CURRENCY
from otpconv.rates.marks import Marks, mark
from otpconv.rates.signals import Evidence
from otpconv.web.pages.countries import country_name
from otpconv.web.pages.dashboard.columns import COLUMNS
from otpconv.web.pages.dashboard.view import View

#: A small group surely fails if even the high end of its interval is below this share of the total's rate.
_FAILS_BELOW = 0.5


class Table(Struct, frozen=True):
    """The groups of a view.

    Attributes:
        rows: the groups that the table shows, in its order.
        groups: the groups with enough messages, and those that surely fail, the surest drop first.
        marks: which of the groups fell or rose.
        small: how many of the groups surely fail but have fewer messages than the view requires.
        hidden: how many groups have too few messages to be shown.
        hidden_requested, hidden_verified: the messages of these.
    """

    rows: list[RateRow]
    groups: list[RateRow]
    marks: Marks
    small: int
    hidden: int
    hidden_requested: int
    hidden_verified: int


def make_table(view: View, rows: Sequence[RateRow], total: RateRow, evidence: Evidence) -> Table:
    """Return the table of a view.

    Groups with fewer messages than the view requires are hidden, except those that surely fail. A search
    finds the hidden groups too.

    Args:
        view: the view, with the dimensions that it is split by.
        rows: a row for each group, also for small ones.
        total: all messages of the view.
        evidence: the signals of the window.
    """
    large, few = _by_size(view, rows)
    marks = mark_groups(view, rows, evidence)
    small = [row for row in few if marks.has_fallen(row) or surely_fails(row, total, evidence)]
    kept = {row.group for row in small}
    hidden = [row for row in few if row.group not in kept]
    groups = sort_rows([*large, *small], None, marks)
    listed = search_rows(rows, view.query.by, view.search) if view.search else groups
    return Table(
        rows=sort_rows(listed, view.sort, marks),
        groups=groups,
        marks=marks,
        small=len(small),
        hidden=len(hidden),
        hidden_requested=sum(row.requested for row in hidden),
        hidden_verified=sum(row.verified for row in hidden),
    )


def mark_groups(view: View, rows: Sequence[RateRow], evidence: Evidence) -> Marks:
    """Return which groups of a view fell or rose.

    Groups with fewer messages than the view requires are judged by themselves: thousands of them must not
    raise the bar for the others.
    """
    marks = [mark(part, view.query.by, evidence) for part in _by_size(view, rows)]
    return Marks(
        {group for part in marks for group in part.fallen}, {group for part in marks for group in part.risen}
    )


def surely_fails(row: RateRow, total: RateRow, evidence: Evidence) -> bool:
    """Return whether a group converts less than half as well as the total, beyond what chance explains.

    While an application is silent, every group that it uses looks like that, so none is named.
    """
    expected, usual = row.now.expected, total.now.expected
    if expected is None or usual is None or evidence.now.silences:
        return False
    return expected.interval[1] < _FAILS_BELOW * usual.rate


def search_rows(rows: Sequence[RateRow], by: Sequence[str], search: str) -> list[RateRow]:
    """Return the rows whose values, or the names of whose countries, contain all words of a search."""
    words = search.casefold().split()

    def text(row: RateRow) -> str:
        names = [country_name(value) for name, value in zip(by, row.group, strict=True) if name == "country"]
        return " ".join([*(value or "unknown" for value in row.group), *names]).casefold()

    return [row for row in rows for found in [text(row)] if all(word in found for word in words)]


def sort_rows(rows: Sequence[RateRow], order: str | None, marks: Marks) -> list[RateRow]:
    """Return rows in an order; rows without a value come last, and equal ones are in the order of groups.

    Args:
        rows: of one table, without a row for the others.
        order: one of `SORTABLE`, with a minus for the largest first; None for the surest drop first.
        marks: of the table.
    """
    if order is None:
        return sorted(rows, key=_surest_drop)
    name, reverse = order.removeprefix("-"), order.startswith("-")
    if name == "group":
        return sorted(rows, key=lambda row: row.group, reverse=reverse)
    values = {row.group: COLUMNS[name].value(row, marks) for row in rows}
    by_group = sorted(rows, key=lambda row: row.group)
    known = [row for row in by_group if values[row.group] is not None]
    known.sort(key=lambda row: values[row.group] or 0.0, reverse=reverse)
    if name in IN_CURRENCY:  # amounts in different currencies can't be compared
        known.sort(key=lambda row: row.cost.currency if row.cost else "")
    return [*known, *(row for row in by_group if values[row.group] is None)]


def _by_size(view: View, rows: Sequence[RateRow]) -> tuple[list[RateRow], list[RateRow]]:
    """Return the groups with as many messages as the view requires, and the smaller ones."""
    least = view.query.min_requested
    large = [row for row in rows if row.requested >= least]
    return large, [row for row in rows if row.requested < least]


def _surest_drop(row: RateRow) -> tuple[object, ...]:
    """Sort by the high end of the interval of the change."""
    interval = row.change_interval
    return interval is None, interval[1] if interval else 0.0, -row.requested, row.group
