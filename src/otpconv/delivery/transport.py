"""What a transport is: it takes reports to where they are wanted, and says of each what became of it."""

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from msgspec import Struct

from otpconv.delivery.reports import Report


class Fate(Enum):
    """What becomes of a report that was sent.

    A report whose fate is `FAILED`, `BUSY`, `REFUSED` or `UNSENT` stays in the spool and is sent again.
    """

    #: The other side has it, durably.
    DELIVERED = "delivered"
    #: The other side will never take this report: it is set aside as a dead letter.
    REJECTED = "rejected"
    #: The other side, or the way to it, is broken: counts for the circuit breaker.
    FAILED = "failed"
    #: The other side asks to come again later: throttled, or full for the moment.
    BUSY = "busy"
    #: The other side refuses the caller, whatever it sends: a key, a permission, the account, the address.
    REFUSED = "refused"
    #: It was not sent, since others failed before it.
    UNSENT = "unsent"


class Outcome(Struct, frozen=True, gc=False):
    """The fate of one report.

    Attributes:
        fate: what became of it.
        code: the other side's error code, or a word of ours; empty when delivered.
        reason: for a person, without numbers and secrets; empty when delivered.
        wait_ms: how long the other side asks to wait; 0 when it does not say.
    """

    fate: Fate
    code: str = ""
    reason: str = ""
    wait_ms: int = 0


DELIVERED = Outcome(Fate.DELIVERED)


class Transport(Protocol):
    """Sends reports. Used by one thread, the delivering one.

    Attributes:
        destination: where it sends to, for people: without secrets.
        most: how many reports `send` takes at once.
        takes_requested: whether the other side wants to hear of requested messages, not of conversions alone.
    """

    destination: str
    most: int
    takes_requested: bool

    def send(self, reports: Sequence[Report]) -> list[Outcome]:
        """Send up to `most` reports, whose numbers are not sealed, and return their outcomes in their order.

        Whatever goes wrong is an outcome: it raises nothing on purpose. It returns within the time-out that
        it was made with, or a little later.
        """
        ...

    def close(self) -> None:
        """Close the connections; the transport is not used afterwards."""
        ...
