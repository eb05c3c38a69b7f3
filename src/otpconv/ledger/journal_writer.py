"""Writing the journal: on the event loop while the disk is fast, in a thread while it is slow.

On a fast disk a hand-over to a thread and back costs more than the wait (measured). On a slow one the event
loop would wait with it, and with the loop everybody who asks for something else: a health check, a page.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from otpconv.errors import OtpconvError
from otpconv.storage.contract import Entry, Journal

#: A commit that takes longer is slow, s. On a healthy disk most take under 5 ms.
SLOW_S = 0.03
#: For this long after a slow commit all commits run in the thread, s, because slow disks are often slow
#: again.
ASIDE_S = 10.0


class JournalWriter:
    """Appends to the journal, one commit at a time.

    Attributes:
        failed: why the last commit failed; None after one that succeeded.
        failed_at: when it failed, by `time.monotonic`.
        succeeded_at: when a commit last succeeded, by `time.monotonic`; None before the first.
    """

    def __init__(self, journal: Journal, another: Callable[[], Journal]) -> None:
        """Take the journal for the calling thread.

        Args:
            journal: opened by the thread of the event loop; used there while the disk is fast.
            another: opens the same journal once more, for the thread; called in it, when it is first needed.
        """
        self._journal = journal
        self._another = another
        self._in_thread: Journal | None = None
        self._thread = ThreadPoolExecutor(1, "journal")
        self._aside_until = 0.0
        self._waiting: list[float] = []
        self.failed: str | None = None
        self.failed_at: float | None = None
        self.succeeded_at: float | None = None

    @property
    def is_slow(self) -> bool:
        """Whether the next commit has to go aside: a commit was slow lately, or one is in the thread."""
        return bool(self._waiting) or time.monotonic() < self._aside_until

    def waiting_s(self) -> float:
        """Return how long the commit in the thread has lasted, s; 0 when there is none."""
        return time.monotonic() - self._waiting[0] if self._waiting else 0.0

    def append(self, entries: Sequence[Entry], recorded_at: int) -> int:
        """Commit on the calling thread, the event loop's, and return the position of the last entry.

        Raises:
            Unavailable: the storage failed; nothing was recorded.
        """
        began = time.monotonic()
        try:
            upto = self._journal.append(entries, recorded_at)
        except Exception as error:
            self._note(time.monotonic() - began, error)
            raise
        self._note(time.monotonic() - began)
        return upto

    async def append_aside(self, entries: Sequence[Entry], recorded_at: int) -> int:
        """Do as `append` in the thread; several calls are committed in their order.

        Raises:
            Unavailable: the storage failed; nothing was recorded.
        """
        self._waiting.append(time.monotonic())
        try:
            upto, took_s = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._append_in_thread, entries, recorded_at
            )
        except Exception as error:
            self._note(self.waiting_s(), error)
            raise
        finally:
            del self._waiting[0]
        self._note(took_s)
        return upto

    async def append_now(self, entries: Sequence[Entry], recorded_at: int) -> int:
        """Do as `append`, in the thread if the disk is slow."""
        if self.is_slow:
            return await self.append_aside(entries, recorded_at)
        return self.append(entries, recorded_at)

    def close(self) -> None:
        """Close the journal, once the thread has finished."""
        self._thread.submit(self._close_in_thread).result()
        self._thread.shutdown()
        self._journal.close()

    def _append_in_thread(self, entries: Sequence[Entry], recorded_at: int) -> tuple[int, float]:
        if self._in_thread is None:
            self._in_thread = self._another()
        began = time.monotonic()
        upto = self._in_thread.append(entries, recorded_at)
        # Measured here: how long the way back takes on a busy event loop says nothing about the disk.
        return upto, time.monotonic() - began

    def _close_in_thread(self) -> None:
        if self._in_thread is not None:
            self._in_thread.close()

    def _note(self, took_s: float, error: Exception | None = None) -> None:
        now = time.monotonic()
        if took_s > SLOW_S:
            self._aside_until = now + ASIDE_S
        if error is None:
            self.failed, self.failed_at, self.succeeded_at = None, None, now
        else:
            self.failed_at = now
            self.failed = error.text if isinstance(error, OtpconvError) else repr(error)
