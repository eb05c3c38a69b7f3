"""The questions of the event loop to the ledger while requests wait: one lookup for each batch of reports."""

from collections.abc import Collection, Mapping
from typing import Protocol

from msgspec import Struct

from otpconv.model import Conversion, MessageState, Requested
from otpconv.receipts import ReceiptState
from otpconv.storage.awaitable import AwaitableOrValue


class Lookup(Struct, frozen=True):
    """What the intake needs to know about a batch of reports.

    Attributes:
        states: by account, the messages to return with all that is known of them.
        outlines: by account, the messages to return as an outline: of their request only its time and number.
            An outline costs a third of a state.
        by_number: conversions known by number alone.
        receipts: by account, the vendors' ids of messages whose receipts to return.
    """

    states: Mapping[int, Collection[str]]
    outlines: Mapping[int, Collection[str]]
    by_number: Collection[Conversion]
    receipts: Mapping[int, Collection[str]] = {}


class Stored(Struct, frozen=True):
    """What the ledger holds about a `Lookup`.

    Attributes:
        states: by account and message, the reports by the message's id; unknown messages are left out.
        outlines: likewise.
        owners: by conversion known by number alone, the message that it is about, if there is one.
        conversions: those of `by_number` that are in the ledger already.
        receipts: by account and the vendor's id of the message, the receipts; ids without any are left out.
        position: of the last journal entry in that ledger, where a failover can take its newest commits back;
            otherwise None.
    """

    states: dict[int, dict[str, MessageState]]
    outlines: dict[int, dict[str, MessageState]]
    owners: dict[Conversion, Requested]
    conversions: set[Conversion]
    receipts: dict[int, dict[str, ReceiptState]] = {}
    position: int | None = None


class LedgerLookup(Protocol):
    """Answers what the event loop asks the ledger while requests wait."""

    def look_up(self, lookup: Lookup) -> AwaitableOrValue[Stored]:
        """Return what the ledger holds about a batch of reports."""

    def messages_from(self) -> AwaitableOrValue[int]:
        """Return the time (ms) before which all messages were deleted; 0 if they never were."""

    def minutes_from(self) -> AwaitableOrValue[int]:
        """Return the time (ms, a whole minute) from which rollups by minute are kept."""

    def close(self) -> None:
        """Release the files or connections of the calling thread."""
