"""Everything that a dashboard shows of a view: rates, failures, and which rows changed."""

from collections.abc import Sequence
from math import prod

from msgspec import Struct
from msgspec.structs import replace

from otpconv.charts.point import Point, point_of
from otpconv.charts.sparkline import Sparklines, sparklines
from otpconv.rates import INTERVALS, Maturity, RateQuery, RateRow
from otpconv.rates.answer import compute_rates_at
from otpconv.rates.evidence import find_evidence
from otpconv.rates.fetch import learn_maturity, varied_dimensions
from otpconv.rates.marks import Marks, mark
from otpconv.rates.plan import plan
from otpconv.rates.price_list import PriceList
from otpconv.rates.signals import Evidence
from otpconv.rates.slices import Group
from otpconv.storage.contract import DAY_MS, HOUR_MS, LedgerReader
from otpconv.web.pages.dashboard.columns import OF_COST, shown_columns
from otpconv.web.pages.dashboard.tables import Table, make_table, mark_groups, search_rows, sort_rows
from otpconv.web.pages.dashboard.view import View

#: The longest windows, and the interval of each over time, ms.
_STEPS = (("5m", 2 * HOUR_MS), ("15m", 8 * HOUR_MS), ("1h", 8 * DAY_MS))

#: The same for the small lines of groups.
_LINE_STEPS = (("5m", 2 * HOUR_MS), ("15m", 8 * HOUR_MS), ("1h", 2 * DAY_MS))
#: The most groups with a line, and the most steps of all combinations of their values.
MAX_LINES, MAX_LINE_STEPS = 20, 3_600


class Part(Struct, frozen=True):
    """The rows of one dimension, the most requested first, and which of them fell or rose."""

    name: str
    rows: list[RateRow]
    marks: Marks


class Overview(Struct, frozen=True):
    """Everything that a dashboard shows of a view.

    Attributes:
        view: the view, with the dimensions that it is split by.
        total: one row for all messages of the view.
        columns: the names of the columns of the table.
        evidence: the signals of the window.
        table: the rows by the view's dimensions.
        history: the rates over time.
        step_ms: from one row of the history to the next.
        parts: one for each dimension with more than one value.
        lines: the rates over time of the first groups of the table.
        folded: how many messages of the window's days are counted as `model.OTHER` in a dimension.
    """

    view: View
    total: RateRow
    columns: tuple[str, ...]
    evidence: Evidence
    table: Table
    history: list[RateRow]
    step_ms: int
    parts: list[Part]
    lines: Sparklines
    folded: int


def overview(ledger: LedgerReader, account: int, view: View, now: int, prices: PriceList) -> Overview:
    """Return everything that a dashboard shows of a view; within a snapshot.

    Raises:
        InvalidRequest: the window is too old for the interval of the history.
        Unavailable: the storage failed.
    """
    query = view.query
    maturity = learn_maturity(ledger, account, query.filters, end=query.end, now=now)

    def rows_by(*dimensions: str, order: str | None = None, prices: PriceList | None = None) -> list[RateRow]:
        asked = replace(query, by=dimensions, order=order, top=None, min_requested=0)
        same_mix = not dimensions
        return compute_rates_at(ledger, account, asked, maturity, now, same_mix=same_mix, prices=prices).rows

    evidence = find_evidence(ledger, account, query, maturity, now)
    history = _over_time(ledger, account, query, maturity, now)
    varied = replace(query, by=tuple(view.open_dimensions()))
    names = varied_dimensions(ledger, account, plan(varied, ledger.minutes_from()))
    rows_of = {name: rows_by(name, order="-requested") for name in names}
    parts = [
        Part(name, rows, mark(rows, (name,), evidence)) for name, rows in rows_of.items() if len(rows) > 1
    ]
    view = view.split([part.name for part in parts])
    total = rows_by(prices=prices)[0]
    columns = shown_columns(view.columns, total)
    costs = OF_COST & {*columns, (view.sort or "").removeprefix("-")}
    rows = rows_by(*view.query.by, prices=prices if costs else None)
    table = make_table(view, rows, total, evidence)
    return Overview(
        view=view,
        total=total,
        columns=columns,
        evidence=evidence,
        table=table,
        history=history.rows,
        step_ms=history.step_ms,
        parts=parts,
        lines=_lines(ledger, account, view.query, groups=table.rows, maturity=maturity, now=now),
        folded=ledger.folded(account, query.start, query.end),
    )


class RatesOverTime(Struct, frozen=True):
    """Rows over time, and the time from one to the next, ms."""

    rows: list[RateRow]
    step_ms: int


def rates_over_time(ledger: LedgerReader, account: int, view: View, now: int) -> RatesOverTime:
    """Return the rates of a view over time; within a snapshot.

    Raises:
        Unavailable: the storage failed.
    """
    maturity = learn_maturity(ledger, account, view.query.filters, end=view.query.end, now=now)
    return _over_time(ledger, account, view.query, maturity, now)


def all_groups(ledger: LedgerReader, account: int, view: View, now: int, prices: PriceList) -> list[RateRow]:
    """Return the rows of all groups that a view's search finds, small ones too; within a snapshot.

    Raises:
        Unavailable: the storage failed.
    """
    query = replace(view.query, min_requested=0)
    maturity = learn_maturity(ledger, account, query.filters, end=query.end, now=now)
    rows = compute_rates_at(ledger, account, query, maturity, now, prices=prices).rows
    # Only the order by lost verifications depends on the marks.
    marks = Marks((), ())
    if (view.sort or "").endswith("lost"):
        marks = mark_groups(view, rows, find_evidence(ledger, account, query, maturity, now))
    return sort_rows(search_rows(rows, query.by, view.search), view.sort, marks)


def _over_time(
    ledger: LedgerReader, account: int, query: RateQuery, maturity: Maturity | None, now: int
) -> RatesOverTime:
    """Return the rates in steps that suit the length of the window, and whose rollups are still kept."""
    length = query.end - query.start
    interval = next((name for name, longest in _STEPS if length <= longest), "1d")
    back = {"day": DAY_MS, "week": 7 * DAY_MS}.get(query.compare or "", length)
    if INTERVALS[interval] < HOUR_MS and query.start - back < ledger.minutes_from():
        interval = "1h"
    asked = replace(query, by=(), interval=interval, order=None, top=None, min_requested=0)
    rows = compute_rates_at(ledger, account, asked, maturity, now, times=False).rows
    return RatesOverTime(rows, INTERVALS[interval])


def _lines(
    ledger: LedgerReader,
    account: int,
    query: RateQuery,
    *,
    groups: Sequence[RateRow],
    maturity: Maturity | None,
    now: int,
) -> Sparklines:
    """Return the rates over time of the first groups."""
    length = query.end - query.start
    interval = next((name for name, longest in _LINE_STEPS if length <= longest), "1d")
    if INTERVALS[interval] < HOUR_MS and query.start < ledger.minutes_from():
        interval = "1h"
    wanted = [row.group for row in groups][:MAX_LINES]
    # The question counts all combinations of the values: 20 groups may have 400.
    steps = length // INTERVALS[interval]
    while wanted and steps * prod(len(set(values)) for values in zip(*wanted, strict=True)) > MAX_LINE_STEPS:
        wanted.pop()
    values = {name: {group[place] for group in wanted} for place, name in enumerate(query.by)}
    asked = replace(
        query,
        filters={**query.filters, **values},
        interval=interval,
        compare=None,
        order=None,
        top=None,
        min_requested=0,
    )
    points: dict[Group, list[Point]] = {group: [] for group in wanted}
    rows = compute_rates_at(ledger, account, asked, maturity, now, times=False).rows if wanted else []
    for row in rows:
        if row.group in points:
            points[row.group].append(point_of(row, now - INTERVALS[interval]))
    # A day of the query's time zone may begin before that of UTC.
    start = min([query.start - query.start % INTERVALS[interval], *(row.start or 0 for row in rows)])
    return sparklines(points, start, query.end)
