"""Deletions as facts in the journal, and what stays there of deleted messages."""

from typing import Protocol, TypeAlias

from msgspec import Struct

from otpconv.model import Dimensions, Expiry

#: Messages deleted by one erasure, so by one transaction of the ledger: some 30 ms of work.
MAX_ERASED = 1_000
#: Other messages that may leave their session with an erasure. If the sessions of the deleted messages have
#: more, those that stay are counted as a session once more.
MAX_DETACHED = 10_000


class ErasedRequest(Struct, frozen=True, array_like=True, tag=4, gc=False):
    """What stays in the journal of the request of a deleted message: the values that its day counts.

    Without it, a rebuild could count other values of the day as `OTHER` than the ledger did.

    Attributes:
        account: whose message it was.
        message_id: empty; it keeps the order of the fields of `Requested`.
        day: the start of the day (UTC) of the request, ms.
        dimensions: as reported.
    """

    account: int
    message_id: str
    day: int
    dimensions: Dimensions


class Erased(Struct, frozen=True, array_like=True, tag=0, gc=False):
    """What stays in the journal of any other report of a deleted message, so that positions stay."""


class KeptCounts(Struct, frozen=True, array_like=True, gc=False):
    """What deleted messages contribute to the rollups for good.

    Attributes:
        account: whose messages.
        start: the start of their minute or quarter of an hour, ms.
        dimensions: the values that they are counted by.
        counts: the fields of `contract.Tally` that are not 0, by their name.
        delays: pairs of a bin of `delay_bin` and the messages in it.
    """

    account: int
    start: int
    dimensions: Dimensions
    counts: dict[str, int]
    delays: tuple[tuple[int, int], ...] = ()


class KeptCosts(Struct, frozen=True, array_like=True, gc=False):
    """What deleted messages contribute to the costs for good.

    Attributes:
        account, start, dimensions: as in `KeptCounts`.
        currency: ISO 4217.
        messages: those with a price in this currency.
        micros: the sum of their prices, in millionths of the currency.
    """

    account: int
    start: int
    dimensions: Dimensions
    currency: str
    messages: int
    micros: int


class KeptRange(Struct, frozen=True, array_like=True, gc=False):
    """What deleted messages contribute to the rollups by number range, until these are forgotten.

    Attributes:
        account: whose messages.
        start: the start of their hour, ms.
        number_range: as reported.
        country, provider: the values that they are counted by.
        requested, verified: how many they are.
    """

    account: int
    start: int
    number_range: str
    country: str
    provider: str
    requested: int
    verified: int


class RangeLength(Struct, frozen=True, array_like=True, gc=False):
    """How long the number ranges of a country and day are at most; longer ones are counted by their prefix.

    It is decided when the day has too many ranges, and never taken back. A fact of the journal says so, since
    the ranges themselves must not decide: a rebuild does not see those of forgotten numbers.

    Attributes:
        account: whose messages.
        day: days (UTC) since 1970.
        country: the value that the messages are counted by.
        length: in characters.
    """

    account: int
    day: int
    country: str
    length: int


class Erasure(Struct, frozen=True, array_like=True, tag=5):
    """The deletion of some messages as a fact in the journal, so that a rebuild forgets them too.

    Applying it takes the messages out of the rollups, and adds `kept` instead. So the result is the same
    whether or not the reports about them are still in the journal. Once these are erased, the erasure itself
    keeps only what has no names: `before`, `upto`, `kept`, `kept_costs`, `kept_ranges` and `range_lengths`,
    besides `detached`.

    Attributes:
        before: unmatched conversions before this (ms) are deleted too, and no more reports about times before
            it are accepted; 0 for no such limit.
        upto: the position of the last entry that is included in `kept`.
        messages: account and id of each deleted message.
        places: account, number, start and end (ms, inclusive) of the conversions known by number alone that
            are deleted.
        numbers: account and keyed hash of numbers of which nothing may remain.
        detached: account and id of messages that leave their session, because another message of it is
            deleted. `kept` counts the session.
        kept: what the messages contributed.
        receipts: account and the vendor's id of the receipts that are deleted: those of no other message.
            Older journal entries have neither this nor the next.
        kept_costs: what the messages cost.
        kept_ranges: what the messages contributed to the rollups by number range. Nothing when a number is
            forgotten: a range with one number is nearly the number. Older entries lack this and the next.
        range_lengths: ranges that are counted by shorter prefixes from here on. An erasure may only say this.
    """

    before: int
    upto: int
    messages: tuple[tuple[int, str], ...] = ()
    places: tuple[tuple[int, str, int, int], ...] = ()
    numbers: tuple[tuple[int, str], ...] = ()
    detached: tuple[tuple[int, str], ...] = ()
    kept: tuple[KeptCounts, ...] = ()
    receipts: tuple[tuple[int, str], ...] = ()
    kept_costs: tuple[KeptCosts, ...] = ()
    kept_ranges: tuple[KeptRange, ...] = ()
    range_lengths: tuple[RangeLength, ...] = ()


#: What the server itself writes into the journal.
Deletion: TypeAlias = Expiry | Erasure


class Candidates(Struct, frozen=True):
    """The messages to delete next.

    Attributes:
        erasure: deletes the next messages; None if a look at the next part of the ledger found none.
        after: where the next look begins; None at the end of the ledger.
    """

    erasure: Erasure | None
    after: int | None


class JournalEraser(Protocol):
    """Erases deleted messages from the entries that the journal holds, on a thread that it may block."""

    def begin(self) -> bool:
        """Read the erasures that the ledger has applied and whose messages may still be in the journal.

        Returns:
            Whether there is any.
        """

    def step(self) -> bool:
        """Erase some of their reports, in one short transaction. Return whether more is left."""

    def finish(self) -> bool:
        """Clear the write-ahead logs. Return False while a reader or writer keeps them; try again then."""

    def close(self) -> None:
        """Release the files or connections. Call it from the thread that used it."""
