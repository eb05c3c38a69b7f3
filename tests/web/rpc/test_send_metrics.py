"""The numbers of messages that were passed on, by vendor account."""

from prometheus_client.registry import Collector

from otpconv.access.vendors import VendorAccount
from otpconv.web.rpc.send_metrics import MAX_VENDORS, SendMetrics


def vendor(name: str, account: int = 1) -> VendorAccount:
    return VendorAccount(id=1, account=account, name=name, kind="x", provider="p", settings={}, secrets={})


def samples(metrics: Collector) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in metrics.collect()
        for sample in metric.samples
    }


def test_results_and_times_are_counted_for_the_account_alone() -> None:
    metrics = SendMetrics()
    for seconds in (0.07, 0.1, 40.0):
        metrics.note(vendor("a"), "accepted", seconds)
    metrics.note(vendor("a"), "unknown", 0.3)
    metrics.note(vendor("b", account=2), "refused", 1.0)
    found = samples(metrics.of(1))
    assert found["otpconv_sends_total", "a", "accepted"] == 3
    assert found["otpconv_sends_total", "a", "unknown"] == 1
    buckets = {
        bound: found["otpconv_send_seconds_bucket", "a", bound]
        for bound in ("0.05", "0.1", "0.5", "30.0", "+Inf")
    }
    assert buckets == {"0.05": 0, "0.1": 2, "0.5": 3, "30.0": 3, "+Inf": 4}
    assert round(found["otpconv_send_seconds_sum", "a"], 2) == 40.47
    assert not [labels for labels in found if "b" in labels]
    assert samples(metrics.of(3)) == {}


def test_vendor_accounts_without_messages_lately_are_forgotten() -> None:
    metrics = SendMetrics()
    for number in range(MAX_VENDORS):
        metrics.note(vendor(f"v{number}"), "accepted", 1.0)
    metrics.note(vendor("v0"), "accepted", 1.0)
    metrics.note(vendor("new"), "accepted", 1.0)
    found = samples(metrics.of(1))
    assert found["otpconv_sends_total", "v0", "accepted"] == 2
    assert ("otpconv_sends_total", "v1", "accepted") not in found
    assert ("otpconv_sends_total", "new", "accepted") in found
