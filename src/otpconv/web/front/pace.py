"""Long work on the event loop, one piece in each turn of the loop."""

import asyncio
from collections import deque

from otpconv import lock_sharing


class Pace:
    """Lets one piece of long work run in each turn of the event loop, whoever it belongs to.

    Without it, every request that waits runs a piece in the same turn, and reports wait for all of them.
    Meanwhile the loop never rests, so Python's lock is shared with the threads that bring requests in.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_running = False

    async def turn(self) -> None:
        """Wait until the next piece may run. Pieces run in the order of these calls."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if not self._is_running:
            self._is_running = True
            lock_sharing.begin()
            loop.call_soon(self._next, loop)
        await turn

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # a request that was cancelled needs no turn
                turn.set_result(None)
                loop.call_soon(self._next, loop)
                return
        self._is_running = False
        lock_sharing.end()
