"""NATS JetStream: a stream in files, which an acknowledged message leaves; every publish is acknowledged."""

import asyncio
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, ClassVar

from nats.aio.client import Client
from nats.errors import AuthorizationError, Error
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, Header, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError

from otpconv.delivery.brokers.address import Address
from otpconv.delivery.brokers.publisher import FULL, MOST_WAITING
from otpconv.delivery.transport import DELIVERED, Outcome

_FULL = {10077, 10023, 10047}  # the server's error codes: messages, bytes, or store exceeded
#: Upper bound for the NATS library, s; connecting and publishing have shorter timeouts.
_ANSWER_S = 60


class BrokerPublisher:
    """Publishes to the subject of a stream."""

    refusals: ClassVar[tuple[type[Exception], ...]] = (AuthorizationError,)

    def __init__(self, address: Address) -> None:
        """Prepare a producer; `open` connects.

        Args:
            address: of the stream.
        """
        self._address = address
        self._client = Client()
        self._lost = asyncio.Event()

    async def open(self) -> None:
        """Connect, and make the stream if it is not there."""
        await connect(self._client, self._address, self._lost.set)
        self._jetstream = self._client.jetstream()
        await declare(self._jetstream, self._address.stream)

    async def publish(self, bodies: Sequence[bytes], reasons: Sequence[str] = ()) -> list[Outcome]:
        """Publish, and wait for the acknowledgements."""
        # Not `publish_async`: an answer that is an error never reaches its caller.
        acks = asyncio.gather(*map(self._publish, bodies, reasons or [""] * len(bodies)))
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            # The library itself goes on waiting for answers on a connection that is gone.
            either: set[asyncio.Future[Any]] = {acks, lost}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not acks.done():
                raise ConnectionError("the connection was lost")
            return acks.result()
        finally:
            lost.cancel()
            acks.cancel()

    async def _publish(self, body: bytes, reason: str) -> Outcome:
        headers: dict[str, str] = {Header.MSG_ID: blake2b(body, digest_size=16).hexdigest()}
        if reason:
            headers["reason"] = reason
        subject = self._address.stream
        try:
            await self._jetstream.publish(
                subject, body, timeout=_ANSWER_S, stream=stream_name(subject), headers=headers
            )
        except APIError as error:
            if error.err_code not in _FULL:
                raise
            return FULL
        return DELIVERED

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()


async def connect(client: Client, address: Address, when_lost: Callable[[], object]) -> None:
    """Connect a client that does not connect again by itself, and logs nothing."""

    async def lost() -> None:
        when_lost()

    async def ignore(_: Exception) -> None:
        """It is raised where it matters, too."""

    try:
        await client.connect(
            address.url,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=_ANSWER_S,
            error_cb=ignore,
            disconnected_cb=lost,
        )
    except Error as error:
        if "Authorization" in str(error):  # the library has a type for it, and raises another
            raise AuthorizationError from None
        raise


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
