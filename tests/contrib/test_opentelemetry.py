"""OpenTelemetry: a reporter's numbers as they are collected."""

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otpconv.contrib.opentelemetry import instrument
from otpconv.reporter import Reporter

Points = dict[str, list[tuple[dict[str, object], float]]]


def collected(reporter: Reporter) -> Points:
    """The attributes and the value of each point, by the name of its metric."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    instrument(reporter, provider)
    data = reader.get_metrics_data()
    assert data is not None
    found: Points = {}
    for metric in data.resource_metrics[0].scope_metrics[0].metrics:
        found[metric.name] = [(dict(point.attributes), point.value) for point in metric.data.data_points]
    provider.shutdown()
    return found


def test_a_reporter_s_numbers_are_collected_as_they_are(options: dict[str, str]) -> None:
    with Reporter(**options) as reporter:
        reporter.requested("a")
        reporter.requested("b")
        reporter.flush()
        reporter.degrade()
        reporter.report("a")
        assert collected(reporter) == {
            "otpconv.reporter.reports": [({}, 3)],
            "otpconv.reporter.delivered": [({}, 2)],
            "otpconv.reporter.rejected": [({}, 0)],
            "otpconv.reporter.pending": [({}, 1)],
            "otpconv.reporter.breaker_open": [({}, 0)],
            "otpconv.reporter.degraded": [({}, 1)],
            "otpconv.reporter.disabled": [({}, 0)],
        }
        reporter.restore()


def test_what_is_lost_has_its_reason(options: dict[str, str]) -> None:
    reporter = Reporter(**options, when_degraded="drop")
    reporter.degrade()
    reporter.requested("a")
    assert collected(reporter)["otpconv.reporter.lost"] == [({"reason": "degraded"}, 1)]


def test_a_disabled_reporter_is_collected_as_disabled_with_what_it_dropped() -> None:
    reporter = Reporter(disabled=True)
    reporter.report("a")
    points = collected(reporter)
    assert points["otpconv.reporter.disabled"] == [({}, 1)]
    assert points["otpconv.reporter.lost"] == [({"reason": "disabled"}, 1)]
