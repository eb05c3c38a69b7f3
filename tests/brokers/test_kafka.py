"""Kafka's way, on librdkafka's mock of a cluster: it speaks the protocol over TCP, but is not Kafka.

It makes no topics when asked to, forgets all when it ends, and has no passwords: that is not tested.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from brokers.processes import Broker, Waiting
from brokers.test_consume import (
    test_what_can_not_be_recorded_is_set_aside_with_the_reason_and_stops_nothing,
)
from brokers.test_publishing import reports
from otpconv.consume.kafka import group_of
from otpconv.consume.source import Taken, source_of
from otpconv.delivery.brokers.address import parse_address
from otpconv.delivery.transport import DELIVERED, Transport

__all__ = ["test_what_can_not_be_recorded_is_set_aside_with_the_reason_and_stops_nothing"]


#: Of each topic that the mock makes.
_PARTITIONS = 4


class MockOfKafka(Broker):
    """A cluster of one, in threads of this process."""

    def start(self) -> None:
        self._client: Any = Producer(
            {"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 3}
        )
        (self._node,) = self._client.list_topics(timeout=10).brokers.values()

    def command(self) -> list[str]:
        raise NotImplementedError

    def url(self, stream: str, password: str | None = None) -> str:
        del password
        for topic in (stream, f"{stream}.rejected"):
            self._client.list_topics(topic, timeout=10)  # this makes it
        return f"kafka://127.0.0.1:{self._node.port}?stream={stream}"

    async def waiting(self, stream: str) -> Waiting:
        where = {"bootstrap_servers": f"127.0.0.1:{self._node.port}", "group_id": group_of(stream)}
        # Joining a group takes the mock seconds, so this one takes its partitions without being asked to.
        consumer = AIOKafkaConsumer(auto_offset_reset="earliest", enable_auto_commit=False, **where)
        await consumer.start()
        partitions = [TopicPartition(stream, number) for number in range(_PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        got: Waiting = []
        # Until the ends: on a busy machine, a poll can be empty although messages wait.
        while [each for each in partitions if await consumer.position(each) < ends[each]]:
            for records in (await consumer.getmany(timeout_ms=300)).values():
                got += [
                    (record.value, dict(record.headers).get("reason", b"").decode()) for record in records
                ]
        await consumer.stop()
        return got

    async def limit(self, stream: str, most: int) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module")
def broker() -> Broker:
    """The mock."""
    running = MockOfKafka(Path())
    running.start()
    return running


def test_what_is_delivered_is_there_and_what_is_not_acknowledged_comes_again(
    broker: Broker, stream: str, url: str, transport: Transport
) -> None:
    assert transport.send(reports(500)) == [DELIVERED] * 1000

    async def take() -> list[bytes]:
        source = source_of(parse_address(url), 1000)
        await source.open()
        taken: list[Taken] = []
        while more := await source.take():
            taken += more
        await source.close()
        return sorted(each.body for each in taken)

    published = sorted(report.event for report in reports(500))
    assert asyncio.run(take()) == published
    assert sorted(body for body, _ in broker.ask(lambda: broker.waiting(stream))) == published
