"""Messages that an SDK sends here because its endpoint was redirected: passed on to the vendor, and recorded.

Off unless a vendor account allows it. The vendor's answer is returned as it came. `relay/passing.py` says why
a message is never sent twice.
"""

import asyncio
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NoReturn

from msgspec import Struct
from prometheus_client.registry import Collector
from starlette.types import Scope

from otpconv.access.keys import AccessKey
from otpconv.access.vendors import VendorAccount
from otpconv.delivery.connection import Response, Unreachable
from otpconv.dialects.dialect import HttpRequest, HttpResponse, LoginCall
from otpconv.errors import Throttled, Unavailable, UnknownOutcome
from otpconv.relay.kind import Kind, Meaning, Sending, Sent
from otpconv.relay.kinds import KINDS
from otpconv.relay.passing import Passing
from otpconv.service.compose import Service
from otpconv.web.front.gate import Gate
from otpconv.web.rpc.operations import Question
from otpconv.web.rpc.recording import Recording
from otpconv.web.rpc.send_metrics import Result, SendMetrics
from otpconv.web.rpc.sent import MAX_QUICK_NUMBERS, receipt_of, requested_by
from otpconv.web.rpc.vendor_choice import VendorChoice

#: Message ids that a line of the audit trail has at most.
_SHOWN_IDS: Final = 5
#: Headers of an answer that the caller gets, and how the names of others begin. All others are about the
#: connection, or about the vendor's host, e.g. `strict-transport-security`.
_HEADERS: Final = frozenset(
    {"cache-control", "content-encoding", "content-type", "etag", "retry-after", "vary"}
)
_BEGINNINGS: Final = ("access-control-", "twilio-", "x-acs-", "x-home-region", "x-twilio-")
#: Tells a reader of an error that it is the vendor's.
_VIA: Final = (b"via", b"1.1 otpconv")


def _by_action() -> Mapping[str, tuple[Kind, Sending]]:
    kinds = [(kind, kind.sending) for kind in KINDS.values() if kind.sending is not None]
    return {action: (kind, sending) for kind, sending in kinds for action in sending.actions}


_KINDS: Final = _by_action()


class _Exchange(Struct, frozen=True):
    """A call on its way to the vendor.

    Attributes:
        sending: how it is passed on.
        vendor: the vendor account.
        call: the call, of one dialect.
        key: of the caller.
        scope: of the request.
        at: when it is passed on, ms.
        began: the same by a steady clock, s.
    """

    sending: Sending
    vendor: VendorAccount
    call: Any
    key: AccessKey
    scope: Scope
    at: int
    began: float

    @property
    def asks(self) -> bool:
        """Whether the call sends nothing."""
        return self.call.permission in self.sending.asking


class Sends:
    """Passes messages on.

    Args:
        service: has the vendor accounts and records messages.
        gate: checks permissions, and audits who sent.
    """

    def __init__(self, service: Service, gate: Gate) -> None:
        self._service = service
        self._gate = gate
        self._choice = VendorChoice(service.vendors)
        self._passing = Passing(service.once)
        self._recording = Recording(service.intake)
        self._recording.keep(service.housekeeping)
        service.metrics.registry.register(self._recording)
        self._metrics = SendMetrics()

    @property
    def questions(self) -> Mapping[str, Question]:
        """What answers each operation, by the permission that it needs."""
        return dict.fromkeys(_KINDS, self._send)

    def metrics(self, account: int) -> Collector:
        """Return the metrics of an account."""
        return self._metrics.of(account)

    async def close(self) -> None:
        """Wait for the calls that are on their way, and record what still waits."""
        await asyncio.to_thread(self._passing.close)
        await self._recording.close()

    async def _send(
        self,
        call: Any,  # noqa: ANN401 - of one dialect
        key: AccessKey,
        *,
        scope: Scope,
        request: HttpRequest,
        now: int,
    ) -> HttpResponse:
        """Pass a call on, record what the vendor has taken, and return the vendor's answer."""
        kind, sending = _KINDS[call.permission]
        vendor = await self._choice.vendor(kind, sending, call, key.account, request)
        self._gate.admit(key, call.permission, scope, now)
        exchange = _Exchange(sending, vendor, call, key, scope, self._service.clock(), time.monotonic())
        answer = await self._answer(exchange, request)
        said = sending.read(answer, call)
        self._note(exchange, "unknown" if said.meaning == "unclear" else said.meaning)
        self._audit(exchange, said.meaning, said.fact.message_ids if isinstance(said.fact, Sent) else ())
        if isinstance(said.fact, Sent):
            await self._record(said.fact, exchange)
        elif said.fact and (receipt := receipt_of(said.fact, key.account, self._service.clock())):
            await self._recording.record([receipt])
        return _response(answer, said.meaning)

    async def _answer(self, exchange: _Exchange, request: HttpRequest) -> Response:
        """Make the call, once, and return its answer."""
        call, vendor = exchange.call, exchange.vendor
        made = exchange.sending.make(vendor, call, request, exchange.at)
        used_once = ""
        if not isinstance(call, LoginCall) and not exchange.asks:
            used_once = f"{call.permission} {call.access_key_id} {call.nonce}"
        try:
            answer = await self._passing.pass_on(vendor, made, used_once)
        except Throttled:
            self._note(exchange, "throttled")
            raise
        except Unreachable as error:
            if error.sent:
                self._unknown(exchange, f"gave no answer: {error}")
            self._note(exchange, "unreachable")
            raise Unavailable(
                f"The vendor account {vendor.name} can't be reached: {error}. Nothing was sent."
            ) from None
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES and answer.status < 400:  # noqa: PLR2004
            # A client would follow a redirect, and send its request to somebody else.
            self._unknown(exchange, f"answered with a redirect (HTTP {answer.status}): check its endpoint")
        return answer

    def _unknown(self, exchange: _Exchange, why: str) -> NoReturn:
        self._note(exchange, "unknown")
        self._audit(exchange, "unclear", ())
        text = f"The vendor account {exchange.vendor.name} {why}."
        if exchange.asks:
            raise Unavailable(text) from None
        text += " The message may have been sent, or not: ask the vendor before you send it again."
        raise UnknownOutcome(text) from None

    def _note(self, exchange: _Exchange, result: Result) -> None:
        self._metrics.note(exchange.vendor, result, time.monotonic() - exchange.began)

    def _audit(self, exchange: _Exchange, meaning: Meaning, ids: tuple[str, ...]) -> None:
        shown = " ".join(each[:64] for each in ids[:_SHOWN_IDS])
        more = f" and {len(ids) - _SHOWN_IDS} more" if len(ids) > _SHOWN_IDS else ""
        subject = f"vendor {exchange.vendor.name}: {meaning} {shown}{more}".rstrip()
        self._gate.answered(exchange.key, exchange.call.permission, subject, exchange.scope)

    async def _record(self, sent: Sent, exchange: _Exchange) -> None:
        """Record messages that the vendor has taken."""
        arguments = sent, exchange.vendor, exchange.key, exchange.at, self._service.number_hash
        if len(sent.to) > MAX_QUICK_NUMBERS:
            reports = await asyncio.to_thread(requested_by, *arguments)
        else:
            reports = requested_by(*arguments)
        if missing := len(sent.message_ids) - len(reports):
            why = f"the vendor account {exchange.vendor.name} gave an id that can't be one"
            self._recording.lose(missing, why)
        await self._recording.record(reports)


def _response(answer: Response, meaning: Meaning) -> HttpResponse:
    """Return the vendor's answer: status and body as they came, and the headers that concern the caller."""
    headers = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in answer.headers.items()
        if name in _HEADERS or name.startswith(_BEGINNINGS)
    ]
    headers += [(b"content-length", b"%d" % len(answer.body)), _VIA]
    code = {"accepted": "OK", "refused": "VendorRefused", "unclear": "VendorUnclear"}[meaning]
    return HttpResponse(answer.status, headers, answer.body, code)
