"""The native API: batches of messages and conversions, one message, and rates, as JSON."""

import asyncio
import base64
from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from otpconv.access.keys import AccessKey
from otpconv.errors import BadCredentials, InvalidNumber, InvalidRequest, NotFound, Refused
from otpconv.model import Report
from otpconv.phone import NumberHash
from otpconv.rates import RateAnswer, answer, parse_query
from otpconv.service.compose import Service
from otpconv.storage.contract import Ledger
from otpconv.web.front.body import Bodies
from otpconv.web.front.callers import Callers, caller_of
from otpconv.web.front.gate import Gate
from otpconv.web.v1.batches import BatchReader, conversion, rejected, requested, without_number
from otpconv.web.v1.known import look_up
from otpconv.web.v1.native_types import (
    ConversionIn,
    Conversions,
    Ignored,
    MessageIn,
    Messages,
    Recorded,
    Rejected,
)
from otpconv.web.v1.rate_formats import LAG_HEADER, rates_response, wanted_format
from otpconv.web.v1.rates_out import Notes, notes, rates_out, row_out

#: Items of a batch that are read in one go, in about 5 ms: a number takes 50 µs.
SLICE = 100

_MESSAGES = BatchReader("messages", Messages, MessageIn)
_CONVERSIONS = BatchReader("conversions", Conversions, ConversionIn)

_Item = TypeVar("_Item", MessageIn, ConversionIn)


class NativeApi:
    """The handlers of `/v1`."""

    def __init__(self, service: Service, bodies: Bodies, gate: Gate) -> None:
        """Take where reports go and questions are answered, the reader of bodies, and the gate."""
        self._service = service
        self._bodies = bodies
        self._gate = gate
        self._callers = Callers(service, gate)

    async def post_messages(self, request: Request) -> Response:
        """Record that messages were requested."""
        key = self.caller(request, "otpconv:RecordMessages")
        return await self._post(request, key, _MESSAGES, requested)

    async def post_conversions(self, request: Request) -> Response:
        """Record conversions."""
        key = self.caller(request, "otpconv:RecordConversions")
        return await self._post(request, key, _CONVERSIONS, conversion)

    async def get_message(self, request: Request) -> Response:
        """Answer what is known of one message."""
        key = self.caller(request, "otpconv:GetMessage")
        message, lag = await look_up(self._service, key, request.path_params["message_id"])
        if message is None:
            raise NotFound(
                "Nothing is known of a message with this id yet: the server is catching up,"
                f" {lag:,} reports to go. Try again in a moment."
                if lag
                else "Nothing was reported of a message with this id."
            )
        response = json_response(message)
        response.headers[LAG_HEADER] = str(lag)
        return response

    async def get_rates(self, request: Request) -> Response:
        """Answer conversion rates."""
        key = self.caller(request, "otpconv:QueryRates")
        given = request.query_params.multi_items()
        formats = [value for name, value in given if name == "format"]
        if len(formats) > 1:
            raise InvalidRequest("format is given twice.")
        wanted = wanted_format(formats[0] if formats else None, request.headers)
        now = self._service.clock()
        query = parse_query([(name, value) for name, value in given if name != "format"], now)

        def rates(ledger: Ledger) -> tuple[RateAnswer, Notes]:
            found = answer(ledger, key.account, query, now)
            return found, notes(ledger, key.account, found)

        def response(known: tuple[RateAnswer, Notes], lag: int) -> Response:
            found, beside = known
            head = rates_out(found, query, lag=lag, beside=beside)
            return rates_response(wanted, head, (row_out(row, query.by) for row in found.rows), query)

        return await self._service.questions.ask(caller_of(key), rates, response)

    def caller(self, request: Request, action: str) -> AccessKey:
        """Return the access key a request authenticates with by HTTP Basic, if it may do `action`.

        Raises:
            BadCredentials: there is none, or it is not right.
            AccessDenied: no policy allows the action, or one denies it.
            Throttled: the caller is over a limit, or too many log-ins of its address failed.
        """
        scope, now = request.scope, self._service.clock()
        scope["otpconv.action"] = action
        user = ""
        try:
            user, secret = _basic(request.headers.get("authorization", ""))
            key = self._callers.prove(user, secret, scope, now)
            self._gate.admit(key, action, scope, now)
        except Refused as error:
            self._gate.refused(error, scope, who=user, what=action)
            raise
        scope["otpconv.caller"] = caller_of(key)
        return key

    async def _post(
        self,
        request: Request,
        key: AccessKey,
        reader: BatchReader[_Item],
        make: Callable[[_Item, AccessKey, int, NumberHash, str], Report],
    ) -> Response:
        service = self._service
        async with self._bodies.read(request.scope, request.receive, key.access_key_id) as body:
            items = reader.read(body, request.headers.get("content-type", ""))
            now = service.clock()
            rejects: list[Rejected] = []
            ignored: list[Ignored] = []
            reports: list[Report] = []
            places: list[int] = []
            for index, item in enumerate(items):
                if index % SLICE == SLICE - 1:
                    await asyncio.sleep(0)  # a batch may take a second, and others wait for the event loop
                if isinstance(item, Rejected):
                    rejects.append(item)
                    continue
                try:
                    try:
                        report = make(item, key, now, service.number_hash, service.region)
                    except InvalidNumber as error:
                        ignored.append(without_number(index, item, error))
                        report = make(item, key, now, service.number_hash, service.region)
                    reports.append(report)
                    places.append(index)
                except InvalidRequest as error:
                    rejects.append(rejected(index, error))
            outcomes = await service.intake.record(reports)
        for place, outcome in zip(places, outcomes, strict=True):
            if isinstance(outcome, Refused):
                rejects.append(rejected(place, outcome))
        rejects.sort(key=lambda reject: reject.index)
        refused = {reject.index for reject in rejects}
        ignored = [each for each in ignored if each.index not in refused]
        return json_response(
            Recorded(outcomes.count("recorded"), outcomes.count("unchanged"), rejects, ignored)
        )


def json_response(value: Struct) -> Response:
    """Return a value as JSON; nobody in between may keep it."""
    return Response(
        msgspec.json.encode(value), media_type="application/json", headers={"cache-control": "no-store"}
    )


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            text = base64.b64decode(encoded, validate=True).decode()
        except ValueError:  # not ASCII, not base64, not UTF-8
            text = ""
        user, colon, secret = text.partition(":")
        if colon:
            return user, secret
    raise BadCredentials("Send an AccessKeyId and its AccessKeySecret by HTTP Basic, as `curl -u ID:SECRET`.")
