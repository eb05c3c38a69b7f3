"""Answering questions beside the event loop, on a few threads that those who ask share fairly."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from otpconv import lock_sharing
from otpconv.ledger.freshness import Freshness
from otpconv.ledger.turns import Caller, Turns
from otpconv.storage import deadline
from otpconv.storage.contract import SNAPSHOT_S, LedgerReader

#: Questions answered at the same time, beside the event loop: each may use a CPU core, and the memory of an
#: answer.
READERS = 2

_F = TypeVar("_F")
_A = TypeVar("_A")


class Questions:
    """Answers questions from the ledger, each from one state of it.

    Args:
        ledger: answers them.
        freshness: waits until the ledger has all acknowledged reports.
        acknowledged: returns the journal position of the newest acknowledged report.
    """

    def __init__(self, ledger: LedgerReader, freshness: Freshness, acknowledged: Callable[[], int]) -> None:
        self._ledger = ledger
        self._freshness = freshness
        self._acknowledged = acknowledged
        self._threads = ThreadPoolExecutor(READERS, "reader")
        self._turns = Turns(READERS)

    async def ask(
        self, caller: Caller, question: Callable[[LedgerReader], _F], finish: Callable[[_F, int], _A]
    ) -> _A:
        """Answer a question from one state of the ledger that has everything acknowledged before this call.

        Waits for the ledger on the event loop, `freshness.PATIENCE_S` at most, then does both steps as
        `beside` does.

        Args:
            caller: who asks.
            question: asks the ledger that it is given.
            finish: makes the answer from the result and the lag: how many reports that were acknowledged
                before this call are missing. That is 0 unless applying fails, or could not catch up in time.

        Raises:
            Throttled: too many questions of this caller wait.
            Unavailable: the storage failed, the caller's turn did not come, or the answer takes too long.
        """
        acknowledged = self._acknowledged()
        await self._freshness.wait(acknowledged)

        def answer() -> _A:
            with self._ledger.snapshot() as cursor:
                found = question(self._ledger)
            return finish(found, max(0, acknowledged - cursor))

        return await self.beside(caller, answer)

    async def beside(self, caller: Caller, work: Callable[[], _A]) -> _A:
        """Run work beside the event loop, on one of a few threads, when it is the caller's turn.

        The work has `SNAPSHOT_S`. Where it may take long, it must call `deadline.check` now and then.

        Raises:
            Throttled: too much work of this caller waits.
            Unavailable: the caller's turn did not come, or the work takes too long.
        """

        def timed() -> _A:
            with deadline.within(SNAPSHOT_S):
                return work()

        loop = asyncio.get_running_loop()
        await self._turns.take(caller)
        running = self._threads.submit(timed)
        lock_sharing.begin()

        def ended() -> None:
            lock_sharing.end()
            self._turns.release(caller)

        def release() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(ended)

        # Not at the end of this task: the thread goes on when the task is cancelled.
        running.add_done_callback(lambda _: release())
        return await asyncio.wrap_future(running)

    def close(self) -> None:
        """Wait for the work in progress. No more may be given."""
        self._threads.shutdown()
