"""Publishing to real brokers: delivered means that the broker has it, and nothing else does."""

import logging
import signal
import socket
import sys
import time

import pytest

from brokers.processes import Broker, free_port
from otpconv.delivery.brokers.address import parse_address
from otpconv.delivery.brokers.transport import broker_transport
from otpconv.delivery.reports import MESSAGE, Report, conversion, requested
from otpconv.delivery.transport import DELIVERED, Fate, Outcome, Transport
from otpconv.errors import Misconfigured

SCHEMES = ("amqp", "nats", "redis", "kafka")


def reports(number: int, *, first: int = 0) -> list[Report]:
    """As many requested messages, and as many conversions of them."""
    ids = [f"m{n}" for n in range(first, first + number)]
    messages = [requested(id_, 1_700_000_000_000, None, {}) for id_ in ids]
    conversions = [conversion(id_, delivered=True, conversion_time=1_700_000_001_000, to=None) for id_ in ids]
    return [Report(MESSAGE, body) for body in messages] + [Report(0, body) for body in conversions]


def until_delivered(transport: Transport, what: list[Report]) -> None:
    """Send again and again, as a spool does."""
    deadline = time.monotonic() + 10
    while transport.send(what) != [DELIVERED] * len(what):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_is_delivered_is_there_each_as_it_was_and_in_its_order(
    broker: Broker, stream: str, transport: Transport
) -> None:
    sent = reports(500)
    assert transport.send(sent) == [DELIVERED] * 1000
    assert broker.ask(lambda: broker.waiting(stream)) == [(report.event, "") for report in sent]


def test_a_broker_that_hangs_is_a_failure_within_the_time_out(broker: Broker, url: str) -> None:
    transport = broker_transport(url, timeout_ms=500)
    until_delivered(transport, reports(1))
    broker.pause()
    try:
        started = time.monotonic()
        fates = {(outcome.fate, outcome.code) for outcome in transport.send(reports(2, first=1))}
        assert time.monotonic() - started < 2
        assert fates == {(Fate.FAILED, "Timeout")}
    finally:
        broker.signal(signal.SIGCONT)
    until_delivered(transport, reports(2, first=1))
    transport.close()


def test_a_full_stream_refuses_what_is_new_and_drops_nothing(
    broker: Broker, stream: str, transport: Transport
) -> None:
    broker.ask(lambda: broker.limit(stream, 1))
    try:
        fates = [outcome.fate for outcome in transport.send(reports(5))]
    finally:
        broker.ask(lambda: broker.limit(stream, 0))
    there = [event for event, _ in broker.ask(lambda: broker.waiting(stream))]
    assert set(fates[2:]) == {Fate.BUSY}
    assert there == [report.event for report in reports(5)][: fates.count(Fate.DELIVERED)]


def test_a_wrong_password_is_refused_and_told_to_nobody(
    broker: Broker, stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        transport = broker_transport(broker.url(stream, "wrong-pass-word"), timeout_ms=5000)
        (outcome,) = transport.send(reports(1)[:1])
        transport.close()
    assert outcome.fate is Fate.REFUSED
    assert outcome.reason
    told = transport.destination + repr(outcome) + caplog.text
    assert "pass-word" not in told


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nobody_there_is_a_failure_at_once(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    transport = broker_transport(f"{scheme}://user:pass-word@127.0.0.1:{free_port()}", timeout_ms=5000)
    started = time.monotonic()
    with caplog.at_level(logging.DEBUG):
        (outcome,) = transport.send(reports(1)[:1])
        transport.close()
    assert time.monotonic() - started < 2
    assert outcome.fate is Fate.FAILED
    assert "pass-word" not in repr(outcome) + caplog.text


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_listener_that_says_nothing_is_a_failure_within_the_time_out(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        transport = broker_transport(f"{scheme}://user:pass-word@127.0.0.1:{port}", timeout_ms=300)
        started = time.monotonic()
        (outcome,) = transport.send(reports(1)[:1])
        transport.close()
    assert time.monotonic() - started < 2
    assert outcome == Outcome(Fate.FAILED, "Timeout", "the broker took longer than 300 ms")


@pytest.mark.parametrize(
    ("scheme", "library", "extra"),
    [
        ("amqps", "aiormq", "amqp"),
        ("tls", "nats.aio.client", "nats"),
        ("rediss", "redis.asyncio", "redis"),
        ("kafkas", "aiokafka", "kafka"),
    ],
)
def test_a_missing_library_is_named_with_what_brings_it(
    monkeypatch: pytest.MonkeyPatch, scheme: str, library: str, extra: str
) -> None:
    for module in ("rabbitmq", "jetstream", "redis_streams", "kafka"):
        monkeypatch.delitem(sys.modules, f"otpconv.delivery.brokers.{module}", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(Misconfigured) as refused:
        broker_transport(f"{scheme}://u:pass-word@host", timeout_ms=1000)
    assert refused.value.text.endswith(f": pip install 'otpconv[{extra}]'")
    assert "pass-word" not in refused.value.text


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://u:pass-word@host/",
        "redis:///0",
        "nats://u:pass-word@",
        "amqp://u:pass-word@host?stream=",
        "amqp://u:pass-word@host?stream=a..b",
        "amqp://u:pass-word@host?stream=a%20b",
        "amqp://u:pass-word@[host",
    ],
)
def test_a_url_of_no_broker_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        broker_transport(url, timeout_ms=1000)
    assert "pass-word" not in refused.value.text


def test_the_stream_has_a_name_of_its_own_unless_the_url_says_another() -> None:
    given = "amqp://u:pass-word@host:5672/vhost?heartbeat=10"
    usual = broker_transport(given, timeout_ms=1000)
    named = broker_transport(f"{given}&stream=mine", timeout_ms=1000)
    assert usual.destination == "amqp://host:5672/vhost?stream=otpconv.reports"
    assert named.destination == "amqp://host:5672/vhost?stream=mine"


def test_what_a_library_says_is_told_on_one_line_and_without_the_password() -> None:
    address = parse_address("redis://u:pass%2Fword@host")
    assert address.explain(OSError("no\nway to pass/word or pass%2Fword")) == "no way to … or …"
    assert address.explain(TimeoutError()) == "TimeoutError"


def test_a_transport_that_never_sent_closes() -> None:
    transport = broker_transport("nats://host", timeout_ms=1000)
    transport.close()
