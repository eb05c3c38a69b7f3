"""This server among the nodes of its storage: its heartbeat, its leases, and their metrics."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from otpconv.errors import OtpconvError
from otpconv.service.housekeeping import Housekeeping
from otpconv.storage.nodes import BEAT_S, LEASE_MS, LEASES, LEDGER, Beat, Nodes

#: The name of the heartbeat among the repeated tasks, and when it is late, s.
BEAT, _LATE_S = "nodes", 10.0
#: An applier that has failed for this time leaves the ledger to another node, s.
_FAILING_S = 3.0


class Membership(Collector):
    """The leases of this server, as `Leases`, and its heartbeat.

    Args:
        nodes: the nodes of the storage; None if this process holds all of it, and so has all leases.

    Attributes:
        shared: see `Leases`.
        name: of this node: its host and port.
        lag: returns how many acknowledged reports are not in the ledger; set it before the first beat.
        failing_s: returns how long applying has been failing, s; set it before the first beat.
    """

    def __init__(self, nodes: Nodes | None) -> None:
        self.shared = nodes is not None
        self.name = socket.gethostname()
        self.lag: Callable[[], int] = lambda: 0
        self.failing_s: Callable[[], float] = lambda: 0.0
        self._nodes = nodes
        self._last = Beat()
        self._until = 0.0

    def announce(self, port: int) -> None:
        """Name this node by its host and port."""
        self.name = f"{socket.gethostname()}:{port}"

    def holds(self, name: str) -> bool:
        """See `Leases.holds`: a lease counts from the beat that took it, so it ends here first."""
        return not self.shared or (name in self._last.leases and time.monotonic() < self._until)

    def keep(self, tasks: Housekeeping, registry: CollectorRegistry) -> None:
        """Add the heartbeat to the repeated tasks, and the metrics to a registry."""
        registry.register(self)
        tasks.every(
            BEAT_S,
            BEAT,
            self.beat,
            late_s=_LATE_S,
            harm="other nodes do the work of this one, and `otpconv nodes` does not show it",
            aside=True,
        )

    def beat(self) -> None:
        """Report that this node runs, and take or renew its leases. Waits for the storage.

        Raises:
            Unavailable: the storage failed; the leases end soon.
        """
        if self._nodes is None:
            return
        began = time.monotonic()
        failing_s = self.failing_s()
        wanted = [lease for lease in LEASES if lease != LEDGER or failing_s <= _FAILING_S]
        self._last = self._nodes.beat(self.name, self.lag(), wanted, failing=failing_s > 0)
        self._until = began + LEASE_MS / 1000

    def leave(self) -> None:
        """Free the leases and remove this node. Waits for the storage."""
        if self._nodes is None:
            return
        self._until = 0.0
        with suppress(OtpconvError):  # the other nodes wait until the leases end
            self._nodes.leave()
        self._nodes.close()

    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        """Yield which leases this node holds, and how far each follower is behind."""
        held = GaugeMetricFamily(
            "otpconv_lease_held", "1 if this node holds the lease, else 0.", labels=("lease",)
        )
        for lease in LEASES:
            held.add_metric((lease,), int(self.holds(lease)))
        yield held
        lags = GaugeMetricFamily(
            "otpconv_follower_lag_reports",
            "Entries of the journal, of all nodes, that a follower has not dealt with.",
            labels=("follower",),
        )
        for follower, lag in (self._last.lags if self.shared else {LEDGER: self.lag()}).items():
            lags.add_metric((follower,), lag)
        yield lags
