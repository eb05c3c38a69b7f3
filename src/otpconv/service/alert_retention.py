"""Forgets alerts that were resolved long ago."""

from typing import Final

from otpconv.ledger.forgetting import MINUTES_KEPT_MS
from otpconv.service.housekeeping import Housekeeping
from otpconv.storage.alerts.contract import AlertStore
from otpconv.storage.contract import DAY_MS, LedgerReader
from otpconv.storage.nodes import RETENTION, Leases

#: How long resolved alerts are kept, days.
KEPT_DAYS: Final = 400
#: How often old ones are forgotten, and how late that may be, s.
EVERY_S, LATE_S = 60.0, 6 * 3600.0
#: How many are forgotten at once.
AT_ONCE: Final = 1_000


class AlertRetention:
    """Forgets alerts that were resolved more than `KEPT_DAYS` ago.

    Args:
        alerts: the alerts, for any thread.
        ledger: the ledger, for any thread.
        leases: knows whether this process is the one that deletes.
    """

    def __init__(self, alerts: AlertStore, ledger: LedgerReader, leases: Leases) -> None:
        self._alerts = alerts
        self._ledger = ledger
        self._leases = leases

    def keep(self, tasks: Housekeeping) -> None:
        """Add the work to the repeated tasks, in a thread of its own."""
        tasks.every(
            EVERY_S,
            "old alerts",
            self.run,
            late_s=LATE_S,
            harm=f"alerts that were resolved over {KEPT_DAYS} days ago take room on the disk",
            aside=True,
        )

    def run(self) -> None:
        """Forget up to `AT_ONCE` alerts.

        Raises:
            Misconfigured: the storage can't be used.
            Unavailable: the storage failed.
        """
        # By the reports, since the wall clock may be wrong; see `Retention`.
        minutes_from = self._ledger.minutes_from()
        if minutes_from and self._leases.holds(RETENTION):
            self._alerts.forget(minutes_from + MINUTES_KEPT_MS - KEPT_DAYS * DAY_MS, AT_ONCE)
