"""Sending answers: part by part, as fast as the client takes them, within a deadline, and bounded in all.

The server keeps a small answer in the buffers of its connection. A large one would stay in memory for as long
as the client likes.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from starlette.types import Message, Scope, Send

from otpconv.ledger.turns import Caller

#: Bytes of one part: a smaller answer is sent at once, and does not count.
PART_BYTES = 64 * 1024
#: Bytes of all larger answers that are being sent: a few of the largest.
MAX_HELD_BYTES = 128 * 1024 * 1024
#: The same for one caller: one of the largest. All unknown callers count as one.
MAX_HELD_BYTES_EACH = 34 * 1024 * 1024
#: How long a client may take to read an answer, s, and how many bytes it must read in each further second.
MAX_TAKING_S, LEAST_BYTES_PER_S = 30.0, 128 * 1024

#: In whose name answers to those who have not proven who they are count.
_NOBODY = Caller(0, "")


class Outgoing:
    """Sends answers, and keeps count of the bytes that are on their way."""

    def __init__(self) -> None:
        self._held: Counter[Caller] = Counter()

    def sender(self, scope: Scope, send: Send, busy: Callable[[Send], Awaitable[None]]) -> Send:
        """Return what an application sends its answer with, instead of `send`.

        It raises `ConnectionAbortedError` when the client takes too long.

        Args:
            scope: of the request; `otpconv.caller` in it says who asks, once that is proven.
            send: the server's.
            busy: sends the answer that there is no room for this one now.
        """
        start: Message | None = None
        refused = False

        async def send_in_parts(message: Message) -> None:
            nonlocal start, refused
            if message["type"] == "http.response.start":
                start = message
                return
            if refused or message["type"] != "http.response.body":
                return
            body = message.get("body", b"")
            caller = scope.get("otpconv.caller", _NOBODY)
            if len(body) > PART_BYTES and not self._has_room(caller, len(body)):
                refused = True
                await busy(send)
                return
            if start is not None:
                await send(start)
                start = None
            if len(body) <= PART_BYTES:
                await send(message)
                return
            with self._holding(caller, len(body)):
                await _send_slowly(send, body, more=message.get("more_body", False))

        return send_in_parts

    def _has_room(self, caller: Caller, count: int) -> bool:
        return (
            self._held[caller] + count <= MAX_HELD_BYTES_EACH and self._held.total() + count <= MAX_HELD_BYTES
        )

    @contextmanager
    def _holding(self, caller: Caller, count: int) -> Iterator[None]:
        self._held[caller] += count
        try:
            yield
        finally:
            self._held[caller] -= count
            if not self._held[caller]:
                del self._held[caller]


async def _send_slowly(send: Send, body: bytes, *, more: bool) -> None:
    try:
        async with asyncio.timeout(MAX_TAKING_S + len(body) / LEAST_BYTES_PER_S):
            for first in range(0, len(body), PART_BYTES):
                part = body[first : first + PART_BYTES]
                following = more or first + PART_BYTES < len(body)
                await send({"type": "http.response.body", "body": part, "more_body": following})
    except TimeoutError:
        raise ConnectionAbortedError("the client takes too long for its answer") from None
