"""What publishing to a broker is, whichever broker it is."""

from collections.abc import Sequence
from typing import ClassVar, Protocol

from otpconv.delivery.brokers.address import Address
from otpconv.delivery.transport import Fate, Outcome
from otpconv.errors import Misconfigured

#: Where the modules are that publish.
ROOM = "otpconv.delivery.brokers"
#: Messages that may wait in a queue that we make: beyond, the broker refuses new ones and drops none.
MOST_WAITING = 10_000_000

FULL = Outcome(Fate.BUSY, "Full", "the broker has no room for more: is `otpconv consume` running?")


class Publisher(Protocol):
    """Publishes to one stream. After an error it is closed, and a new one is made.

    Attributes:
        refusals: the library's errors that say that the broker refuses the caller.
    """

    refusals: ClassVar[tuple[type[Exception], ...]]

    async def open(self) -> None:
        """Connect, and make the stream, durable, if it is not there.

        Raises:
            Exception: whatever the library raises.
        """
        ...

    async def publish(self, bodies: Sequence[bytes], reasons: Sequence[str] = ()) -> list[Outcome]:
        """Return, once the broker has said so of all, which are durable there and for which it has no room.

        Args:
            bodies: the messages.
            reasons: why each is set aside, in ASCII; empty when they are not.

        Raises:
            Exception: whatever the library raises; the broker may have any of them, or none.
        """
        ...

    async def close(self) -> None:
        """Close the connection, even if `open` failed."""
        ...


def publisher_of(address: Address) -> Publisher:
    """Return the publisher of an address, not opened yet; called where an event loop runs.

    Raises:
        Misconfigured: its library is not installed.
    """
    publisher: Publisher = address.module(ROOM).BrokerPublisher(address)
    return publisher


def outcome_of(address: Address, error: BaseException, refusals: tuple[type[Exception], ...]) -> Outcome:
    """Return what a library's error means for the reports that were being sent."""
    if isinstance(error, refusals):
        return Outcome(Fate.REFUSED, "BrokerRefuses", address.explain(error))
    if isinstance(error, Misconfigured):
        return Outcome(Fate.REFUSED, error.code, error.text)
    code = (
        "Timeout" if isinstance(error, TimeoutError) else "Unreachable" if isinstance(error, OSError) else ""
    )
    return Outcome(Fate.FAILED, code or "BrokerError", address.explain(error))
