"""Reads from Kafka in a consumer group, and commits the offsets of recorded messages."""

from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer

from otpconv.consume.source import FIRST_S, MOST, Taken
from otpconv.delivery.brokers.address import Address
from otpconv.delivery.brokers.kafka import connection_of, declare


def group_of(topic: str) -> str:
    """Return the group that consumes a topic: of its own, or those of other topics would be waited for."""
    return f"{topic}.otpconv"


class BrokerSource:
    """Reads messages from a topic."""

    def __init__(self, address: Address, redeliver_ms: int) -> None:
        """Prepare a consumer; `open` connects.

        Args:
            address: of the topic.
            redeliver_ms: not used: Kafka redelivers when a consumer leaves.
        """
        del redeliver_ms
        self._address = address
        self._consumer: Any = None

    async def open(self) -> None:
        """Connect, make the topic if it is not there, and get partitions of it."""
        await declare(self._address)
        self._consumer = AIOKafkaConsumer(
            self._address.stream,
            group_id=group_of(self._address.stream),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            **connection_of(self._address),
        )
        await self._consumer.start()

    async def take(self) -> list[Taken]:
        """Return the next records."""
        partitions = await self._consumer.getmany(timeout_ms=round(1000 * FIRST_S), max_records=MOST)
        return [Taken(record.value or b"", None) for records in partitions.values() for record in records]

    async def acknowledge(self, taken: Sequence[Taken]) -> None:
        """Commit the offsets after the messages that were taken last."""
        del taken
        await self._consumer.commit()

    async def close(self) -> None:
        """Leave the group and close the connections."""
        if self._consumer is not None:
            await self._consumer.stop()
