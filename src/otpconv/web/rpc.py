"""The RPC endpoint: the whole way of an SDK's report, from bytes to acknowledgement, on one page."""

import logging
import uuid
from itertools import count

from starlette.types import Receive, Scope, Send

from otpconv.access.policies import authorize
from otpconv.dialects.alibaba import Answer, Call, answers_xml, failure, preflight, read, report, success
from otpconv.errors import MethodNotAllowed, OtpconvError, Refused
from otpconv.ledger.contract import Entry
from otpconv.service import Service
from otpconv.web.body import Bodies, has_body

#: The first 24 characters of a version 4 UUID, with their dashes.
_PROCESS = str(uuid.uuid4()).upper()[:24]
_REQUESTS = count(1)

_log = logging.getLogger(__name__)


class RpcEndpoint:
    """The ASGI application of `/`."""

    def __init__(self, service: Service, bodies: Bodies, public_url: str) -> None:
        """Take where reports go, the reader of bodies, and the URL that errors' links begin with."""
        self._service = service
        self._bodies = bodies
        self._public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request_id = new_request_id()
        body = b""
        call: Call | None = None
        try:
            if scope["method"] == "OPTIONS":
                answer = preflight()
            elif has_body(dict(scope["headers"])):
                async with self._bodies.read(scope["headers"], receive) as body:
                    call = _read(scope, body)
                    answer = await self._record(call, request_id)
            else:
                call = _read(scope, b"")
                answer = await self._record(call, request_id)
        except Exception as error:  # noqa: BLE001 - every failure is answered in the dialect
            answer = self._failure(error, request_id, call, scope, body)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _record(self, call: Call, request_id: str) -> Answer:
        service = self._service
        key = service.keys.get(call.access_key_id)
        now = service.clock()
        service.nonces.check_time(call.signed_at, now)
        call.verify(key.secret)
        nonce = service.nonces.admit(key.access_key_id, call.nonce, call.signed_at, now)
        authorize(key, f"dysms:{call.action}")
        entry = Entry(report(call, key.account, now, service.number_hash), nonce, call.signed_at)
        (outcome,) = await service.intake.submit([entry])
        if isinstance(outcome, Refused):
            raise outcome
        return success(call, request_id)

    def _failure(
        self, error: Exception, request_id: str, call: Call | None, scope: Scope, body: bytes
    ) -> Answer:
        if not isinstance(error, OtpconvError):
            _log.exception("request %s failed", request_id)
            error = OtpconvError("unexpected")
        elif not isinstance(error, Refused):
            _log.error("request %s failed: %s", request_id, error.text)
        xml = call.xml if call else answers_xml(scope["query_string"], scope["headers"], body)
        return failure(
            error, request_id, call=call, host_id=_host(scope), recommend_base=self._public_url, xml=xml
        )


def new_request_id() -> str:
    """Return a new request id, an upper-case UUID: random for the process, counted within it."""
    return f"{_PROCESS}{next(_REQUESTS):012X}"


def _read(scope: Scope, body: bytes) -> Call:
    if scope["method"] not in {"GET", "POST"}:
        raise MethodNotAllowed("The endpoint takes GET and POST.")
    return read(scope["method"], scope["query_string"], scope["headers"], body)


def _host(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"host":
            return str(value.decode("latin-1"))
    return ""
