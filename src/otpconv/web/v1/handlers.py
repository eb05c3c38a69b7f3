"""What the handlers of the native API share: callers, JSON in and out, and changes that are audited."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from otpconv.access.keys import AccessKey
from otpconv.dialects.native.fields import in_words
from otpconv.errors import InvalidRequest
from otpconv.service.changes import Change, recorded
from otpconv.service.compose import Service
from otpconv.web.front.body import Bodies
from otpconv.web.front.gate import Gate
from otpconv.web.v1.rate_formats import LAG_HEADER

_T = TypeVar("_T")


class Handlers:
    """Handlers of requests that only read.

    Args:
        service: answers questions, and has what the handlers show.
        caller: authenticates a request for an action.
    """

    def __init__(self, service: Service, caller: Callable[[Request, str], AccessKey]) -> None:
        self._service = service
        self._caller = caller


class ChangingHandlers(Handlers):
    """Handlers that also make changes. The disk is used beside the event loop.

    Args:
        service: has what the handlers change, and the audit trail.
        bodies: reads bodies.
        gate: finds out where a request came from.
        caller: authenticates a request for an action.
    """

    def __init__(
        self, service: Service, bodies: Bodies, gate: Gate, caller: Callable[[Request, str], AccessKey]
    ) -> None:
        super().__init__(service, caller)
        self._bodies = bodies
        self._peers = gate.peers

    async def _read_json(
        self, request: Request, key: AccessKey, kind: type[_T], example: str = "a JSON object"
    ) -> _T:
        """Read a body; without one, all fields have their defaults.

        Args:
            request: the request.
            key: the access key of the caller.
            kind: what the body is.
            example: of a body, for the error.

        Raises:
            InvalidRequest: the body is malformed. The text never has a value: it may be a secret.
        """
        async with self._bodies.read(request.scope, request.receive, key.access_key_id) as body:
            try:
                return msgspec.json.decode(bytes(body) or b"{}", type=kind)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise InvalidRequest(f"Invalid body: {in_words(error)}. Send {example}.") from None

    async def _make_change(
        self,
        request: Request,
        key: AccessKey,
        what: str,
        subject: str,
        work: Callable[[], _T],
        *,
        named: Callable[[_T], str] | None = None,
    ) -> _T:
        """Let `work` make a change in a thread, and record it, done or refused.

        Args:
            request: the request of the change.
            key: the access key of the caller.
            what: for the audit trail, e.g. `CreateAnnotation`.
            subject: the name of the changed object, as far as it is known.
            work: makes the change.
            named: names the changed object by the result of `work`.

        Returns:
            What `work` returns.
        """
        change = Change(
            key=key,
            what=what,
            subject=subject,
            source_ip=self._peers.of(request.scope).source_ip,
            request_id=request.scope.get("otpconv.request_id", ""),
        )

        def changed() -> _T:
            with recorded(change, self._service.settings.data, self._service.clock):
                result = work()
                if named is not None:
                    change.subject = named(result)
                return result

        return await asyncio.to_thread(changed)


def json_response(value: Struct, *, status: int = 200, lag: int | None = None) -> Response:
    """Return a value as JSON; nobody in between may keep it.

    Args:
        value: the body.
        status: of HTTP.
        lag: how many acknowledged reports the answer lacks; None if it is not about reports.
    """
    headers = {"cache-control": "no-store"}
    if lag is not None:
        headers[LAG_HEADER] = str(lag)
    return Response(
        msgspec.json.encode(value), status_code=status, media_type="application/json", headers=headers
    )
