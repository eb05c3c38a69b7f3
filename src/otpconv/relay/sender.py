"""Sends the feedbacks that are due to one vendor account, in rounds, and records the answers."""

import logging
from collections.abc import Sequence
from typing import Final

from otpconv.access.vendors import VendorAccount
from otpconv.clock import Clock
from otpconv.delivery.breaker import Breaker
from otpconv.delivery.transport import Fate, Outcome
from otpconv.relay.calls import UNKNOWN_OUTCOME, Calls
from otpconv.relay.kind import Kind
from otpconv.storage.relay.contract import Contact, RelayStore, Send, Settled, Status

#: Feedbacks of one round at most.
MAX_ROUND: Final = 500
#: The longest pause between two tries while a vendor is broken, ms.
LONGEST_PAUSE_MS: Final = 60_000
#: How often it is looked for feedbacks that have become due, s; new ones are announced.
LOOK_S: Final = 1.0
#: A feedback that fails so often while others are taken becomes a dead letter.
STRIKES: Final = 5
#: The pause before a feedback that failed is sent again, ms; each further one is twice as long.
_FIRST_RETRY_MS: Final = 1_000
#: Feedbacks of which is known when they failed last.
_MAX_FAILED: Final = 10_000
#: Characters of a vendor's code and text that are kept.
_MAX_CODE_CHARS, _MAX_REASON_CHARS = 100, 500

_SETTLED: Final = {Fate.DELIVERED, Fate.REJECTED}

_log = logging.getLogger(__name__)


class Sender:
    """The rounds of one vendor account. For one thread.

    Args:
        vendor: the vendor account.
        kind: its kind.
        store: has the feedbacks that are due.
        calls: calls the vendor; closed with this sender.
        clock: the time now.

    Attributes:
        breaker: decides when the next round is.
    """

    def __init__(
        self, vendor: VendorAccount, kind: Kind, store: RelayStore, calls: Calls, clock: Clock
    ) -> None:
        self.breaker = Breaker(LONGEST_PAUSE_MS)
        self._vendor = vendor
        self._store = store
        self._calls = calls
        self._clock = clock
        self._claims = kind.repeat == "harmful"
        self._taken = 0
        #: Of feedbacks that failed, how many were taken before.
        self._failed: dict[int, int] = {}
        self._noted: tuple[str, str] | None = None

    def begin(self) -> None:
        """Look what an earlier relay left unfinished; call it before the first round.

        Raises:
            Unavailable: the storage failed.
        """
        if self._claims and (count := self._store.abandon(self._vendor.id)):
            _log.warning("relay to %s: the outcome of %d feedbacks is unknown", self._vendor.name, count)
        self._note("")

    def round(self) -> float:
        """Send one round and return how long to wait before the next, s; `LOOK_S` if nothing is due.

        Raises:
            Unavailable: the storage failed. Feedbacks that were sent and not claimed are sent once more.
        """
        if (wait_s := self.breaker.wait_s()) > 0:
            return wait_s
        now = self._clock()
        limit = 1 if self.breaker.state == "half-open" else MAX_ROUND
        due = self._store.claim if self._claims else self._store.due
        sends = due(self._vendor.id, now, limit)
        if not sends:
            return LOOK_S
        if expired := [Settled(send.id, "expired") for send in sends if send.until <= now]:
            self._store.settle(self._vendor.id, expired, now, claimed=self._claims)
        if useful := [send for send in sends if send.until > now]:
            outcomes = self._calls.send(useful)
            self._settle(useful, outcomes)
            self._judge(outcomes)
        return 0.0

    def close(self) -> None:
        """Close the connections."""
        self._calls.close()

    def _settle(self, sends: Sequence[Send], outcomes: Sequence[Outcome]) -> None:
        now = self._clock()
        self._taken += sum(outcome.fate in _SETTLED for outcome in outcomes)
        settled = [
            self._settled(send, outcome, now)
            for send, outcome in zip(sends, outcomes, strict=True)
            # Those that were not sent stay as they are, unless they were claimed.
            if self._claims or outcome.fate is not Fate.UNSENT
        ]
        if settled:
            self._store.settle(self._vendor.id, settled, now, claimed=self._claims)

    def _settled(self, send: Send, outcome: Outcome, now: int) -> Settled:
        code, reason = outcome.code[:_MAX_CODE_CHARS], outcome.reason[:_MAX_REASON_CHARS]
        status: Status = "waiting"
        attempts, later_ms = send.attempts, 0
        match outcome.fate:
            case Fate.DELIVERED:
                status = "sent"
            case Fate.REJECTED:
                status = "dead"
            case Fate.FAILED if outcome.code == UNKNOWN_OUTCOME:
                status = "unknown"
            case Fate.FAILED:
                # It goes behind the others: it may be the culprit.
                later_ms = _FIRST_RETRY_MS << attempts
                attempts += self._is_strike(send)
                if attempts >= STRIKES:
                    status, reason = "dead", f"failed {STRIKES} times while others were taken: {reason}"
            case _:
                pass
        if status != "waiting":
            self._failed.pop(send.id, None)
        return Settled(send.id, status, code, reason, due_at=now + later_ms, attempts=attempts)

    def _is_strike(self, send: Send) -> bool:
        """Return whether others were taken since a feedback failed the last time."""
        before = self._failed.pop(send.id, None)
        if len(self._failed) < _MAX_FAILED:
            self._failed[send.id] = self._taken
        return before is not None and self._taken > before

    def _judge(self, outcomes: Sequence[Outcome]) -> None:
        """Decide when the next round is, as `delivery/rounds.py` does."""
        left = [outcome for outcome in outcomes if outcome.fate not in _SETTLED]
        wait_ms = max((outcome.wait_ms for outcome in left), default=0)
        busy = next((outcome for outcome in left if outcome.fate is Fate.BUSY), None)
        broken = next((outcome for outcome in left if outcome.fate in {Fate.FAILED, Fate.REFUSED}), None)
        if len(left) < len(outcomes):
            self.breaker.succeeded()
        elif broken is not None:
            self.breaker.failed(wait_ms)
        if busy is not None and broken is None:
            self.breaker.busy(wait_ms)
        why = broken or busy
        working = why is None or len(left) < len(outcomes)
        self._note("" if working or why is None else f"{why.code}: {why.reason}"[:_MAX_REASON_CHARS])

    def _note(self, error: str) -> None:
        """Note for people whether the vendor takes feedbacks, when that changes."""
        state = "closed" if self.breaker.state == "closed" else "open"
        if (state, error) == self._noted:
            return
        if self._noted is not None and error != self._noted[1]:
            _log.warning("relay to %s: %s", self._vendor.name, error or "feedbacks are taken again")
        self._noted = (state, error)
        self._store.note_contact(Contact(self._vendor.id, state, error, self._clock()))
