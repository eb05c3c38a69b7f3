"""Taking from NATS JetStream, by a durable pull consumer that all processes share."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig

from otpconv.consume.source import FIRST_S, MOST, REST_S, Taken
from otpconv.delivery.brokers.address import Address
from otpconv.delivery.brokers.jetstream import connect, declare, stream_name

_DURABLE = "otpconv"
_UNLIMITED = -1


class BrokerSource:
    """Reads messages from a stream."""

    def __init__(self, address: Address, redeliver_ms: int) -> None:
        """Prepare a consumer; `open` connects.

        Args:
            address: of the stream.
            redeliver_ms: after this time, an unacknowledged message goes to another consumer, ms.
        """
        self._address = address
        self._redeliver_s = redeliver_ms / 1000
        self._client = Client()
        self._lost = asyncio.Event()

    async def open(self) -> None:
        """Connect, and make the stream and the consumer if they are not there."""
        await connect(self._client, self._address, self._lost.set)
        jetstream = self._client.jetstream()
        await declare(jetstream, self._address.stream)
        stream = stream_name(self._address.stream)
        await jetstream.add_consumer(
            stream,
            ConsumerConfig(
                durable_name=_DURABLE,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=self._redeliver_s,
                max_deliver=_UNLIMITED,
                max_ack_pending=_UNLIMITED,
            ),
        )
        self._pull = await jetstream.pull_subscribe_bind(_DURABLE, stream)

    async def take(self) -> list[Taken]:
        """Pull what waits."""
        if self._lost.is_set():
            raise ConnectionError("the connection was lost")
        try:
            messages = await self._pull.fetch(1, FIRST_S)
        except TimeoutError:
            return []
        with suppress(TimeoutError):
            messages += await self._pull.fetch(MOST - 1, REST_S)
        return [Taken(message.data, message) for message in messages]

    async def acknowledge(self, taken: Sequence[Taken]) -> None:
        """Acknowledge each."""
        for each in taken:
            await each.handle.ack()
        await self._client.flush()

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()
