"""The RPC endpoint: a call of any dialect, from bytes to acknowledgement, on one page."""

import uuid
from asyncio import Future, Task, get_running_loop
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any

from msgspec import Struct, structs
from starlette.types import Receive, Scope, Send

from otpconv.access.keys import AccessKey
from otpconv.dialects.dialect import (
    MAX_REPORTS,
    Call,
    Dialect,
    HttpRequest,
    HttpResponse,
    LoginCall,
    Outcome,
    by_name,
)
from otpconv.dialects.routing import route
from otpconv.errors import (
    InvalidRequest,
    OtpconvError,
    Refused,
    ReplayedNonce,
    SignatureMismatch,
    UnknownAccessKey,
)
from otpconv.model import Report
from otpconv.service.compose import Service
from otpconv.storage.contract import Entry
from otpconv.web.front.application import Respond
from otpconv.web.front.body import Bodies
from otpconv.web.front.callers import Callers
from otpconv.web.front.failures import FailureLog
from otpconv.web.front.gate import Gate
from otpconv.web.rpc.operations import OtherOperation, Question

#: The first 24 characters of a version 4 UUID, with their dashes.
_PROCESS = str(uuid.uuid4()).upper()[:24]
_REQUESTS = count(1)


class _Exchange(Struct):
    """A request on its way to its response.

    Attributes:
        dialect: the dialect of the request.
        request: the request.
        scope: its ASGI scope.
        respond: takes the response, once.
        request_id: the id of the request in the log.
        call: the call; None until the request was read.
        permission: the permission of the call; empty until then.
        now: when the caller was verified, ms UTC; 0 until then.
    """

    dialect: Dialect[Any]
    request: HttpRequest
    scope: Scope
    respond: Respond
    request_id: str
    call: Any = None
    permission: str = ""
    now: int = 0


class RpcEndpoint:
    """Answers the requests that belong to a dialect.

    Args:
        service: records reports and knows the keys.
        bodies: reads the bodies of requests.
        gate: checks and records who may call.
        operations: by the permission they need, the operations that neither report nor wait for an answer.
        questions: likewise, those that wait for an answer, e.g. of the ledger or of a vendor.
        failures: the log of failed requests.
        public_url: the URL that error responses link to.
        dialects: those to choose from when a body was read; None for all.
    """

    def __init__(
        self,
        service: Service,
        bodies: Bodies,
        gate: Gate,
        *,
        operations: Mapping[str, OtherOperation],
        questions: Mapping[str, Question],
        failures: FailureLog,
        public_url: str,
        dialects: Sequence[Dialect[Any]] | None = None,
    ) -> None:
        self._failures = failures
        self._service = service
        self._bodies = bodies
        self._gate = gate
        self._callers = Callers(service, gate)
        self._others: dict[str, Callable[[_Exchange, AccessKey, int], None]] = {
            **{permission: partial(self._do_once, operation) for permission, operation in operations.items()},
            **{permission: partial(self._ask, question) for permission, question in questions.items()},
        }
        self._asking: set[Task[None]] = set()
        self._public_url = public_url
        self._dialects = dialects
        self._count = service.metrics.requested

    async def __call__(
        self, dialect: Dialect[Any], request: HttpRequest, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one request, with or without a body."""
        answered: Future[HttpResponse] = get_running_loop().create_future()
        try:
            async with self._bodies.read(scope, receive) as body:
                request = structs.replace(request, body=body)
                dialect = route(request, self._dialects) or dialect
                self.start(dialect, request, scope, answered.set_result)
        except OtpconvError as error:
            self._fail(_Exchange(dialect, request, scope, answered.set_result, new_request_id()), error)
        response = await answered
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        await send({"type": "http.response.body", "body": response.body})

    def start(self, dialect: Dialect[Any], request: HttpRequest, scope: Scope, respond: Respond) -> None:
        """Read a request and hand its reports in; calls `respond` when they are durable."""
        exchange = _Exchange(dialect, request, scope, respond, new_request_id())
        try:
            if request.method == "OPTIONS":
                respond(dialect.preflight())
                return
            self._gate.require_tls(scope)
            call = exchange.call = dialect.read(request)
            permission = exchange.permission = call.permission
            key, nonce, now = self._caller(call, scope)
            exchange.now = now
            other = self._others.get(permission)
            if other is not None:
                other(exchange, key, now)
                return
            self._gate.admit(key, permission, scope, now)
            reports = dialect.reports(call, key.account, now, self._service.number_hash, self._service.region)
        except Exception as error:  # noqa: BLE001 - the dialect answers every failure
            self._record_refusal(error, exchange)
            self._fail(exchange, error)
            return
        signed_at = None if nonce is None else call.signed_at
        if len(reports) == 1 and not isinstance(reports[0], Refused):  # nearly always, and faster
            self._service.intake.hand_in(
                Entry(reports[0], nonce, signed_at), partial(self._recorded_one, exchange)
            )
        else:
            self._hand_in_all(exchange, reports, nonce, signed_at)

    def _hand_in_all(
        self,
        exchange: _Exchange,
        reports: Sequence[Report | Refused],
        nonce: int | None,
        signed_at: int | None,
    ) -> None:
        """Record several reports, or none, and respond when they are durable."""
        if len(reports) > MAX_REPORTS:
            self._fail(exchange, InvalidRequest(f"A call has at most {MAX_REPORTS} reports. Send several."))
            return
        entries = [Entry(report, nonce, signed_at) for report in reports if not isinstance(report, Refused)]

        def done(outcomes: list[Outcome] | Exception) -> None:
            if isinstance(outcomes, Exception):
                self._fail(exchange, outcomes)
                return
            judged = iter(outcomes)
            all_outcomes = [each if isinstance(each, Refused) else next(judged) for each in reports]
            if len(all_outcomes) == 1:
                self._recorded_one(exchange, all_outcomes[0])
            else:
                self._recorded(exchange, all_outcomes)

        if entries:
            self._service.intake.hand_in_all(entries, done)
        else:
            done([])

    def _recorded_one(self, exchange: _Exchange, outcome: Outcome | Exception) -> None:
        if isinstance(outcome, Exception):
            self._fail(exchange, outcome)
        else:
            self._recorded(exchange, (outcome,))

    def _recorded(self, exchange: _Exchange, outcomes: Sequence[Outcome]) -> None:
        try:
            response = exchange.dialect.success(exchange.call, exchange.request_id, outcomes, exchange.now)
        except Exception as error:  # noqa: BLE001 - the dialect answers every failure
            self._fail(exchange, error)
        else:
            self._succeed(exchange, response)

    def _do_once(self, operation: OtherOperation, exchange: _Exchange, key: AccessKey, now: int) -> None:
        """Respond once it is durable that the call was made, so that a replay fails at each node."""
        call = exchange.call
        response = operation(call, key, scope=exchange.scope, request_id=exchange.request_id, now=now)

        def done(used: Future[bool]) -> None:
            try:
                first = used.result()
            except Exception as error:  # noqa: BLE001 - the dialect answers every failure
                self._fail(exchange, error)
                return
            if first:
                self._succeed(exchange, response)
            else:
                text = "The nonce of this request was used at another node. Sign it again."
                self._fail(exchange, ReplayedNonce(text))

        use = self._service.once.use
        name = f"{exchange.permission} {call.access_key_id} {call.nonce}"
        get_running_loop().run_in_executor(None, use, key.account, name).add_done_callback(done)

    def _ask(self, question: Question, exchange: _Exchange, key: AccessKey, now: int) -> None:
        """Respond when there is an answer. Each caller has a bounded number of questions."""
        task = get_running_loop().create_task(self._answer(question, exchange, key, now))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _answer(self, question: Question, exchange: _Exchange, key: AccessKey, now: int) -> None:
        scope = exchange.scope
        scope["otpconv.request_id"] = exchange.request_id
        try:
            response = await question(exchange.call, key, scope=scope, request=exchange.request, now=now)
        except Exception as error:  # noqa: BLE001 - the dialect answers every failure
            self._record_refusal(error, exchange)
            self._fail(exchange, error)
        else:
            self._succeed(exchange, response)

    def _succeed(self, exchange: _Exchange, response: HttpResponse) -> None:
        self._count(exchange.permission, "OK")
        exchange.respond(response)

    def _caller(self, call: Call, scope: Scope) -> tuple[AccessKey, int | None, int]:
        """Verify who calls; return the key, the fingerprint of the nonce, and the current time (ms UTC)."""
        service = self._service
        now = service.clock()
        if isinstance(call, LoginCall):
            return self._callers.prove(call.access_key_id, call.secret, scope, now), None, now
        self._gate.check(scope, now)
        if call.security_token:
            key = service.sessions.open(call.security_token, call.access_key_id, now)
        else:
            key = service.keys.get(call.access_key_id)
        signed_at = call.signed_at
        if signed_at is not None:
            service.nonces.check_time(signed_at, now)
        call.verify(key.secret)
        nonce = None
        if call.nonce and signed_at is not None:
            nonce = service.nonces.admit(key.access_key_id, call.nonce, signed_at, now)
        service.keys.note_use(key, now)
        return key, nonce, now

    def _record_refusal(self, error: Exception, exchange: _Exchange) -> None:
        """Report an error to the gate, which counts failed logins and audits refusals."""
        if isinstance(error, (UnknownAccessKey, SignatureMismatch)):
            self._gate.failed(exchange.scope, self._service.clock())
        who = exchange.call.access_key_id if exchange.call else ""
        request_id = exchange.request_id
        self._gate.refused(error, exchange.scope, who=who, what=exchange.permission, request_id=request_id)

    def _fail(self, exchange: _Exchange, error: Exception) -> None:
        """Respond with an error, in the form of the dialect."""
        if not isinstance(error, Refused):
            self._failures.note(error, "a call of a dialect", exchange.request_id)
        if not isinstance(error, OtpconvError):
            error = OtpconvError("unexpected")
        response = exchange.dialect.failure(
            error,
            exchange.request_id,
            request=exchange.request,
            call=exchange.call,
            public_url=self._public_url,
        )
        self._count(exchange.permission, response.code)
        exchange.respond(response)


def request_of(scope: Scope) -> HttpRequest:
    """Return the request of an ASGI scope, without its body."""
    return HttpRequest(scope["method"], scope["path"], scope["query_string"], by_name(scope["headers"]))


def new_request_id() -> str:
    """Return a new request id, an upper-case UUID: random for the process, counted within it."""
    return f"{_PROCESS}{next(_REQUESTS):012X}"
