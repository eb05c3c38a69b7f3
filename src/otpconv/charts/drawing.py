"""Draws charts in a separate process, because vl-convert holds Python's global lock while it draws.

The process starts with the first chart and has a low priority. It ends when it has been idle for a while, or
when the server has ended, which closes its standard input. Requests and answers begin with their length.
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

from otpconv.charts.fitting import fitted
from otpconv.charts.point import Point
from otpconv.charts.timeline import Chart, timeline_specification
from otpconv.config import environment
from otpconv.errors import Unavailable
from otpconv.ledger.turns import Caller, Turns

#: Timeout of a drawing, s; the first one takes the longest.
_PATIENCE_S = 20.0
#: The process ends after this long without a request, s.
_IDLE_S = 600
_LENGTH_BYTES: Final = 4
#: Bytes of all cached charts: about 80 of 50 KB. A chart of more than a quarter of this is not cached.
MAX_KEPT_BYTES = 4 * 1024 * 1024
#: The most bytes of a request to the drawing process, and of its answer.
MAX_PICTURE_BYTES = 4 * 1024 * 1024
#: The caller of the drawing that warms the process up.
_OURSELVES = Caller(0, "")
#: The environment variables that the process gets: where programs, libraries and fonts are.
_NEEDED = re.compile(
    r"PATH|HOME|TMPDIR|TZ|LANG|LC_[A-Z]+|PYTHON[A-Z]+|LD_LIBRARY_PATH|DYLD_[A-Z_]+|FONTCONFIG_[A-Z]+|XDG_[A-Z_]+"
)
#: Drawing it loads everything that a drawing needs.
_SMALLEST = Chart([Point(0, 0.5, 0.4, 0.6, 0.5, 2, 1)], 60_000)


class Drawer:
    """Draws charts as SVG, and caches them."""

    def __init__(self) -> None:
        self._process: _Process | None = None
        self._ending: set[asyncio.Future[int]] = set()
        self._warming: asyncio.Task[None] | None = None
        self._turns = Turns(1)
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._kept_bytes = 0

    def warm_up(self) -> None:
        """Start the process in the background, so that the next drawing is as fast as later ones."""
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
            Unavailable: the caller's turn did not come, the chart is too large, the process died twice, or it
                took too long.
        """
        asked = msgspec.json.encode(chart)
        if len(asked) > MAX_PICTURE_BYTES:
            raise Unavailable(
                "The chart is too large to draw. Use the numbers in the table, or choose a shorter window."
            )
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
        """Cache a chart, and remove the least recently used ones while there are too many bytes."""
        if len(drawn) > MAX_KEPT_BYTES // 4:
            return
        self._kept[name] = drawn
        self._kept_bytes += len(drawn)
        while self._kept_bytes > MAX_KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1])

    async def _fresh(self, asked: bytes) -> bytes:
        # Try twice: the process may have just ended because it was idle.
        for _ in range(2):
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    return await self._ask(asked)
            except TimeoutError:
                self._end()
                break
            except (OSError, asyncio.IncompleteReadError):
                self._end()
            except (
                asyncio.CancelledError
            ):  # the rest of this answer must not be read as the answer to another request
                self._end()
                raise
        raise Unavailable(
            "The chart could not be drawn. Use the numbers in the table, or reload the page to try again."
        )

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
            raise Unavailable(
                "The chart is too large to send. Use the numbers in the table, or choose a shorter window."
            )
        return await process.reader.readexactly(length)

    async def stop(self) -> None:
        """End the process, also while it starts; the next drawing starts another process."""
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

        Do not start it with asyncio: uvloop runs Python code in the forked child before exec. There, a lock
        that another thread held at the fork, e.g. in SQLite, stays locked, and the event loop would hang.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            started = subprocess.Popen(  # noqa: ASYNC220 - it takes a millisecond
                [sys.executable, "-m", "otpconv.charts.drawing"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                # The drawing library does not need our secrets.
                env={name: value for name, value in environment().items() if _NEEDED.fullmatch(name)},
                start_new_session=True,  # Ctrl-C is for the server
            )
        return cls(started, *await asyncio.open_unix_connection(sock=ours))

    @property
    def is_there(self) -> bool:
        """Whether the process is still running."""
        return self.popen.poll() is None

    def end(self) -> asyncio.Future[int]:
        """Kill the process, and return a future that waits for its end."""
        self.writer.close()
        self.popen.kill()
        return asyncio.get_running_loop().run_in_executor(None, self.popen.wait)


def _framed(content: bytes) -> bytes:
    return len(content).to_bytes(_LENGTH_BYTES, "big") + content


def draw_requests(requests: BinaryIO, answers: BinaryIO) -> None:
    """Draw charts until the input ends.

    Args:
        requests: charts as JSON, each after its length.
        answers: where to write the SVG files, each after its length.
    """
    from vl_convert import vegalite_to_svg  # noqa: PLC0415 - the server must not load it

    while header := requests.read(_LENGTH_BYTES):
        signal.alarm(0)
        chart = msgspec.json.decode(requests.read(int.from_bytes(header, "big")), type=Chart)
        picture = vegalite_to_svg(timeline_specification(chart))
        answers.write(_framed(fitted(picture, chart.frame).encode()))
        answers.flush()
        signal.alarm(_IDLE_S)


if __name__ == "__main__":
    os.nice(10)  # reports come first
    draw_requests(sys.stdin.buffer, sys.stdout.buffer)
