"""What a storage engine has to do. The tests of this page run against every engine there is.

A journal takes reports and makes them durable; a ledger follows it from a durable cursor of its own and
answers questions. Both raise `errors.Unavailable` when the storage fails; a call that raises has changed
nothing.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct

from otpconv.model import Conversion, Dimensions, Expiry, MessageState, Report, Requested, SelfReportedRate

#: What the rollups can be grouped and filtered by: the fields of `Dimensions`, in their order.
DIMENSIONS: tuple[str, ...] = Dimensions.__struct_fields__

MINUTE_MS = 60_000
QUARTER_MS = 15 * MINUTE_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
#: A clock this far behind the newest report is wrong, or was wrong when that was recorded, ms.
CLOCK_BEHIND_MS = HOUR_MS

#: How long a question, and so its snapshot, may take, s: it occupies one of the few readers, and the engine
#: can't reuse the space of changed rows.
SNAPSHOT_S = 10.0

#: Counts of one question, slots times groups: about 50 MB of memory.
MAX_COUNTS = 50_000


class Bounds(Struct, frozen=True):
    """How many dimensions are counted apart of an account and day (of UTC); all others count as `OTHER`.

    A ledger has the same bounds from its first entry on: what they decide is in it.

    Attributes:
        values: of each dimension, beside the empty one.
        combinations: of values.
        routes: of country, provider and channel, of the messages beyond `combinations`; beyond these no value
            is left.
    """

    values: int
    combinations: int
    routes: int


#: With these, rates of 30 days take under half a second on a busy machine, and most accounts never meet them.
BOUNDS = Bounds(values=200, combinations=1_000, routes=250)

#: Self-reported rates in one answer, and how far they are counted: any reporter can report any number of
#: them.
MAX_SELF_REPORTED, MAX_COUNTED = 100, 10_000

#: Start and end, ms, half-open.
Span = tuple[int, int]


class Entry(Struct, frozen=True, gc=False):
    """One line of the journal.

    Attributes:
        report: the fact.
        nonce: fingerprint of the signed request's nonce, so that it survives a restart; None without one.
        signed_at: the signed request's own timestamp, ms; None without one.
    """

    report: Report | Expiry
    nonce: int | None = None
    signed_at: int | None = None


class Window(Struct, frozen=True):
    """Which rollups a question is about: spans of whole days, hours, … of UTC (half-open, ms).

    Attributes:
        days: starts and ends of the spans to take from the rollups by day.
        hours: likewise by hour.
        quarters: likewise by quarter of an hour, for any time: after `minutes_from` they are sums of minutes.
        minutes: likewise by minute; before `minutes_from` there are none.
        step: length of the slots to split by, ms; with `quarters` at least theirs; None for one slot.
    """

    days: tuple[Span, ...] = ()
    hours: tuple[Span, ...] = ()
    quarters: tuple[Span, ...] = ()
    minutes: tuple[Span, ...] = ()
    step: int | None = None


class Tally(Struct, frozen=True, gc=False):
    """How many messages, first attempts and sessions there were, and how many of each were verified.

    Attributes:
        requested, verified: messages.
        first_requested, first_verified: those of them whose attempt is 1.
        sessions, sessions_verified: sessions whose first message is one of them; verified when any of the
            session's messages is.
        reported: messages that any conversion was reported of, true or false.
    """

    requested: int = 0
    verified: int = 0
    first_requested: int = 0
    first_verified: int = 0
    sessions: int = 0
    sessions_verified: int = 0
    reported: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.requested + other.requested,
            self.verified + other.verified,
            self.first_requested + other.first_requested,
            self.first_verified + other.first_verified,
            self.sessions + other.sessions,
            self.sessions_verified + other.sessions_verified,
            self.reported + other.reported,
        )


class Count(Struct, frozen=True):
    """What one slot and one combination of the dimensions asked for come to.

    Attributes:
        slot: the slot's start, ms; 0 without a step.
        group: the values in the order of `by`.
        tally: how many there were.
        delays: the messages verified at a known time, by how long it took; `model.delay_bucket` says which is
            which.
    """

    slot: int
    group: tuple[str, ...]
    tally: Tally
    delays: tuple[int, ...]


class Message(Struct, frozen=True):
    """One message as the ledger knows it.

    `verified_at` (ms), and whether anything was `reported`, also count what came by number alone.
    """

    message_id: str
    state: MessageState
    verified_at: int | None
    reported: bool

    @property
    def verified(self) -> bool:
        """Whether it is verified, also where it is unknown when."""
        return self.verified_at is not None or self.state.verified


class Journal(Protocol):
    """The append-only, durable record of accepted reports."""

    def append(self, entries: Sequence[Entry], recorded_at: int) -> int:
        """Make `entries` durable in one commit and return the position of the last one."""

    def head(self) -> int:
        """Return the position of the newest entry; 0 when there is none."""

    def newest_report_time(self) -> int | None:
        """Return when the newest report was recorded, ms; None when there is none."""

    def oldest_time(self) -> int | None:
        """Return when the first entry was recorded, ms; None when there is none."""

    def nonces(self, since: int, limit: int) -> list[tuple[int, int]]:
        """Return the newest `limit` (fingerprint, signed_at) of entries recorded at or after `since` (ms)."""

    def close(self) -> None:
        """Release the files or connections; to be called from the thread that used it."""


class Follower(Protocol):
    """What writes the ledger: the only one to do so, from one thread."""

    def apply(self, limit: int) -> int:
        """Apply further journal entries in one transaction and return the cursor after it.

        It takes what was appended together together: as many appends as have up to `limit` entries, or one.
        """

    def cursor(self) -> int:
        """Return the position of the last journal entry that is in the ledger."""

    def close(self) -> None:
        """Release the files or connections; to be called from the thread that used it."""


class Ledger(Protocol):
    """What reads the ledger; each thread sees a consistent state, and never waits for the applier."""

    def snapshot(self) -> AbstractContextManager[int]:
        """Show the calling thread one state of the ledger in all questions it asks until the context ends.

        The context gives the position of the last journal entry in that state. A snapshot inside another is
        the same state. Other threads are not concerned.

        Raises:
            Unavailable: the storage failed. A question raises it too, once `SNAPSHOT_S` are over.
        """

    def states(self, account: int, message_ids: Collection[str]) -> dict[str, MessageState]:
        """Return the states of those of the messages that are known, by what was reported by their id."""

    def outlines(self, account: int, message_ids: Collection[str]) -> dict[str, MessageState]:
        """Return `states` in short, for checking conversions: of each request its time and number alone."""

    def newest(self, account: int, number: str, at: int) -> Requested | None:
        """Return the message that a conversion known by `number` alone, at the time `at` (ms), is about."""

    def heard(self, conversion: Conversion) -> bool:
        """Tell whether this very conversion, known by number alone, is known."""

    def message(self, account: int, message_id: str) -> Message | None:
        """Return one message."""

    def messages(self, account: int) -> Iterator[Message]:
        """Return all messages, those of a later `apply` after those of an earlier one; for exports."""

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

    def routes(self, account: int, most: int) -> list[Count]:
        """Return all messages there are by provider and country, without delays.

        The `most` routes with most messages, the largest first; then all others as one whose provider and
        country are `OTHER`.
        """

    def folded(self, account: int, start: int, end: int) -> int:
        """Return how many messages of the days (UTC) that [start, end), ms, touches are counted as `OTHER`.

        In one dimension or more: they had values beyond the `BOUNDS`.
        """

    def minutes_from(self) -> int:
        """Return from when on (ms, a whole minute) rollups by minute are kept."""

    def unmatched(self, account: int) -> int:
        """Return how many messages and numbers have conversions that no known message explains."""

    def self_reported(self, account: int, start: int, end: int) -> list[SelfReportedRate]:
        """Return the rates the account reported of itself in [start, end), ms, oldest first.

        If there are more than `MAX_SELF_REPORTED`, the newest.
        """

    def count_self_reported(self, account: int, start: int, end: int) -> int:
        """Return how many rates the account reported of itself in [start, end), ms; `MAX_COUNTED` if more."""

    def close(self) -> None:
        """Release the files or connections of the calling thread."""
