"""Runs the detectors each minute, for each account, and records what they find."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from otpconv.alerts.detector import Detector
from otpconv.alerts.ledger_source import LedgerSource
from otpconv.clock import Clock
from otpconv.errors import OtpconvError
from otpconv.storage import deadline
from otpconv.storage.alerts.contract import AlertStore, Checkpoint
from otpconv.storage.contract import MINUTE_MS, LedgerReader

#: A minute is looked at so long after its end, ms: the reports of its last seconds are in the ledger then.
_AFTER_MS: Final = 5_000
#: Minutes that are looked at one by one after a stop; older ones are left out, but their hours are learned.
CATCH_UP: Final = 60
#: How long one account may take in a round, s, and all of them together; the others come first in the next.
ACCOUNT_S, ROUND_S = 10.0, 50.0
#: Accounts whose detectors stay in memory; those of others are read again each minute.
KEPT_ACCOUNTS: Final = 100
#: How often it is looked whether a minute is due, s.
STEP_S: Final = 1.0

_log = logging.getLogger(__name__)


class _Watched(Struct):
    """An account, as far as its detectors have looked.

    Attributes:
        detector: all of them.
        at: the next minute to look at, ms; None: they have not looked yet.
    """

    detector: Detector
    at: int | None


class Follower:
    """Looks at each whole minute of each account that has messages.

    Exact over restarts: findings and what the detectors remember are one commit, which fails if another
    process has looked meanwhile.

    Args:
        ledger: has the counts.
        store: keeps alerts and what detectors remember.
        accounts: returns all accounts.
        detector: makes the detectors of an account.
        clock: the time now.
    """

    def __init__(
        self,
        ledger: LedgerReader,
        store: AlertStore,
        accounts: Callable[[], Sequence[int]],
        detector: Callable[[int], Detector],
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._accounts = accounts
        self._detector = detector
        self._clock = clock
        self._watched: OrderedDict[int, _Watched] = OrderedDict()
        #: Accounts in the order of their turns; those that had none in the last round come first.
        self._turns: list[int] = []
        self._round = 0
        self._failures: dict[int, str] = {}
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look at each minute until `stop`; no failure ends it."""
        failed = ""
        while not self._stopping.is_set():
            try:
                self.step()
                failed = ""
            except Exception as error:  # noqa: BLE001 - the next attempt may succeed
                failed = _logged(error, "the detectors stand still", failed)
            self._stopping.wait(STEP_S)

    def stop(self) -> None:
        """End `run`, from any thread, once the look that runs has ended."""
        self._stopping.set()

    def step(self) -> None:
        """Look at the minutes that are due, for as many accounts as there is time for.

        Raises:
            Misconfigured: the storage can't be used.
            Unavailable: the storage failed.
        """
        due = (self._clock() - _AFTER_MS) // MINUTE_MS * MINUTE_MS
        if due > self._round:
            known = self._accounts()
            waiting = [account for account in self._turns if account in known]
            self._turns = [*waiting, *(account for account in known if account not in waiting)]
            self._round = due
            self._failures = {each: text for each, text in self._failures.items() if each in known}
        until = time.monotonic() + ROUND_S
        while self._turns and time.monotonic() < until and not self._stopping.is_set():
            account = self._turns.pop(0)
            try:
                with deadline.within(ACCOUNT_S):
                    self._follow(account, due)
                self._failures.pop(account, None)
            except Exception as error:  # noqa: BLE001 - other accounts are watched all the same
                # The detectors may have looked already: they begin again from the last commit.
                self._watched.pop(account, None)
                what = f"account {account} is not watched now"
                self._failures[account] = _logged(error, what, self._failures.get(account, ""))

    def _follow(self, account: int, due: int) -> None:
        """Look at the minutes of an account up to one, ms, each in a commit of its own."""
        watched = self._watched.pop(account, None) or self._recalled(account)
        if watched.at is None and not self._ledger.routes(account, 1):
            return  # it has no messages yet
        at = due if watched.at is None else max(watched.at, due - CATCH_UP * MINUTE_MS)
        while at <= due and not self._stopping.is_set():
            with self._ledger.snapshot():
                changes = watched.detector.look(at, LedgerSource(self._ledger, account))
            checkpoint = Checkpoint(at + MINUTE_MS, watched.detector.memory())
            if not self._store.record(account, watched.at, checkpoint, changes):
                return  # another process has looked: its memory is read the next time
            watched.at = at = checkpoint.at
        self._watched[account] = watched
        while len(self._watched) > KEPT_ACCOUNTS:
            self._watched.popitem(last=False)

    def _recalled(self, account: int) -> _Watched:
        detector = self._detector(account)
        checkpoint = self._store.checkpoint(account)
        if checkpoint is not None:
            detector.recall(checkpoint.parts)
        return _Watched(detector, checkpoint.at if checkpoint else None)


def _logged(error: Exception, what: str, last: str) -> str:
    """Log a failure once, and return its text."""
    known = isinstance(error, OtpconvError)
    text = error.text if isinstance(error, OtpconvError) else repr(error)
    if text != last:
        _log.error("alerts: %s: %s", what, text, exc_info=None if known else error)
    return text
