"""Brokers for the tests, and consumers as processes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from brokers.processes import BROKERS, Broker, found
from campaigns import parameters
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.delivery.brokers.transport import broker_transport
from otpconv.delivery.transport import Transport

#: A consumer with these options ends when it has drained the stream.
Consume = Callable[..., "subprocess.Popen[str]"]

_numbers = count(1)


#: RabbitMQ alone takes 4 s of CPU to start.
LIGHT = ("nats-server", "redis-server")


@pytest.fixture(scope="session", params=parameters([*BROKERS], LIGHT, "the same by another broker"))
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A running broker that many tests share, each with a stream of its own."""
    kind = BROKERS[request.param]
    found(kind)
    running = kind(tmp_path_factory.mktemp(kind.package))
    try:
        running.start()
        yield running
    finally:
        running.kill()


@pytest.fixture
def stream() -> str:
    """The name of a stream of the test's own."""
    return f"tests.stream{next(_numbers)}"


@pytest.fixture
def url(broker: Broker, stream: str) -> str:
    """The address of the test's own stream."""
    return broker.url(stream)


@pytest.fixture
def transport(url: str) -> Iterator[Transport]:
    """What publishes to the test's own stream."""
    made = broker_transport(url, timeout_ms=10_000)
    yield made
    made.close()


@pytest.fixture
def start_consumer(server: LocalServer, key: AccessKey) -> Iterator[Consume]:
    """Starts `otpconv consume` for the test's own account of the shared server, or as its arguments say."""
    started: list[subprocess.Popen[str]] = []

    def start(url: str, *options: str, **settings: str) -> "subprocess.Popen[str]":
        usual = {
            "OTPCONV_ENDPOINT": server.url,
            "OTPCONV_ACCESS_KEY_ID": key.access_key_id,
            "OTPCONV_ACCESS_KEY_SECRET": key.secret,
        }
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "otpconv", "consume", url, "--json", "--redeliver-after", "1", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ) | usual | settings,  # noqa: TID251
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.stdout is not None and not process.stdout.closed:
            process.kill()
            process.communicate()
