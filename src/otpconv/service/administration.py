"""Changes of users, keys and policies in a running server, each with a line in the audit trail.

The stores wait for the disk and for other processes, so everything here runs in a thread of its own.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import TypeVar

from msgspec import Struct

from otpconv.access.directory import Directory
from otpconv.access.keys import KeyStore
from otpconv.clock import Clock
from otpconv.config import Settings
from otpconv.errors import Unavailable
from otpconv.service.changes import Change, recorded

#: Calls that may wait for the thread, because administrators are few; further ones are refused.
MAX_WAITING = 32

_T = TypeVar("_T")


class Stores(Struct, frozen=True):
    """The open stores of a data folder.

    Attributes:
        directory: users, roles and policies.
        keys: access keys.
    """

    directory: Directory
    keys: KeyStore


class Administration:
    """Reads and changes users, keys and policies.

    Args:
        settings: the data folder.
        clock: the time now.
        open_directory: opens the directory of the data folder.
        open_key_store: opens its key store.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        open_directory: Callable[[Settings, Clock], Directory],
        open_key_store: Callable[[Settings, Clock], KeyStore],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._open_directory = open_directory
        self._open_key_store = open_key_store
        self._thread = ThreadPoolExecutor(1, "administration")
        self._waiting = 0

    async def read(self, work: Callable[[Stores], _T]) -> _T:
        """Return what `work` reads from the stores.

        Raises:
            Unavailable: too many calls are waiting, or the disk fails.
            OtpconvError: whatever `work` raises.
        """
        return await self._run(lambda: self._work(work))

    async def change(self, change: Change, work: Callable[[Stores], _T]) -> _T:
        """Let `work` change the stores, and record that in the audit trail, whether or not it succeeds.

        Raises:
            Unavailable: too many calls are waiting, or the disk fails.
            OtpconvError: whatever `work` raises.
        """
        return await self._run(lambda: self._recorded(change, lambda: self._work(work)))

    async def aside(self, work: Callable[[], _T]) -> _T:
        """Return what `work`, which needs no store, returns; it may wait for the disk.

        Raises:
            Unavailable: too many calls are waiting.
        """
        return await self._run(work)

    async def note(self, change: Change) -> None:
        """Record something in the audit trail that changes no store, e.g. a sign-in.

        Raises:
            Unavailable: too many calls are waiting.
        """
        await self._run(lambda: self._recorded(change, lambda: None))

    def close(self) -> None:
        """End the thread, once it has finished."""
        self._thread.shutdown()

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self._waiting >= MAX_WAITING:
            raise Unavailable("Too many changes of users and policies are waiting. Retry in some seconds.")
        self._waiting += 1
        running = asyncio.get_running_loop().run_in_executor(self._thread, work)
        running.add_done_callback(self._finished)
        # Shielded: the work goes on when its client disconnects, and counts until it has ended.
        return await asyncio.shield(running)

    def _finished(self, running: "asyncio.Future[_T]") -> None:
        self._waiting -= 1
        if not running.cancelled():
            running.exception()  # nobody may be waiting for it any more

    def _work(self, work: Callable[[Stores], _T]) -> _T:
        # Opened for each call: calls are rare, and the files may have been restored in between.
        with ExitStack() as stack:
            keys = stack.enter_context(closing(self._open_key_store(self._settings, self._clock)))
            directory = stack.enter_context(closing(self._open_directory(self._settings, self._clock)))
            return work(Stores(directory, keys))

    def _recorded(self, change: Change, work: Callable[[], _T]) -> _T:
        with recorded(change, self._settings.data, self._clock):
            return work()
