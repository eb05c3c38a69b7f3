"""The contract of a storage engine. The tests of this module run against every engine.

A journal makes reports durable. A ledger follows the journal from a durable cursor of its own and answers
questions. Both raise `errors.Unavailable` when the storage fails; a call that raises has changed nothing.

Where a method is called decides whether it may block:

- On the event loop, while requests wait, it must not. It returns a value at once or, where the engine waits
  for a network, an awaitable (`AwaitableOrValue`). SQLite answers at once, by plain methods; an engine over a
  network implements the same methods with `async def`.
- On a thread of its own, such as the applier's or a reader's, it may block.
- While the server starts or stops, it may block.

This module has what runs on threads: `LedgerWriter` and `LedgerReader`. What the event loop calls is in
`journal.py` and `lookup.py`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from operator import add
from typing import Protocol

from msgspec import Struct
from msgspec.structs import astuple

from otpconv.model import Dimensions, MessageState, Report, SelfReportedRate
from otpconv.receipts import ReceiptState
from otpconv.storage.erasure import Candidates, Deletion, Erasure
from otpconv.storage.range_counts import RangeReader

#: What the rollups can be grouped and filtered by: the fields of `Dimensions`, in their order.
DIMENSIONS: tuple[str, ...] = Dimensions.__struct_fields__

MINUTE_MS = 60_000
QUARTER_MS = 15 * MINUTE_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
#: A clock this far behind the newest report is wrong, or was wrong when that was recorded, ms.
CLOCK_BEHIND_MS = HOUR_MS

#: How long a question, and so its snapshot, may take, s: meanwhile one of the few readers is busy, and the
#: engine can't reuse the space of rows that have changed since.
SNAPSHOT_S = 10.0

#: Counts of one question, slots times groups: about 50 MB of memory.
MAX_COUNTS = 50_000

#: Self-reported rates in one answer, and how many are counted: a caller can report any number of them.
MAX_SELF_REPORTED, MAX_COUNTED = 100, 10_000

#: Start and end, ms, half-open.
Span = tuple[int, int]


class Entry(Struct, frozen=True, gc=False):
    """A report, an expiry or an erasure to append to the journal.

    Attributes:
        report: the report, expiry or erasure.
        nonce: fingerprint of the signed request's nonce, kept for a restart; None if there is none.
        signed_at: timestamp of the signed request, ms; None if there is none.
    """

    report: Report | Deletion
    nonce: int | None = None
    signed_at: int | None = None


class Window(Struct, frozen=True):
    """The rollups that a question sums: spans of whole days, hours, etc. in UTC (half-open, ms).

    Attributes:
        days: spans to sum from the rollups by day.
        hours: spans to sum from the rollups by hour.
        quarters: spans to sum by quarter of an hour, at any time; after `minutes_from` from minutes.
        minutes: spans to sum from the rollups by minute; before `minutes_from` there are none.
        step: length of a slot, ms; with `quarters` at least 15 minutes. None means one slot.
    """

    days: tuple[Span, ...] = ()
    hours: tuple[Span, ...] = ()
    quarters: tuple[Span, ...] = ()
    minutes: tuple[Span, ...] = ()
    step: int | None = None


class Tally(Struct, frozen=True, gc=False):
    """How many messages, first attempts and sessions there were, and what became of them.

    Attributes:
        requested, verified: messages.
        first_requested, first_verified: those of them whose attempt is 1.
        sessions, sessions_verified: sessions whose first message is one of them. A session is verified when
            any of its messages is.
        reported: messages with any reported conversion, true or false.
        receipted: messages with a receipt that says anything about delivery.
        delivered, delivered_verified: messages whose receipts say delivered; those of them that are verified.
    """

    requested: int = 0
    verified: int = 0
    first_requested: int = 0
    first_verified: int = 0
    sessions: int = 0
    sessions_verified: int = 0
    reported: int = 0
    receipted: int = 0
    delivered: int = 0
    delivered_verified: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*map(add, astuple(self), astuple(other)))


class Count(Struct, frozen=True):
    """The counts of one slot and one combination of the requested dimensions.

    Attributes:
        slot: the slot's start, ms; 0 without a step.
        group: the values in the order of `by`.
        tally: the counts of messages and sessions.
        delays: messages verified at a known time, by the delay bins of `model.delay_bin`.
    """

    slot: int
    group: tuple[str, ...]
    tally: Tally
    delays: tuple[int, ...]


class CostCount(Struct, frozen=True):
    """What the messages of one slot and one combination of the requested dimensions cost in one currency.

    Attributes:
        slot: the slot's start, ms; 0 without a step.
        group: the values in the order of `by`.
        currency: ISO 4217.
        messages: those with a price in this currency.
        micros: the sum of their prices, in millionths of the currency.
    """

    slot: int
    group: tuple[str, ...]
    currency: str
    messages: int
    micros: int


class Message(Struct, frozen=True):
    """One message in the ledger.

    `verified_at` (ms) and `reported` include conversions known by number alone. `receipt` is the join of the
    receipts under the vendor's id of the message; None if there is none.
    """

    message_id: str
    state: MessageState
    verified_at: int | None
    reported: bool
    receipt: ReceiptState | None = None

    @property
    def verified(self) -> bool:
        """Whether the message is verified, even at an unknown time."""
        return self.verified_at is not None or self.state.verified


class RecordedPart(Struct, frozen=True):
    """Some messages of a window, the last recorded first.

    Attributes:
        messages: their places, and the messages. A part that begins with a place begins after its message.
        before: where the next part begins; None if there is none.
    """

    messages: list[tuple[int, Message]]
    before: int | None


class LedgerWriter(Protocol):
    """Writes the ledger: the only writer, on one thread, which it may block."""

    def apply(self, limit: int) -> int:
        """Apply further journal entries in one transaction and return the cursor after it.

        Applies whole appends only: as many as fit in `limit` entries, but at least one.
        """

    def cursor(self) -> int:
        """Return the position of the last journal entry that is in the ledger."""

    def close(self) -> None:
        """Release the files or connections. Call it from the thread that used the writer."""


class LedgerReader(RangeReader, Protocol):
    """Answers questions. Each thread sees a consistent state, never waits for the applier, and may block."""

    def snapshot(self) -> AbstractContextManager[int]:
        """Show the calling thread one state of the ledger in all its questions until the context ends.

        The context gives the position of the last journal entry in that state. A snapshot inside another is
        the same state. Other threads are not affected.

        Raises:
            Unavailable: the storage failed. A question also raises it once `SNAPSHOT_S` are over.
        """

    def message(self, account: int, message_id: str) -> Message | None:
        """Return one message."""

    def messages_of_number(self, account: int, number: str, limit: int) -> list[Message]:
        """Return the newest messages to a number (keyed hash), newest first; at most `limit`."""

    def recorded(self, account: int, window: Span, before: int, most: int) -> RecordedPart:
        """Return messages that were requested in a window, the last recorded first; at most `most`.

        Looks at a bounded part of the ledger, so a part may have no messages although there are more. Begin
        with `before` 0, then go on with the one of the answer. It is valid until the ledger is rebuilt.
        """

    def old_messages(self, before: int, after: int) -> Candidates:
        """Return an erasure of the next messages of all accounts that were requested before a time, ms.

        Begin with `after` 0, then go on with the one of the answer.
        """

    def erasure_of(self, account: int, number: str) -> Erasure:
        """Return an erasure of messages to a number (keyed hash), and of everything else about it.

        It has no messages once all of them are deleted.
        """

    def messages(self, account: int) -> Iterator[Message]:
        """Return all messages in the order of their first reports in the journal; for exports."""

    def counts(
        self,
        account: int,
        window: Window,
        by: Sequence[str],
        filters: Mapping[str, Collection[str]],
        *,
        delays: bool = True,
        limit: int = MAX_COUNTS,
    ) -> list[Count]:
        """Sum the rollups of a window by dimensions.

        Args:
            account: whose messages.
            window: which rollups.
            by: the dimensions to split by.
            filters: the accepted values of a dimension, by its name.
            delays: whether to sum the delays too, which takes three times as long; without, they are empty.
            limit: how many counts may be returned.

        Raises:
            AnswerTooLarge: there are more than `limit`.
        """

    def costs(
        self,
        account: int,
        window: Window,
        by: Sequence[str],
        filters: Mapping[str, Collection[str]],
        limit: int = MAX_COUNTS,
    ) -> list[CostCount]:
        """Sum the costs of the messages of a window by dimensions and currency; see `counts`."""

    def routes(self, account: int, most: int) -> list[Count]:
        """Return the counts of all messages by provider and country, without delays.

        First the `most` routes with the most messages, in descending order; then all others as one route
        whose provider and country are `OTHER`.
        """

    def folded(self, account: int, start: int, end: int) -> int:
        """Return how many messages of the days (UTC) that [start, end), ms, touches are counted as `OTHER`.

        These messages have a value beyond the `BOUNDS` in at least one dimension.
        """

    def minutes_from(self) -> int:
        """Return the time (ms, a whole minute) from which rollups by minute are kept."""

    def unmatched(self, account: int) -> int:
        """Return how many messages and numbers have conversions that no known message explains."""

    def self_reported(self, account: int, start: int, end: int) -> list[SelfReportedRate]:
        """Return the rates that the account reported about itself in [start, end), ms, oldest first.

        If there are more than `MAX_SELF_REPORTED`, returns the newest.
        """

    def count_self_reported(self, account: int, start: int, end: int) -> int:
        """Return how many rates the account reported about itself in [start, end); at most `MAX_COUNTED`."""

    def close(self) -> None:
        """Release the files or connections of the calling thread."""
