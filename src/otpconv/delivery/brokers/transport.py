"""The transport that publishes reports to a broker, from which `otpconv consume` takes them.

By the brokers' own libraries, not FastStream, which wraps them: it has no batches for RabbitMQ, and takes
what a dead consumer of Redis held back one by one.
"""

import asyncio
import time
from collections.abc import Sequence

from otpconv.delivery.brokers.address import Address, parse_address
from otpconv.delivery.brokers.publisher import ROOM, Publisher, outcome_of, publisher_of
from otpconv.delivery.reports import Report
from otpconv.delivery.transport import Fate, Outcome, Transport

#: A connection that was idle for longer is reopened, s: between two sends nobody answers its heartbeats.
_IDLE_S = 20.0
#: How long a connection may take to close, s.
_CLOSE_S = 0.5


def broker_transport(url: str, *, timeout_ms: int) -> Transport:
    """Return the transport that publishes to a broker; it connects when it first sends.

    Args:
        url: amqp, amqps, nats, tls, redis, rediss, kafka or kafkas, e.g. `nats://host:4222?stream=otpconv.reports`.
        timeout_ms: how long connecting and publishing may take.

    Raises:
        Misconfigured: the URL is none of a broker, or its library is not installed.
    """
    address = parse_address(url)
    address.module(ROOM)
    return _BrokerTransport(address, timeout_ms)


class _BrokerTransport:
    """Runs a publisher on an event loop of its own, which only runs while it sends."""

    most = 1000
    takes_requested = True

    def __init__(self, address: Address, timeout_ms: int) -> None:
        self.destination = address.destination
        self._address = address
        self._timeout_ms = timeout_ms
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._publisher: Publisher | None = None
        self._used_s = 0.0

    def send(self, reports: Sequence[Report]) -> list[Outcome]:
        return self._runner.run(self._send([report.event for report in reports]))

    def close(self) -> None:
        self._runner.run(self._drop())
        self._runner.close()

    async def _send(self, events: list[bytes]) -> list[Outcome]:
        if time.monotonic() - self._used_s > _IDLE_S:
            await self._drop()
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                outcomes = await (await self._opened()).publish(events)
        except Exception as error:  # noqa: BLE001 - the libraries raise what they like
            outcome = self._outcome(error)
            await self._drop()
            return [outcome] * len(events)
        self._used_s = time.monotonic()
        return outcomes

    async def _opened(self) -> Publisher:
        if self._publisher is None:
            self._publisher = publisher_of(self._address)
            await self._publisher.open()
        return self._publisher

    async def _drop(self) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            try:
                async with asyncio.timeout(_CLOSE_S):
                    await publisher.close()
            except Exception:  # noqa: BLE001, S110 - it is broken already
                pass

    def _outcome(self, error: Exception) -> Outcome:
        if isinstance(error, TimeoutError):
            return Outcome(Fate.FAILED, "Timeout", f"the broker took longer than {self._timeout_ms} ms")
        return outcome_of(self._address, error, self._publisher.refusals if self._publisher else ())
