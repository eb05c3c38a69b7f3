"""Reading request bodies, bounded in size one by one and all together."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from starlette.types import Receive

from otpconv.errors import BodyTooLarge, InvalidRequest, Unavailable, UnsupportedMediaType

#: Bytes of one body at most.
MAX_BODY_BYTES = 8 * 1024 * 1024
#: Bytes of all bodies that are in memory at one time.
MAX_TOTAL_BYTES = 256 * 1024 * 1024
#: How long one body may take to come, s.
MAX_WAIT_S = 60.0


class Bodies:
    """Reads bodies, and keeps count of how many bytes of them are in memory."""

    def __init__(self) -> None:
        self._held_bytes = 0
        self._waits: set[asyncio.Timeout] = set()
        self._stopping = False

    def stop(self, grace_s: float) -> None:
        """Wait no longer than `grace_s` for what has not come yet: the server stops."""
        self._stopping = True
        for wait in self._waits:
            wait.reschedule(asyncio.get_running_loop().time() + grace_s)

    @asynccontextmanager
    async def read(self, headers: Iterable[tuple[bytes, bytes]], receive: Receive) -> AsyncIterator[bytes]:
        """Give the body of a request; it counts as held until the context ends.

        Raises:
            BodyTooLarge: it is, or says it is, over 8 MiB.
            UnsupportedMediaType: it is compressed.
            Unavailable: too many bytes of other requests are held, or the server stops.
            InvalidRequest: the client went away in the middle, or took too long.
        """
        announced = _announced_bytes(headers)
        held = 0
        parts: list[bytes] = []
        try:
            held = self._hold(announced)
            async with self._patience():
                size = 0
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise InvalidRequest("The connection was closed before the body had come.")
                    part = message.get("body", b"")
                    size += len(part)
                    if size > MAX_BODY_BYTES:
                        raise _too_large()
                    if size > held:
                        held += self._hold(size - held)
                    parts.append(part)
                    more = message.get("more_body", False)
            yield b"".join(parts)
        finally:
            self._held_bytes -= held

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(MAX_WAIT_S) as wait:
                self._waits.add(wait)
                try:
                    yield
                finally:
                    self._waits.discard(wait)
        except TimeoutError:
            if self._stopping:
                raise Unavailable("The server stops; try again in a moment.") from None
            raise InvalidRequest(f"The body did not come within {MAX_WAIT_S:.0f} seconds.") from None

    def _hold(self, count: int) -> int:
        if self._held_bytes + count > MAX_TOTAL_BYTES:
            raise Unavailable("Too many large requests at once; try again in a moment.")
        self._held_bytes += count
        return count


def has_body(fields: Mapping[bytes, bytes]) -> bool:
    """Tell whether a request with these headers announces a body that is not empty."""
    return fields.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in fields


def _announced_bytes(headers: Iterable[tuple[bytes, bytes]]) -> int:
    announced = 0
    for name, value in headers:
        if name == b"content-encoding" and value.strip().lower() not in {b"", b"identity"}:
            raise UnsupportedMediaType("Compressed bodies are not taken; send it without Content-Encoding.")
        if name == b"content-length":
            announced = int(value) if value.isdigit() else 0
            if announced > MAX_BODY_BYTES:
                raise _too_large()
    return announced


def _too_large() -> BodyTooLarge:
    return BodyTooLarge("The body is over 8 MiB; send the reports in several calls.")
