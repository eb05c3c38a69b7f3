"""The native API: batches of messages and conversions, one message, and rates, as JSON."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from otpconv.access.keys import AccessKey
from otpconv.dialects.credentials import from_basic
from otpconv.dialects.native.answers import Ignored, Recorded, Rejected
from otpconv.dialects.native.batches import BatchReader, rejected
from otpconv.dialects.native.fields import in_words
from otpconv.dialects.native.reports import ConversionIn, Conversions, MessageIn, Messages, MessageSearch
from otpconv.errors import InvalidNumber, InvalidRequest, NotFound, Refused
from otpconv.model import Report
from otpconv.phone import parse
from otpconv.ranges.without import with_flagged
from otpconv.rates import RateAnswer, compute_rates, parse_query
from otpconv.rates.price_list import PriceList
from otpconv.service.compose import Service
from otpconv.service.numbers import Numbers
from otpconv.storage.contract import LedgerReader
from otpconv.web.front.body import Bodies
from otpconv.web.front.callers import Callers, caller_of
from otpconv.web.front.gate import Gate
from otpconv.web.front.pace import Pace
from otpconv.web.v1.batches import combined, conversion_reports, message_reports, without_number
from otpconv.web.v1.handlers import json_response
from otpconv.web.v1.known import look_up, search
from otpconv.web.v1.rate_formats import rates_response, wanted_format
from otpconv.web.v1.rates_out import Notes, notes, rates_out

#: How long the items of a batch are read at a time, s; then others have their turn of the event loop.
SLICE_S = 0.001

_MESSAGES = BatchReader("messages", Messages, MessageIn)
_CONVERSIONS = BatchReader("conversions", Conversions, ConversionIn)

_SEARCH = msgspec.json.Decoder(MessageSearch)

_Item = TypeVar("_Item", MessageIn, ConversionIn)


class NativeApi:
    """The handlers of `/v1`."""

    def __init__(self, service: Service, bodies: Bodies, gate: Gate, pace: Pace) -> None:
        """Use the service for reports and questions, and the pace for long batches."""
        self._service = service
        self._pace = pace
        self._bodies = bodies
        self._gate = gate
        self._callers = Callers(service, gate)

    async def post_messages(self, request: Request) -> Response:
        """Record that messages were requested."""
        key = self.caller(request, "otpconv:RecordMessages")
        return await self._post(request, key, _MESSAGES, message_reports)

    async def post_conversions(self, request: Request) -> Response:
        """Record conversions."""
        key = self.caller(request, "otpconv:RecordConversions")
        return await self._post(request, key, _CONVERSIONS, conversion_reports)

    async def get_message(self, request: Request) -> Response:
        """Respond with the state of one message."""
        key = self.caller(request, "otpconv:GetMessage")
        message, lag = await look_up(self._service, key, request.path_params["message_id"])
        if message is None:
            raise NotFound(
                "Nothing is known of a message with this id yet: the server is catching up,"
                f" {lag:,} reports to go. Try again in a moment."
                if lag
                else "Nothing was reported of a message with this id."
            )
        return json_response(message, lag=lag)

    async def search_messages(self, request: Request) -> Response:
        """Respond with the newest messages to a number; the audit trail gets a line."""
        key = self.caller(request, "otpconv:FindMessages")
        async with self._bodies.read(request.scope, request.receive, key.access_key_id) as body:
            try:
                wanted = _SEARCH.decode(body)
            except msgspec.DecodeError as error:
                raise InvalidRequest(f"Invalid search: {in_words(error)}") from None
            phone = parse(wanted.to, self._service.region)
        found, lag = await search(self._service, key, phone.e164, wanted.limit)
        count = len(found.messages)
        self._gate.answered(key, "otpconv:FindMessages", f"{count} messages", request.scope)
        return json_response(found, lag=lag)

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

        def rates(ledger: LedgerReader) -> tuple[RateAnswer, Notes]:
            prices = PriceList(self._service.prices.prices(key.account))
            found = compute_rates(ledger, key.account, query, now, prices)
            beside = notes(ledger, key.account, found)
            if query.without_ranges:
                known = partial(self._service.ranges.of, ledger, key.account, now, prices)
                rows, without = with_flagged(ledger, key.account, query, found.rows, now, known)
                found, beside = replace(found, rows=rows), replace(beside, without=without)
            return found, beside

        def response(known: tuple[RateAnswer, Notes], lag: int) -> Response:
            found, beside = known
            head = rates_out(found, query, lag=lag, beside=beside)
            return rates_response(wanted, head, found.rows, query)

        return await self._service.questions.ask(caller_of(key), rates, response)

    def caller(self, request: Request, action: str) -> AccessKey:
        """Return the access key a request authenticates with by HTTP Basic, if it may do `action`.

        Raises:
            BadCredentials: there is none, or it is not right.
            AccessDenied: no policy allows the action, or one denies it.
            Throttled: the caller is over a limit, or too many logins from its address failed.
        """
        scope, now = request.scope, self._service.clock()
        scope["otpconv.action"] = action
        user = ""
        try:
            user, secret = from_basic(request.headers.get("authorization", "").encode("latin-1"))
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
        make: Callable[[_Item, AccessKey, int, Numbers, str], Sequence[Report]],
    ) -> Response:
        service = self._service
        async with self._bodies.read(request.scope, request.receive, key.access_key_id) as body:
            items = reader.read(body, request.headers.get("content-type", ""))
            now = service.clock()
            rejects: list[Rejected] = []
            ignored: list[Ignored] = []
            reports: list[Report] = []
            places: list[int] = []
            until = time.perf_counter() + SLICE_S
            for index, item in enumerate(items):
                if time.perf_counter() > until:
                    await self._pace.turn()  # a batch may take a second, and others wait for the event loop
                    until = time.perf_counter() + SLICE_S
                if isinstance(item, Rejected):
                    rejects.append(item)
                    continue
                try:
                    try:
                        made = make(item, key, now, service.number_hash, service.region)
                    except InvalidNumber as error:
                        ignored.append(without_number(index, item, error))
                        made = make(item, key, now, service.number_hash, service.region)
                    reports.extend(made)
                    places.extend([index] * len(made))
                except InvalidRequest as error:
                    rejects.append(rejected(index, error))
            outcomes = await service.intake.record(reports)
        results = combined(places, outcomes)
        for place, outcome in results.items():
            if isinstance(outcome, Refused):
                rejects.append(rejected(place, outcome))
        rejects.sort(key=lambda reject: reject.index)
        refused = {reject.index for reject in rejects}
        ignored = [each for each in ignored if each.index not in refused]
        found = list(results.values())
        return json_response(Recorded(found.count("recorded"), found.count("unchanged"), rejects, ignored))
