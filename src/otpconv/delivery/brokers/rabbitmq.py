"""RabbitMQ: persistent messages in a durable queue, with publisher confirms."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import aiormq
from pamqp.commands import Basic
from pamqp.common import FieldValue

from otpconv.delivery.brokers.address import Address
from otpconv.delivery.brokers.publisher import FULL, MOST_WAITING
from otpconv.delivery.transport import DELIVERED, Outcome

_PERSISTENT = 2


class BrokerPublisher:
    """Publishes to a queue, through the default exchange."""

    refusals: ClassVar[tuple[type[Exception], ...]] = (
        aiormq.AuthenticationError,
        aiormq.ProbableAuthenticationError,
        aiormq.ConnectionNotAllowed,
        aiormq.ChannelAccessRefused,
    )

    def __init__(self, address: Address) -> None:
        """Prepare a producer; `open` connects.

        Args:
            address: of the queue.
        """
        self._address = address
        self._connection = aiormq.Connection(address.url)
        self._channel: aiormq.abc.AbstractChannel | None = None

    async def open(self) -> None:
        """Connect, and make the queue if it is not there."""
        await self._connection.connect()
        await declare(self._connection, self._address.stream)
        self._channel = await self._connection.channel(publisher_confirms=True)

    async def publish(self, bodies: Sequence[bytes], reasons: Sequence[str] = ()) -> list[Outcome]:
        """Publish, and wait for the confirms."""
        confirms = [
            self._publish(body, reason)
            for body, reason in zip(bodies, reasons or [""] * len(bodies), strict=True)
        ]
        return await asyncio.gather(*confirms)

    async def _publish(self, body: bytes, reason: str) -> Outcome:
        assert self._channel is not None  # noqa: S101 - for the type
        properties = Basic.Properties(
            content_type="application/json",
            delivery_mode=_PERSISTENT,
            headers={"reason": reason} if reason else None,
        )
        try:
            # Mandatory: without it a message for a queue that was deleted is confirmed, and gone.
            await self._channel.basic_publish(
                body, routing_key=self._address.stream, properties=properties, mandatory=True
            )
        except aiormq.PublishError:
            raise
        except aiormq.DeliveryError:  # a nack
            return FULL
        return DELIVERED

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()


async def declare(connection: aiormq.abc.AbstractConnection, queue: str) -> None:
    """Make a queue if it is not there; one that is there is taken as it is."""
    try:
        await (await connection.channel()).queue_declare(queue, passive=True)
    except aiormq.ChannelNotFoundEntity:
        # Full means that new messages are refused: by default the oldest would be dropped.
        arguments: dict[str, FieldValue] = {"x-max-length": MOST_WAITING, "x-overflow": "reject-publish"}
        await (await connection.channel()).queue_declare(queue, durable=True, arguments=arguments)
