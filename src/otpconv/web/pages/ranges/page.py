"""The number ranges that look like fraud, what a block would hit, and routes to look at."""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from otpconv.errors import InvalidRequest
from otpconv.ranges.finding import ELEVATED, FLAGGED, REVIEW_MS, Assessment
from otpconv.ranges.question import MAX_LIMIT, Question, parse_question
from otpconv.rates.price_list import PriceList
from otpconv.service.compose import Service
from otpconv.storage.contract import LedgerReader
from otpconv.web.front.callers import caller_of
from otpconv.web.pages.layout import HEADERS, Layout
from otpconv.web.pages.page import Page
from otpconv.web.pages.visitors import Visitor
from otpconv.web.v1.ranges import block_list, wanted

RANGES_PAGE: Final = "/ranges"
GET: Final = "otpconv:GetRanges"
#: Ranges that are shown; the CSV has more.
MAX_SHOWN: Final = 50
#: What can be shown, and the least posterior of each.
CHOICES: Final = {"fraud": FLAGGED, "possible": ELEVATED}


class RangesPage:
    """`/ranges`, and its list to block.

    Args:
        service: judges the ranges.
        layout: renders pages.
    """

    def __init__(self, service: Service, layout: Layout) -> None:
        self._service = service
        self._layout = layout

    def pages(self) -> list[Page]:
        """Return the pages, and the action that each needs."""
        return [
            Page("/ranges", "GET", self.show, GET),
            Page("/ranges/block-list.csv", "GET", self.block_list, GET),
        ]

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Answer with the ranges of the last 7 days, or name the mistake in the URL."""
        given = dict(request.query_params)
        choice, country = given.get("show", "possible"), given.get("country", "").strip()
        problem, question = "", None
        try:
            question = self._question(choice, country)
        except InvalidRequest as error:
            problem, choice, question = error.text, "possible", self._question("possible", "")

        def page(found: Assessment, _: int) -> Response:
            findings = wanted(found, question)
            query = {"show": choice} | ({"country": country} if question.country else {})
            return self._layout.page(
                "ranges.html",
                RANGES_PAGE,
                visitor,
                status=400 if problem else 200,
                found=found,
                findings=findings[:MAX_SHOWN],
                left_out=max(0, len(findings) - MAX_SHOWN),
                countries=_countries(found),
                routes=[route for route in found.routes if question.country in {None, route.country}],
                choice=choice,
                country=country.upper(),
                problem=problem,
                csv=f"{RANGES_PAGE}/block-list.csv?{urlencode(query)}",
                review_at=found.end + REVIEW_MS,
                now=self._service.clock(),
            )

        return await self._service.questions.ask(caller_of(visitor.key), self._assessment(visitor), page)

    async def block_list(self, request: Request, visitor: Visitor) -> Response:
        """Answer with the same ranges as CSV."""
        given = dict(request.query_params)
        question = self._question(given.get("show", "fraud"), given.get("country", "").strip())

        def written(found: Assessment, lag: int) -> Response:
            response = block_list(found, question, lag)
            response.headers.update(HEADERS)
            return response

        return await self._service.questions.ask(caller_of(visitor.key), self._assessment(visitor), written)

    def _question(self, choice: str, country: str) -> Question:
        if choice not in CHOICES:
            raise InvalidRequest(f"Invalid show {choice[:40]!r}. Use {' or '.join(CHOICES)}.")
        parameters = [("min_posterior", f"{CHOICES[choice]}"), ("limit", str(MAX_LIMIT))]
        if country:
            parameters.append(("country", country))
        return parse_question(parameters, self._service.clock())

    def _assessment(self, visitor: Visitor) -> Callable[[LedgerReader], Assessment]:
        account, now = visitor.key.account, self._service.clock()

        def assessment(ledger: LedgerReader) -> Assessment:
            prices = PriceList(self._service.prices.prices(account))
            return self._service.ranges.of(ledger, account, now, prices).assessment

        return assessment


def _countries(found: Assessment) -> list[str]:
    """Return the countries that have anything to show."""
    countries = {finding.judged.traffic.country for finding in found.findings}
    return sorted((countries | {route.country for route in found.routes}) - {""})
