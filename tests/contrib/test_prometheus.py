"""Prometheus: a reporter's numbers as they are scraped."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from otpconv.contrib.prometheus import ReporterCollector
from otpconv.reporter import AsyncReporter, Reporter


def scraped(registry: CollectorRegistry) -> dict[str, float]:
    """The samples by name, without the texts."""
    lines = generate_latest(registry).decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
    }


def test_a_reporter_s_numbers_are_scraped_as_they_are(options: dict[str, str]) -> None:
    with Reporter(**options) as reporter:
        registry = CollectorRegistry()
        registry.register(ReporterCollector(reporter))
        reporter.requested("a")
        reporter.requested("b")
        reporter.flush()
        reporter.degrade()
        reporter.report("a")
        assert scraped(registry) == {
            "otpconv_reporter_reports_total": 3,
            "otpconv_reporter_delivered_total": 2,
            "otpconv_reporter_rejected_total": 0,
            "otpconv_reporter_pending": 1,
            "otpconv_reporter_breaker_open": 0,
            "otpconv_reporter_degraded": 1,
            "otpconv_reporter_disabled": 0,
        }
        reporter.restore()


def test_what_is_lost_has_its_reason(options: dict[str, str]) -> None:
    reporter = Reporter(**options, when_degraded="drop")
    reporter.degrade()
    reporter.requested("a")
    registry = CollectorRegistry()
    registry.register(ReporterCollector(reporter))
    assert scraped(registry)['otpconv_reporter_lost_total{reason="degraded"}'] == 1


def test_a_second_reporter_in_one_registry_is_refused(options: dict[str, str]) -> None:
    registry = CollectorRegistry()
    with Reporter(**options) as reporter:
        registry.register(ReporterCollector(reporter))
        with pytest.raises(ValueError, match="Duplicated timeseries"):
            registry.register(ReporterCollector(reporter))


def test_an_asynchronous_reporter_is_scraped_too(options: dict[str, str]) -> None:
    registry = CollectorRegistry()
    registry.register(ReporterCollector(AsyncReporter(**options)))
    assert scraped(registry)["otpconv_reporter_reports_total"] == 0


def test_a_disabled_reporter_is_scraped_as_disabled_with_what_it_dropped() -> None:
    registry = CollectorRegistry()
    reporter = Reporter(disabled=True)
    registry.register(ReporterCollector(reporter))
    reporter.report("a")
    samples = scraped(registry)
    assert samples["otpconv_reporter_disabled"] == 1
    assert samples['otpconv_reporter_lost_total{reason="disabled"}'] == 1
