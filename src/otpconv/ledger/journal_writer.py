"""Writes the journal: on the event loop while the disk is fast, in a thread while it is slow.

On a fast disk, handing a commit to a thread and back costs more than the wait (measured). On a slow disk the
event loop would wait, and with it every other request, such as a health check or a page.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from otpconv import lock_sharing
from otpconv.errors import OtpconvError
from otpconv.storage.awaitable import AwaitableOrValue
from otpconv.storage.contract import Entry
from otpconv.storage.journal import Journal

#: A commit that takes longer is slow, s. On a healthy disk most take under 5 ms.
SLOW_S = 0.03
#: How long the thread makes all commits after a slow one, s: a disk that was slow often is again.
SLOW_FOR_S = 10.0


class JournalWriter:
    """Appends to the journal.

    Args:
        journal: opened by the thread of the event loop; used there while the disk is fast.
        another: opens the same journal again, for the writer's thread; called there before its first commit.

    Attributes:
        failed: why the last commit failed; None after one that succeeded.
        failed_at: when it failed, by `time.monotonic`.
        succeeded_at: when a commit last succeeded, by `time.monotonic`; None before the first.
    """

    def __init__(self, journal: Journal, another: Callable[[], Journal]) -> None:
        self._journal = journal
        self._another = another
        self._journal_of_thread: Journal | None = None
        self._thread = ThreadPoolExecutor(1, "journal")
        self._in_thread: asyncio.Future[int] | None = None
        self._slow_until = 0.0
        # When each began: a batch of reports and an expiry may wait at once.
        self._waiting: list[float] = []
        self.failed: str | None = None
        self.failed_at: float | None = None
        self.succeeded_at: float | None = None

    @property
    def at_once(self) -> int:
        """How many commits may be on their way at once."""
        return self._journal.at_once

    def waiting_s(self) -> float:
        """Return how long the event loop has waited for a commit, s; 0 when there is none."""
        return time.monotonic() - self._waiting[0] if self._waiting else 0.0

    def append(self, entries: Sequence[Entry], recorded_at: int) -> AwaitableOrValue[int]:
        """Commit, and return the position of the last entry.

        On a fast disk the calling thread commits, and the position is there at once. On a slow disk the
        writer's thread commits; it keeps the order of the calls.

        Raises:
            Unavailable: the storage failed; nothing was recorded.
        """
        if self._is_slow():
            loop = asyncio.get_running_loop()
            self._in_thread = loop.run_in_executor(self._thread, self._commit_in_thread, entries, recorded_at)
            return self._wait(self._in_thread, time.monotonic())
        began = time.monotonic()
        try:
            position = self._journal.append(entries, recorded_at)
        except Exception as error:
            self._note_time(time.monotonic() - began)
            self._note_failure(error)
            raise
        if not isinstance(position, int):
            return self._wait(position, began)
        self._note_time(time.monotonic() - began)
        self._note_success()
        return position

    def confirm(self) -> AwaitableOrValue[None]:
        """Make sure that everything that can be read is durable; see `Journal.confirm`.

        Raises:
            Unavailable: the storage failed.
        """
        return self._journal.confirm()

    async def _wait(self, position: Awaitable[int], began: float) -> int:
        """Wait for a commit that the event loop does not make itself."""
        self._waiting.append(began)
        try:
            with lock_sharing.shared():
                committed = await position
        except Exception as error:
            self._note_failure(error)
            raise
        finally:
            self._waiting.remove(began)
        self._note_success()
        return committed

    def close(self) -> None:
        """Close the journal, once the thread has finished."""
        self._thread.submit(self._close_in_thread).result()
        self._thread.shutdown()
        self._journal.close()

    def _is_slow(self) -> bool:
        """Return whether a commit was slow lately, or one is in the thread."""
        in_thread = self._in_thread is not None and not self._in_thread.done()
        return in_thread or time.monotonic() < self._slow_until

    def _commit_in_thread(self, entries: Sequence[Entry], recorded_at: int) -> int:
        if self._journal_of_thread is None:
            self._journal_of_thread = self._another()
        # Measured here: how long the way back takes on a busy event loop says nothing about the disk.
        began = time.monotonic()
        try:
            position = self._journal_of_thread.append(entries, recorded_at)
        finally:
            self._note_time(time.monotonic() - began)
        if not isinstance(position, int):
            raise TypeError("An engine that answers later is never slow.")
        return position

    def _close_in_thread(self) -> None:
        if self._journal_of_thread is not None:
            self._journal_of_thread.close()

    def _note_time(self, took_s: float) -> None:
        if took_s > SLOW_S:
            self._slow_until = time.monotonic() + SLOW_FOR_S

    def _note_success(self) -> None:
        self.failed, self.failed_at, self.succeeded_at = None, None, time.monotonic()

    def _note_failure(self, error: Exception) -> None:
        self.failed_at = time.monotonic()
        self.failed = error.text if isinstance(error, OtpconvError) else repr(error)
