"""The relay of this server: starts and ends its process, and measures what it does."""

import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from otpconv.config import Settings, environment
from otpconv.service.housekeeping import Housekeeping
from otpconv.service.vendors import RelayState, Vendors
from otpconv.storage.nodes import RELAY, Leases

#: How often it is looked whether the process is to run, s; and when that is late.
_EVERY_S, _LATE_S = 1.0, 30.0
#: How long a stop waits for the calls that are on their way, s; then the process is killed.
_STOP_S: Final = 5.0

_log = logging.getLogger(__name__)


class Relaying:
    """Runs the relay's process while this node has the lease and there are vendor accounts.

    Args:
        settings: what the process gets.
        vendors: the vendor accounts.
        leases: knows whether this node is the one that relays.
    """

    def __init__(self, settings: Settings, vendors: Vendors, leases: Leases) -> None:
        self._settings = settings
        self._vendors = vendors
        self._leases = leases
        self._process: subprocess.Popen[bytes] | None = None
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
            self._show_life()
        else:
            self._end()
        self._states = self._vendors.states()
        if not self._states:
            self._end()
        elif self._leases.holds(RELAY):
            self._start()

    def stop(self) -> None:
        """End the process, once the calls that are on their way have ended; call it after the last `run`."""
        self._end()

    def metrics(self, account: int) -> "RelayMetrics":
        """Return the metrics of an account: what the relay has done and is doing, the same on each node."""
        return RelayMetrics([state for state in self._states if state.vendor.account == account])

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
