"""Taking from RabbitMQ: messages are pushed; those of a consumer that is gone go to the next one at once."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import aiormq
from aiormq.abc import DeliveredMessage

from otpconv.consume.source import FIRST_S, MOST, REST_S, Taken
from otpconv.delivery.brokers.address import Address
from otpconv.delivery.brokers.rabbitmq import declare


class BrokerSource:
    """Reads messages from a queue."""

    def __init__(self, address: Address, redeliver_ms: int) -> None:
        """Prepare a consumer; `open` connects.

        Args:
            address: of the queue.
            redeliver_ms: not used: RabbitMQ redelivers when a connection ends.
        """
        del redeliver_ms
        self._address = address
        self._connection = aiormq.Connection(address.url)
        self._pushed: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
        self._cancelled = False

    async def open(self) -> None:
        """Connect, make the queue if it is not there, and ask for its messages."""
        await self._connection.connect()
        await declare(self._connection, self._address.stream)
        self._channel = await self._connection.channel()
        self._channel.on_consumer_cancel_callbacks.add(self._on_cancel)
        await self._channel.basic_qos(prefetch_count=2 * MOST)
        await self._channel.basic_consume(self._address.stream, self._on_message)

    async def _on_message(self, message: DeliveredMessage) -> None:
        self._pushed.put_nowait(message)

    async def _on_cancel(self, *_: object) -> None:
        self._cancelled = True

    async def take(self) -> list[Taken]:
        """Return the messages that the broker pushed."""
        if self._cancelled or self._channel.is_closed or self._connection.is_closed:
            raise ConnectionError("the broker closed the connection, or the queue was deleted")
        messages: list[DeliveredMessage] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_S):
                messages.append(await self._pushed.get())
            async with asyncio.timeout(REST_S):
                while len(messages) < MOST:
                    messages.append(await self._pushed.get())
        return [Taken(message.body, message.delivery_tag) for message in messages]

    async def acknowledge(self, taken: Sequence[Taken]) -> None:
        """Acknowledge each."""
        for each in taken:
            await self._channel.basic_ack(each.handle, wait=False)

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()
