"""What taking reports from a broker is, whichever broker it is."""

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

from otpconv.delivery.brokers.address import Address

#: Where the modules are that take.
ROOM = "otpconv.consume"
#: Messages per batch.
MOST = 1000
#: How long the first message is waited for, and those that are to come with it, s.
FIRST_S, REST_S = 0.5, 0.05


class Taken(Struct, gc=False):
    """A message that was taken from a broker, and by what the broker knows it."""

    body: bytes
    handle: Any


class Source(Protocol):
    """Takes messages from one stream. After an error it is closed, and a new one is made.

    Messages that were taken and not acknowledged come again: to a new source at once, or after a while.
    """

    async def open(self) -> None:
        """Connect, and make the stream, durable, if it is not there.

        Raises:
            Exception: whatever the library raises.
        """
        ...

    async def take(self) -> list[Taken]:
        """Return what waits, up to `MOST`; nothing when nothing comes for a moment.

        Raises:
            Exception: whatever the library raises.
        """
        ...

    async def acknowledge(self, taken: Sequence[Taken]) -> None:
        """Tell the broker that all that was taken last is dealt with.

        Raises:
            Exception: whatever the library raises.
        """
        ...

    async def close(self) -> None:
        """Close the connection, even if `open` failed."""
        ...


def source_of(address: Address, redeliver_ms: int) -> Source:
    """Return the source of an address, not opened yet; called where an event loop runs.

    Args:
        address: where to take from.
        redeliver_ms: after what time without an acknowledgement another consumer gets a message, with the
            brokers that do not notice by themselves that a consumer is gone: NATS and Redis.

    Raises:
        Misconfigured: its library is not installed.
    """
    source: Source = address.module(ROOM).BrokerSource(address, redeliver_ms)
    return source
