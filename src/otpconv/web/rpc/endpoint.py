"""The RPC endpoint: a signed call of any dialect, from bytes to acknowledgement, on one page."""

import uuid
from asyncio import Future, get_running_loop
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Protocol

from msgspec import structs
from starlette.types import Receive, Scope, Send

from otpconv.access.keys import AccessKey
from otpconv.dialects.dialect import Dialect, HttpRequest, HttpResponse, SignedCall, by_name
from otpconv.errors import OtpconvError, Refused, ReplayedNonce, SignatureMismatch, UnknownAccessKey
from otpconv.ledger.judge import Judgement
from otpconv.service.compose import Service
from otpconv.storage.contract import Entry
from otpconv.web.front.application import Respond
from otpconv.web.front.body import Bodies
from otpconv.web.front.failures import FailureLog
from otpconv.web.front.gate import Gate

#: The first 24 characters of a version 4 UUID, with their dashes.
_PROCESS = str(uuid.uuid4()).upper()[:24]
_REQUESTS = count(1)


class OtherOperation(Protocol):
    """An operation that does not report."""

    def __call__(
        self,
        call: Any,  # noqa: ANN401 - of one dialect
        key: AccessKey,
        *,
        scope: Scope,
        request_id: str,
        now: int,
    ) -> HttpResponse:
        """Return the response to a verified call at the time `now` (ms UTC).

        Raises:
            Refused: the call is refused.
        """


class RpcEndpoint:
    """Answers the requests that belong to a dialect.

    Args:
        service: records reports and knows the keys.
        bodies: reads the bodies of requests.
        gate: checks and records who may call.
        operations: by the permission they need, the operations that do not report.
        failures: the log of failed requests.
        public_url: the URL that error responses link to.
    """

    def __init__(
        self,
        service: Service,
        bodies: Bodies,
        gate: Gate,
        *,
        operations: Mapping[str, OtherOperation],
        failures: FailureLog,
        public_url: str,
    ) -> None:
        self._failures = failures
        self._service = service
        self._bodies = bodies
        self._gate = gate
        self._operations = operations
        self._public_url = public_url
        self._count = service.metrics.requested

    async def __call__(
        self, dialect: Dialect[Any], request: HttpRequest, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one request, with or without a body."""
        answered: Future[HttpResponse] = get_running_loop().create_future()
        try:
            async with self._bodies.read(scope, receive) as body:
                self.start(dialect, structs.replace(request, body=body), scope, answered.set_result)
        except OtpconvError as error:
            answered.set_result(self._failure(dialect, error, new_request_id(), request))
        response = await answered
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        await send({"type": "http.response.body", "body": response.body})

    def start(self, dialect: Dialect[Any], request: HttpRequest, scope: Scope, respond: Respond) -> None:
        """Read a request and hand its reports in; calls `respond` when they are durable."""
        request_id = new_request_id()
        call: SignedCall | None = None
        permission = ""
        try:
            if request.method == "OPTIONS":
                respond(dialect.preflight())
                return
            self._gate.require_tls(scope)
            call = dialect.read(request)
            permission = call.permission
            key, nonce, now = self._caller(dialect, call, scope)
            operation = self._operations.get(permission)
            if operation is not None:
                response = operation(call, key, scope=scope, request_id=request_id, now=now)
                self._use_once(
                    key,
                    f"{permission} {call.access_key_id} {call.nonce}",
                    lambda: self._succeed(permission, response, respond),
                    lambda error: respond(self._failure(dialect, error, request_id, request, call)),
                )
                return
            self._gate.admit(key, permission, scope, now)
            reports = dialect.reports(call, key.account, now, self._service.number_hash, self._service.region)
        except Exception as error:  # noqa: BLE001 - the dialect answers every failure
            self._record_refusal(error, request_id, scope, call)
            respond(self._failure(dialect, error, request_id, request, call))
            return

        def done(outcome: Judgement | Exception) -> None:
            if isinstance(outcome, Exception):
                respond(self._failure(dialect, outcome, request_id, request, call))
            else:
                self._succeed(permission, dialect.success(call, request_id), respond)

        if len(reports) == 1:  # nearly always, and faster
            self._service.intake.hand_in(Entry(reports[0], nonce, call.signed_at), done)
        else:
            entries = [Entry(report, nonce, call.signed_at) for report in reports]
            self._service.intake.hand_in_all(entries, lambda outcomes: done(_of_all(outcomes)))

    def _use_once(
        self, key: AccessKey, name: str, succeed: Callable[[], None], fail: Callable[[Exception], None]
    ) -> None:
        """Succeed once it is durable that the call was made, so that a replay fails at each node."""

        def done(used: Future[bool]) -> None:
            try:
                first = used.result()
            except Exception as error:  # noqa: BLE001 - the dialect answers every failure
                fail(error)
                return
            if first:
                succeed()
            else:
                fail(ReplayedNonce("The nonce of this request was used at another node. Sign it again."))

        use = self._service.once.use
        get_running_loop().run_in_executor(None, use, key.account, name).add_done_callback(done)

    def _succeed(self, permission: str, response: HttpResponse, respond: Respond) -> None:
        self._count(permission, "OK")
        respond(response)

    def _caller(self, dialect: Dialect[Any], call: SignedCall, scope: Scope) -> tuple[AccessKey, int, int]:
        """Verify who calls; return the key, the fingerprint of the nonce, and the current time (ms UTC)."""
        service = self._service
        now = service.clock()
        self._gate.check(scope, now)
        if call.security_token:
            key = service.sessions.open(call.security_token, call.access_key_id, now)
        else:
            key = service.keys.get(call.access_key_id)
        service.nonces.check_time(call.signed_at, now)
        dialect.verify(call, key.secret)
        nonce = service.nonces.admit(key.access_key_id, call.nonce, call.signed_at, now)
        service.keys.note_use(key, now)
        return key, nonce, now

    def _record_refusal(
        self, error: Exception, request_id: str, scope: Scope, call: SignedCall | None
    ) -> None:
        """Report an error to the gate, which counts failed logins and audits refusals."""
        if isinstance(error, (UnknownAccessKey, SignatureMismatch)):
            self._gate.failed(scope, self._service.clock())
        who, what = (call.access_key_id, call.permission) if call else ("", "")
        self._gate.refused(error, scope, who=who, what=what, request_id=request_id)

    def _failure(
        self,
        dialect: Dialect[Any],
        error: Exception,
        request_id: str,
        request: HttpRequest,
        call: SignedCall | None = None,
    ) -> HttpResponse:
        if not isinstance(error, Refused):
            self._failures.note(error, "a signed call", request_id)
        if not isinstance(error, OtpconvError):
            error = OtpconvError("unexpected")
        response = dialect.failure(error, request_id, request=request, call=call, public_url=self._public_url)
        self._count(call.permission if call else "", response.code)
        return response


def request_of(scope: Scope) -> HttpRequest:
    """Return the request of an ASGI scope, without its body."""
    return HttpRequest(scope["method"], scope["path"], scope["query_string"], by_name(scope["headers"]))


def new_request_id() -> str:
    """Return a new request id, an upper-case UUID: random for the process, counted within it."""
    return f"{_PROCESS}{next(_REQUESTS):012X}"


def _of_all(outcomes: list[Judgement] | Exception) -> Judgement | Exception:
    """Return the outcome of a call with several reports: the first refusal, if there is one."""
    if isinstance(outcomes, Exception):
        return outcomes
    return next((outcome for outcome in outcomes if isinstance(outcome, Refused)), "recorded")
