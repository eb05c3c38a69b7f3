"""Reading request bodies: bounded one by one, by sender, and all together; too slow ones are cut.

A call of the native API proves its access key in a header, before its body. A signed call is proven by header
and body together, a form by its contents. Until then the caller is unknown, and may send kilobytes per
address.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from starlette.types import Receive, Scope

from otpconv.errors import (
    BodyTooLarge,
    BodyTooSlow,
    InvalidRequest,
    Throttled,
    Unavailable,
    UnsupportedMediaType,
)
from otpconv.web.front.peer import Peers

#: Bytes of one body of a sender with a proven access key: 10,000 messages with all their fields.
MAX_BODY_BYTES = 8 * 1024 * 1024
#: Bytes of all such bodies of one access key in memory, so that one key leaves room for others.
MAX_KEY_BYTES = 64 * 1024 * 1024
#: Bytes of all such bodies in memory.
MAX_TOTAL_BYTES = 256 * 1024 * 1024

#: Bytes of one body of an unknown sender: the limit of the dialect, 50 times the size of a report.
MAX_UNKNOWN_BYTES = 128 * 1024
#: Bytes of all such bodies of one address in memory: some thousand reports at the same moment.
MAX_ADDRESS_BYTES = 4 * 1024 * 1024
#: Bytes of all bodies of unknown senders in memory.
MAX_UNKNOWN_TOTAL_BYTES = 32 * 1024 * 1024

#: Every body may take this time, however small it is, s.
GRACE_S = 10.0
#: After that, its average rate since the beginning must be at least this, bytes per second.
MIN_BYTES_A_SECOND = 16 * 1024
#: How long a body may take in total, s.
MAX_WAIT_S = 60.0
#: The `Retry-After` of a sender over its share, ms.
_COME_AGAIN_MS = 1_000


class Bodies:
    """Reads bodies, and keeps count of how many bytes of them are in memory, of whom.

    Args:
        peers: tells which address a request came from.
    """

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._known = _Budget(MAX_BODY_BYTES, MAX_KEY_BYTES, MAX_TOTAL_BYTES)
        self._unknown = _Budget(MAX_UNKNOWN_BYTES, MAX_ADDRESS_BYTES, MAX_UNKNOWN_TOTAL_BYTES)
        self._waits: set[asyncio.Timeout] = set()
        self._stopping = False

    def stop(self, grace_s: float) -> None:
        """Wait no longer than `grace_s` for what has not come yet: the server stops."""
        self._stopping = True
        for wait in self._waits:
            wait.reschedule(asyncio.get_running_loop().time() + grace_s)

    @asynccontextmanager
    async def read(self, scope: Scope, receive: Receive, access_key_id: str = "") -> AsyncIterator[bytes]:
        """Give the body of a request; it counts as held until the context ends.

        Args:
            scope: of the request.
            receive: of the request.
            access_key_id: of the access key that is proven; empty where none is yet.

        Raises:
            BodyTooLarge: it is, or says it is, over 8 MiB, or 128 KiB of a sender that is not known.
            BodyTooSlow: it came too slowly.
            UnsupportedMediaType: it is compressed.
            Throttled: too many bytes of this sender's requests are held.
            Unavailable: too many bytes of all requests are held, or the server stops.
            InvalidRequest: the client went away in the middle.
        """
        budget = self._known if access_key_id else self._unknown
        sender = access_key_id or self._peers.of(scope).source_ip
        _check_announced(scope["headers"], budget)
        size = 0
        parts: list[bytes] = []
        try:
            async with self._patience() as wait:
                began = asyncio.get_running_loop().time()
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise InvalidRequest("The connection was closed before the body had come.")
                    part = message.get("body", b"")
                    # Count the received bytes, not the announced ones: announcing costs nothing.
                    budget.hold(sender, len(part), size)
                    size += len(part)
                    parts.append(part)
                    more = message.get("more_body", False)
                    if more and not self._stopping:
                        wait.reschedule(began + min(MAX_WAIT_S, GRACE_S + size / MIN_BYTES_A_SECOND))
            body = b"".join(parts)
            parts.clear()
            yield body
        finally:
            budget.free(sender, size)

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[asyncio.Timeout]:
        try:
            async with asyncio.timeout(GRACE_S) as wait:
                self._waits.add(wait)
                try:
                    yield wait
                finally:
                    self._waits.discard(wait)
        except TimeoutError:
            if self._stopping:
                raise Unavailable("The server stops; try again in a moment.") from None
            raise BodyTooSlow(
                f"The body came too slowly: it has {GRACE_S:.0f} s and 1 s more for each"
                f" {MIN_BYTES_A_SECOND // 1024} KiB, {MAX_WAIT_S:.0f} s at most. Send it again."
            ) from None


class _Budget:
    """How many bytes of bodies may be in memory, and how many are, in all and of each sender."""

    def __init__(self, one: int, each: int, total: int) -> None:
        self.one = one
        self._each = each
        self._total = total
        self._held = 0
        self._held_of: dict[str, int] = {}

    def hold(self, sender: str, count: int, before: int) -> None:
        """Count bytes that have come, of a body of which `before` have come already."""
        if before + count > self.one:
            raise self.too_large()
        held = self._held_of.get(sender, 0) + count
        if held > self._each:
            raise Throttled(
                "Too many request bodies of this sender at once; try again in a moment.",
                wait_ms=_COME_AGAIN_MS,
            )
        if self._held + count > self._total:
            raise Unavailable("Too many request bodies at once; try again in a moment.")
        self._held += count
        self._held_of[sender] = held

    def free(self, sender: str, count: int) -> None:
        self._held -= count
        left = self._held_of.get(sender, 0) - count
        if left > 0:
            self._held_of[sender] = left
        else:
            self._held_of.pop(sender, None)

    def too_large(self) -> BodyTooLarge:
        if self.one == MAX_BODY_BYTES:
            return BodyTooLarge("The body is over 8 MiB; send the reports in several calls.")
        return BodyTooLarge(
            f"The body is over {self.one // 1024} KiB; send many reports at once to /v1/conversions."
        )


def has_body(fields: Mapping[bytes, bytes]) -> bool:
    """Return whether a request with these headers announces a body that is not empty."""
    return fields.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in fields


def _check_announced(headers: Iterable[tuple[bytes, bytes]], budget: _Budget) -> None:
    for name, value in headers:
        if name == b"content-encoding" and value.strip().lower() not in {b"", b"identity"}:
            raise UnsupportedMediaType("Compressed bodies are not taken; send it without Content-Encoding.")
        if name == b"content-length" and value.isdigit() and int(value) > budget.one:
            raise budget.too_large()
