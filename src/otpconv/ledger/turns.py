"""Taking turns: a few may work at once, and nobody waits longer because somebody else asks for a lot."""

import asyncio
from collections import Counter, deque
from typing import NamedTuple

from otpconv.errors import Throttled, Unavailable

#: Waiting questions per caller: more could hardly be answered in time.
MAX_WAITING_EACH = 32
#: Waiting questions of all callers; each holds a request of some KB.
MAX_WAITING = 256
#: How long a question may wait for its turn, s: clients and load balancers give up after 30 to 60 s.
MAX_WAIT_S = 20.0
#: When a refused caller may retry, ms.
_AGAIN_MS = 1_000


class Caller(NamedTuple):
    """Who asks: the number of the account, and in it the access key, or the role for all its sessions."""

    account: int
    name: str


class Turns:
    """Lets a few callers work at once, and the others wait; used by the event loop alone.

    The next turn is of the account with the fewest turns at work; of equal ones, that which waits longest. In
    the account it is likewise of the caller. So whoever is alone has all slots, and when others wait no more
    than one.

    Args:
        slots: how many may work at once.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._working: Counter[int | Caller] = Counter()
        #: By account, then by caller: in the order in which they come to their next turn.
        self._waiting: dict[int, dict[Caller, deque[asyncio.Future[None]]]] = {}

    async def take(self, caller: Caller) -> None:
        """Wait for a turn; whoever takes one gives it back by `release`.

        Raises:
            Throttled: too many turns of this caller wait.
            Unavailable: no turn came in time, or so many wait that this one gave way to another caller.
        """
        if self._free and not self._waiting:
            self._begin(caller)
            return
        self._make_room(caller)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller.account, {}).setdefault(caller, deque()).append(turn)
        self._give()
        try:
            async with asyncio.timeout(MAX_WAIT_S):
                await self._given(caller, turn)
        except TimeoutError:
            raise Unavailable(
                f"The server is busy: the question's turn did not come within {MAX_WAIT_S:.0f} seconds."
            ) from None

    def release(self, caller: Caller) -> None:
        """Give a turn back; the next one begins."""
        for each in (caller.account, caller):
            self._working[each] -= 1
            if not self._working[each]:
                del self._working[each]
        self._free += 1
        self._give()

    async def _given(self, caller: Caller, turn: asyncio.Future[None]) -> None:
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._remove(caller, turn)
            elif turn.exception() is None:  # it came at the same moment
                self.release(caller)
            raise

    def _begin(self, caller: Caller) -> None:
        self._free -= 1
        self._working[caller.account] += 1
        self._working[caller] += 1

    def _give(self) -> None:
        """Give the free slots to those that wait."""
        while self._free and self._waiting:
            # Of equal ones `min` returns the first.
            account = min(self._waiting, key=self._working.__getitem__)
            caller = min(self._waiting[account], key=self._working.__getitem__)
            turn = self._waiting[account][caller][0]
            self._remove(caller, turn)
            if not turn.done():  # else whoever waited has left just now
                self._begin(caller)
                turn.set_result(None)

    def _remove(self, caller: Caller, turn: asyncio.Future[None]) -> None:
        """Take a turn out of those that wait, if it is there; its caller and its account come last then."""
        if turn not in self._waiting.get(caller.account, {}).get(caller, ()):
            return
        callers = self._waiting.pop(caller.account)
        turns = callers.pop(caller)
        turns.remove(turn)
        if turns:
            callers[caller] = turns
        if callers:
            self._waiting[caller.account] = callers

    def _make_room(self, caller: Caller) -> None:
        """Let one more turn wait. The newest turn of whoever has most gives way to those who have fewer."""
        own = self._waiting.get(caller.account, {})
        if len(own.get(caller, ())) >= MAX_WAITING_EACH:
            raise Throttled(
                f"{MAX_WAITING_EACH} questions of this access key wait already; send fewer at once.",
                wait_ms=_AGAIN_MS,
            )
        if sum(map(_count, self._waiting.values())) < MAX_WAITING:
            return
        busy = Unavailable("Too many questions wait at this server; try again in a moment.")
        account = max(self._waiting, key=lambda each: _count(self._waiting[each]))
        if _count(own) + 1 >= _count(self._waiting[account]):
            raise busy
        greedy = max(self._waiting[account], key=lambda each: len(self._waiting[account][each]))
        newest = self._waiting[account][greedy][-1]
        self._remove(greedy, newest)
        if not newest.done():
            newest.set_exception(busy)


def _count(callers: dict[Caller, deque[asyncio.Future[None]]]) -> int:
    return sum(map(len, callers.values()))
