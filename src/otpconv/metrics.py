"""Counters and histograms of a running server, for Prometheus."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

_BATCHES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
_APPLIED = (10, 100, 1000, 2500, 5000, 10_000)
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics(Collector):
    """Counters and histograms of one server.

    Requests are counted in a dict, because counting must cost almost nothing. The histograms observe commits
    and transactions, each of many reports.

    Attributes:
        registry: the metrics to expose; other parts may register more.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._commits = Histogram(
            "otpconv_commit_seconds",
            "Duration of a commit of the journal.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._batches = Histogram(
            "otpconv_commit_reports", "Reports per commit.", buckets=_BATCHES, registry=self.registry
        )
        self._applies = Histogram(
            "otpconv_apply_seconds",
            "Duration of a transaction of the ledger.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._applied = Histogram(
            "otpconv_apply_reports", "Reports per transaction.", buckets=_APPLIED, registry=self.registry
        )
        self.registry.register(self)

    def requested(self, action: str, code: str) -> None:
        """Count an answered request by its action, e.g. `dysms:SmsConversion`, and its error code or `OK`."""
        self._requests[action, code] += 1

    def committed(self, reports: int, seconds: float) -> None:
        """Observe a commit of the journal, with its number of reports and its duration in seconds."""
        self._commits.observe(seconds)
        self._batches.observe(reports)

    def applied(self, reports: int, seconds: float) -> None:
        """Observe a transaction of the ledger, with its number of reports and its duration in seconds."""
        self._applies.observe(seconds)
        self._applied.observe(reports)

    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        """Yield the number of answered requests."""
        requests = CounterMetricFamily(
            "otpconv_requests", "Answered requests, by action and error code.", labels=("action", "code")
        )
        for (action, code), count in self._requests.copy().items():
            requests.add_metric((action, code), count)
        yield requests
