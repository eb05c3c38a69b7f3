"""The applier: a thread that applies the journal to the ledger, a moment after the acknowledgement."""

import logging
import threading
import time
from collections.abc import Callable

from otpconv.errors import OtpconvError
from otpconv.storage.contract import LedgerWriter
from otpconv.storage.nodes import ALL_LEASES, LEDGER, Leases

#: Entries of one transaction: about 30 ms of work.
BATCH = 5_000
#: Pause between transactions at the end of the journal, s: larger batches cost less per entry.
PAUSE_S = 0.06
#: The same at most, while transactions take long and nobody waits, s. An entry in a batch of 2,000 costs
#: PostgreSQL two thirds of one in a batch of 400.
LONG_PAUSE_S = 0.2
#: While a question waits for an entry, the pause is this many times as long as the last transaction, so that
#: applying takes at most a fifth of the time, however many questions wait.
RESTS = 4
#: How often the applier looks for entries that nobody announced, e.g. those of a command that deletes, s. For
#: that long after such an entry it looks more often: the command waits for each before it makes the next one.
LOOK_S, LOOK_AGAIN_S = 0.1, 0.002
#: How often it looks whether another node has applied the entry that a question waits for, s.
WATCH_S = 0.005
#: Pause after a failure of the storage, s: short at first, since the storage may only have been busy. It
#: doubles up to `RETRY_S`.
FIRST_RETRY_S = 0.02
RETRY_S = 1.0
#: After a failure the next batch is half as large; then each is larger by this part, up to `BATCH`.
_GROWTH = 16

_log = logging.getLogger(__name__)


class Applier:
    """Runs a ledger writer in a thread of its own, from `start` to `stop`.

    While another node holds the lease of the ledger, it only watches how far the other one is.

    Attributes:
        applied: position of the last journal entry in the ledger.
        failed: why applying has stopped; None while it works.
        moved: called in the thread once `applied` has grown or applying has failed; set it before `start`.
    """

    def __init__(
        self,
        writer: Callable[[], LedgerWriter],
        cursor: int,
        *,
        measured: Callable[[int, float], None],
        leases: Leases = ALL_LEASES,
    ) -> None:
        """Prepare the thread.

        Args:
            writer: opens the ledger writer; the thread opens, uses and closes it.
            cursor: position of the last journal entry that is already in the ledger.
            measured: called after each transaction with its entries and the time it took, s.
            leases: knows whether this process is the one that applies.
        """
        self._open = writer
        self._leases = leases
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
        self._most = BATCH
        self.moved: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Start the thread. First it applies what an earlier process left in the journal."""
        self._thread.start()

    def notify(self) -> None:
        """Announce new entries in the journal; call it after each append."""
        self._wake.set()

    def hurry(self, position: int) -> None:
        """Shorten the pause before the entry at `position` is applied, since a question waits for it."""
        self._wanted = max(self._wanted, position)
        self._hurry.set()

    def failing_s(self) -> float:
        """Return how long applying has been failing, s; 0 while it works."""
        return time.monotonic() - self._failing_since if self.failed is not None else 0.0

    def stop(self, timeout_s: float = 30.0) -> None:
        """Apply the entries in the journal and end the thread. The next start applies the remaining ones."""
        self._stopping.set()
        self._wake.set()
        self._hurry.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._follow()
        except Exception as error:  # noqa: BLE001 - a bug, and nothing else would notice it
            _log.exception("the applier ended")
            if self.failed is None:
                self._failing_since = time.monotonic()
            self.failed = f"The applier ended ({error!r}): see the log, then restart the server."
            self.moved()

    def _follow(self) -> None:
        writer = self._opened()
        if writer is None:
            return
        expected_until = 0.0
        try:
            while True:
                stopping = self._stopping.is_set()
                if not self._leases.holds(LEDGER):
                    if stopping:
                        return
                    self._watch(writer)
                    continue
                announced = self._wake.is_set()
                self._wake.clear()
                began = time.perf_counter()
                count = self._apply(writer)
                now = time.perf_counter()
                announced = announced or self._wake.is_set()  # a notice follows its entry
                few = count is not None and count < BATCH // 2
                # Other nodes may report without an end.
                if stopping and (not count or (few and self._leases.shared)):
                    return
                if count and not announced:
                    expected_until = now + LOOK_S
                    if few and self._leases.shared:  # the reports of another node, with more to come
                        self._rest(now - began)
                elif few and announced:
                    self._pause(now - began)
                if count == 0:
                    # A look over a network takes longer, and must rest too.
                    rest_s = RESTS * (now - began) if self._leases.shared else 0.0
                    self._wake.wait(max(LOOK_AGAIN_S, rest_s) if now < expected_until else LOOK_S)
        finally:
            writer.close()

    def _pause(self, took_s: float) -> None:
        """Let entries gather for the next transaction; for less time while a question waits for one."""
        rest_s = self._rest(took_s)
        self._hurry.clear()
        if self._wanted <= self.applied and not self._stopping.is_set():
            self._hurry.wait(max(PAUSE_S, min(LONG_PAUSE_S, RESTS * took_s)) - rest_s)

    def _rest(self, took_s: float) -> float:
        """Wait for as long as applying must rest after a transaction, and return how long, s."""
        rest_s = min(PAUSE_S, RESTS * took_s)
        self._stopping.wait(rest_s)
        return rest_s

    def _watch(self, writer: LedgerWriter) -> None:
        """Look how far another node has applied the journal, and wait a moment."""
        self._hurry.clear()
        self._attempt(writer.cursor)
        if self._wanted > self.applied:
            self._stopping.wait(WATCH_S)
        else:
            self._hurry.wait(LOOK_S)

    def _opened(self) -> LedgerWriter | None:
        """Open the writer, with retries; None if `stop` comes before it succeeds."""
        while True:
            try:
                return self._open()
            except Exception as error:  # noqa: BLE001 - the next attempt may succeed, and nothing else would try
                self._fail(error)
                if self._stopping.is_set():
                    return None

    def _apply(self, writer: LedgerWriter) -> int | None:
        """Apply one batch and return its number of entries; None after a failure and a pause."""
        began = time.perf_counter()
        count = self._attempt(lambda: writer.apply(self._most))
        # Parts may succeed where the whole takes longer than the storage lets it.
        if count is None:
            self._most = max(1, self._most // 2)
        else:
            self._most = min(BATCH, self._most + self._most // _GROWTH + 1)
        if count:
            self._measured(count, time.perf_counter() - began)
        return count

    def _attempt(self, move: Callable[[], int]) -> int | None:
        """Set `applied` to what `move` returns, and return by how much it grew; None after a failure."""
        before = self.applied
        try:
            self.applied = move()
        except Exception as error:  # noqa: BLE001 - as above; the transaction was rolled back
            self._fail(error)
            return None
        if self.failed is not None:
            _log.info("applying goes on")
            self.failed = None
            self._retry_s = FIRST_RETRY_S
        if self.applied > before:
            self.moved()
        return self.applied - before

    def _fail(self, error: Exception) -> None:
        """Log why applying has stopped, and wait a moment."""
        expected = isinstance(error, OtpconvError)
        text = error.text if isinstance(error, OtpconvError) else repr(error)
        if self.failed is None:
            self._failing_since = time.monotonic()
            _log.error("applying stands still: %s", text, exc_info=None if expected else error)
        self.failed = text
        self.moved()
        self._stopping.wait(self._retry_s)
        self._retry_s = min(2 * self._retry_s, RETRY_S)
