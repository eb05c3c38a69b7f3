"""The relay of this server: starts and ends its process, and measures what it does."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from otpconv.access.vendors import VendorAccount, VendorStore
from otpconv.clock import Clock
from otpconv.config import Settings, environment
from otpconv.service.housekeeping import Housekeeping
from otpconv.storage.nodes import RELAY, Leases
from otpconv.storage.relay.contract import Contact, RelayStore, Status

#: How often it is looked whether the process is to run, s; and when that is late.
_EVERY_S, _LATE_S = 1.0, 30.0
#: How long a stop waits for the calls that are on their way, s; then the process is killed.
_STOP_S: Final = 5.0

_log = logging.getLogger(__name__)


class Relaying(Collector):
    """Runs the relay's process while this node has the lease and there are vendor accounts.

    Args:
        settings: what the process gets.
        vendors: the vendor accounts.
        store: what the process keeps.
        leases: knows whether this node is the one that relays.
        clock: the time now.
    """

    def __init__(
        self,
        settings: Settings,
        vendors: VendorStore,
        store: Callable[[], RelayStore],
        leases: Leases,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._vendors = vendors
        self._open = store
        self._store: RelayStore | None = None
        self._leases = leases
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._known: list[VendorAccount] = []
        self._counts: Mapping[int, Mapping[Status, int]] = {}
        self._contacts: Mapping[int, Contact] = {}
        self._next_due: dict[int, int] = {}

    def keep(self, tasks: Housekeeping, registry: CollectorRegistry) -> None:
        """Add the work to the repeated tasks, in a thread of its own, and the metrics to a registry."""
        registry.register(self)
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
            self._show_life()
        else:
            self._end()
        self._known = self._vendors.list()
        if not self._known:
            self._end()
            return
        if self._store is None:
            self._store = self._open()
        self._counts, self._contacts = self._store.counts(), self._store.contacts()
        due = {vendor.id: self._store.next_due(vendor.id) for vendor in self._known}
        self._next_due = {number: at for number, at in due.items() if at is not None}
        if self._leases.holds(RELAY):
            self._start()

    def stop(self) -> None:
        """End the process, once the calls that are on their way have ended; call it after the last `run`."""
        self._end()

    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        """Yield what the relay to each vendor account has done and is doing, the same on each node."""
        sends = GaugeMetricFamily(
            "otpconv_relay_feedbacks",
            "Feedbacks to a vendor account, by what became of them.",
            labels=("account", "vendor", "status"),
        )
        late = GaugeMetricFamily(
            "otpconv_relay_late_seconds",
            "For how long the oldest feedback to a vendor account has been due; 0 if none is.",
            labels=("account", "vendor"),
        )
        failing = GaugeMetricFamily(
            "otpconv_relay_failing", "1 if a vendor account takes no feedbacks.", labels=("account", "vendor")
        )
        paused = GaugeMetricFamily(
            "otpconv_relay_paused", "1 if an operator has paused the relay.", labels=("account", "vendor")
        )
        now = self._clock()
        for vendor in [*self._known]:
            labels = (str(vendor.account), vendor.name)
            for status, count in self._counts.get(vendor.id, {}).items():
                sends.add_metric((*labels, status), count)
            late.add_metric(labels, max(0, now - self._next_due.get(vendor.id, now)) / 1000)
            contact = self._contacts.get(vendor.id)
            failing.add_metric(labels, int(contact is not None and contact.error != ""))
            paused.add_metric(labels, int(vendor.paused))
        yield from (sends, late, failing, paused)

    def _show_life(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):  # it has ended: it is started again below
                self._process.stdin.write(b".")

    def _start(self) -> None:
        """Start the process, also when it has ended."""
        if self._process is not None and (code := self._process.poll()) is not None:
            _log.error("the relay's process has ended (exit code %d); it is started again", code)
            self._forget()
        if self._process is None:
            data = {"OTPCONV_DATA": str(self._settings.data.absolute())}
            if self._settings.ledger is not None:
                data["OTPCONV_LEDGER"] = self._settings.ledger.get_secret_value()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "otpconv.cli.relay_process"],
                stdin=subprocess.PIPE,
                env=environment() | data,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for the server
            )

    def _end(self) -> None:
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget()

    def _forget(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None
