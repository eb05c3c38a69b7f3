"""Runs the follower of the journal and the senders, one thread for each vendor account."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from otpconv.access.vendors import VendorAccount
from otpconv.clock import Clock
from otpconv.errors import OtpconvError
from otpconv.relay.calls import Calls, OpenNumber
from otpconv.relay.follower import Follower
from otpconv.relay.kind import Kind
from otpconv.relay.sender import Sender
from otpconv.storage.relay.contract import RelayStore

#: How often the vendor accounts are read, and how long the follower waits at the end of the journal, s.
_VENDORS_S, _END_S = 1.0, 0.1
#: The pause after a failure of the storage, s.
_RETRY_S: Final = 1.0
#: Rows of a deleted vendor account that are deleted at once.
_DROPPED_AT_ONCE: Final = 5_000

_log = logging.getLogger(__name__)


class Relay:
    """The relay of one process.

    Args:
        follower: plans, in the thread that calls `run`.
        store: what to send.
        vendors: returns the vendor accounts of all accounts.
        kinds: returns the kind of a name; None if this version does not know it.
        clock: the time now.
        open_number: see `Calls`.
    """

    def __init__(
        self,
        follower: Follower,
        store: RelayStore,
        vendors: Callable[[], Sequence[VendorAccount]],
        kinds: Callable[[str], Kind | None],
        clock: Clock,
        *,
        open_number: OpenNumber,
    ) -> None:
        self._open_number = open_number
        self._follower = follower
        self._store = store
        self._vendors = vendors
        self._kinds = kinds
        self._clock = clock
        self._stopping = threading.Event()
        self._workers: dict[int, _Worker] = {}

    def run(self) -> None:
        """Relay until `stop`. No failure ends it: each is logged, and what failed is tried again."""
        look_at = 0.0
        failed = ""
        try:
            while not self._stopping.is_set():
                try:
                    behind = self._follower.behind()
                    # Before something is planned: a relay that was paused before it was reported must not
                    # send it.
                    if behind or time.monotonic() >= look_at:
                        self._look()
                        look_at = time.monotonic() + _VENDORS_S
                    began = time.monotonic()
                    for vendor in self._follower.step():
                        if vendor in self._workers:
                            self._workers[vendor].wake()
                    # It rests as long as it works: reports and the ledger come first.
                    self._stopping.wait(time.monotonic() - began if behind else _END_S)
                    failed = ""
                except Exception as error:  # noqa: BLE001 - the next attempt may succeed
                    failed = _logged(error, "the relay stands still", failed)
                    self._stopping.wait(_RETRY_S)
        finally:
            for worker in self._workers.values():
                worker.stop()
            for worker in self._workers.values():
                worker.join()
            self._store.close()

    def stop(self) -> None:
        """Let `run` return soon: once the calls that are on their way have ended. Any thread may call it."""
        self._stopping.set()

    def _look(self) -> None:
        """Read the vendor accounts: start and stop the threads of those that have changed."""
        vendors = {vendor.id: vendor for vendor in self._vendors()}
        for number, worker in [*self._workers.items()]:
            if worker.vendor != vendors.get(number):
                worker.stop()
            # Also if the vendor account is again as it was: a worker that was stopped does not go on.
            if worker.is_over():
                del self._workers[number]
        for number, vendor in vendors.items():
            kind = self._kinds(vendor.kind)
            active = vendor.relayed and not vendor.paused
            if number not in self._workers and active and kind is not None:
                calls = Calls(vendor, kind, self._clock, self._open_number)
                self._workers[number] = _Worker(vendor, kind, self._store, calls, self._clock)
        for number in self._store.counts().keys() | self._store.contacts().keys():
            if number not in vendors and number not in self._workers:
                self._store.drop(number, _DROPPED_AT_ONCE)


class _Worker:
    """The thread of one vendor account."""

    def __init__(
        self, vendor: VendorAccount, kind: Kind, store: RelayStore, calls: Calls, clock: Clock
    ) -> None:
        self.vendor = vendor
        self._store = store
        self._calls = calls
        self._sender = Sender(vendor, kind, store, self._calls, clock)
        self._stopping = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"relay {vendor.name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Announce that something may be due."""
        self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._calls.stop()
        self._wake.set()

    def join(self) -> None:
        self._thread.join()

    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        begun, failed = False, ""
        while not self._stopping:
            self._wake.clear()
            try:
                if not begun:
                    self._sender.begin()
                    begun = True
                wait_s = self._sender.round()
                failed = ""
            except Exception as error:  # noqa: BLE001 - the next attempt may succeed
                failed = _logged(error, f"the relay to {self.vendor.name} stands still", failed)
                wait_s = _RETRY_S
            if wait_s > 0:
                self._wake.wait(wait_s)
        self._sender.close()
        self._store.close()


def _logged(error: Exception, what: str, before: str) -> str:
    """Log a failure, if it is another than the one before, and return its text."""
    text = error.text if isinstance(error, OtpconvError) else repr(error)
    if text != before:
        _log.error("%s: %s", what, text, exc_info=None if isinstance(error, OtpconvError) else error)
    return text
