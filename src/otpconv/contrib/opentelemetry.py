"""OpenTelemetry: `instrument(reporter)`; needs opentelemetry-api alone."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter

from otpconv import __version__
from otpconv.reporter import AsyncReporter, Reporter, Stats

_STATES: tuple[tuple[str, Callable[[Stats], bool], str], ...] = (
    ("breaker_open", lambda now: now.breaker == "open", "1 while the circuit breaker is open."),
    ("degraded", lambda now: now.degraded, "1 while reports are not delivered, as was asked."),
    ("disabled", lambda now: now.disabled, "1 if the reporter is disabled and drops all reports."),
)


def instrument(reporter: Reporter | AsyncReporter, meter_provider: MeterProvider | None = None) -> None:
    """Give the numbers of this process's reporter, read when they are collected.

    Args:
        reporter: the reporter.
        meter_provider: where to give them; default: the global one.
    """
    meter = get_meter("otpconv.reporter", __version__, meter_provider)

    @lru_cache(maxsize=1)
    def stats_of(_second: int) -> Stats:
        # The metrics of one collection read the spool once, not each for itself.
        return reporter.stats()

    def stats() -> Stats:
        return stats_of(int(time.monotonic()))

    def observe(read: Callable[[Stats], int]) -> Sequence[Callable[[CallbackOptions], Iterator[Observation]]]:
        def observations(_: CallbackOptions) -> Iterator[Observation]:
            yield Observation(read(stats()))

        return [observations]

    def lost(_: CallbackOptions) -> Iterator[Observation]:
        for reason, number in stats().lost.items():
            yield Observation(number, {"reason": reason})

    counter, gauge = meter.create_observable_counter, meter.create_observable_gauge
    one = "{report}"
    counter("otpconv.reporter.reports", observe(lambda now: now.reported), one, "Reports taken.")
    counter("otpconv.reporter.delivered", observe(lambda now: now.delivered), one, "Reports delivered.")
    counter("otpconv.reporter.rejected", observe(lambda now: now.rejected), one, "Dead letters.")
    counter("otpconv.reporter.lost", [lost], one, "Reports lost, by reason.")
    gauge("otpconv.reporter.pending", observe(lambda now: now.pending), one, "Reports in the spool.")
    for name, read, what in _STATES:
        gauge(f"otpconv.reporter.{name}", observe(read), "1", what)
