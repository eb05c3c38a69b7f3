"""Redis Streams: entries of one stream, added in one pipeline; as durable as the server's `appendfsync`."""

from collections.abc import Sequence
from typing import ClassVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError, OutOfMemoryError

from otpconv.delivery.brokers.address import Address
from otpconv.delivery.brokers.publisher import FULL
from otpconv.delivery.transport import DELIVERED, Outcome

#: The field of an entry that holds the report.
FIELD = b"report"


class BrokerPublisher:
    """Adds to a stream, which the first entry makes."""

    refusals: ClassVar[tuple[type[Exception], ...]] = (
        AuthenticationError,
        AuthorizationError,
        NoPermissionError,
    )

    def __init__(self, address: Address) -> None:
        """Prepare a producer; `open` connects.

        Args:
            address: of the stream.
        """
        self._stream = address.stream
        self._client = client_of(address)

    async def open(self) -> None:
        """Connect."""
        await self._client.ping()

    async def publish(self, bodies: Sequence[bytes], reasons: Sequence[str] = ()) -> list[Outcome]:
        """Add to the stream; nothing is trimmed from it."""
        async with self._client.pipeline(transaction=False) as pipeline:
            for body, reason in zip(bodies, reasons or [""] * len(bodies), strict=True):
                pipeline.xadd(self._stream, {FIELD: body, "reason": reason} if reason else {FIELD: body})
            return [_outcome(answer) for answer in await pipeline.execute(raise_on_error=False)]

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()


def _outcome(answer: object) -> Outcome:
    if isinstance(answer, OutOfMemoryError):
        return FULL
    if isinstance(answer, Exception):
        raise answer
    return DELIVERED


def client_of(address: Address) -> Redis:
    """Return a client that makes one connection and tries nothing twice."""
    return Redis.from_url(address.url, single_connection_client=True, retry=Retry(NoBackoff(), 0))
