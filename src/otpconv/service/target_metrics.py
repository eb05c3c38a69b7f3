"""The metrics of notifications of alerts, by target."""

from collections.abc import Iterator, Sequence

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from otpconv.service.alert_targets import TargetState


class TargetMetrics(Collector):
    """The metrics of some targets.

    Args:
        states: how notifying them is going.
        now: ms, UTC.
    """

    def __init__(self, states: Sequence[TargetState], now: int) -> None:
        self._states = states
        self._now = now

    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        """Yield what became of notifications, how many wait, and for how long each target has failed."""
        settled = CounterMetricFamily(
            "otpconv_notifications",
            "Notifications that a target took or that were given up, and news for which there was no room.",
            labels=("target", "result"),
        )
        waiting = GaugeMetricFamily(
            "otpconv_notifications_waiting", "Notifications that wait for a target.", labels=("target",)
        )
        failing = GaugeMetricFamily(
            "otpconv_notifications_failing_seconds",
            "For how long a target has taken no notification; 0 while it takes them.",
            labels=("target",),
        )
        for state in self._states:
            name, contact = state.target.name, state.contact
            results = (("sent", contact.sent), ("given_up", contact.dead), ("dropped", contact.dropped))
            for result, count in results:
                settled.add_metric((name, result), count)
            waiting.add_metric((name,), state.waiting)
            since = self._now if contact.failing_since is None else contact.failing_since
            failing.add_metric((name,), max(0, self._now - since) / 1000)
        yield from (settled, waiting, failing)
