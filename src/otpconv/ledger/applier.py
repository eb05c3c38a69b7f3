"""The applier: a thread that brings the journal into the ledger, a moment after it was acknowledged."""

import logging
import threading
import time
from collections.abc import Callable

from otpconv.errors import OtpconvError
from otpconv.ledger.contract import Follower

#: Entries of one transaction: some 30 ms of work.
BATCH = 5_000
#: Pause between transactions when the journal is read to its end, s: larger batches cost less each.
PAUSE_S = 0.06
#: Pause after a failure of the storage, s.
RETRY_S = 1.0

_log = logging.getLogger(__name__)


class Applier:
    """Runs a follower in a thread of its own, from `start` to `stop`.

    Attributes:
        applied: position of the last journal entry in the ledger.
        failed: why applying stands still; None while all is well.
    """

    def __init__(self, follower: Callable[[], Follower], measured: Callable[[int, float], None]) -> None:
        """Take what the thread is to run.

        Args:
            follower: opens it; it is opened, used and closed in the thread.
            measured: called after each transaction with its entries and the time it took, s.
        """
        self._measured = measured
        self._open = follower
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="applier", daemon=True)
        self.applied = 0
        self.failed: str | None = None

    def start(self) -> None:
        """Start the thread; it begins with what an earlier process left in the journal."""
        self._thread.start()

    def notify(self) -> None:
        """Say that there is something new in the journal."""
        self._wake.set()

    def stop(self, timeout_s: float = 30.0) -> None:
        """Apply what is in the journal and end the thread; what remains is applied at the next start."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        follower = self._opened()
        if follower is None:
            return
        try:
            while True:
                self._wake.clear()
                stopping = self._stopping.is_set()
                moved = self._apply(follower)
                if stopping and not moved:
                    return
                if moved is not None and moved < BATCH // 2:
                    self._stopping.wait(PAUSE_S)
                if moved == 0:
                    self._wake.wait()
        finally:
            follower.close()

    def _opened(self) -> Follower | None:
        """Open the follower, as often as it takes; None when it is time to stop before it succeeds."""
        while True:
            try:
                return self._open()
            except OtpconvError as error:
                self._fail(error)
                if self._stopping.is_set():
                    return None

    def _apply(self, follower: Follower) -> int | None:
        """Apply one batch and return how many entries it had; None after a failure, once a pause is over."""
        before, began = self.applied, time.perf_counter()
        try:
            self.applied = follower.apply(BATCH)
        except OtpconvError as error:
            self._fail(error)
            return None
        if self.failed is not None:
            _log.info("applying goes on")
            self.failed = None
        if self.applied > before:
            self._measured(self.applied - before, time.perf_counter() - began)
        return self.applied - before

    def _fail(self, error: OtpconvError) -> None:
        """Say why applying stands still, and wait a moment."""
        if self.failed is None:
            _log.error("applying stands still: %s", error.text)
        self.failed = error.text
        self._stopping.wait(RETRY_S)
