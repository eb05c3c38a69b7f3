"""NATS JetStream: a stream in files, which an acknowledged message leaves; every publish is acknowledged."""

import asyncio
from collections.abc import Sequence
from hashlib import blake2b
from typing import ClassVar

from nats.aio.client import Client
from nats.errors import AuthorizationError
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, Header, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError

from otpconv.reporter.brokers.address import Address
from otpconv.reporter.brokers.publisher import FULL, MOST_WAITING
from otpconv.reporter.transport import DELIVERED, Outcome

_FULL = {10077, 10023, 10047}  # the server's error codes: messages, bytes, or store exceeded
#: Whoever opens a connection waits less, s.
_CONNECT_S = 30


class BrokerPublisher:
    """Publishes to the subject of a stream."""

    refusals: ClassVar[tuple[type[Exception], ...]] = (AuthorizationError,)

    def __init__(self, address: Address) -> None:
        """Take the stream's address."""
        self._address = address
        self._client = Client()

    async def open(self) -> None:
        """Connect, and make the stream if it is not there."""
        await connect(self._client, self._address)
        self._jetstream = self._client.jetstream()
        await declare(self._jetstream, self._address.stream)

    async def publish(self, bodies: Sequence[bytes], reasons: Sequence[str] = ()) -> list[Outcome]:
        """Publish, and wait for the acknowledgements."""
        acks = []
        for body, reason in zip(bodies, reasons or [""] * len(bodies), strict=True):
            headers: dict[str, str] = {Header.MSG_ID: blake2b(body, digest_size=16).hexdigest()}
            if reason:
                headers["reason"] = reason
            acks.append(
                await self._jetstream.publish_async(
                    self._address.stream, body, stream=stream_name(self._address.stream), headers=headers
                )
            )
        return [_outcome(answer) for answer in await asyncio.gather(*acks, return_exceptions=True)]

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()


def _outcome(answer: object) -> Outcome:
    if isinstance(answer, APIError) and answer.err_code in _FULL:
        return FULL
    if isinstance(answer, BaseException):
        raise answer
    return DELIVERED


async def connect(client: Client, address: Address) -> None:
    """Connect a client that does not connect again by itself, and logs nothing."""

    async def ignore(_: Exception) -> None:
        """It is raised where it matters, too."""

    await client.connect(
        address.url,
        allow_reconnect=False,
        max_reconnect_attempts=1,
        reconnect_time_wait=0,
        connect_timeout=_CONNECT_S,
        error_cb=ignore,
    )


async def declare(jetstream: JetStreamContext, subject: str) -> None:
    """Make the stream of a subject if it is not there; one that is there is taken as it is."""
    try:
        await jetstream.stream_info(stream_name(subject))
    except NotFoundError:
        await jetstream.add_stream(
            StreamConfig(
                stream_name(subject),
                subjects=[subject],
                retention=RetentionPolicy.WORK_QUEUE,
                storage=StorageType.FILE,
                max_msgs=MOST_WAITING,
                discard=DiscardPolicy.NEW,  # by default the oldest would be dropped
            )
        )


def stream_name(subject: str) -> str:
    """Return the name of the stream of a subject: it may hold no dots."""
    return subject.replace(".", "_")
