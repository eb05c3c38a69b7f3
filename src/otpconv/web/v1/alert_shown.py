"""`/v1/alerts/{id}`: one alert with everything that it shows, and the text of its ticket."""

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from otpconv.alerts.showing.answer import Shown, show
from otpconv.alerts.showing.cost import CostSoFar
from otpconv.alerts.showing.expectation import Quantity
from otpconv.alerts.showing.remedies import advise
from otpconv.alerts.showing.routes import Place
from otpconv.alerts.showing.words import cost_words, summary
from otpconv.errors import NotFound
from otpconv.money import decimal_text
from otpconv.rates.price_list import PriceList
from otpconv.service.compose import Service
from otpconv.storage.alerts.contract import Alert, Event, Happening
from otpconv.storage.alerts.reading import all_lasting
from otpconv.storage.contract import LedgerReader
from otpconv.web.front.callers import caller_of
from otpconv.web.v1.alert_types import ALERTS_PATH, AlertOut, alert_out
from otpconv.web.v1.alerts import GET, alert_id, known
from otpconv.web.v1.handlers import Handlers, json_response
from otpconv.web.v1.rate_formats import LAG_HEADER


class StepOut(Struct):
    """A step of time."""

    start: int
    requested: int
    counted: Annotated[int, Meta(description="Verified, or reported, messages")]
    seen: Annotated[float | None, Meta(description="A share, a number or a delay in ms; null: unknown")]
    usual: Annotated[float | None, Meta(description="The expectation by now")]
    low: Annotated[float | None, Meta(description="The band that `seen` lies in with 95 %")]
    high: float | None


class SeriesOut(Struct):
    """Expected and seen values over time."""

    quantity: Annotated[
        Quantity, Meta(description="The share that is verified or reported, the number, or the 90 % delay")
    ]
    step_ms: int
    steps: list[StepOut]


class WastedOut(Struct):
    """Money that was paid for nothing, in one currency."""

    currency: str
    amount: Annotated[str, Meta(description="Decimal text", examples=["12.5"])]
    listed: Annotated[str, Meta(description="The part of it that is from the price list")]


class CostSoFarOut(Struct):
    """What an alert has cost so far."""

    missing: Annotated[
        float | None,
        Meta(description="Codes not verified, or messages without a report, too few or too many; or null"),
    ]
    missing_low: Annotated[float | None, Meta(description="The 95 % interval of `missing`")]
    missing_high: float | None
    wasted: Annotated[list[WastedOut], Meta(description="One for each currency")]
    unpriced: Annotated[int, Meta(description="Messages since the alert began that have no price")]
    words: list[str]


class HealthyRouteOut(Struct):
    """A route that works."""

    provider: str | None
    requested: int
    verified: int
    rate: float
    rate_low: Annotated[float, Meta(description="The 95 % interval of `rate`")]
    rate_high: float
    p90_ms: int | None
    since: Annotated[int, Meta(description="It is judged by its messages since then")]


class PlaceOut(Struct):
    """Where messages of the alert went, and the healthy routes of other providers to there."""

    country: Annotated[str | None, Meta(description="Null: unknown")]
    carrier: Annotated[str | None, Meta(description="Null: all carriers")]
    requested: Annotated[int, Meta(description="Messages of the alert, in 24 hours at most")]
    routes: Annotated[
        list[HealthyRouteOut], Meta(description="The best one first; empty: none is surely healthy")
    ]
    others: Annotated[int, Meta(description="Other providers that send there")]


class EventOut(Struct):
    """Something that happened to an alert."""

    happening: Happening
    at: int
    by: Annotated[str, Meta(description="A user; empty: otpconv itself")]
    note: str


class ShownAlertOut(AlertOut):
    """An alert, with everything that it shows."""

    summary: Annotated[str, Meta(description="The evidence, in a sentence")]
    advice: Annotated[list[str], Meta(description="What to do, in sentences")]
    cost: CostSoFarOut
    series: Annotated[SeriesOut | None, Meta(description="Null for an alert about a vendor account")]
    places: Annotated[
        list[PlaceOut] | None, Meta(description="Null where other routes do not help, or there are too many")
    ]
    message_ids: Annotated[list[str], Meta(description="Examples; the vendor's ids where they are known")]
    ticket: Annotated[str | None, Meta(description="Text for the vendor; null: no vendor can fix it")]
    history: list[EventOut]


class ShownAlertApi(Handlers):
    """The handlers of `/v1/alerts/{id}`."""

    def routes(self) -> list[Route]:
        """Return the routes of the handlers."""
        return [
            Route(f"{ALERTS_PATH}/{{id}}", self.get, methods=["GET"]),
            Route(f"{ALERTS_PATH}/{{id}}/ticket", self.ticket, methods=["GET"]),
        ]

    async def get(self, request: Request) -> Response:
        """Answer with an alert and everything that it shows."""
        shown, lag = await self._look(request)
        return json_response(_out(*shown), lag=lag)

    async def ticket(self, request: Request) -> Response:
        """Answer with the text of the ticket for the vendor."""
        (alert, shown, _), lag = await self._look(request)
        if shown.ticket is None:
            raise NotFound(f"Alert {alert.id} has no ticket: no vendor can fix it.")
        return PlainTextResponse(shown.ticket, headers={LAG_HEADER: str(lag)})

    async def _look(self, request: Request) -> tuple[tuple[Alert, Shown, list[Event]], int]:
        key, number = self._caller(request, GET), alert_id(request)
        return await self._service.questions.ask(
            caller_of(key),
            lambda ledger: look(self._service, ledger, key.account, number),
            lambda found, lag: (found, lag),
        )


def look(
    service: Service, ledger: LedgerReader, account: int, number: int
) -> tuple[Alert, Shown, list[Event]]:
    """Return an alert, what it shows, and its history.

    Args:
        service: has the alerts and the price lists.
        ledger: where to look.
        account: whose alert.
        number: its id.

    Raises:
        NotFound: there is no such alert.
        Unavailable: the storage failed, or it took too long.
    """
    store = service.alerts
    alert = known(number, store.alert(account, number))
    others = [other for other in all_lasting(store, account) if other.id != number]
    prices = PriceList(service.prices.prices(account))
    return alert, show(ledger, alert, others, prices, service.clock()), store.history(account, number)


def _out(alert: Alert, shown: Shown, history: list[Event]) -> ShownAlertOut:
    series = shown.series
    return ShownAlertOut(
        **asdict(alert_out(alert)),
        summary=summary(alert),
        advice=advise(alert, shown.places),
        cost=_cost_out(shown.cost, cost_words(alert, shown.cost)),
        series=SeriesOut(series.quantity, series.step_ms, [StepOut(**asdict(step)) for step in series.steps])
        if series
        else None,
        places=None if shown.places is None else [_place_out(place) for place in shown.places],
        message_ids=shown.examples.ids if shown.examples else [],
        ticket=shown.ticket,
        history=[EventOut(event.happening, event.at, event.by, event.note) for event in history],
    )


def _cost_out(cost: CostSoFar, words: list[str]) -> CostSoFarOut:
    missing = cost.missing
    return CostSoFarOut(
        missing.number if missing else None,
        missing.low if missing else None,
        missing.high if missing else None,
        [
            WastedOut(one.currency, decimal_text(one.micros), decimal_text(one.listed_micros))
            for one in cost.wasted
        ],
        cost.unpriced,
        words,
    )


def _place_out(place: Place) -> PlaceOut:
    return PlaceOut(
        place.country or None,
        place.carrier or None,
        place.requested,
        [
            HealthyRouteOut(
                route.provider or None,
                route.requested,
                route.verified,
                route.rate,
                *route.interval,
                route.p90_ms,
                route.since,
            )
            for route in place.routes
        ],
        place.others,
    )
