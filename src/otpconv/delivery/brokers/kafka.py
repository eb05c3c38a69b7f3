"""Kafka: an idempotent producer that waits for all replicas in sync."""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any, ClassVar

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    SaslAuthenticationFailed,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from otpconv.delivery.brokers.address import Address
from otpconv.delivery.transport import DELIVERED, Outcome

#: Retention of a topic that we create. Kafka deletes by age, read or not, so no consumer may be down for
#: longer.
_RETENTION_MS = 30 * 24 * 60 * 60 * 1000
_PARTITIONS = 4
_MOST_REPLICAS = 3
_LINGER_MS = 5


class BrokerPublisher:
    """Publishes to a topic."""

    refusals: ClassVar[tuple[type[Exception], ...]] = (
        AuthenticationFailedError,
        SaslAuthenticationFailed,
        ClusterAuthorizationFailedError,
        TopicAuthorizationFailedError,
    )

    def __init__(self, address: Address) -> None:
        """Prepare a producer; `open` connects.

        Args:
            address: of the topic.
        """
        self._address = address
        self._producer: Any = None

    async def open(self) -> None:
        """Connect, and make the topic if it is not there."""
        await declare(self._address)
        self._producer = AIOKafkaProducer(
            enable_idempotence=True, acks="all", linger_ms=_LINGER_MS, **connection_of(self._address)
        )
        await self._producer.start()

    async def publish(self, bodies: Sequence[bytes], reasons: Sequence[str] = ()) -> list[Outcome]:
        """Publish, and wait for the acknowledgements."""
        sent = [
            await self._producer.send(
                self._address.stream, body, headers=[("reason", reason.encode())] if reason else None
            )
            for body, reason in zip(bodies, reasons or [""] * len(bodies), strict=True)
        ]
        await asyncio.gather(*sent)
        return [DELIVERED] * len(bodies)

    async def close(self) -> None:
        """Close the connections."""
        if self._producer is not None:
            await self._producer.stop()


def connection_of(address: Address) -> dict[str, Any]:
    """Return the options by which every client of aiokafka connects."""
    tls = address.scheme == "kafkas"
    options: dict[str, Any] = {
        "bootstrap_servers": address.hosts.split(","),
        "security_protocol": ("SASL_" if address.user else "") + ("SSL" if tls else "PLAINTEXT"),
        "ssl_context": ssl.create_default_context() if tls else None,
    }
    if address.user:
        options |= {"sasl_plain_username": address.user, "sasl_plain_password": address.password}
    return options


async def declare(address: Address) -> None:
    """Make a topic if it is not there; one that is there is taken as it is."""
    admin = AIOKafkaAdminClient(**connection_of(address))
    try:
        await admin.start()
        if address.stream in await admin.list_topics():
            return
        brokers = (await admin.describe_cluster())["brokers"]
        topic = NewTopic(
            address.stream,
            _PARTITIONS,
            min(_MOST_REPLICAS, len(brokers)),
            topic_configs={"retention.ms": str(_RETENTION_MS)},
        )
        answer = await admin.create_topics([topic])
        for _, code, *_ in answer.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error
    finally:
        await admin.close()
