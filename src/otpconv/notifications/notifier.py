"""Notifies of alerts: plans the news of each target, and sends due notifications, beside its caller."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from otpconv.access.alert_targets import AlertTarget
from otpconv.clock import Clock
from otpconv.errors import OtpconvError
from otpconv.notifications.kinds import wire_of
from otpconv.notifications.message import Wire
from otpconv.notifications.planner import Planner
from otpconv.notifications.sender import Sender
from otpconv.storage.alerts.contract import Alert, AlertStore, Event
from otpconv.storage.notifications.contract import Follow, NotificationStore

#: How often it is looked for events, s.
STEP_S: Final = 1.0
#: Targets that are notified at the same time.
CONCURRENCY: Final = 4
#: Events, and alerts that last, that are planned at once.
_AT_ONCE: Final = 200
#: The pause after a failure of the storage, s.
_RETRY_S: Final = 5.0

_log = logging.getLogger(__name__)


class Notifier:
    """Notifies the targets of all accounts.

    One process does it at a time: the one that holds the lease of the detectors.

    Args:
        alerts: has the alerts and events.
        store: has the notifications.
        targets: returns the targets of all accounts.
        clock: the time now.
        public_url: what links to alerts begin with, without a slash at the end; None: there are no links.
        wire: makes what notifies a target.
    """

    def __init__(
        self,
        alerts: AlertStore,
        store: NotificationStore,
        targets: Callable[[], Sequence[AlertTarget]],
        clock: Clock,
        *,
        public_url: str | None = None,
        wire: Callable[[AlertTarget, str | None], Wire] = wire_of,
    ) -> None:
        self._alerts = alerts
        self._store = store
        self._targets = targets
        self._clock = clock
        self._public_url = public_url
        self._wire = wire
        self._senders: dict[int, Sender] = {}
        self._running: dict[int, Future[None]] = {}
        self._threads = ThreadPoolExecutor(CONCURRENCY, "notifications")
        self._stopping = threading.Event()

    def run(self) -> None:
        """Notify until `stop`, in a thread of its own. No failure ends it: what failed is tried again."""
        failed = ""
        while not self._stopping.is_set():
            try:
                wait_s = self.step()
                failed = ""
            except Exception as error:  # noqa: BLE001 - the next attempt may succeed
                text = error.text if isinstance(error, OtpconvError) else repr(error)
                if text != failed:
                    known = isinstance(error, OtpconvError)
                    _log.error("notifications stand still: %s", text, exc_info=None if known else error)
                failed, wait_s = text, _RETRY_S
            self._stopping.wait(wait_s)
        self._threads.shutdown()
        self._alerts.close()
        self._store.close()

    def stop(self) -> None:
        """Let `run` return soon: once the calls that are on their way have ended. Any thread may call it."""
        self._stopping.set()

    def step(self) -> float:
        """Plan news, begin to send due notifications, and return when to come again, s.

        It waits for the storage, and for no target.

        Raises:
            Unavailable: the storage failed.
            Misconfigured: it can't be used.
        """
        targets = list(self._targets())
        more = self.plan(targets)
        self._dispatch({target.id: target for target in targets})
        return 0.0 if more else STEP_S

    def plan(self, targets: Sequence[AlertTarget]) -> bool:
        """Plan one batch of news, and return whether there may be more."""
        now = self._clock()
        cursor = self._store.cursor()
        events = self._alerts.events(cursor.seq, _AT_ONCE)
        repeats = self._store.repeats(now, _AT_ONCE)
        if not events and not repeats:
            return False
        pairs = {(follow.target, follow.alert): follow for follow in repeats}
        for follow in self._store.follows({event.alert for event in events}):
            pairs[follow.target, follow.alert] = follow
        alerts = self._known(targets, events, repeats)
        planner = Planner(targets, alerts, list(pairs.values()), now)
        for event in events:
            planner.event(event)
        for follow in repeats:
            planner.repeat((follow.target, follow.alert))
        self._store.plan(cursor, planner.plan(events[-1].seq if events else cursor.seq), now)
        return len(events) == _AT_ONCE or len(repeats) == _AT_ONCE

    def _known(
        self, targets: Sequence[AlertTarget], events: Sequence[Event], repeats: Sequence[Follow]
    ) -> dict[int, Alert]:
        """Return the alerts that events and repeats are about, of accounts that have targets."""
        accounts = {target.id: target.account for target in targets}
        listening = {*accounts.values()}
        wanted = {event.alert: event.account for event in events if event.account in listening}
        wanted |= {follow.alert: accounts[follow.target] for follow in repeats if follow.target in accounts}
        found = (self._alerts.alert(account, number) for number, account in wanted.items())
        return {alert.id: alert for alert in found if alert is not None}

    def _dispatch(self, targets: dict[int, AlertTarget]) -> None:
        """Let senders work for which something is due, and forget targets that were deleted."""
        for number, work in [*self._running.items()]:
            if work.done():
                del self._running[number]
                if (error := work.exception()) is not None:
                    raise error
        for number in self._store.due(self._clock()):
            if number in targets and number not in self._running:
                sender = self._sender(targets[number])
                if sender.wait_s <= 0:
                    self._running[number] = self._threads.submit(sender.run)
        for number in self._store.waiting().keys() | self._store.contacts().keys():
            if number not in targets and number not in self._running:
                self._store.drop(number)
                self._senders.pop(number, None)

    def _sender(self, target: AlertTarget) -> Sender:
        sender = self._senders.get(target.id)
        if sender is None or sender.target != target:
            wire = self._wire(target, self._public_url)
            sender = self._senders[target.id] = Sender(target, wire, self._alerts, self._store, self._clock)
        return sender
