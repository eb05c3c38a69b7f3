"""The RPC endpoint: the whole way of an SDK's report, from bytes to acknowledgement, on one page."""

import uuid
from asyncio import Future, get_running_loop
from collections.abc import Callable
from functools import partial
from itertools import count

from starlette.types import Receive, Scope, Send

from otpconv.access.keys import AccessKey
from otpconv.dialects.alibaba import (
    ASSUME_ROLE,
    Answer,
    Call,
    Fields,
    answers_xml,
    by_name,
    failure,
    preflight,
    read,
    report,
    success,
)
from otpconv.errors import OtpconvError, Refused, UnknownAccessKey
from otpconv.ledger.judge import Judgement
from otpconv.service.compose import Service
from otpconv.storage.contract import Entry
from otpconv.web.front.body import Bodies
from otpconv.web.front.failures import FailureLog
from otpconv.web.front.gate import Gate
from otpconv.web.rpc.assuming import assume_role

#: The first 24 characters of a version 4 UUID, with their dashes.
_PROCESS = str(uuid.uuid4()).upper()[:24]
_REQUESTS = count(1)


#: What takes an answer, once, now or later.
Respond = Callable[[Answer], None]


class RpcEndpoint:
    """The ASGI application of `/`."""

    def __init__(
        self, service: Service, bodies: Bodies, gate: Gate, *, failures: FailureLog, public_url: str
    ) -> None:
        """Take where reports go, the reader of bodies, the gate, the log, and the URL of errors' links."""
        self._failures = failures
        self._service = service
        self._bodies = bodies
        self._gate = gate
        self._public_url = public_url
        self._count = service.metrics.requested
        self._assume = partial(assume_role, service, gate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, with or without a body."""
        answered: Future[Answer] = get_running_loop().create_future()
        headers = by_name(scope["headers"])
        try:
            async with self._bodies.read(scope, receive) as body:
                self.start(scope, headers, body, answered.set_result)
        except OtpconvError as error:
            xml = answers_xml(scope["query_string"], headers, b"")
            answered.set_result(self._failure(error, new_request_id(), headers, xml=xml))
        answer = await answered
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})

    def start(self, scope: Scope, headers: Fields, body: bytes, respond: Respond) -> None:
        """Read a request and hand its report on; `respond` has the answer when the report is durable."""
        request_id = new_request_id()
        call: Call | None = None
        try:
            if scope["method"] == "OPTIONS":
                respond(preflight())
                return
            self._gate.require_tls(scope)
            call = read(scope["method"], scope["query_string"], headers, body)
            key, nonce, now = self._caller(call, scope)
            if (call.version, call.action) == ASSUME_ROLE:
                answer = self._assume(call, key, scope=scope, request_id=request_id, now=now)
                self._hand_out(answer, call, request_id, headers, respond)
                return
            entry = self._entry(call, key, nonce, scope, now)
        except Exception as error:  # noqa: BLE001 - every failure is answered in the dialect
            self._refused(error, request_id, scope, call)
            xml = answers_xml(scope["query_string"], headers, body)
            respond(self._failure(error, request_id, headers, call, xml=xml))
            return

        def done(outcome: Judgement | Exception) -> None:
            if isinstance(outcome, Exception):
                respond(self._failure(outcome, request_id, headers, call))
            else:
                self._count(call.permission, "OK")
                respond(success(call, request_id))

        self._service.intake.hand_in(entry, done)

    def _hand_out(
        self, answer: Answer, call: Call, request_id: str, headers: Fields, respond: Respond
    ) -> None:
        """Respond with credentials once the nonce of their call is on the disk: no replay gets others."""

        def done(synced: Future[None]) -> None:
            try:
                synced.result()
            except Exception as error:  # noqa: BLE001 - every failure is answered in the dialect
                respond(self._failure(error, request_id, headers, call))
            else:
                self._count(call.permission, "OK")
                respond(answer)

        get_running_loop().run_in_executor(None, self._service.nonce_log.sync).add_done_callback(done)

    def _caller(self, call: Call, scope: Scope) -> tuple[AccessKey, int, int]:
        """Return who calls, once that is proven, the fingerprint of the nonce, and the time (ms)."""
        service = self._service
        now = service.clock()
        self._gate.check(scope, now)
        if call.security_token:
            key = service.sessions.open(call.security_token, call.access_key_id, now)
        else:
            key = service.keys.get(call.access_key_id)
        service.nonces.check_time(call.signed_at, now)
        call.verify(key.secret)
        nonce = service.nonces.admit(key.access_key_id, call.nonce, call.signed_at, now)
        service.keys.note_use(key, now)
        return key, nonce, now

    def _entry(self, call: Call, key: AccessKey, nonce: int, scope: Scope, now: int) -> Entry:
        """Return what a call reports, if its caller may."""
        service = self._service
        self._gate.admit(key, call.permission, scope, now)
        fact = report(call, key.account, now, service.number_hash, service.region)
        return Entry(fact, nonce, call.signed_at)

    def _refused(self, error: Exception, request_id: str, scope: Scope, call: Call | None) -> None:
        """Tell the gate of an error; it counts and records those that concern it."""
        if isinstance(error, UnknownAccessKey) or getattr(error, "code", "") == "SignatureDoesNotMatch":
            self._gate.failed(scope, self._service.clock())
        who, what = (call.access_key_id, call.permission) if call else ("", "")
        self._gate.refused(error, scope, who=who, what=what, request_id=request_id)

    def _failure(
        self,
        error: Exception,
        request_id: str,
        headers: Fields,
        call: Call | None = None,
        *,
        xml: bool = False,
    ) -> Answer:
        if not isinstance(error, Refused):
            self._failures.note(error, "a signed call", request_id)
        if not isinstance(error, OtpconvError):
            error = OtpconvError("unexpected")
        answer = failure(
            error,
            request_id,
            call=call,
            host_id=headers.get(b"host", b"").decode("latin-1"),
            recommend_base=self._public_url,
            xml=xml,
        )
        self._count(call.permission if call else "", answer.code)
        return answer


def new_request_id() -> str:
    """Return a new request id, an upper-case UUID: random for the process, counted within it."""
    return f"{_PROCESS}{next(_REQUESTS):012X}"
