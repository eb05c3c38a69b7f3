"""OpenTelemetry: `instrument(reporter)`; needs opentelemetry-api alone."""

from collections.abc import Callable, Iterator, Sequence

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter

from otpconv import __version__
from otpconv.reporter import AsyncReporter, Reporter, Stats


def instrument(reporter: Reporter | AsyncReporter, meter_provider: MeterProvider | None = None) -> None:
    """Give the numbers of this process's reporter, read when they are collected.

    Args:
        reporter: the reporter.
        meter_provider: where to give them; default: the global one.
    """
    meter = get_meter("otpconv.reporter", __version__, meter_provider)

    def observe(read: Callable[[Stats], int]) -> Sequence[Callable[[CallbackOptions], Iterator[Observation]]]:
        def observations(_: CallbackOptions) -> Iterator[Observation]:
            yield Observation(read(reporter.stats()))

        return [observations]

    def lost(_: CallbackOptions) -> Iterator[Observation]:
        for reason, number in reporter.stats().lost.items():
            yield Observation(number, {"reason": reason})

    counter, gauge = meter.create_observable_counter, meter.create_observable_gauge
    one = "{report}"
    counter("otpconv.reporter.reports", observe(lambda stats: stats.reported), one, "Reports taken.")
    counter("otpconv.reporter.delivered", observe(lambda stats: stats.delivered), one, "Reports delivered.")
    counter("otpconv.reporter.rejected", observe(lambda stats: stats.rejected), one, "Dead letters.")
    counter("otpconv.reporter.lost", [lost], one, "Reports lost, by reason.")
    gauge("otpconv.reporter.pending", observe(lambda stats: stats.pending), one, "Reports in the spool.")
    gauge(
        "otpconv.reporter.breaker_open",
        observe(lambda stats: stats.breaker == "open"),
        "1",
        "1 while the circuit breaker is open.",
    )
    gauge(
        "otpconv.reporter.degraded",
        observe(lambda stats: stats.degraded),
        "1",
        "1 while reports are not delivered, as was asked.",
    )
