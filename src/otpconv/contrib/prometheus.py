"""prometheus-client: `REGISTRY.register(ReporterCollector(reporter))`."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from otpconv.reporter import AsyncReporter, Reporter


class ReporterCollector:
    """Gives the numbers of this process's reporter, read when they are scraped."""

    def __init__(self, reporter: Reporter | AsyncReporter) -> None:
        """Create the collector.

        Args:
            reporter: whose numbers are collected.
        """
        self._reporter = reporter

    def collect(self) -> Iterator[Metric]:
        """Give each number as Prometheus wants it named."""
        stats = self._reporter.stats()
        yield _counter("reports", "Reports taken.", stats.reported)
        yield _counter("delivered", "Reports delivered.", stats.delivered)
        yield _counter("rejected", "Reports set aside as dead letters.", stats.rejected)
        lost = CounterMetricFamily("otpconv_reporter_lost", "Reports lost, by reason.", labels=["reason"])
        for reason, number in stats.lost.items():
            lost.add_metric([reason], number)
        yield lost
        yield _gauge("pending", "Reports in the spool.", stats.pending)
        yield _gauge("breaker_open", "1 while the circuit breaker is open.", stats.breaker == "open")
        yield _gauge("degraded", "1 while reports are not delivered, as was asked.", stats.degraded)
        yield _gauge("disabled", "1 if the reporter is disabled and drops all reports.", stats.disabled)

    def describe(self) -> Iterable[Metric]:
        """Give the names, so that a second reporter in one registry is refused when it is registered."""
        return self.collect()


def _counter(name: str, what: str, value: int) -> Metric:
    return CounterMetricFamily(f"otpconv_reporter_{name}", what, value=value)


def _gauge(name: str, what: str, value: int) -> Metric:
    return GaugeMetricFamily(f"otpconv_reporter_{name}", what, value=value)
