"""The RPC endpoint: the whole way of an SDK's report, from bytes to acknowledgement, on one page."""

import logging
import uuid
from asyncio import Future
from itertools import count

from starlette.types import Receive, Scope, Send

from otpconv.access.policies import authorize
from otpconv.dialects.alibaba import (
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
from otpconv.errors import OtpconvError, Refused
from otpconv.ledger.contract import Entry
from otpconv.ledger.intake import Outcome
from otpconv.service import Service
from otpconv.web.body import Bodies, has_body

#: The first 24 characters of a version 4 UUID, with their dashes.
_PROCESS = str(uuid.uuid4()).upper()[:24]
_REQUESTS = count(1)

_log = logging.getLogger(__name__)


class RpcEndpoint:
    """The ASGI application of `/`.

    Attributes:
        in_progress: requests that are not answered yet.
    """

    def __init__(self, service: Service, bodies: Bodies, public_url: str) -> None:
        """Take where reports go, the reader of bodies, and the URL that errors' links begin with."""
        self._service = service
        self._bodies = bodies
        self._public_url = public_url
        self.in_progress = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self.in_progress += 1
        request_id = new_request_id()
        headers = by_name(scope["headers"])
        body = b""
        call: Call | None = None
        try:
            if scope["method"] == "OPTIONS":
                answer = preflight()
            else:
                if has_body(headers):
                    async with self._bodies.read(scope["headers"], receive) as body:
                        call = read(scope["method"], scope["query_string"], headers, body)
                else:
                    call = read(scope["method"], scope["query_string"], headers, b"")
                (outcome,) = await self._submit(call)
                if isinstance(outcome, Refused):
                    raise outcome  # noqa: TRY301 - answered like every other failure
                answer = success(call, request_id)
        except Exception as error:  # noqa: BLE001 - every failure is answered in the dialect
            xml = call.xml if call else answers_xml(scope["query_string"], headers, body)
            answer = self._failure(error, request_id, call, headers, xml=xml)
        try:
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            await send({"type": "http.response.body", "body": answer.body})
        finally:
            self.in_progress -= 1

    def _submit(self, call: Call) -> Future[list[Outcome]]:
        """Check who calls and may they, and hand the report on; it is durable when the future is done."""
        service = self._service
        key = service.keys.get(call.access_key_id)
        now = service.clock()
        service.nonces.check_time(call.signed_at, now)
        call.verify(key.secret)
        nonce = service.nonces.admit(key.access_key_id, call.nonce, call.signed_at, now)
        authorize(key, f"dysms:{call.action}")
        reported = report(call, key.account, now, service.number_hash)
        return service.intake.submit([Entry(reported, nonce, call.signed_at)])

    def _failure(
        self, error: Exception, request_id: str, call: Call | None, headers: Fields, *, xml: bool
    ) -> Answer:
        if not isinstance(error, OtpconvError):
            _log.exception("request %s failed", request_id)
            error = OtpconvError("unexpected")
        elif not isinstance(error, Refused):
            _log.error("request %s failed: %s", request_id, error.text)
        return failure(
            error,
            request_id,
            call=call,
            host_id=headers.get(b"host", b"").decode("latin-1"),
            recommend_base=self._public_url,
            xml=xml,
        )


def new_request_id() -> str:
    """Return a new request id, an upper-case UUID: random for the process, counted within it."""
    return f"{_PROCESS}{next(_REQUESTS):012X}"
