"""`/v1/check`: how risky a message to a number is, from memory. The number is not stored or logged."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from otpconv.access.keys import AccessKey
from otpconv.dialects.native.fields import in_words
from otpconv.errors import InvalidRequest, Misconfigured, OtpconvError
from otpconv.phone import Phone, parse, region_of
from otpconv.ranges.checking import KnownRanges
from otpconv.ranges.current import KEPT_MS
from otpconv.rates.price_list import PriceList
from otpconv.service.compose import Service
from otpconv.storage.contract import MINUTE_MS, LedgerReader
from otpconv.web.front.body import Bodies
from otpconv.web.front.callers import caller_of
from otpconv.web.front.failures import FailureLog
from otpconv.web.v1.handlers import json_response
from otpconv.web.v1.ranges import RangeOut, range_out

CHECK_PATH: Final = "/v1/check"
#: An older assessment is not used, ms: the check waits for a new one.
MAX_AGE_MS: Final = 10 * MINUTE_MS
#: Characters of a number or country.
_NUMBER_CHARS, _COUNTRY_CHARS = 40, 2


class CheckIn(Struct, forbid_unknown_fields=True):
    """Asks about a number."""

    to: Annotated[str, Meta(description="The number", max_length=_NUMBER_CHARS, examples=["+4915112345678"])]
    country: Annotated[
        str,
        Meta(description="Whose national numbers are read, e.g. DE", max_length=_COUNTRY_CHARS),
    ] = ""


class CheckOut(Struct):
    """Our assessment of a number. Nothing is blocked, and the number is not stored."""

    risk: Annotated[Literal["low", "elevated", "high"], Meta(description="Of sending a message to it")]
    reasons: Annotated[list[str], Meta(description="In words; empty if the risk is low")]
    country: Annotated[str | None, Meta(description="Of the number; null: it has none")]
    carrier: Annotated[str | None, Meta(description="The network that owns its range; null: unknown")]
    range: Annotated[RangeOut | None, Meta(description="The evidence; null: its range looks as usual")]
    start: Annotated[int, Meta(description="The window of the messages that were judged, ms")]
    end: int
    assessed_at: Annotated[int, Meta(description="When they were counted, ms")]
    age_ms: Annotated[int, Meta(description="How long ago that was")]


_CHECK = msgspec.json.Decoder(CheckIn)


class CheckApi:
    """The handler of `/v1/check`.

    Args:
        service: has the assessments.
        bodies: reads the body.
        caller: authenticates a request for an action.
        failures: notes failed assessments.
    """

    def __init__(
        self,
        service: Service,
        bodies: Bodies,
        caller: Callable[[Request, str], AccessKey],
        failures: FailureLog,
    ) -> None:
        self._service = service
        self._bodies = bodies
        self._caller = caller
        self._failures = failures
        self._assessing: dict[int, asyncio.Task[KnownRanges]] = {}

    async def post(self, request: Request) -> Response:
        """Answer how risky a message to a number is."""
        key = self._caller(request, "otpconv:CheckNumber")
        async with self._bodies.read(request.scope, request.receive, key.access_key_id) as body:
            phone = self._phone(body)
        now = self._service.clock()
        known = self._service.ranges.known(key.account)
        age = None if known is None else now - known.assessment.assessed_at
        if known is None or age is None or not 0 <= age < MAX_AGE_MS:
            known = await asyncio.shield(self._assess(key))
        elif age >= KEPT_MS:
            self._assess(key).add_done_callback(self._note)
        return json_response(_out(phone, known, now))

    async def close(self) -> None:
        """Wait for the assessments that are being made."""
        await asyncio.gather(*self._assessing.values(), return_exceptions=True)

    def _phone(self, body: bytes) -> Phone:
        try:
            wanted = _CHECK.decode(body)
        except msgspec.DecodeError as error:
            raise InvalidRequest(f"Invalid check: {in_words(error)}") from None
        try:
            region = region_of(wanted.country) or self._service.region
        except Misconfigured as error:
            raise InvalidRequest(f"Invalid country: {error.text}.") from None
        # Not by its cache, which would keep the number.
        return parse.__wrapped__(wanted.to, region)

    def _assess(self, key: AccessKey) -> asyncio.Task[KnownRanges]:
        """Begin a new assessment of an account, unless one is being made."""
        task = self._assessing.get(key.account)
        if task is None:
            service = self._service

            def assess(ledger: LedgerReader) -> KnownRanges:
                prices = PriceList(service.prices.prices(key.account))
                return service.ranges.of(ledger, key.account, service.clock(), prices)

            asked = service.questions.ask(caller_of(key), assess, lambda known, _: known)
            task = self._assessing[key.account] = asyncio.create_task(asked)
            task.add_done_callback(lambda _: self._assessing.pop(key.account, None))
        return task

    def _note(self, task: asyncio.Task[KnownRanges]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            if not isinstance(error, OtpconvError):
                error = RuntimeError(repr(error))
            self._failures.note(error, "the assessment of number ranges", "")


def _out(phone: Phone, known: KnownRanges, now: int) -> CheckOut:
    check, assessment = known.check(phone.number_range), known.assessment
    return CheckOut(
        check.risk,
        list(check.reasons),
        phone.country or None,
        phone.carrier or None,
        range_out(check.finding, assessment.end) if check.finding else None,
        assessment.start,
        assessment.end,
        assessment.assessed_at,
        max(0, now - assessment.assessed_at),
    )
