"""What the server and its workers need of the application that answers requests."""

from collections.abc import Callable
from typing import Protocol

from starlette.types import Receive, Scope, Send

from otpconv.dialects.dialect import HttpResponse
from otpconv.web.front.failures import FailureLog

#: Takes the response to a request, once, now or later.
Respond = Callable[[HttpResponse], None]


class Application(Protocol):
    """An ASGI application that can also respond by a callback, and whose requests a stop can wait for.

    Attributes:
        failures: the log of requests that failed.
        in_progress: how many requests have no response yet.
    """

    failures: FailureLog
    in_progress: int

    def start(self, scope: Scope, respond: Respond) -> bool:
        """Answer a request that has no body by `respond`; return False if only `__call__` can answer it.

        Whoever responds calls `responded` when the response was sent.
        """

    def responded(self) -> None:
        """Count a request that `start` took as answered."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

    def stop(self, grace_s: float) -> None:
        """Wait at most `grace_s` for the rest of half-sent requests."""

    async def idle(self) -> None:
        """Wait until no request is in progress."""

    async def close(self) -> None:
        """Stop what the application has started outside this process."""
