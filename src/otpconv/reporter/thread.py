"""The delivering thread: it looks after the spool, and sends in rounds what waits there."""

import logging
import os
import threading
import time
from contextlib import suppress

from otpconv.clock import Clock
from otpconv.delivery.rounds import Rounds
from otpconv.delivery.transport import Fate, Outcome, Transport
from otpconv.reporter import processes
from otpconv.reporter.backlog import Backlog
from otpconv.reporter.spool import Spool
from otpconv.reporter.switch import Switch

#: How often to look for reports to deliver, s: no caller spends time on waking the thread.
_LOOK_S = 0.1
#: The pause after an error of our own, or of the disk, s.
_TROUBLE_S = 1.0

_log = logging.getLogger("otpconv.reporter")


class DeliveryThread:
    """Delivers in the background, in rounds.

    Attributes:
        rounds: sends the reports.
        degraded: whether delivery was switched off when the thread last looked.
        put_off: whether the start was put off because this process may not start threads before it forks.
    """

    def __init__(
        self,
        spool: Spool,
        backlog: Backlog,
        transport: Transport,
        switch: Switch,
        clock: Clock,
        *,
        longest_pause_ms: int,
        sync_ms: int | None,
    ) -> None:
        """Start no thread yet.

        Args:
            spool: the spool of this process.
            backlog: the reports to deliver.
            transport: sends reports.
            switch: the manual switch.
            clock: the time now.
            longest_pause_ms: the longest pause between two tries.
            sync_ms: how often to write spooled reports to the disk; None leaves that to the system.
        """
        self.rounds = Rounds(backlog, transport, _log, longest_pause_ms=longest_pause_ms)
        self.degraded = switch.look()
        self.put_off = False
        self._spool = spool
        self._backlog = backlog
        self._transport = transport
        self._switch = switch
        self._clock = clock
        self._sync_s = None if sync_ms is None else sync_ms / 1000
        self._thread: threading.Thread | None = None
        self._asleep = threading.Lock()
        self._stopping = self._abandoned = False
        self._synced = 0.0

    def start(self) -> None:
        """Start the thread, unless it runs or was stopped; put that off where no thread may run yet."""
        if self._thread is not None or self._stopping:
            return
        self.put_off = not processes.may_start_threads()
        if self.put_off:
            return
        # The thread waits for this lock. Not an Event: its methods are Python code, and an exception that a
        # signal handler raises in the middle of one (Ctrl-C) would leave it locked for ever. Made here, since
        # gevent may have replaced threads and locks after the reporter was made.
        self._asleep = threading.Lock()
        self._asleep.acquire()
        self._thread = threading.Thread(target=self._run, name="otpconv-reporter", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            # The interpreter is ending, or the machine has no more threads: the reports stay in the spool.
            self._thread = None
            _log.error("nothing is delivered by process %d: %s", os.getpid(), error)

    @property
    def works(self) -> bool:
        """Whether this process delivers reports, as far as it knows."""
        return self._thread is not None and self.rounds.breaker.state == "closed" and not self.degraded

    def hurry(self) -> None:
        """Look now, and try now even if the last try failed."""
        self.rounds.breaker.probe_now()
        self._wake()

    def stop(self, timeout_s: float) -> None:
        """End the thread after its round, and let other processes deliver."""
        self._stopping = True
        self._wake()
        thread = self._thread
        # A thread whose start was interrupted is not alive, and can't be joined.
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(timeout_s)

    def abandon(self) -> None:
        """Leave thread and connections to the parent, in a child. A greenlet, which is there too, ends."""
        self._stopping = self._abandoned = True

    def _wake(self) -> None:
        with suppress(RuntimeError):  # somebody else has just done it
            if self._asleep.locked():
                self._asleep.release()

    def _run(self) -> None:
        while not self._stopping:
            try:
                pause_s = self._step()
            except Exception as error:  # noqa: BLE001 - this thread must outlive everything
                pause_s = _TROUBLE_S
                self.rounds.warn(Outcome(Fate.FAILED, type(error).__name__, str(error)), "nothing is", error)
            if pause_s > 0:
                self._asleep.acquire(timeout=pause_s)
        if not self._abandoned:
            self._backlog.release()
            self._transport.close()

    def _step(self) -> float:
        """Do what there is to do, and return how long to wait before the next step, s."""
        now = self._clock()
        self._sync()
        self._spool.heal(now)
        self.degraded = self._switch.look()
        self._backlog.claim(self._transport.destination)
        self._backlog.look_after(now)
        self.rounds.withdraw()
        wait_s = self.rounds.breaker.wait_s()
        if self.degraded or wait_s > 0:
            return min(max(wait_s, _LOOK_S), _TROUBLE_S)
        if not self.rounds.fill():
            self._backlog.keep()
            return _LOOK_S
        # Looked at again after the reports were read: one that came after `degrade` is not sent.
        self.degraded = self._switch.look()
        if self.degraded:
            return _LOOK_S
        self.rounds.send(now)
        self._backlog.keep()
        return 0.0

    def _sync(self) -> None:
        if self._sync_s is not None and time.monotonic() - self._synced >= self._sync_s:
            self._spool.sync()
            self._synced = time.monotonic()
