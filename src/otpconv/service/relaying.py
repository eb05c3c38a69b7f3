"""The relay of this server: starts and ends its process, and measures what it does."""

from collections.abc import Iterator, Sequence

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from otpconv.config import Settings
from otpconv.service.child_process import ChildProcess
from otpconv.service.housekeeping import Housekeeping
from otpconv.service.vendors import RelayState, Vendors
from otpconv.storage.nodes import RELAY, Leases

#: How often it is looked whether the process is to run, s; and when that is late.
_EVERY_S, _LATE_S = 1.0, 30.0


class Relaying:
    """Runs the relay's process while this node has the lease and there are vendor accounts.

    Args:
        settings: what the process gets.
        vendors: the vendor accounts.
        leases: knows whether this node is the one that relays.
    """

    def __init__(self, settings: Settings, vendors: Vendors, leases: Leases) -> None:
        self._vendors = vendors
        self._leases = leases
        self._process = ChildProcess("the relay", "otpconv.cli.relay_process", settings)
        self._states: list[RelayState] = []
        vendors.accounts()  # they are known from the first report on

    def keep(self, tasks: Housekeeping) -> None:
        """Add the work to the repeated tasks, in a thread of its own."""
        tasks.every(
            _EVERY_S,
            "relay",
            self.run,
            late_s=_LATE_S,
            harm="conversions are not passed on to vendors",
            aside=True,
        )

    def run(self) -> None:
        """Start or end the process, and look what it does. Call it from one thread.

        Raises:
            Misconfigured: the storage can't be used.
            Unavailable: the storage failed.
        """
        if self._leases.holds(RELAY):
            self._process.show_life()
        else:
            self._process.stop()
        self._states = self._vendors.states()
        if not self._states:
            self._process.stop()
        elif self._leases.holds(RELAY):
            self._process.start()

    def stop(self) -> None:
        """End the process, once the calls that are on their way have ended; call it after the last `run`."""
        self._process.stop()

    def metrics(self, account: int) -> "RelayMetrics":
        """Return the metrics of an account: what the relay has done and is doing, the same on each node."""
        return RelayMetrics([state for state in self._states if state.vendor.account == account])


class RelayMetrics(Collector):
    """The metrics of the relay to some vendor accounts.

    Args:
        states: how it is doing.
    """

    def __init__(self, states: Sequence[RelayState]) -> None:
        self._states = states

    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        """Yield one metric for each vendor account."""
        sends = GaugeMetricFamily(
            "otpconv_relay_feedbacks",
            "Feedbacks to a vendor account, by what became of them.",
            labels=("vendor", "status"),
        )
        late = GaugeMetricFamily(
            "otpconv_relay_late_seconds",
            "For how long the oldest feedback to a vendor account has been due; 0 if none is.",
            labels=("vendor",),
        )
        failing = GaugeMetricFamily(
            "otpconv_relay_failing", "1 if a vendor account takes no feedbacks.", labels=("vendor",)
        )
        paused = GaugeMetricFamily(
            "otpconv_relay_paused", "1 if an operator has paused the relay.", labels=("vendor",)
        )
        for state in self._states:
            vendor = state.vendor
            labels = (vendor.name,)
            for status, count in state.counts.items():
                sends.add_metric((*labels, status), count)
            late.add_metric(labels, state.late_ms / 1000)
            failing.add_metric(labels, int(state.error != ""))
            paused.add_metric(labels, int(vendor.paused))
        yield from (sends, late, failing, paused)
