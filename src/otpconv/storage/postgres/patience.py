"""How long reports wait for PostgreSQL. Those that it does not answer in time are refused."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, Final, TypeVar

from otpconv.errors import Unavailable
from otpconv.storage import deadline
from otpconv.storage.postgres.address import Address

_T = TypeVar("_T")


class Patience:
    """Bounds how long the event loop waits for a call. Lookups and commits of reports share one object.

    A call that takes too long is given up: its caller gets an error, and a moment later its thread drops the
    connection. Until the thread has returned, all calls are refused at once. So reports that wait for the
    batch before them do not wait for another timeout.

    Args:
        address: for the texts.
        seconds: how long one call may take, s.
    """

    def __init__(self, address: Address, seconds: float) -> None:
        self._address = address
        self._seconds: Final = seconds
        self._given_up: list[Future[Any]] = []

    async def run(self, thread: Executor, work: Callable[[], _T]) -> _T:
        """Return what `work` returns on a thread.

        Raises:
            Unavailable: it takes too long, or an earlier call still does. The outcome is unknown.
        """
        self._given_up = [call for call in self._given_up if not call.done()]
        if self._given_up:
            raise self._error()
        call = thread.submit(self._bounded, work)
        # Not cancelled with its caller: a commit goes on when its request ends, and the next comes after it.
        waiting = asyncio.wrap_future(call)
        if not (await asyncio.wait({waiting}, timeout=self._seconds))[0]:
            waiting.cancel()
            self._given_up.append(call)
            raise self._error()
        return waiting.result()

    def _bounded(self, work: Callable[[], _T]) -> _T:
        with deadline.within(self._seconds):
            return work()

    def _error(self) -> Unavailable:
        return Unavailable(
            f"PostgreSQL ({self._address}) does not answer within {self._seconds:g} s. A report may have been"
            " recorded: send it again, a repeat does no harm."
        )
