"""`/metrics`: valid for Prometheus, bounded, for callers who may, and in agreement with the rates."""

from collections.abc import Callable

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_format

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.model import OTHER
from otpconv.storage.bounds import BOUNDS
from otpconv.web.v1.metrics import MAX_ROUTES
from web.wire import connect, exchange, v3

Samples = dict[tuple[str, ...], float]


def samples(client: httpx.Client, name: str, *labels: str) -> Samples:
    """The values of a metric by some of its labels."""
    found: Samples = {}
    for family in text_format(client.get("/metrics").raise_for_status().text):
        for sample in family.samples:
            if sample.name == name:
                found[tuple(sample.labels[label] for label in labels)] = sample.value
    return found


def test_both_formats_are_valid(own: httpx.Client) -> None:
    plain = own.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain")
    # What the other format has no families for.
    names = {family.name for family in text_format(plain.text) if not family.name.endswith("_created")}
    assert names >= {
        "otpconv_requests",
        "otpconv_commit_seconds",
        "otpconv_commit_reports",
        "otpconv_apply_seconds",
        "otpconv_journal_lag_reports",
        "otpconv_unmatched_conversions",
        "otpconv_folded_messages",
        "otpconv_requested_messages",
        "otpconv_verified_messages",
    }
    other = own.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert other.headers["content-type"].startswith("application/openmetrics-text")
    assert names <= {family.name for family in open_metrics(other.text)}


def test_requests_are_counted_by_action_and_code(
    server: LocalServer, own: httpx.Client, key: AccessKey
) -> None:
    def count(action: str, code: str) -> float:
        return samples(own, "otpconv_requests_total", "action", "code").get((action, code), 0)

    wanted = [
        ("dysms:SmsConversion", "OK"),
        ("dysms:SmsConversion", "InvalidMessageId"),
        ("dysms:SmsConversion", "INVALID_PARAMETERS"),
        ("otpconv:GetMessage", "NotFound"),
        ("otpconv:RecordMessages", "OK"),
    ]
    before = [count(*each) for each in wanted]
    connection = connect(server.url)
    exchange(connection, v3(key, {"MessageId": "m1", "Delivered": "true"}))
    exchange(connection, v3(key, {"MessageId": "m 1", "Delivered": "true"}))
    far = str(wall_clock() + 86_400_000)
    exchange(connection, v3(key, {"MessageId": "m1", "Delivered": "true", "ConversionTime": far}))
    connection.close()
    own.get("/v1/messages/none")
    own.post("/v1/messages", json={"messages": [{"message_id": "m2"}]})
    assert [count(*each) for each in wanted] == [each + 1 for each in before]


def test_messages_are_told_by_provider_and_country_and_the_rest_is_summed_up(
    own: httpx.Client, eventually: Callable[..., None]
) -> None:
    now = wall_clock()
    messages = [
        {
            "message_id": f"{provider}-{n}",
            "provider": f"p{provider}",
            "country": "DE",
            "requested_at": now - 60_000,
        }
        for provider in range(MAX_ROUTES + 20)
        for n in range(1 + (provider < 10))
    ]
    messages += [
        {"message_id": f"other-{n}", "provider": "other", "requested_at": now - 60_000} for n in range(3)
    ]
    own.post("/v1/messages", json={"messages": messages}).raise_for_status()
    conversions = [{"message_id": f"3-{n}", "delivered": True} for n in range(2)]
    own.post("/v1/conversions", json={"conversions": conversions}).raise_for_status()

    def verified() -> float | None:
        found = samples(own, "otpconv_verified_messages", "provider", "country", "window")
        return found.get(("p3", "DE", "1h"))

    eventually(verified, 2)
    requested = samples(own, "otpconv_requested_messages", "provider", "country", "window")
    assert requested["p3", "DE", "1h"] == requested["p3", "DE", "all"] == 2
    assert requested[OTHER, OTHER, "1h"] == 21
    assert requested["other", "", "1h"] == 3
    assert len(requested) == 2 * (MAX_ROUTES + 1)
    assert sum(requested.values()) == 2 * len(messages)


def test_who_may_not_is_refused(make_key: Callable[..., AccessKey], server: LocalServer) -> None:
    assert httpx.get(f"{server.url}/metrics").status_code == 401
    reporting = make_key("OtpconvReportOnly")
    answer = httpx.get(f"{server.url}/metrics", auth=(reporting.access_key_id, reporting.secret))
    assert (answer.status_code, answer.json()["code"]) == (403, "AccessDenied")
    reading = make_key("OtpconvReadOnly")
    assert httpx.get(f"{server.url}/metrics", auth=(reading.access_key_id, reading.secret)).status_code == 200


def test_messages_that_are_counted_as_other_are_told(
    own: httpx.Client, eventually: Callable[..., None]
) -> None:
    messages = [{"message_id": f"m{n}", "template": f"code {n}"} for n in range(BOUNDS.values + 30)]
    own.post("/v1/messages", json={"messages": messages}).raise_for_status()
    eventually(lambda: samples(own, "otpconv_folded_messages"), {(): 30})
