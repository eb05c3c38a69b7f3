"""The applier: a thread that brings the journal into the ledger, a moment after it was acknowledged."""

import logging
import threading
import time
from collections.abc import Callable

from otpconv.errors import OtpconvError
from otpconv.storage.contract import Follower

#: Entries of one transaction: about 30 ms of work.
BATCH = 5_000
#: Pause between transactions when the journal is read to its end, s: larger batches cost less each.
PAUSE_S = 0.06
#: While somebody waits for an entry, the pause is this many times as long as the last transaction, so that
#: applying takes at most a fifth of the time, however many wait.
RESTS = 4
#: Pause after a failure of the storage, s. It is short at first, since the storage may just have been busy,
#: and doubles up to the second one.
FIRST_RETRY_S = 0.02
RETRY_S = 1.0

_log = logging.getLogger(__name__)


class Applier:
    """Runs a follower in a thread of its own, from `start` to `stop`.

    Attributes:
        applied: position of the last journal entry in the ledger.
        failed: why applying stands still; None while all is well.
        moved: called in the thread when `applied` has grown or applying has failed; set it before `start`.
    """

    def __init__(
        self,
        follower: Callable[[], Follower],
        cursor: int,
        *,
        measured: Callable[[int, float], None],
    ) -> None:
        """Prepare the thread.

        Args:
            follower: opens the follower; it is opened, used and closed in the thread.
            cursor: position of the last journal entry that is in the ledger already.
            measured: called after each transaction with its entries and the time it took, s.
        """
        self._open = follower
        self._measured = measured
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="applier", daemon=True)
        self._wanted = 0
        self.applied = cursor
        self.failed: str | None = None
        self._failing_since = 0.0
        self._retry_s = FIRST_RETRY_S
        self.moved: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Start the thread; it begins with what an earlier process left in the journal."""
        self._thread.start()

    def notify(self) -> None:
        """Announce new entries in the journal; call it after each append."""
        self._wake.set()

    def hurry(self, position: int) -> None:
        """Shorten the pause before the entry at `position` is applied, since somebody waits for it."""
        self._wanted = max(self._wanted, position)
        self._hurry.set()

    def failing_s(self) -> float:
        """Return for how long applying has been failing, s; 0 while all is well."""
        return time.monotonic() - self._failing_since if self.failed is not None else 0.0

    def stop(self, timeout_s: float = 30.0) -> None:
        """Apply what is in the journal and end the thread; what remains is applied at the next start."""
        self._stopping.set()
        self._wake.set()
        self._hurry.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._follow()
        except Exception as error:  # noqa: BLE001 - a fault of ours, and there is nobody else to notice it
            _log.exception("the applier ended")
            if self.failed is None:
                self._failing_since = time.monotonic()
            self.failed = f"The applier ended ({error!r}): see the log, then restart the server."
            self.moved()

    def _follow(self) -> None:
        follower = self._opened()
        if follower is None:
            return
        try:
            while True:
                self._wake.clear()
                stopping = self._stopping.is_set()
                began = time.perf_counter()
                count = self._apply(follower)
                if stopping and not count:
                    return
                if count is not None and count < BATCH // 2:
                    self._pause(time.perf_counter() - began)
                if count == 0:
                    self._wake.wait()
        finally:
            follower.close()

    def _pause(self, took_s: float) -> None:
        """Let entries gather for the next transaction; less long while somebody waits for one of them."""
        rest_s = min(PAUSE_S, RESTS * took_s)
        self._stopping.wait(rest_s)
        self._hurry.clear()
        if self._wanted <= self.applied and not self._stopping.is_set():
            self._hurry.wait(PAUSE_S - rest_s)

    def _opened(self) -> Follower | None:
        """Open the follower, as often as it takes; None when it is time to stop before it succeeds."""
        while True:
            try:
                return self._open()
            except Exception as error:  # noqa: BLE001 - the next try may succeed, and nobody else would try
                self._fail(error)
                if self._stopping.is_set():
                    return None

    def _apply(self, follower: Follower) -> int | None:
        """Apply one batch and return how many entries it had; None after a failure, once a pause is over."""
        before, began = self.applied, time.perf_counter()
        try:
            self.applied = follower.apply(BATCH)
        except Exception as error:  # noqa: BLE001 - as above; the transaction was rolled back
            self._fail(error)
            return None
        if self.failed is not None:
            _log.info("applying goes on")
            self.failed = None
            self._retry_s = FIRST_RETRY_S
        if self.applied > before:
            self._measured(self.applied - before, time.perf_counter() - began)
            self.moved()
        return self.applied - before

    def _fail(self, error: Exception) -> None:
        """Say why applying stands still, and wait a moment."""
        expected = isinstance(error, OtpconvError)
        text = error.text if isinstance(error, OtpconvError) else repr(error)
        if self.failed is None:
            self._failing_since = time.monotonic()
            _log.error("applying stands still: %s", text, exc_info=None if expected else error)
        self.failed = text
        self.moved()
        self._stopping.wait(self._retry_s)
        self._retry_s = min(2 * self._retry_s, RETRY_S)
