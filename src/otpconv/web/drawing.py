"""Drawing charts in a process of its own: the library that draws holds Python's lock for as long as it takes.

The process starts with the first chart, works at a low priority, and ends when it has had nothing to do for a
while, or when the server is gone: its standard input ends then. Requests and answers go with their length.
"""

import asyncio
import hashlib
import os
import re
import signal
import sys
from collections import OrderedDict
from contextlib import suppress
from typing import BinaryIO, Final

import msgspec

from otpconv.config import environment
from otpconv.errors import Unavailable
from otpconv.rates.timeline import Chart, Slot, specification

#: How long a drawing may take, s; the first one takes the longest.
_PATIENCE_S = 20.0
#: How long the process waits for another drawing, s.
_IDLE_S = 600
_LENGTH_BYTES: Final = 4
#: Charts kept at most; one has about 50 KB.
_KEPT = 64
#: What the process is given of the server's environment: where programs, libraries and fonts are.
_NEEDED = re.compile(
    r"PATH|HOME|TMPDIR|TZ|LANG|LC_[A-Z]+|PYTHON[A-Z]+|LD_LIBRARY_PATH|DYLD_[A-Z_]+|FONTCONFIG_[A-Z]+|XDG_[A-Z_]+"
)
#: Drawing it loads all that a drawing needs.
_SMALLEST = Chart([Slot(0, 0.5, 0.4, 0.6, 0.5, 2, 1)], 60_000)


class Drawer:
    """Draws charts as SVG, and remembers what it has drawn."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._warming: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._drawn: OrderedDict[bytes, bytes] = OrderedDict()

    def warm_up(self) -> None:
        """Get ready in the background, so that the next drawing takes no longer than any other."""
        if self._warming is None and (self._process is None or self._process.returncode is not None):
            self._warming = asyncio.create_task(self._draw_one())

    async def _draw_one(self) -> None:
        with suppress(Unavailable):
            await self.draw(_SMALLEST)
        self._warming = None

    async def draw(self, chart: Chart) -> bytes:
        """Return a chart as SVG.

        Raises:
            Unavailable: the process died of it, twice, or took too long.
        """
        asked = msgspec.json.encode(chart)
        name = hashlib.sha256(asked).digest()
        async with self._one_at_a_time:
            if name not in self._drawn:
                self._drawn[name] = await self._fresh(asked)
            self._drawn.move_to_end(name)
            while len(self._drawn) > _KEPT:
                self._drawn.popitem(last=False)
            return self._drawn[name]

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
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "otpconv.web.drawing"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                # A library that draws needs no secret of ours.
                env={name: value for name, value in environment().items() if _NEEDED.fullmatch(name)},
                start_new_session=True,  # Ctrl-C is for the server
            )
        assert process.stdin is not None  # noqa: S101 - for the type
        assert process.stdout is not None  # noqa: S101 - for the type
        process.stdin.write(_framed(asked))
        await process.stdin.drain()
        length = int.from_bytes(await process.stdout.readexactly(_LENGTH_BYTES), "big")
        return await process.stdout.readexactly(length)

    async def stop(self) -> None:
        """End the process; another drawing starts another one."""
        process = self._process
        self._end()
        if process is not None:
            await process.wait()

    def _end(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process = None


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
