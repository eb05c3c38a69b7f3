"""`/v1/advice`: how to divide first attempts among providers."""

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from otpconv.advice.answer import Advice, advise
from otpconv.advice.dividing import RouteAdvice
from otpconv.advice.prices import fetch_prices
from otpconv.advice.question import Question, parse_question
from otpconv.advice.reasons import explain
from otpconv.advice.route import fetch_routes
from otpconv.rates.price_list import PriceList
from otpconv.storage.contract import LedgerReader
from otpconv.web.front.callers import caller_of
from otpconv.web.v1.handlers import Handlers, json_response

ADVICE_PATH: Final = "/v1/advice"


class RouteAdviceOut(Struct):
    """What to send by one provider."""

    provider: Annotated[str | None, Meta(description="Null: unknown")]
    weight: Annotated[float, Meta(description="Its part of the first attempts; all weights add up to 1")]
    share: Annotated[float, Meta(description="Its part of the first attempts of the last 3 days")]
    attempts: Annotated[int, Meta(description="Its first attempts of the last 28 days")]
    verified: Annotated[int, Meta(description="Those of them that were verified")]
    rate: Annotated[float, Meta(description="The rate to expect; recent attempts count more")]
    rate_low: Annotated[float, Meta(description="The 95 % interval of rate")]
    rate_high: float
    price: Annotated[float | None, Meta(description="Of a message, mean of the last 28 days; null: unknown")]
    currency: Annotated[
        str | None, Meta(description="ISO 4217, of price and costs; null without a price", examples=["EUR"])
    ]
    cost_per_verified: Annotated[float | None, Meta(description="price / rate: what a verification costs")]
    cost_low: Annotated[float | None, Meta(description="The 95 % interval of cost_per_verified")]
    cost_high: float | None
    best: Annotated[float, Meta(description="The share of the draws in which it was the best")]
    suspicious: Annotated[bool, Meta(description="Its supplier may be entering the codes")]
    reasons: list[str]


class CarrierAdvice(Struct):
    """How to divide the first attempts to one carrier."""

    carrier: str
    routes: list[RouteAdviceOut]


class AdviceOut(Struct):
    """How to divide the first attempts to a country. Nothing is sent or changed."""

    country: Annotated[str | None, Meta(description="Null: unknown")]
    seed: Annotated[int, Meta(description="The same seed and counts give the same advice, within an hour")]
    floor: float
    holdout: float
    gain: float
    tolerance: float
    routes: Annotated[list[RouteAdviceOut], Meta(description="Empty without any mature first attempt")]
    carriers: Annotated[list[CarrierAdvice], Meta(description="Carriers with enough traffic of their own")]
    left_out: Annotated[list[str], Meta(description="Providers with few attempts, beyond the 20 largest")]


class AdviceApi(Handlers):
    """The handler of `/v1/advice`."""

    async def get(self, request: Request) -> Response:
        """Answer how to divide the first attempts to a country."""
        key = self._caller(request, "otpconv:GetAdvice")
        now = self._service.clock()
        question = parse_question(request.query_params.multi_items(), now)

        def advice(ledger: LedgerReader) -> AdviceOut:
            listed = PriceList(self._service.prices.prices(key.account))
            with ledger.snapshot():
                routes = fetch_routes(ledger, key.account, question.country, now)
                prices = fetch_prices(ledger, key.account, question.country, now, listed)
            found = advise(routes, prices.by_provider, question.limits, question.seed)
            return _out(question, found, prices.currency)

        def response(answer: AdviceOut, lag: int) -> Response:
            return json_response(answer, lag=lag)

        return await self._service.questions.ask(caller_of(key), advice, response)


def _out(question: Question, advice: Advice, currency: str) -> AdviceOut:
    limits = question.limits

    def routes_out(routes: Sequence[RouteAdvice]) -> list[RouteAdviceOut]:
        return [
            _route_out(
                route, explain(route, limits, advice.suspicions.get(route.provider, ()), currency), currency
            )
            for route in routes
        ]

    return AdviceOut(
        question.country or None,
        question.seed,
        limits.floor,
        limits.holdout,
        limits.gain,
        limits.tolerance,
        routes_out(advice.routes),
        [CarrierAdvice(name, routes_out(routes)) for name, routes in advice.carriers.items()],
        advice.left_out,
    )


def _route_out(route: RouteAdvice, reasons: list[str], currency: str) -> RouteAdviceOut:
    cost_low, cost_high = route.cost_interval or (None, None)
    return RouteAdviceOut(
        provider=route.provider or None,
        weight=route.weight,
        share=route.share,
        attempts=route.attempts,
        verified=route.verified,
        rate=route.rate,
        rate_low=route.interval[0],
        rate_high=route.interval[1],
        price=route.price,
        currency=None if route.price is None else currency,
        cost_per_verified=route.cost_per_verified,
        cost_low=cost_low,
        cost_high=cost_high,
        best=route.best,
        suspicious=route.suspicious,
        reasons=reasons,
    )
