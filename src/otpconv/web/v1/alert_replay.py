"""`/v1/alerts/replay`: the falls of conversion rates that a watch would have found in the past."""

from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from otpconv.alerts.finding import Finding
from otpconv.alerts.replaying import MAX_DAYS, Replay, replay
from otpconv.decimals import parse_decimal
from otpconv.errors import InvalidRequest
from otpconv.parameters import parse_once
from otpconv.storage.contract import DAY_MS, LedgerReader, Span
from otpconv.times import parse_time
from otpconv.web.front.callers import caller_of
from otpconv.web.v1.handlers import Handlers, json_response

REPLAY_PATH: Final = "/v1/alerts/replay"
#: False alarms in a month, unless the question says: the usual number, the least and the most.
BUDGET, MIN_BUDGET, MAX_BUDGET = 1.0, 0.01, 1_000.0
_PARAMETERS = ("start", "end", "budget")


class FindingOut(Struct):
    """A fall of the conversion rate of a slice."""

    label: Annotated[str, Meta(description="The name of the slice for people")]
    country: Annotated[str | None, Meta(description="Null: all countries; empty: unknown")]
    provider: Annotated[str | None, Meta(description="Null: all providers; empty: unknown")]
    since: Annotated[int, Meta(description="About when it began, ms")]
    found_at: Annotated[int, Meta(description="When there was enough evidence, ms")]
    until: Annotated[int | None, Meta(description="When it ended, ms; null while it lasts")]
    requested: Annotated[int, Meta(description="Its messages between since and found_at")]
    verified: int
    expected: Annotated[float, Meta(description="How many of them were to be verified")]
    usual: Annotated[float, Meta(description="The usual rate")]


class ReplayOut(Struct):
    """What a watch would have found."""

    start: int
    end: int
    budget: Annotated[float, Meta(description="False alarms in a month over all slices, on average")]
    first_attempts: Annotated[bool, Meta(description="Whether only first attempts were watched")]
    watched: Annotated[int, Meta(description="Slices with enough traffic at the end")]
    findings: list[FindingOut]


class ReplayApi(Handlers):
    """The handler of `/v1/alerts/replay`."""

    async def get(self, request: Request) -> Response:
        """Answer what a watch would have found."""
        key = self._caller(request, "otpconv:GetAlerts")
        now = self._service.clock()
        span, budget = parse(request.query_params.multi_items(), now)

        def question(ledger: LedgerReader) -> Replay:
            return replay(ledger, key.account, span, budget, now)

        def response(found: Replay, lag: int) -> Response:
            findings = [_out(finding) for finding in found.findings]
            return json_response(
                ReplayOut(found.start, found.end, budget, found.first_attempts, found.watched, findings),
                lag=lag,
            )

        return await self._service.questions.ask(caller_of(key), question, response)


def parse(parameters: Iterable[tuple[str, str]], now: int) -> tuple[Span, float]:
    """Return the time to replay (ms, half-open) and the budget, from the parameters of a URL.

    Args:
        parameters: names and values. Without them, it is the last 7 days.
        now: the time now, ms.

    Raises:
        InvalidRequest: a parameter is unknown, repeated or malformed.
    """
    given = parse_once(parameters, _PARAMETERS)
    end = parse_time(given["end"], "end", now=now) if "end" in given else now
    start = parse_time(given["start"], "start", now=now) if "start" in given else max(0, end - 7 * DAY_MS)
    if start >= end:
        raise InvalidRequest(f"start ({start}) must be before end ({end}), both in ms UTC.")
    if end - start > MAX_DAYS * DAY_MS:
        raise InvalidRequest(
            f"The time is {(end - start) // DAY_MS:,} days long. Replay at most {MAX_DAYS} days."
        )
    return (start, end), _budget(given["budget"]) if "budget" in given else BUDGET


def _budget(text: str) -> float:
    budget = parse_decimal(text, MIN_BUDGET, MAX_BUDGET)
    if budget is None:
        raise InvalidRequest(
            f"Invalid budget {text[:40]!r}. Use the false alarms that you accept in a month, {MIN_BUDGET} to"
            f" {MAX_BUDGET:,.0f}, e.g. 1."
        )
    return budget


def _out(finding: Finding) -> FindingOut:
    values = dict(finding.slice.values)
    return FindingOut(
        finding.slice.label,
        values.get("country"),
        values.get("provider"),
        finding.since,
        finding.found_at,
        finding.until,
        finding.requested,
        finding.verified,
        finding.expected,
        finding.usual,
    )
