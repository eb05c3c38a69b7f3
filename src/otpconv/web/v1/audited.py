"""Changes by requests: made beside the event loop, each with a line in the audit trail, done or refused."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.requests import Request

from otpconv.access.keys import AccessKey
from otpconv.service.changes import Change, recorded
from otpconv.service.compose import Service
from otpconv.web.front.gate import Gate

_T = TypeVar("_T")


class Audited:
    """Lets requests make changes.

    Args:
        service: has the audit trail.
        gate: finds out where a request came from.
    """

    def __init__(self, service: Service, gate: Gate) -> None:
        self._service = service
        self._peers = gate.peers

    async def change(
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
