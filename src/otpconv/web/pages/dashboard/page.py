"""The dashboard page: which route stopped converting, and the numbers behind it."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from otpconv.charts.drawing import Drawer
from otpconv.charts.point import point_of
from otpconv.charts.timeline import Chart
from otpconv.errors import InvalidRequest
from otpconv.rates import COMPARISONS, LEVELS, RateAnswer, RateRow
from otpconv.rates.marks import is_sure, lost
from otpconv.rates.slices import Slice
from otpconv.rates.verdict import judge
from otpconv.service.compose import Service
from otpconv.storage.contract import DIMENSIONS, LedgerReader
from otpconv.web.front.callers import caller_of
from otpconv.web.pages.dashboard.heat import heat_map
from otpconv.web.pages.dashboard.overview import (
    Overview,
    RatesOverTime,
    overview,
    rates_over_time,
    worst_groups,
)
from otpconv.web.pages.dashboard.view import DASHBOARD_PATH, View, parse_view
from otpconv.web.pages.layout import HEADERS, Layout
from otpconv.web.pages.visitors import Visitor
from otpconv.web.v1.rate_formats import LAG_HEADER, csv_response

#: The most rows of the worst changes that are shown at once, and that can be unfolded.
_SHOWN, _MORE = 8, 200
#: The most values of a dimension that are shown.
_VALUES = 6
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

_F = TypeVar("_F")
_A = TypeVar("_A")


class Dashboard:
    """`/dashboard`, its chart and its CSV."""

    def __init__(self, service: Service, layout: Layout, drawer: Drawer) -> None:
        """Create the handlers.

        Args:
            service: answers questions.
            layout: renders pages.
            drawer: draws charts.
        """
        self._service = service
        self._layout = layout
        self._drawer = drawer

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Respond with the page, or with a page that names the mistake in the URL."""
        self._drawer.warm_up()
        now = self._service.clock()
        try:
            view = parse_view(request.query_params.multi_items(), now)
            return await self._ask(visitor, overview, view, now, partial(self._page, visitor, now))
        except InvalidRequest as error:
            return self._layout.page(
                "dashboard_problem.html", DASHBOARD_PATH, visitor, status=error.status, problem=error.text
            )

    def _page(self, visitor: Visitor, now: int, seen: Overview, lag: int) -> Response:
        return self._layout.page(
            "dashboard.html", DASHBOARD_PATH, visitor, now=now, **_values(seen, lag, now)
        )

    async def chart(self, request: Request, visitor: Visitor) -> Response:
        """Answer with the chart of the rates over time, as SVG; `dark` and `narrow` say for which screen."""
        given = request.query_params.multi_items()
        looks = {name for name, _ in given} & _LOOKS
        now = self._service.clock()
        view = parse_view([(name, value) for name, value in given if name not in _LOOKS], now)

        def chart_and_lag(history: RatesOverTime, lag: int) -> tuple[Chart, int]:
            dark, narrow = "dark" in looks, "narrow" in looks
            return _chart(history.rows, history.step_ms, now, dark=dark, narrow=narrow), lag

        chart, lag = await self._ask(visitor, rates_over_time, view, now, chart_and_lag)
        picture = await self._drawer.draw(chart, caller_of(visitor.key))
        headers = {**HEADERS, LAG_HEADER: str(lag)}
        return Response(picture, media_type="image/svg+xml", headers=headers)

    async def csv(self, request: Request, visitor: Visitor) -> Response:
        """Answer with all groups as CSV, in the order of the page."""
        now = self._service.clock()
        view = parse_view(request.query_params.multi_items(), now)

        def written(answer: RateAnswer, lag: int) -> Response:
            return csv_response(answer.rows, view.query, lag)

        response = await self._ask(visitor, worst_groups, view, now, written)
        name = f"rates-{'-'.join(view.query.by)}-{view.query.start}-{view.query.end}.csv"
        response.headers.update(HEADERS)
        response.headers["content-disposition"] = f'attachment; filename="{name}"'
        return response

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


def _chart(rows: list[RateRow], step_ms: int, now: int, *, dark: bool = False, narrow: bool = False) -> Chart:
    return Chart([point_of(row, now - step_ms) for row in rows], step_ms, dark, narrow)


def _values(seen: Overview, lag: int, now: int) -> dict[str, Any]:
    """Return the values for the template."""
    groups = [row for row in seen.groups if not row.others]
    sizes = {narrow: _chart(seen.history, seen.step_ms, now, narrow=narrow).size for narrow in (False, True)}
    return {
        "view": seen.view,
        "seen": seen,
        "verdict": judge(seen.evidence, seen.total, lag),
        "label": partial(_label, seen.view),
        "shown": groups[:_SHOWN],
        "more": groups[_SHOWN:_MORE],
        "left_out": max(0, len(groups) - _MORE),
        "others": next((row for row in seen.groups if row.others), None),
        "heat": heat_map(groups, seen.marks),
        "sizes": sizes,
        "values_shown": _VALUES,
        "windows": _WINDOWS,
        "comparisons": {name: _COMPARED[name] for name in COMPARISONS},
        "levels": LEVELS,
        "dimensions": DIMENSIONS,
        "is_sure": is_sure,
        "lost": lost,
    }


def _label(view: View, which: Slice) -> str:
    """Return the label of a slice, including the filters of the view."""
    return Slice(tuple({**dict(view.filters), **dict(which.values)}.items())).label
