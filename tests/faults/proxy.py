"""A TCP proxy that cuts, delays, blocks and half-closes the connections through it."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

_CHUNK = 65_536


class Proxy:
    """Forwards connections to a port of 127.0.0.1, on an event loop of its own.

    Attributes:
        port: where it listens.
        delay_s: how long each piece of data is held back, s.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.delay_s = 0.0
        self.port = 0
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="proxy")
        self._thread.start()
        self._started.wait()

    def block(self) -> None:
        """Swallow all data in both directions and answer no new connection, as a cut cable does."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self) -> None:
        """Forward again, and first the data that was held back."""
        self.delay_s = 0.0
        self._loop.call_soon_threadsafe(self._open.set)

    def cut(self) -> None:
        """Reset all connections."""
        self._loop.call_soon_threadsafe(self._each, _abort_both)

    def half_close(self) -> None:
        """Tell the clients that the server has sent its last byte, and the server nothing."""
        self._loop.call_soon_threadsafe(self._each, lambda client, _: client.write_eof())

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _each(self, change: Callable[[asyncio.StreamWriter, asyncio.StreamWriter], object]) -> None:
        for client, server in list(self._pairs):
            with suppress(OSError, RuntimeError):
                change(client, server)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop, self._open = asyncio.Event(), asyncio.Event()
        self._open.set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        self._open.set()
        while self._pairs:
            self._each(_abort_both)
            await asyncio.sleep(0.01)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, other_writer)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._forward(reader, other_writer), self._forward(other_reader, writer))
        finally:
            self._pairs.discard(pair)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A writer that was half-closed takes no data.
        with suppress(OSError, RuntimeError):
            while data := await reader.read(_CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


def _abort_both(client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
    client.transport.abort()
    server.transport.abort()
