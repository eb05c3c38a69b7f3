"""Sends due notifications to one target, and records the outcomes."""

import logging
from typing import Final

from otpconv.access.alert_targets import AlertTarget
from otpconv.clock import Clock
from otpconv.delivery.breaker import Breaker
from otpconv.delivery.transport import Fate, Outcome
from otpconv.notifications.message import Message, Wire, items_of
from otpconv.notifications.routing import is_urgent, not_before
from otpconv.storage.alerts.contract import AlertStore
from otpconv.storage.notifications.contract import Notification, NotificationStore

#: The longest pause between two tries while a target fails, ms.
LONGEST_PAUSE_MS: Final = 600_000
#: The pause before a notification that failed is sent again, ms; each further one is twice as long.
_FIRST_RETRY_MS: Final = 1_000
#: Times that the pause doubles at most.
_DOUBLINGS: Final = 10
#: Notifications that are sent in a row before others have their turn.
_IN_A_ROW: Final = 20
#: Characters of the reason of a failure that are kept.
_MAX_ERROR_CHARS: Final = 300

_log = logging.getLogger(__name__)


class Sender:
    """Sends to one target; for one thread at a time.

    Args:
        target: the target.
        wire: how it is notified.
        alerts: has the alerts.
        store: has the notifications.
        clock: the time now.
    """

    def __init__(
        self, target: AlertTarget, wire: Wire, alerts: AlertStore, store: NotificationStore, clock: Clock
    ) -> None:
        self.target = target
        self._wire = wire
        self._alerts = alerts
        self._store = store
        self._clock = clock
        self._breaker = Breaker(LONGEST_PAUSE_MS)
        self._failing = False

    @property
    def wait_s(self) -> float:
        """How long nothing is sent, since the target fails, s."""
        return self._breaker.wait_s()

    def run(self) -> None:
        """Send due notifications, until there is none or one fails.

        Raises:
            Unavailable: the storage failed. A notification that was sent meanwhile is sent once more, with
                the same id.
        """
        for _ in range(_IN_A_ROW):
            now = self._clock()
            notification = self._store.claim(self.target.id, now)
            if notification is None or not self._send(notification, now):
                return

    def _send(self, notification: Notification, now: int) -> bool:
        """Send a notification, and return whether it is settled."""
        known = {told.alert for told in notification.news}
        alerts = [
            alert for number in sorted(known) if (alert := self._alerts.alert(self.target.account, number))
        ]
        items = items_of(notification.news, alerts)
        if not items:  # its alerts were forgotten meanwhile
            self._store.forget(notification.id)
            return True
        outcome = self._outcome(Message(notification.key, items), now)
        now = self._clock()
        if outcome.fate is Fate.DELIVERED:
            self._breaker.succeeded()
            self._store.sent(self.target.id, notification.id, now)
            self._note("")
            return True
        self._breaker.failed(outcome.wait_ms)
        # It goes behind the others: it may be the culprit.
        pause_ms = min(_FIRST_RETRY_MS << min(notification.attempts, _DOUBLINGS), LONGEST_PAUSE_MS)
        urgent = any(is_urgent(self.target.rules, alert.found) for alert in alerts)
        again_at = not_before(self.target.rules, now + max(pause_ms, outcome.wait_ms), urgent=urgent)
        dead = now >= notification.until
        error = (outcome.reason or outcome.code)[:_MAX_ERROR_CHARS]
        self._store.failed(
            self.target.id, notification.id, error, now=now, again_at=None if dead else again_at
        )
        if dead:
            _log.error("notification %s of target %s is given up", notification.key, self.target.name)
        self._note(error)
        return False

    def _outcome(self, message: Message, now: int) -> Outcome:
        try:
            return self._wire.send(message, now)
        except Exception as error:  # noqa: BLE001 - one target must not stop the others
            _log.exception("notification %s of target %s can't be sent", message.key, self.target.name)
            return Outcome(Fate.FAILED, "", f"it can't be sent ({type(error).__name__}); see the log")

    def _note(self, error: str) -> None:
        """Log when a target begins to fail, and when it ends."""
        if bool(error) != self._failing:
            self._failing = bool(error)
            _log.warning("target %s: %s", self.target.name, error or "notifications are taken again")
