"""The ASGI application: the RPC endpoint for requests of dialects, the native API, and the pages."""

import asyncio
from functools import partial
from http import HTTPStatus

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from otpconv.dialects.native.answers import Problem
from otpconv.dialects.native.reports import CONVERSIONS_PATH, MESSAGES_PATH, SEARCH_PATH
from otpconv.dialects.routing import route
from otpconv.errors import (
    BadCredentials,
    InvalidRequest,
    MethodNotAllowed,
    NeedsTls,
    NotFound,
    OtpconvError,
    Refused,
    Throttled,
    Unavailable,
)
from otpconv.service.compose import Service
from otpconv.web.front.application import Respond
from otpconv.web.front.body import Bodies, has_body
from otpconv.web.front.failures import FailureLog
from otpconv.web.front.gate import Gate
from otpconv.web.front.outgoing import Outgoing
from otpconv.web.front.pace import Pace
from otpconv.web.hooks.endpoint import HooksEndpoint
from otpconv.web.pages import Pages
from otpconv.web.rpc.assuming import ASSUME_ROLE, assume_role
from otpconv.web.rpc.attempts import Attempts
from otpconv.web.rpc.endpoint import RpcEndpoint, new_request_id, request_of
from otpconv.web.rpc.sending import Sends
from otpconv.web.v1.advice import ADVICE_PATH, AdviceApi
from otpconv.web.v1.alert_replay import REPLAY_PATH, ReplayApi
from otpconv.web.v1.alert_shown import ShownAlertApi
from otpconv.web.v1.alerts import AlertsApi
from otpconv.web.v1.annotations import AnnotationsApi
from otpconv.web.v1.check import CHECK_PATH, CheckApi
from otpconv.web.v1.metrics import MetricsEndpoint
from otpconv.web.v1.native import NativeApi
from otpconv.web.v1.openapi import document
from otpconv.web.v1.prices import PricesApi
from otpconv.web.v1.ranges import RANGES_PATH, RangesApi
from otpconv.web.v1.targets import TargetsApi
from otpconv.web.v1.vendors import VendorsApi

#: Load balancers call these paths, also by plain HTTP.
_ALWAYS_OPEN = {"/healthz", "/readyz"}

#: The log shows this many characters of a path.
_SHOWN_CHARS = 200
#: Parameters of a query at most, except in requests of a dialect, which has a bound of its own.
MAX_QUERY_PARAMETERS = 1_000
_NO_ROOM = Unavailable("Too many large responses are being sent. Retry in a second.")


class App:
    """The whole web side of a service; see `Application`.

    Args:
        service: records reports and answers questions.
        gate: checks who may call.
        public_url: the URL of this server, without a slash at the end.
    """

    def __init__(self, service: Service, gate: Gate, public_url: str) -> None:
        self._bodies = Bodies(gate.peers)
        self._outgoing = Outgoing()
        self._pace = Pace()
        self._gate = gate
        self._public_url = public_url
        self.failures = FailureLog()
        self._sends = Sends(service, gate)
        self._rpc = RpcEndpoint(
            service,
            self._bodies,
            gate,
            operations={ASSUME_ROLE: partial(assume_role, service, gate)},
            questions={**Attempts(service, gate, public_url).questions, **self._sends.questions},
            failures=self.failures,
            public_url=public_url,
        )
        self._hooks = HooksEndpoint(
            service, self._bodies, gate, failures=self.failures, public_url=public_url
        )
        self._native = NativeApi(service, self._bodies, gate, self._pace)
        self._check = CheckApi(service, self._bodies, self._native.caller, self.failures)
        self._pages = Pages(service, self._bodies, gate, app=self, public_url=public_url)
        self._other = self._starlette(service, gate, public_url)
        self._count = service.metrics.requested
        self.in_progress = 0

    def stop(self, grace_s: float) -> None:
        """Wait at most `grace_s` for the rest of half-sent requests."""
        self._bodies.stop(grace_s)

    async def close(self) -> None:
        """Wait for messages that are on their way, and stop what the pages have started elsewhere."""
        await self._sends.close()
        await self._check.close()
        await self._pages.close()

    async def idle(self) -> None:
        """Wait until no request is in progress."""
        while self.in_progress:  # noqa: ASYNC110 - an event would cost every request
            await asyncio.sleep(0.01)

    def start(self, scope: Scope, respond: Respond) -> bool:
        """Answer a dialect's request without a body by `respond`; return False for any other request."""
        if scope["type"] != "http":
            return False
        request = request_of(scope)
        dialect = route(request)
        if dialect is None or has_body(request.fields):
            return False
        self.in_progress += 1
        self._rpc.start(dialect, request, scope, respond)
        return True

    def responded(self) -> None:
        """Count a request that `start` took as answered."""
        self.in_progress -= 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        self.in_progress += 1
        try:
            request = request_of(scope)
            dialect = route(request)
            if dialect is not None:
                await self._rpc(dialect, request, scope, receive, send)
            else:
                await self._rest(scope, receive, send)
        finally:
            self.in_progress -= 1

    async def _rest(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in _ALWAYS_OPEN:
            await self._pace.turn()
            try:
                self._gate.require_tls(scope)
            except NeedsTls as error:
                page = self._pages.problem(Request(scope), error)
                await (page or _problem(error, self._public_url))(scope, receive, send)
                return
        request_id = scope["otpconv.request_id"] = new_request_id()
        if scope["query_string"].count(b"&") > MAX_QUERY_PARAMETERS:
            refusal = InvalidRequest(f"The query has over {MAX_QUERY_PARAMETERS:,} parameters. Send fewer.")
            await _problem(refusal, self._public_url)(scope, receive, send)
            return

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        async def busy(send: Send) -> None:
            await _problem(_NO_ROOM, self._public_url)(scope, receive, send)

        await self._other(scope, receive, self._outgoing.sender(scope, send_with_id, busy))
        self._count(scope.get("otpconv.action", ""), scope.get("otpconv.code", "OK"))

    def _starlette(self, service: Service, gate: Gate, public_url: str) -> ASGIApp:
        native = self._native
        openapi = msgspec.json.encode(document(public_url))

        async def readyz(_: Request) -> Response:
            state = await service.readiness.check()
            lines = [*(state.problems or ["ready"]), *(f"degraded: {text}" for text in state.degraded)]
            return PlainTextResponse("".join(f"{line}\n" for line in lines), 503 if state.problems else 200)

        async def openapi_json(_: Request) -> Response:
            return Response(openapi, media_type="application/json")

        async def problem(request: Request, error: Exception) -> Response:
            translated = _translated(error, request, self.failures)
            request.scope["otpconv.code"] = translated.code
            response = self._pages.problem(request, translated) or _problem(translated, public_url)
            if isinstance(error, HTTPException):
                response.headers.update(error.headers or {})  # Allow, of 405
            return response

        app = Starlette(
            routes=[
                Route(MESSAGES_PATH, native.post_messages, methods=["POST"]),
                Route(SEARCH_PATH, native.search_messages, methods=["POST"]),
                Route(CONVERSIONS_PATH, native.post_conversions, methods=["POST"]),
                Route(f"{MESSAGES_PATH}/{{message_id:path}}", native.get_message, methods=["GET"]),
                Route(REPLAY_PATH, ReplayApi(service, native.caller).get, methods=["GET"]),
                *AlertsApi(service, self._bodies, gate, native.caller).routes(),
                *ShownAlertApi(service, native.caller).routes(),
                *AnnotationsApi(service, self._bodies, gate, native.caller).routes(),
                *TargetsApi(service, self._bodies, gate, native.caller).routes(),
                *VendorsApi(service, self._bodies, gate, native.caller, public_url).routes(),
                *self._hooks.routes(),
                *PricesApi(service, self._bodies, gate, native.caller).routes(),
                Route("/v1/rates", native.get_rates, methods=["GET"]),
                Route(ADVICE_PATH, AdviceApi(service, native.caller).get, methods=["GET"]),
                Route(RANGES_PATH, RangesApi(service, native.caller).get, methods=["GET"]),
                Route(CHECK_PATH, self._check.post, methods=["POST"]),
                *self._pages.routes(),
                Route("/metrics", MetricsEndpoint(service, native.caller, self._sends).get, methods=["GET"]),
                Route("/openapi.json", openapi_json, methods=["GET"]),
                Route("/healthz", _healthz, methods=["GET"]),
                Route("/readyz", readyz, methods=["GET"]),
            ],
            exception_handlers={OtpconvError: problem, HTTPException: problem, Exception: problem},
        )
        app.router.redirect_slashes = False  # clients lose bodies and credentials at a redirect
        return app


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def _translated(error: Exception, request: Request, failures: FailureLog) -> OtpconvError:
    # `request.url` fails for some values of Host.
    what, request_id = (
        f"{request.method} {request.scope['path'][:_SHOWN_CHARS]}",
        request.scope.get("otpconv.request_id", ""),
    )
    if isinstance(error, OtpconvError):
        if not isinstance(error, Refused):
            failures.note(error, what, request_id)
        return error
    if isinstance(error, HTTPException):
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return MethodNotAllowed(
                f"This path does not accept {request.method}."
                f" Use {(error.headers or {}).get('Allow', 'another method')}."
            )
        return NotFound("There is nothing at this path. /openapi.json lists the paths.")
    failures.note(error, what, request_id)
    return OtpconvError("The server failed to answer the request. The reason is in its log.")


def _problem(error: OtpconvError, public_url: str) -> Response:
    headers = {"cache-control": "no-store"}
    if isinstance(error, BadCredentials):
        headers["www-authenticate"] = 'Basic realm="otpconv", charset="UTF-8"'
    if isinstance(error, Unavailable):
        headers["retry-after"] = "1"
    if isinstance(error, Throttled):
        headers["retry-after"] = str(-(-error.wait_ms // 1000))  # rounded up
    body = Problem(
        type=f"{public_url}/errors/{error.code}",
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        code=error.code,
        detail=error.text,
    )
    return Response(
        msgspec.json.encode(body),
        status_code=error.status,
        media_type="application/problem+json",
        headers=headers,
    )
