"""The alerts of this server: starts and ends the detectors' process, and measures what it does."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from otpconv.clock import Clock
from otpconv.config import Settings
from otpconv.errors import Unavailable
from otpconv.service.alert_targets import AlertTargets, TargetState
from otpconv.service.child_process import ChildProcess
from otpconv.service.housekeeping import Housekeeping
from otpconv.service.target_metrics import TargetMetrics
from otpconv.storage.alerts.contract import LASTING, Alert, AlertStore
from otpconv.storage.nodes import ALERTS, Leases

#: How often it is looked whether the process is to run, s; and when that is late.
_EVERY_S, _LATE_S = 1.0, 60.0
#: The process starts this long after the server, s: nobody waits for it, and the server has enough to do.
START_S: Final = 60.0
#: How often it is looked how far the detectors are, and how targets are doing, s; and how far behind
#: detectors are late, ms: after a stop, they have as long to catch up.
_LOOK_S, BEHIND_MS = 10.0, 5 * 60_000


class Alerting:
    """Runs the detectors' process while this node has the lease.

    Args:
        settings: what the process gets.
        store: has the alerts.
        targets: know how notifying them is going.
        leases: knows whether this node is the one that looks.
        clock: the time now.
        steady: seconds that no clock change moves.

    Raises:
        Misconfigured: the storage can't be used.
        Unavailable: the storage failed.
    """

    def __init__(
        self,
        settings: Settings,
        store: AlertStore,
        targets: AlertTargets,
        leases: Leases,
        clock: Clock,
        *,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_on = settings.alerts
        self._store = store
        self._targets = targets
        self._leases = leases
        self._clock = clock
        self._process = ChildProcess("the detectors", "otpconv.cli.alerting_process", settings)
        self._steady = steady
        self._start_at = steady() + START_S
        self._look_at = 0.0
        # Read before reports come: they would wait while the file of the alerts is created on a slow disk.
        self._checkpoints: Mapping[int, int] = store.checkpoints()
        self._lasting: Sequence[Alert] = ()
        self._states: Sequence[TargetState] = ()

    def keep(self, tasks: Housekeeping) -> None:
        """Add the work to the repeated tasks, in a thread of its own, unless the setting `alerts` is off."""
        if self._is_on:
            tasks.every(
                _EVERY_S,
                "alerts",
                self.run,
                late_s=_LATE_S,
                harm="nobody is alerted",
                aside=True,
            )

    def run(self) -> None:
        """Start or end the process, and look how far it is. Call it from one thread.

        Raises:
            Misconfigured: the storage can't be used.
            Unavailable: the storage failed, or the detectors are late.
        """
        if not self._leases.holds(ALERTS):
            self._process.stop()
        elif self._steady() >= self._start_at:
            self._process.show_life()
            self._process.start()
        if self._steady() >= self._look_at:
            self._look_at = self._steady() + _LOOK_S
            self._checkpoints = self._store.checkpoints()
            self._lasting = [
                alert for account in self._checkpoints for alert in self._store.alerts(account, LASTING)
            ]
            self._states = self._targets.states()
        behind_ms = max((self._clock() - at for at in self._checkpoints.values()), default=0)
        if behind_ms > BEHIND_MS and self._steady() - self._start_at > BEHIND_MS / 1000:
            raise Unavailable(f"The detectors are {behind_ms // 60_000} minutes behind.")

    def stop(self) -> None:
        """End the process; call it after the last `run`."""
        self._process.stop()

    def metrics(self, account: int) -> "AlertMetrics":
        """Return the metrics of an account, the same on each node."""
        at = self._checkpoints.get(account)
        behind_s = None if at is None else max(0.0, (self._clock() - at) / 1000)
        return AlertMetrics([alert for alert in self._lasting if alert.account == account], behind_s)

    def target_metrics(self, account: int) -> TargetMetrics:
        """Return the metrics of the targets of an account, the same on each node."""
        states = [state for state in self._states if state.target.account == account]
        return TargetMetrics(states, self._clock())


class AlertMetrics(Collector):
    """The metrics of the alerts of an account.

    Args:
        lasting: its alerts that last.
        behind_s: since when a minute waits to be looked at, s; None: nobody has looked yet.
    """

    def __init__(self, lasting: Sequence[Alert], behind_s: float | None) -> None:
        self._lasting = lasting
        self._behind_s = behind_s

    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        """Yield how many alerts last, and how far the detectors are behind."""
        alerts = GaugeMetricFamily(
            "otpconv_alerts", "Alerts that last.", labels=("kind", "severity", "state")
        )
        counts: dict[tuple[str, ...], int] = {}
        for alert in self._lasting:
            labels: tuple[str, ...] = (alert.found.kind, alert.found.severity, alert.state)
            counts[labels] = counts.get(labels, 0) + 1
        for labels, count in sorted(counts.items()):
            alerts.add_metric(labels, count)
        yield alerts
        if self._behind_s is not None:
            yield GaugeMetricFamily(
                "otpconv_alerts_behind_seconds",
                "For how long the next minute has been waiting for the detectors; up to 65 while they work.",
                self._behind_s,
            )
