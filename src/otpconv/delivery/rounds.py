"""Sends reports in rounds, and decides what becomes of each and when the next round is.

It does not know where reports wait: in the spool of a reporter, or in the journal that a relay reads.
"""

import logging
import time
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from otpconv.delivery.breaker import Breaker
from otpconv.delivery.reports import Report
from otpconv.delivery.transport import Fate, Outcome, Transport

#: A report that fails so often while others are taken is set aside.
_STRIKES = 5
#: The pause after a round in which some reports failed and others did not, s.
_MIXED_S = 0.2
#: The next round is this many times smaller after a round that failed, and larger after one that did not.
_STEP = 4
#: A standing refusal or failure is logged again after this time, s.
REPEAT_S = 300.0
#: Error codes that are logged each on their own; a server may invent many.
_MOST_CODES = 16
_SETTLED = {Fate.DELIVERED, Fate.REJECTED}


class Parcel(Struct, eq=False):
    """A report on its way.

    Attributes:
        report: the report as it waits; its number may be sealed.
        strikes: how often it failed, alone, while others were taken.
        seen: how many reports were delivered when it had its last strike.
        settled: whether it is delivered or set aside.
    """

    report: Report
    strikes: int = 0
    seen: int = -1
    settled: bool = False

    @property
    def withdrawn(self) -> bool:
        """Whether it is no longer to be delivered from here."""
        return False


P = TypeVar("P", bound=Parcel)


class Queue(Protocol[P]):
    """Where reports wait until they are settled."""

    def read(self, most: int) -> list[P]:
        """Return up to `most` further reports."""
        ...

    def in_clear(self, parcel: P) -> Report:
        """Return a report as it is sent, with its number in clear.

        Raises:
            ValueError: its number can't be opened.
        """
        ...

    def settle(self, parcel: P) -> None:
        """Forget a report that was delivered."""
        ...

    def bury(self, parcel: P, code: str, reason: str, now: int) -> None:
        """Set a report aside as a dead letter."""
        ...

    def waiting(self) -> str:
        """Return how many reports wait, and until when, for the log."""
        ...


class Rounds(Generic[P]):
    """Takes reports from a queue and sends them. For one thread.

    Attributes:
        breaker: the circuit breaker.
        delivered: how many reports the other side has taken.
        last_error: why the last round failed; empty when it did not.
    """

    def __init__(
        self, queue: Queue[P], transport: Transport, log: logging.Logger, *, longest_pause_ms: int
    ) -> None:
        """Take no report yet.

        Args:
            queue: where reports wait.
            transport: sends them.
            log: gets a line when delivery fails, and when it works again.
            longest_pause_ms: the longest pause between two tries.
        """
        self.breaker = Breaker(longest_pause_ms)
        self.delivered = 0
        self.last_error = ""
        self._queue = queue
        self._transport = transport
        self._log = log
        self._window: list[P] = []
        self._most = transport.most
        self._warned: dict[str, float] = {}

    def withdraw(self) -> None:
        """Let go of reports that are no longer to be delivered from here."""
        self._window = [parcel for parcel in self._window if not parcel.withdrawn]

    def fill(self) -> bool:
        """Take the reports of the next round from the queue. Return False if no report waits."""
        self._window += self._queue.read(self._transport.most - len(self._window))
        return bool(self._window)

    def send(self, now: int) -> None:
        """Send one round of the reports that `fill` has taken, at `now` (ms)."""
        self._send(self._window[: self._most], now)

    def _send(self, parcels: list[P], now: int) -> None:
        ready, reports = [], []
        for parcel in parcels:
            try:
                reports.append(self._queue.in_clear(parcel))
                ready.append(parcel)
            except ValueError as error:
                self._settle(parcel, Outcome(Fate.REJECTED, "SealedNumber", str(error)), now)
        outcomes = self._transport.send(reports) if reports else []
        some = any(outcome.fate in _SETTLED for outcome in outcomes)
        alone = len(ready) == 1
        failed = set()
        for parcel, outcome in zip(ready, outcomes, strict=True):
            if outcome.fate in _SETTLED:
                self._settle(parcel, outcome, now)
            elif outcome.fate is Fate.FAILED:
                failed.add(parcel)
                if some or (alone and self.delivered > parcel.seen):
                    parcel.strikes += 1
                    parcel.seen = self.delivered
                if parcel.strikes >= _STRIKES:
                    reason = f"failed {_STRIKES} times while others were taken: {outcome.reason}"
                    self._settle(parcel, Outcome(Fate.REJECTED, outcome.code, reason), now)
        # What failed goes behind the others: the culprit may be among it.
        self._window.sort(key=failed.__contains__)
        self._window = [parcel for parcel in self._window if not parcel.settled]
        if outcomes:
            self._judge(outcomes, some=some)

    def _settle(self, parcel: P, outcome: Outcome, now: int) -> None:
        parcel.settled = True
        if outcome.fate is Fate.DELIVERED:
            self.delivered += 1
            self._queue.settle(parcel)
        else:
            self._queue.bury(parcel, outcome.code, outcome.reason, now)

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
                self.warn(refused, "some reports are not")
        elif broken is not None:
            self.breaker.failed(wait_ms)
            self._most = max(1, min(self._most, len(outcomes)) // _STEP)
            self.last_error = f"{broken.code}: {broken.reason}"
            if refused or self.breaker.state != "closed":
                self.warn(broken, "nothing is")
            return
        busy = next((outcome for outcome in left if outcome.fate is Fate.BUSY), None)
        if busy is not None:
            self.breaker.busy(wait_ms)
            if not some:
                self.last_error = f"{busy.code}: {busy.reason}"
        elif left:
            self.breaker.hold(_MIXED_S)

    def warn(self, why: Outcome, what: str, cause: Exception | None = None) -> None:
        """Log that reports are not delivered, at once for each error code and then every few minutes."""
        self.last_error = f"{why.code}: {why.reason}"
        now = time.monotonic()
        known = why.code in self._warned or len(self._warned) < _MOST_CODES
        key = why.code if known else ""
        if now - self._warned.get(key, -REPEAT_S) < REPEAT_S:
            return
        self._warned[key] = now
        level = logging.WARNING if why.fate is Fate.FAILED and cause is None else logging.ERROR
        text = "%s delivered to %s (%s): %s"
        where, waiting = self._transport.destination, self._queue.waiting()
        self._log.log(level, text, what, where, self.last_error, waiting, exc_info=cause)

    def _works_again(self) -> None:
        self.last_error = ""
        if self._warned:
            self._log.warning("reports are delivered to %s again", self._transport.destination)
            self._warned.clear()
