"""Notifies of alerts in a thread of its own, beside the detectors."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from otpconv.access.alert_targets import AlertTargetStore
from otpconv.clock import Clock
from otpconv.config import Settings
from otpconv.notifications.notifier import Notifier
from otpconv.storage.engine import Engine


@contextmanager
def notifying(engine: Engine, targets: AlertTargetStore, settings: Settings, clock: Clock) -> Iterator[None]:
    """Notify of alerts while the context lasts; at its end, the calls that are on their way finish.

    Args:
        engine: has the alerts.
        targets: where they are sent to; closed at the end.
        settings: have the URL that links begin with.
        clock: the time now.
    """
    with closing(targets):
        notifier = Notifier(
            engine.alerts(), engine.notifications(), targets.list, clock, public_url=settings.public_url
        )
        thread = threading.Thread(target=notifier.run, name="notifications")
        thread.start()
        try:
            yield
        finally:
            notifier.stop()
            thread.join()
