"""Drawing charts in a process of its own: the library that draws holds Python's lock for as long as it takes.

The process starts with the first chart, works at a low priority, and ends when it has had nothing to do for a
while, or when the server is gone: its standard input ends then. Requests and answers go with their length.
"""

import asyncio
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections import OrderedDict
from contextlib import suppress
from typing import BinaryIO, Final, NamedTuple, Self

import msgspec

from otpconv.charts.timeline import Chart, Slot, specification
from otpconv.config import environment
from otpconv.errors import Unavailable
from otpconv.ledger.turns import Caller, Turns

#: How long a drawing may take, s; the first one takes longest.
_PATIENCE_S = 20.0
#: How long the process waits for the next drawing, s.
_IDLE_S = 600
_LENGTH_BYTES: Final = 4
#: Bytes of all cached charts: about 80 of 50 KB. A chart larger than a quarter of this is not cached.
MAX_KEPT_BYTES = 4 * 1024 * 1024
#: Bytes of a chart that is sent to the drawing process, and of a picture that comes back.
MAX_PICTURE_BYTES = 4 * 1024 * 1024
#: In whose name the process gets ready.
_OURSELVES = Caller(0, "")
#: What the process is given of the server's environment: where programs, libraries and fonts are.
_NEEDED = re.compile(
    r"PATH|HOME|TMPDIR|TZ|LANG|LC_[A-Z]+|PYTHON[A-Z]+|LD_LIBRARY_PATH|DYLD_[A-Z_]+|FONTCONFIG_[A-Z]+|XDG_[A-Z_]+"
)
#: Drawing it loads all that a drawing needs.
_SMALLEST = Chart([Slot(0, 0.5, 0.4, 0.6, 0.5, 2, 1)], 60_000)


class Drawer:
    """Draws charts as SVG, and remembers what it has drawn."""

    def __init__(self) -> None:
        self._process: _Process | None = None
        self._ending: set[asyncio.Future[int]] = set()
        self._warming: asyncio.Task[None] | None = None
        self._turns = Turns(1)
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._kept_bytes = 0

    def warm_up(self) -> None:
        """Get ready in the background, so that the next drawing takes no longer than any other."""
        if self._warming is None and (self._process is None or not self._process.is_there):
            self._warming = asyncio.create_task(self._draw_one())

    async def _draw_one(self) -> None:
        with suppress(Unavailable):
            await self.draw(_SMALLEST, _OURSELVES)
        self._warming = None

    async def draw(self, chart: Chart, caller: Caller) -> bytes:
        """Return a chart as SVG, when it is the caller's turn.

        Raises:
            Throttled: too many charts of this caller wait.
            Unavailable: the caller's turn did not come, or the process died of it, twice, or took too long.
        """
        asked = msgspec.json.encode(chart)
        if len(asked) > MAX_PICTURE_BYTES:
            raise Unavailable("The chart is too large to be drawn; the numbers are in the table.")
        name = hashlib.sha256(asked).digest()
        await self._turns.take(caller)
        try:
            drawn = self._kept.pop(name, None)
            if drawn is not None:
                self._kept_bytes -= len(drawn)
            else:
                drawn = await self._fresh(asked)
            self._keep(name, drawn)
            return drawn
        finally:
            self._turns.release(caller)

    def _keep(self, name: bytes, drawn: bytes) -> None:
        """Keep a chart as the one used last; those used longest ago make room."""
        if len(drawn) > MAX_KEPT_BYTES // 4:
            return
        self._kept[name] = drawn
        self._kept_bytes += len(drawn)
        while self._kept_bytes > MAX_KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1])

    async def _fresh(self, asked: bytes) -> bytes:
        # Of two tries: the process may end of having nothing to do just now.
        for _ in range(2):
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    return await self._ask(asked)
            except TimeoutError:
                self._end()
                break
            except (OSError, asyncio.IncompleteReadError):
                self._end()
            except asyncio.CancelledError:  # what is half said must not be taken for another's answer
                self._end()
                raise
        raise Unavailable("The chart could not be drawn; the numbers are in the table.")

    async def _ask(self, asked: bytes) -> bytes:
        process = self._process
        if process is None or not process.is_there:
            self._end()
            process = self._process = await _Process.start()
        process.writer.write(_framed(asked))
        await process.writer.drain()
        length = int.from_bytes(await process.reader.readexactly(_LENGTH_BYTES), "big")
        if length > MAX_PICTURE_BYTES:
            self._end()
            raise Unavailable("The chart is too large; the numbers are in the table.")
        return await process.reader.readexactly(length)

    async def stop(self) -> None:
        """End the process, also one that is getting ready; another drawing starts another process."""
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.wait({self._warming})
            self._warming = None
        self._end()
        if self._ending:
            await asyncio.wait(self._ending)

    def _end(self) -> None:
        if self._process is not None:
            ended = self._process.end()
            self._ending.add(ended)
            ended.add_done_callback(self._ending.discard)
            self._process = None


class _Process(NamedTuple):
    """The process that draws, and the connection to it."""

    popen: subprocess.Popen[bytes]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def start(cls) -> Self:
        """Start a process.

        Not by the event loop: uvloop runs Python in the copy of this process before it becomes another one. A
        lock that another thread held, e.g. of SQLite, is held there for ever, and the loop would wait for it.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            started = subprocess.Popen(  # noqa: ASYNC220 - it takes a millisecond
                [sys.executable, "-m", "otpconv.charts.drawing"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                # A library that draws needs no secret of ours.
                env={name: value for name, value in environment().items() if _NEEDED.fullmatch(name)},
                start_new_session=True,  # Ctrl-C is for the server
            )
        return cls(started, *await asyncio.open_unix_connection(sock=ours))

    @property
    def is_there(self) -> bool:
        """Whether the process has not ended."""
        return self.popen.poll() is None

    def end(self) -> asyncio.Future[int]:
        """End the process, and return what waits until it has."""
        self.writer.close()
        self.popen.kill()
        return asyncio.get_running_loop().run_in_executor(None, self.popen.wait)


def _framed(content: bytes) -> bytes:
    return len(content).to_bytes(_LENGTH_BYTES, "big") + content


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Draw what is asked for until there is nothing more to come."""
    from vl_convert import vegalite_to_svg  # noqa: PLC0415 - the server must not load it

    while header := requests.read(_LENGTH_BYTES):
        signal.alarm(0)
        chart = msgspec.json.decode(requests.read(int.from_bytes(header, "big")), type=Chart)
        answers.write(_framed(vegalite_to_svg(specification(chart)).encode()))
        answers.flush()
        signal.alarm(_IDLE_S)


if __name__ == "__main__":
    os.nice(10)  # reports come first
    serve(sys.stdin.buffer, sys.stdout.buffer)
