"""`/v1/ranges`: the number ranges that look like fraud, as JSON or as a list to block."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from otpconv.csv_cells import escaped
from otpconv.money import MICROS
from otpconv.ranges.assessing import assess
from otpconv.ranges.finding import FLAGGED, REVIEW_MS, Assessment, RangeFinding
from otpconv.ranges.question import Question, parse_question
from otpconv.rates.price_list import PriceList
from otpconv.storage.contract import LedgerReader
from otpconv.web.front.callers import caller_of
from otpconv.web.v1.handlers import Handlers, json_response
from otpconv.web.v1.rate_formats import LAG_HEADER

RANGES_PATH: Final = "/v1/ranges"
_CSV_COLUMNS: Final = (
    *("prefix", "country", "carrier", "posterior", "requested", "verified", "usual_rate"),
    *("verified_before", "cost", "currency", "first_requested_at", "review_on"),
)


class RangeCostOut(Struct):
    """What messages cost in one currency."""

    currency: Annotated[str, Meta(description="ISO 4217", examples=["EUR"])]
    cost: float


class RangeOut(Struct):
    """A number range that may be pumped."""

    number_range: Annotated[str, Meta(description="A prefix of E.164", examples=["+491511234"])]
    prefixes: Annotated[list[str], Meta(description="What to block: the range, or its parts")]
    country: Annotated[str | None, Meta(description="Null: unknown")]
    carrier: Annotated[str | None, Meta(description="The network that owns the range; null: unknown")]
    posterior: Annotated[float, Meta(description="The probability that the range is pumped, 0 to 1")]
    flagged: Annotated[bool, Meta(description=f"Whether posterior is above {FLAGGED}")]
    requested: Annotated[int, Meta(description="Messages of the window")]
    verified: Annotated[int, Meta(description="Those of them that were verified")]
    usual_rate: Annotated[float, Meta(description="The usual rate of its country, carrier and providers")]
    verified_before: Annotated[
        int, Meta(description="Messages before the window that were verified: users whom a block would hit")
    ]
    lost: Annotated[float, Meta(description="Messages not verified, beyond those that usually are not")]
    costs: Annotated[list[RangeCostOut], Meta(description="What they cost; empty: no price is known")]
    first_requested_at: Annotated[int, Meta(description="When the first messages are known, ms")]
    review_at: Annotated[int, Meta(description="When to look at a block again, ms")]


class RouteToLookAt(Struct):
    """A provider that may enter the codes itself."""

    country: Annotated[str | None, Meta(description="Null: unknown")]
    provider: Annotated[str | None, Meta(description="Null: unknown")]
    reasons: list[str]


class RangesOut(Struct):
    """Number ranges that look like fraud. Nothing is blocked."""

    start: int
    end: int
    assessed_at: Annotated[int, Meta(description="When the messages were counted, ms")]
    judged: Annotated[int, Meta(description="Ranges with enough messages")]
    messages: Annotated[int, Meta(description="The messages to them")]
    ranges: Annotated[list[RangeOut], Meta(description="The most probable first")]
    more: Annotated[bool, Meta(description="Whether there are more than `limit`")]
    routes: Annotated[
        list[RouteToLookAt], Meta(description="Providers that may enter the codes, of the last 28 days")
    ]


class RangesApi(Handlers):
    """The handler of `/v1/ranges`."""

    async def get(self, request: Request) -> Response:
        """Answer which ranges look like fraud."""
        key = self._caller(request, "otpconv:GetRanges")
        now = self._service.clock()
        question = parse_question(request.query_params.multi_items(), now)

        def assessment(ledger: LedgerReader) -> Assessment:
            prices = PriceList(self._service.prices.prices(key.account))
            if question.span is None:
                return self._service.ranges.of(ledger, key.account, now, prices).assessment
            return assess(ledger, key.account, question.span, now, prices)

        def response(found: Assessment, lag: int) -> Response:
            if question.format == "csv":
                return block_list(found, question, lag)
            return json_response(_out(found, question), lag=lag)

        return await self._service.questions.ask(caller_of(key), assessment, response)


def range_out(finding: RangeFinding, end: int) -> RangeOut:
    """Return a range as JSON; `end` (ms) is that of the window."""
    traffic = finding.judged.traffic
    return RangeOut(
        number_range=traffic.number_range,
        prefixes=list(finding.prefixes),
        country=traffic.country or None,
        carrier=traffic.carrier or None,
        posterior=round(finding.judged.posterior, 4),
        flagged=finding.flagged,
        requested=traffic.requested,
        verified=traffic.verified,
        usual_rate=finding.judged.usual,
        verified_before=traffic.verified_before,
        lost=finding.lost,
        costs=[RangeCostOut(cost.currency, cost.micros / MICROS) for cost in finding.costs],
        first_requested_at=traffic.first_requested_at,
        review_at=end + REVIEW_MS,
    )


def wanted(found: Assessment, question: Question) -> list[RangeFinding]:
    """Return the ranges that a question asks for."""
    return [
        finding
        for finding in found.findings
        if finding.judged.posterior >= question.min_posterior
        and question.country in {None, finding.judged.traffic.country}
    ]


def _out(found: Assessment, question: Question) -> RangesOut:
    some = wanted(found, question)
    return RangesOut(
        found.start,
        found.end,
        found.assessed_at,
        found.ranges,
        found.messages,
        [range_out(finding, found.end) for finding in some[: question.limit]],
        len(some) > question.limit,
        [
            RouteToLookAt(route.country or None, route.provider or None, list(route.reasons))
            for route in found.routes
            if question.country in {None, route.country}
        ],
    )


def block_list(found: Assessment, question: Question, lag: int) -> Response:
    """Return the ranges that a question asks for as CSV, a row for each prefix to block.

    Args:
        found: all ranges.
        question: chooses some.
        lag: how many acknowledged reports the answer lacks.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_CSV_COLUMNS)
    for finding in wanted(found, question)[: question.limit]:
        writer.writerows(_csv_rows(range_out(finding, found.end)))
    headers = {
        "cache-control": "no-store",
        "content-disposition": 'attachment; filename="otpconv-ranges.csv"',
        LAG_HEADER: str(lag),
    }
    return Response(text.getvalue(), media_type="text/csv", headers=headers)


def _csv_rows(row: RangeOut) -> Iterable[list[object]]:
    """Yield a row for each prefix; the counts are those of the whole range."""
    for prefix in row.prefixes:
        yield [
            prefix[1:],  # without the plus, which spreadsheets take for a formula
            escaped(row.country or ""),
            escaped(row.carrier or ""),
            row.posterior,
            row.requested,
            row.verified,
            round(row.usual_rate, 4),
            row.verified_before,
            "; ".join(f"{cost.cost:.2f}" for cost in row.costs),
            escaped("; ".join(cost.currency for cost in row.costs)),
            _moment(row.first_requested_at).isoformat(),
            _moment(row.review_at).date().isoformat(),
        ]


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms // 1000, UTC)
