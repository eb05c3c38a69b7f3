"""The dashboard: which route stopped converting, and everything one asks next."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from otpconv.charts.drawing import Drawer
from otpconv.charts.timeline import Chart, slot_of
from otpconv.errors import InvalidRequest
from otpconv.rates import COMPARISONS, LEVELS, RateAnswer
from otpconv.rates.marks import is_sure, lost
from otpconv.rates.slices import Slice
from otpconv.rates.verdict import judge
from otpconv.service.compose import Service
from otpconv.storage.contract import DIMENSIONS, Ledger
from otpconv.web.front.callers import caller_of
from otpconv.web.pages.dashboard.heat import heat_map
from otpconv.web.pages.dashboard.overview import History, Overview, history, overview, worst
from otpconv.web.pages.dashboard.view import PATH, View, parse_view
from otpconv.web.pages.layout import HEADERS, Layout
from otpconv.web.pages.visitors import Visitor
from otpconv.web.v1.rate_formats import LAG_HEADER, rates_response
from otpconv.web.v1.rates_out import rates_out, row_out

#: Rows of the worst changes: shown at first, and after unfolding.
_SHOWN, _MORE = 8, 200
#: Values of a dimension that are shown.
_VALUES = 6
#: What can be asked for of a chart's picture.
_LOOKS = frozenset({"dark", "narrow"})
_COMPARED = {
    "day": "the same hours yesterday",
    "week": "the same hours a week before",
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
        """Take who answers questions, what pages need, and who draws."""
        self._service = service
        self._layout = layout
        self._drawer = drawer

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Answer the page; a question that can't be answered gets a page that says so, and how to go on."""
        self._drawer.warm_up()
        now = self._service.clock()
        try:
            view = parse_view(request.query_params.multi_items(), now)
            return await self._ask(visitor, overview, view, now, partial(self._page, visitor, now))
        except InvalidRequest as error:
            return self._layout.page(
                "dashboard_problem.html", PATH, visitor, status=error.status, problem=error.text
            )

    def _page(self, visitor: Visitor, now: int, seen: Overview, lag: int) -> Response:
        return self._layout.page("dashboard.html", PATH, visitor, now=now, **_values(seen, lag, now))

    async def chart(self, request: Request, visitor: Visitor) -> Response:
        """Answer the picture of the rates over time; `dark` and `narrow` say for what screen."""
        given = request.query_params.multi_items()
        looks = {name for name, _ in given} & _LOOKS
        now = self._service.clock()
        view = parse_view([(name, value) for name, value in given if name not in _LOOKS], now)

        def drawn(past: History, lag: int) -> tuple[Chart, int]:
            dark, narrow = "dark" in looks, "narrow" in looks
            return _chart(past.answer, past.step_ms, now, dark=dark, narrow=narrow), lag

        chart, lag = await self._ask(visitor, history, view, now, drawn)
        picture = await self._drawer.draw(chart, caller_of(visitor.key))
        headers = {**HEADERS, LAG_HEADER: str(lag)}
        return Response(picture, media_type="image/svg+xml", headers=headers)

    async def csv(self, request: Request, visitor: Visitor) -> Response:
        """Answer the groups, all of them, in the order of the page."""
        now = self._service.clock()
        view = parse_view(request.query_params.multi_items(), now)

        def written(found: RateAnswer, lag: int) -> Response:
            rows = (row_out(row, view.query.by) for row in found.rows)
            return rates_response("csv", rates_out(found, view.query, lag=lag), rows, view.query)

        response = await self._ask(visitor, worst, view, now, written)
        name = f"rates-{'-'.join(view.query.by)}-{view.query.start}-{view.query.end}.csv"
        response.headers.update(HEADERS)
        response.headers["content-disposition"] = f'attachment; filename="{name}"'
        return response

    async def _ask(
        self,
        visitor: Visitor,
        question: Callable[[Ledger, int, View, int], _F],
        view: View,
        now: int,
        finish: Callable[[_F, int], _A],
    ) -> _A:
        """Return the answer that `finish` makes of what a question finds, and of the lag."""
        key = visitor.key
        return await self._service.questions.ask(
            caller_of(key), lambda ledger: question(ledger, key.account, view, now), finish
        )


def _chart(found: RateAnswer, step_ms: int, now: int, *, dark: bool = False, narrow: bool = False) -> Chart:
    slots = [slot_of(msgspec.to_builtins(row_out(row, ())), now - step_ms) for row in found.rows]
    return Chart(slots, step_ms, dark, narrow)


def _values(seen: Overview, lag: int, now: int) -> dict[str, Any]:
    """Return what the template needs."""
    groups = [row for row in seen.groups.rows if not row.others]
    sizes = {narrow: _chart(seen.history, seen.step_ms, now, narrow=narrow).size for narrow in (False, True)}
    return {
        "view": seen.view,
        "seen": seen,
        "verdict": judge(seen.evidence, seen.total, lag),
        "label": partial(_label, seen.view),
        "shown": groups[:_SHOWN],
        "more": groups[_SHOWN:_MORE],
        "left_out": max(0, len(groups) - _MORE),
        "others": next((row for row in seen.groups.rows if row.others), None),
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
    """Return what a slice is called within the filters of a view."""
    return Slice(tuple({**dict(view.filters), **dict(which.values)}.items())).label
