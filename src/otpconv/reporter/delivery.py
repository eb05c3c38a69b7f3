"""The delivering thread: takes reports from the backlog, sends them, and settles what became of them."""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence

from otpconv.clock import Clock
from otpconv.delivery.breaker import Breaker
from otpconv.delivery.transport import Fate, Outcome, Transport
from otpconv.reporter import processes
from otpconv.reporter.backlog import Backlog, Item
from otpconv.reporter.spool import Spool
from otpconv.reporter.switch import Switch

#: How often it is looked whether there is something to deliver, s; no caller spends a moment on waking us.
_LOOK_S = 0.1
#: After an error of our own, or of the disk, s.
_TROUBLE_S = 1.0
#: A report that fails this often while others are accepted becomes a dead letter.
_STRIKES = 5
#: Between rounds in which some failed and others did not, s.
_MIXED_S = 0.2
#: So many times smaller is the next round after one that came to nothing, and larger after a good one.
_STEP = 4
#: A refusal or failure that persists is logged again after this time, s.
REPEAT_S = 300.0
#: Error codes that are logged separately; a server may invent many.
_MOST_CODES = 16
_SETTLED = {Fate.DELIVERED, Fate.REJECTED}

_log = logging.getLogger("otpconv.reporter")


class Delivery:
    """Delivers in the background, in rounds.

    Attributes:
        delivered: how many reports the other side has taken.
        last_error: why the last round came to nothing; empty when it did not.
        degraded: whether the switch was found switched.
        put_off: whether delivery was to start in a process that may start no threads before it forks.
    """

    def __init__(
        self,
        spool: Spool,
        backlog: Backlog,
        transport: Callable[[], Transport],
        switch: Switch,
        clock: Clock,
        *,
        longest_pause_ms: int,
        sync_ms: int | None,
    ) -> None:
        """Take where reports come from, what makes a transport, the switch and the time now.

        Args:
            spool: of this process.
            backlog: what is to be delivered.
            transport: makes a transport, in each process anew.
            switch: the manual one.
            clock: the time now.
            longest_pause_ms: the longest pause between two tries.
            sync_ms: how often what was spooled is made safe against power failures; None for never.
        """
        self.delivered = 0
        self.last_error = ""
        self.degraded = switch.look()
        self.put_off = False
        self._spool = spool
        self._backlog = backlog
        self._make_transport = transport
        self._transport = transport()
        self._left_to_parent: list[Transport] = []
        self._switch = switch
        self._clock = clock
        self._longest_pause_ms = longest_pause_ms
        self._sync_s = None if sync_ms is None else sync_ms / 1000
        self._begin()

    def _begin(self) -> None:
        self.breaker = Breaker(self._longest_pause_ms)
        self._window: list[Item] = []
        self._most = self._transport.most
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._stopping = False
        self._synced = 0.0
        self._warned: dict[str, float] = {}

    def start(self) -> None:
        """Start the thread, unless it runs or was stopped; put that off where no thread may run yet."""
        if self._thread is not None or self._stopping:
            return
        self.put_off = not processes.may_start_threads()
        if self.put_off:
            return
        self._thread = threading.Thread(target=self._run, name="otpconv-reporter", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            # The interpreter is ending, or the machine has no more threads: what is spooled stays there.
            self._thread = None
            _log.error("nothing is delivered by process %d: %s", os.getpid(), error)

    @property
    def works(self) -> bool:
        """Whether reports are being delivered, as far as this process knows."""
        return self._thread is not None and self.breaker.state == "closed" and not self.degraded

    def hurry(self) -> None:
        """Look now, and try now even if the last try failed."""
        self.breaker.probe_now()
        self._wake.set()

    def stop(self, timeout_s: float) -> None:
        """End the thread after its round, and let other processes deliver."""
        self._stopping = True
        self._wake.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def forked(self) -> None:
        """Begin anew in a child: thread, connections and claims are the parent's."""
        self.delivered = 0
        self.last_error = ""
        self._backlog.forked()
        self._left_to_parent.append(self._transport)
        self._transport = self._make_transport()
        self._begin()

    def _run(self) -> None:
        while not self._stopping:
            try:
                pause_s = self._step()
            except Exception as error:  # noqa: BLE001 - this thread must outlive everything
                pause_s = _TROUBLE_S
                self._warn(Outcome(Fate.FAILED, type(error).__name__, str(error)), "nothing is", error)
            if pause_s > 0:
                self._wake.wait(pause_s)
                self._wake.clear()
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
        self._window = [item for item in self._window if not item.source.left_alone]
        wait_s = self.breaker.wait_s()
        if self.degraded or wait_s > 0:
            return min(max(wait_s, _LOOK_S), _TROUBLE_S)
        self._window += self._backlog.read(self._transport.most - len(self._window))
        if not self._window:
            self._backlog.keep()
            return _LOOK_S
        self._send(self._window[: self._most], now)
        self._backlog.keep()
        return 0.0

    def _send(self, items: list[Item], now: int) -> None:
        ready, reports = [], []
        for item in items:
            try:
                reports.append(self._spool.in_clear(item.report))
                ready.append(item)
            except ValueError as error:
                self._settle(item, Outcome(Fate.REJECTED, "SealedNumber", str(error)), now)
        outcomes = self._transport.send(reports) if reports else []
        some = any(outcome.fate in _SETTLED for outcome in outcomes)
        alone = len(ready) == 1
        failed = set()
        for item, outcome in zip(ready, outcomes, strict=True):
            if outcome.fate in _SETTLED:
                self._settle(item, outcome, now)
            elif outcome.fate is Fate.FAILED:
                failed.add(item)
                if some or (alone and self.delivered > item.seen):
                    item.strikes += 1
                    item.seen = self.delivered
                if item.strikes >= _STRIKES:
                    reason = f"failed {_STRIKES} times while others were taken: {outcome.reason}"
                    self._settle(item, Outcome(Fate.REJECTED, outcome.code, reason), now)
        # What failed goes behind the others: the culprit may be among it.
        self._window.sort(key=failed.__contains__)
        self._window = [item for item in self._window if not item.settled]
        if outcomes:
            self._judge(outcomes, some=some)

    def _settle(self, item: Item, outcome: Outcome, now: int) -> None:
        item.settled = True
        if outcome.fate is Fate.DELIVERED:
            self.delivered += 1
            self._backlog.settle(item)
        else:
            self._backlog.bury(item, outcome.code, outcome.reason, now)

    def _judge(self, outcomes: Sequence[Outcome], *, some: bool) -> None:
        """Decide when the next round is."""
        left = [outcome for outcome in outcomes if outcome.fate not in _SETTLED]
        wait_ms = max((outcome.wait_ms for outcome in left), default=0)
        refused = next((outcome for outcome in left if outcome.fate is Fate.REFUSED), None)
        broken = refused or next((outcome for outcome in left if outcome.fate is Fate.FAILED), None)
        if some:
            self.breaker.succeeded()
            self._most = min(self._most * _STEP, self._transport.most)
            if refused is None:
                self._works_again()
            else:
                # A key may be allowed to report messages, but no conversions.
                self._warn(refused, "some reports are not")
        elif broken is not None:
            self.breaker.failed(wait_ms)
            self._most = max(1, min(self._most, len(outcomes)) // _STEP)
            self.last_error = f"{broken.code}: {broken.reason}"
            if refused or self.breaker.state != "closed":
                self._warn(broken, "nothing is")
            return
        busy = next((outcome for outcome in left if outcome.fate is Fate.BUSY), None)
        if busy is not None:
            self.breaker.busy(wait_ms)
            if not some:
                self.last_error = f"{busy.code}: {busy.reason}"
        elif left:
            self.breaker.hold(_MIXED_S)

    def _warn(self, why: Outcome, what: str, cause: Exception | None = None) -> None:
        """Log that reports are not delivered, at once for each error code and then every few minutes."""
        self.last_error = f"{why.code}: {why.reason}"
        now = time.monotonic()
        known = why.code in self._warned or len(self._warned) < _MOST_CODES
        key = why.code if known else ""
        if now - self._warned.get(key, -REPEAT_S) < REPEAT_S:
            return
        self._warned[key] = now
        level = logging.WARNING if why.fate is Fate.FAILED and cause is None else logging.ERROR
        where, (waiting, _) = self._transport.destination, self._spool.pending()
        text = "%s delivered to %s (%s): %d reports wait, %s"
        _log.log(level, text, what, where, self.last_error, waiting, self._time_left(), exc_info=cause)

    def _time_left(self) -> str:
        """Return until when reports wait, for a person."""
        left_ms = self._backlog.time_left()
        if left_ms is None:
            return "in memory, until this process ends"
        return f"the oldest are given up {f'in {_span(left_ms)}' if left_ms > 0 else 'from now on'}"

    def _works_again(self) -> None:
        self.last_error = ""
        if self._warned:
            _log.warning("reports are delivered to %s again", self._transport.destination)
            self._warned.clear()

    def _sync(self) -> None:
        if self._sync_s is not None and time.monotonic() - self._synced >= self._sync_s:
            self._spool.sync()
            self._synced = time.monotonic()


def _span(left_ms: int) -> str:
    """Return a time that is left, for a person: `6 days 23 h`, `59 min`."""
    minutes = left_ms // 60_000
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} days {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
