"""The dashboard page: which route stopped converting, and the numbers behind it."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from otpconv.access.saved_views import SavedView
from otpconv.alerts.showing.words import TITLES, label_of
from otpconv.charts.drawing import Drawer
from otpconv.charts.point import point_of
from otpconv.charts.timeline import Chart, Note
from otpconv.errors import InvalidRequest
from otpconv.rates import COMPARISONS, LEVELS, RateRow
from otpconv.rates.marks import is_sure
from otpconv.rates.mix import contradiction
from otpconv.rates.price_list import PriceList
from otpconv.rates.slices import Slice
from otpconv.rates.verdict import judge
from otpconv.service.compose import Service
from otpconv.storage.alerts.reading import all_lasting
from otpconv.storage.annotations import Annotation
from otpconv.storage.contract import DAY_MS, DIMENSIONS, LedgerReader
from otpconv.web.front.callers import caller_of
from otpconv.web.pages.alerts.lists import strip_of
from otpconv.web.pages.choices import read_choices
from otpconv.web.pages.dashboard.columns import COLUMNS, DEFAULT_COLUMNS, next_order
from otpconv.web.pages.dashboard.fraud import Fraud, find_fraud
from otpconv.web.pages.dashboard.heat import heat_map
from otpconv.web.pages.dashboard.overview import (
    Overview,
    RatesOverTime,
    all_groups,
    overview,
    rates_over_time,
)
from otpconv.web.pages.dashboard.view import DASHBOARD_PATH, View, parse_view
from otpconv.web.pages.dashboard.views import LIST_ACTION, SAVE_ACTION
from otpconv.web.pages.figures import format_exact
from otpconv.web.pages.layout import HEADERS, Layout
from otpconv.web.pages.ranges.page import GET as GET_RANGES
from otpconv.web.pages.visitors import Visitor, Visitors
from otpconv.web.v1.alerts import GET
from otpconv.web.v1.rate_formats import LAG_HEADER, csv_response

#: The most rows of the worst changes that are shown at once, and that can be unfolded.
_SHOWN, _MORE = 8, 200
#: The most annotations in a chart, the newest ones; and the most small charts of groups.
_NOTES, _MULTIPLES = 50, 12
#: The most values of a dimension that are shown.
_VALUES = 6
#: The most saved views that are listed; a page of their own lists all.
_SAVED = 20
#: Parameters of the chart's picture.
_LOOKS = frozenset({"dark", "narrow"})
_COMPARED = {
    "day": "the same hours yesterday",
    "week": "the same hours a week ago",
    "previous": "the time just before",
}
_WINDOWS = {
    "1h": ("1 h", "the last hour"),
    "6h": ("6 h", "the last 6 hours"),
    "24h": ("24 h", "the last 24 hours"),
    "7d": ("7 d", "the last 7 days"),
    "30d": ("30 d", "the last 30 days"),
}

#: What people may write for a time, and some time zones, as suggestions of fields.
_SPOKEN_TIMES = (
    *("now", "today", "yesterday", "this week", "last week", "this month", "last month"),
    *("1h", "6h", "24h", "7d", "30d", "monday 9:30"),
)
_ZONES = (
    *("UTC", "America/Los_Angeles", "America/Chicago", "America/New_York", "America/Mexico_City"),
    *("America/Bogota", "America/Sao_Paulo", "Europe/London", "Europe/Berlin", "Europe/Istanbul"),
    *("Africa/Lagos", "Africa/Cairo", "Africa/Nairobi", "Asia/Dubai", "Asia/Karachi", "Asia/Kolkata"),
    *("Asia/Dhaka", "Asia/Bangkok", "Asia/Jakarta", "Asia/Shanghai", "Asia/Manila", "Asia/Tokyo"),
    *("Australia/Sydney", "Pacific/Auckland"),
)

_F = TypeVar("_F")
_A = TypeVar("_A")
_Priced = Callable[[LedgerReader, int, View, int, PriceList], _F]


class Dashboard:
    """`/dashboard`, its chart and its CSV."""

    def __init__(self, service: Service, layout: Layout, drawer: Drawer, visitors: Visitors) -> None:
        """Create the handlers.

        Args:
            service: answers questions.
            layout: renders pages.
            drawer: draws charts.
            visitors: knows what a visitor may do.
        """
        self._service = service
        self._layout = layout
        self._drawer = drawer
        self._visitors = visitors

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Respond with the page, or with a page that names the mistake in the URL."""
        self._drawer.warm_up()
        now = self._service.clock()
        try:
            view = parse_view(request.query_params.multi_items(), now, read_choices(request))
            notes = await self._annotations(request, visitor, view)
            saved = {
                "saved": await self._saved_views(request, visitor),
                "may_save": not self._visitors.refusal(request, visitor, SAVE_ACTION),
                **await self._alerts(request, visitor),
            }
            page = partial(self._page, visitor, now, notes, saved)
            question = self._with_fraud(request, visitor, overview)
            return await self._ask(visitor, self._priced(question), view, now, page)
        except InvalidRequest as error:
            return self._layout.page(
                "dashboard_problem.html", DASHBOARD_PATH, visitor, status=error.status, problem=error.text
            )

    def _page(  # noqa: PLR0917 - the last two come from the ledger
        self,
        visitor: Visitor,
        now: int,
        notes: Sequence[Annotation],
        saved: dict[str, Any],
        found: tuple[Overview, Fraud | None],
        lag: int,
    ) -> Response:
        seen, fraud = found
        values = _values(seen, lag, now, notes) | {"fraud": fraud}
        return self._layout.page("dashboard.html", DASHBOARD_PATH, visitor, now=now, **saved, **values)

    async def chart(self, request: Request, visitor: Visitor) -> Response:
        """Answer with the chart of the rates over time, as SVG; `dark` and `narrow` say for which screen."""
        given = request.query_params.multi_items()
        looks = {name for name, _ in given} & _LOOKS
        now = self._service.clock()
        own = [(name, value) for name, value in given if name not in _LOOKS]
        view = parse_view(own, now, read_choices(request))
        notes = await self._annotations(request, visitor, view)

        def chart_and_lag(history: RatesOverTime, lag: int) -> tuple[Chart, int]:
            dark, narrow = "dark" in looks, "narrow" in looks
            drawn = _chart(history.rows, history.step_ms, now, notes, dark=dark, narrow=narrow)
            return replace(drawn, zone=view.query.tz.key), lag

        chart, lag = await self._ask(visitor, rates_over_time, view, now, chart_and_lag)
        picture = await self._drawer.draw(chart, caller_of(visitor.key))
        headers = {**HEADERS, LAG_HEADER: str(lag)}
        return Response(picture, media_type="image/svg+xml", headers=headers)

    async def csv(self, request: Request, visitor: Visitor) -> Response:
        """Answer with all groups as CSV, in the order of the page."""
        now = self._service.clock()
        view = parse_view(request.query_params.multi_items(), now, read_choices(request))
        query, zone = view.query, view.query.tz
        window = {
            f"{name} ({zone.key})": format_exact(time, zone)
            for name, time in (("from", query.start), ("to", query.end))
        }

        def written(rows: list[RateRow], lag: int) -> Response:
            return csv_response(rows, replace(query, min_requested=0), lag, window)

        response = await self._ask(visitor, self._priced(all_groups), view, now, written)
        name = f"rates-{'-'.join(query.by)}-{query.start}-{query.end}.csv"
        response.headers.update(HEADERS)
        response.headers["content-disposition"] = f'attachment; filename="{name}"'
        return response

    async def _saved_views(self, request: Request, visitor: Visitor) -> list[SavedView] | None:
        """Return the saved views of the account; None if the visitor may not list them."""
        if self._visitors.refusal(request, visitor, LIST_ACTION):
            return None
        return await asyncio.to_thread(self._service.saved_views.list, visitor.key.account)

    async def _alerts(self, request: Request, visitor: Visitor) -> dict[str, Any]:
        """Return what the strip of alerts needs; nothing if the visitor may not see alerts."""
        if self._visitors.refusal(request, visitor, GET):
            return {"strip": None, "may_see_alerts": False}
        lasting = await asyncio.to_thread(all_lasting, self._service.alerts, visitor.key.account)
        return {"strip": strip_of(lasting), "may_see_alerts": True, "titles": TITLES, "label_of": label_of}

    async def _annotations(self, request: Request, visitor: Visitor, view: View) -> list[Annotation]:
        """Return the newest annotations near a view; none if the visitor may not list them."""
        if self._visitors.refusal(request, visitor, "otpconv:ListAnnotations"):
            return []
        # A step may begin before the window, and end after it.
        start, end = view.query.start - DAY_MS, view.query.end + DAY_MS
        found = await asyncio.to_thread(self._service.annotations.between, visitor.key.account, start, end)
        return found[-_NOTES:]

    def _with_fraud(
        self,
        request: Request,
        visitor: Visitor,
        question: Callable[[LedgerReader, int, View, int, PriceList], _F],
    ) -> Callable[[LedgerReader, int, View, int, PriceList], tuple[_F, Fraud | None]]:
        """Return a question that also finds flagged number ranges, if the visitor may see them."""
        allowed = not self._visitors.refusal(request, visitor, GET_RANGES)

        def asked(
            ledger: LedgerReader, account: int, view: View, now: int, prices: PriceList
        ) -> tuple[_F, Fraud | None]:
            found = question(ledger, account, view, now, prices)
            known = partial(self._service.ranges.of, ledger, account, now, prices)
            return found, find_fraud(ledger, account, view.query, now, known) if allowed else None

        return asked

    def _priced(self, question: _Priced[_F]) -> Callable[[LedgerReader, int, View, int], _F]:
        """Return a question that first reads the price list of the account."""

        def priced(ledger: LedgerReader, account: int, view: View, now: int) -> _F:
            prices = PriceList(self._service.prices.prices(account))
            return question(ledger, account, view, now, prices)

        return priced

    async def _ask(
        self,
        visitor: Visitor,
        question: Callable[[LedgerReader, int, View, int], _F],
        view: View,
        now: int,
        finish: Callable[[_F, int], _A],
    ) -> _A:
        """Ask a question of the ledger, and return what `finish` makes of its result and of the lag."""
        key = visitor.key
        return await self._service.questions.ask(
            caller_of(key), lambda ledger: question(ledger, key.account, view, now), finish
        )


def _chart(
    rows: list[RateRow],
    step_ms: int,
    now: int,
    notes: Sequence[Annotation],
    *,
    dark: bool = False,
    narrow: bool = False,
) -> Chart:
    start, end = rows[0].start or 0, (rows[-1].start or 0) + step_ms
    within = [note.at for note in notes if start <= note.at < end]
    marks = [Note(at, str(number)) for number, at in enumerate(within, 1)]
    return Chart([point_of(row, now - step_ms) for row in rows], step_ms, dark, narrow, notes=marks)


def _values(seen: Overview, lag: int, now: int, notes: Sequence[Annotation]) -> dict[str, Any]:
    """Return the values for the template."""
    rows, table = seen.table.rows, seen.table
    charts = [_chart(seen.history, seen.step_ms, now, notes, narrow=narrow) for narrow in (False, True)]
    within = [note for note in notes if charts[0].start <= note.at < charts[0].end]
    return {
        "view": seen.view,
        "zone": seen.view.query.tz,
        "seen": seen,
        "verdict": judge(seen.evidence, seen.total, lag),
        "label": partial(_label, seen.view),
        "table": table,
        "shown": rows[:_SHOWN],
        "more": rows[_SHOWN:_MORE],
        "left_out": max(0, len(rows) - _MORE),
        "columns": [COLUMNS[name] for name in seen.columns],
        "all_columns": COLUMNS,
        "chosen_columns": seen.view.columns != DEFAULT_COLUMNS,
        "next_order": next_order,
        "heat": heat_map(table.groups, table.marks),
        "frames": [chart.frame for chart in charts],
        "notes": within,
        "multiples": [row for row in rows if row.group in seen.lines.lines][:_MULTIPLES],
        "values_shown": _VALUES,
        "saved_shown": _SAVED,
        "windows": _WINDOWS,
        "comparisons": {name: _COMPARED[name] for name in COMPARISONS},
        "levels": LEVELS,
        "dimensions": DIMENSIONS,
        "spoken_times": _SPOKEN_TIMES,
        "zones": _ZONES,
        "contradiction": contradiction,
        "is_sure": is_sure,
    }


def _label(view: View, which: Slice) -> str:
    """Return the label of a slice, including the filters of the view."""
    return Slice(tuple({**dict(view.filters), **dict(which.values)}.items())).label
