"""The list of alerts, and the page of one: its evidence, what to do, and its history."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from otpconv.alerts.showing.answer import Shown
from otpconv.alerts.showing.remedies import advise, place_name
from otpconv.alerts.showing.series import Series, fetch_series, filters_of, is_about_messages
from otpconv.alerts.showing.words import TITLES, cost_words, label_of, summary
from otpconv.charts.drawing import Drawer
from otpconv.errors import NotFound
from otpconv.service.administration import Stores
from otpconv.service.changes import Change
from otpconv.service.compose import Service
from otpconv.storage.alerts.contract import LASTING, MAX_NOTE, Alert, Event
from otpconv.storage.alerts.reading import all_lasting
from otpconv.storage.contract import LedgerReader
from otpconv.web.front.callers import caller_of
from otpconv.web.pages.administration.desk import Desk, done
from otpconv.web.pages.alerts.charting import QUANTITIES, chart_of, marks_of
from otpconv.web.pages.alerts.lists import (
    CHOICES,
    MAX_RESOLVED,
    Filters,
    parse_filters,
    worst_first,
)
from otpconv.web.pages.alerts.snoozing import snooze_until, snoozes
from otpconv.web.pages.layout import HEADERS
from otpconv.web.pages.page import Page
from otpconv.web.pages.visitors import Visitor
from otpconv.web.v1.alert_shown import look
from otpconv.web.v1.alerts import GET, MANAGE, alert_id, known
from otpconv.web.v1.rate_formats import LAG_HEADER

ALERTS_PATH: Final = "/alerts"

_T = TypeVar("_T")
_A = TypeVar("_A")
#: An alert, what it shows, and what happened to it.
Looked = tuple[Alert, Shown, list[Event]]


class AlertsPage:
    """`/alerts`, and the page of one alert.

    Args:
        desk: lays pages out, reads forms and records changes.
        service: has the alerts, and answers questions.
        drawer: draws charts.
    """

    def __init__(self, desk: Desk, service: Service, drawer: Drawer) -> None:
        self._desk = desk
        self._service = service
        self._drawer = drawer

    def pages(self) -> list[Page]:
        """Return the pages and forms, and the action that each needs."""
        return [
            Page("/alerts", "GET", self.index, GET),
            Page("/alerts/{id}", "GET", self.show, GET),
            Page("/alerts/{id}/chart.svg", "GET", self.chart, GET),
            Page("/alerts/{id}/acknowledge", "POST", self.acknowledge, MANAGE),
            Page("/alerts/{id}/snooze", "POST", self.snooze, MANAGE),
        ]

    async def index(self, request: Request, visitor: Visitor) -> Response:
        """Answer with the alerts: those that last, the worst first, and then the resolved ones."""
        filters = parse_filters(request.query_params.multi_items())
        store, account, now = self._service.alerts, visitor.key.account, self._service.clock()

        def read() -> tuple[list[Alert], list[Alert]]:
            lasting: list[Alert] = []
            resolved: list[Alert] = []
            if "open" in CHOICES[filters.show] and filters.before is None:
                lasting = all_lasting(store, account)
            if "resolved" in CHOICES[filters.show]:
                resolved = store.alerts(
                    account, CHOICES["resolved"], before=filters.before, limit=MAX_RESOLVED + 1
                )
            return lasting, resolved

        lasting, resolved = await asyncio.to_thread(read)
        more = resolved[MAX_RESOLVED - 1].id if len(resolved) > MAX_RESOLVED else None
        return self._desk.page(
            "alerts.html",
            ALERTS_PATH,
            visitor,
            now=now,
            filters=filters,
            lasting=worst_first(filter(filters.fits, lasting)),
            resolved=[alert for alert in resolved[:MAX_RESOLVED] if filters.fits(alert)],
            older=_older(filters, more),
            titles=TITLES,
            choices=CHOICES,
            label=label_of,
            summary=summary,
            may=self._desk.allowed(request, visitor, [MANAGE]),
            done=request.query_params.get("done", ""),
            problem="",
        )

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Answer with everything that one alert shows."""
        self._drawer.warm_up()
        number, now, account = alert_id(request), self._service.clock(), visitor.key.account

        def question(ledger: LedgerReader) -> Looked:
            return look(self._service, ledger, account, number)

        def finish(one: Looked, lag: int) -> Response:
            return self._page(request, visitor, one, lag, now)

        return await self._ask(visitor, question, finish)

    async def chart(self, request: Request, visitor: Visitor) -> Response:
        """Answer with the chart of an alert, as SVG; `dark` and `narrow` say for which screen."""
        number, now = alert_id(request), self._service.clock()
        account = visitor.key.account

        def question(ledger: LedgerReader) -> tuple[Alert, Series | None]:
            alert = known(number, self._service.alerts.alert(account, number))
            return alert, fetch_series(ledger, alert, now)

        (alert, series), lag = await self._ask(visitor, question, lambda found, lag: (found, lag))
        if series is None:
            raise NotFound("This alert has no chart: it is about a vendor account.")
        dark, narrow = "dark" in request.query_params, "narrow" in request.query_params
        chart = chart_of(alert, series, now, visitor.zone.key, dark=dark, narrow=narrow)
        picture = await self._drawer.draw(chart, caller_of(visitor.key))
        headers = {**HEADERS, LAG_HEADER: str(lag)}
        return Response(picture, media_type="image/svg+xml", headers=headers)

    async def acknowledge(self, request: Request, visitor: Visitor) -> Response:
        """Record that somebody takes care of an alert."""
        return await self._change(request, visitor, "AcknowledgeAlert", "alert-acknowledged")

    async def snooze(self, request: Request, visitor: Visitor) -> Response:
        """Silence an alert for a while."""
        return await self._change(request, visitor, "SnoozeAlert", "alert-snoozed")

    async def _change(self, request: Request, visitor: Visitor, what: str, text: str) -> Response:
        form = await self._desk.form(request, visitor)
        number, now = alert_id(request), self._service.clock()
        key, store, note = visitor.key, self._service.alerts, form.get("note", "").strip()
        until = snooze_until(form.get("for", ""), now, visitor.zone) if what == "SnoozeAlert" else None

        def work(_: Stores, __: Change) -> None:
            by, account = key.display_name, key.account
            if until is None:
                known(number, store.acknowledge(account, number, by, note, now=now))
            else:
                known(number, store.snooze(account, number, by, note, now=now, until=until))

        await self._desk.change(request, visitor, what, f"alert {number}", work)
        return done(f"{ALERTS_PATH}/{number}", text)

    def _page(self, request: Request, visitor: Visitor, one: Looked, lag: int, now: int) -> Response:
        alert, shown, history = one
        series = shown.series if shown.series and shown.series.steps else None
        charts = [
            chart_of(alert, series, now, visitor.zone.key, narrow=narrow) if series else None
            for narrow in (False, True)
        ]
        return self._desk.page(
            "alert.html",
            f"{ALERTS_PATH}/{alert.id}",
            visitor,
            now=now,
            lag=lag,
            alert=alert,
            shown=shown,
            series=series,
            frames=[chart.frame for chart in charts if chart],
            marks=marks_of(alert, series) if series else [],
            quantity=QUANTITIES[series.quantity] if series else "",
            history=history,
            title=TITLES[alert.found.kind],
            label=label_of(alert.found.values),
            summary=summary(alert),
            cost=cost_words(alert, shown.cost),
            advice=advise(alert, shown.places),
            place_name=place_name,
            dashboard=_dashboard_of(alert),
            snoozes=snoozes(now, visitor.zone),
            max_note=MAX_NOTE,
            lasts=alert.state in LASTING,
            may=self._desk.allowed(request, visitor, [MANAGE]),
            done=request.query_params.get("done", ""),
            problem="",
        )

    async def _ask(
        self, visitor: Visitor, question: Callable[[LedgerReader], _T], finish: Callable[[_T, int], _A]
    ) -> _A:
        return await self._service.questions.ask(caller_of(visitor.key), question, finish)


def _older(filters: Filters, before: int | None) -> str:
    """Return the URL of older resolved alerts; empty if there are none."""
    if before is None:
        return ""
    given = {"show": "resolved", "kind": filters.kind, "q": filters.search, "before": before}
    return f"{ALERTS_PATH}?{urlencode({name: value for name, value in given.items() if value})}"


def _dashboard_of(alert: Alert) -> str:
    """Return the URL of the dashboard of the slice; of the relay for a vendor account."""
    if not is_about_messages(alert):
        return "/relay"
    filters = [(name, value) for name, values in filters_of(alert).items() for value in values]
    return f"/dashboard?{urlencode(filters)}" if filters else "/dashboard"
