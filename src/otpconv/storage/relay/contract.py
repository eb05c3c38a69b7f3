"""The contract of what an engine keeps for the relay; the tests run against every engine."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct

#: What a vendor learns about a message: the user entered the code, or did not; or that it was requested.
Feedback = Literal["received", "failed", "requested"]

#: What became of a feedback:
#: `waiting`: it is to be sent, now or later;
#: `sending`: it is about to be sent, noted before the call since a repeat does harm;
#: `sent`: the vendor has it;
#: `dead`: the vendor refuses it;
#: `unknown`: the relay stopped while it was being sent, and a repeat does harm;
#: `expired`: it was not sent while the vendor had use for it;
#: `superseded`: the user entered the code before a failure was sent.
Status = Literal["waiting", "sending", "sent", "dead", "unknown", "expired", "superseded"]

#: What an operator can send once more.
LETTERS: Final[tuple[Status, ...]] = ("dead", "unknown")
#: The most dead letters in one answer, and the most that one call sends again.
MAX_LETTERS: Final = 1_000


class NewSend(Struct, frozen=True):
    """A feedback to send. There is at most one per vendor account, message and feedback.

    Attributes:
        account: whose message it is.
        message_id: the message.
        vendor: the id of the vendor account.
        feedback: what to tell.
        requested_at: when the message was requested, ms.
        at: when the user entered the code, or it was known that they did not, ms.
        due_at: when it may be sent, ms.
        until: when the vendor has no more use for it, ms.
        vendor_message_id: the vendor's id of the message, or its sealed number; empty if it is `message_id`.
    """

    account: int
    message_id: str
    vendor: int
    feedback: Feedback
    requested_at: int
    at: int
    due_at: int
    until: int
    vendor_message_id: str = ""


class Send(Struct, frozen=True, array_like=True):
    """A feedback that is due; see `NewSend`.

    Attributes:
        id: in the order in which they were planned.
        message_id: the vendor's id of the message, or its sealed number.
        attempts: how often it failed while others were taken.
        reported_id: the id by which the message was reported.
    """

    id: int
    message_id: str
    feedback: Feedback
    at: int
    until: int
    attempts: int
    reported_id: str = ""


class Settled(Struct, frozen=True):
    """What became of a feedback that was due.

    Attributes:
        id: of the `Send`.
        status: `waiting` sends it again at `due_at`.
        code: what the vendor answered, or a word of ours; empty if it was sent.
        reason: the vendor's text, for people.
        due_at: when to send it again, ms.
        attempts: how often it failed while others were taken.
    """

    id: int
    status: Status
    code: str = ""
    reason: str = ""
    due_at: int = 0
    attempts: int = 0


class Evidence(Struct, frozen=True, array_like=True):
    """A feedback, and what became of it.

    Attributes:
        message_id: the message.
        vendor: the id of the vendor account.
        feedback: as `NewSend` has it.
        at: see `NewSend`.
        status: what became of it.
        code, reason: what the vendor answered; empty if it took the feedback.
        sent_at: when it was sent the last time, ms; None if it was not.
        answered_at: when the vendor's answer was recorded, ms; None if there is none.
    """

    message_id: str
    vendor: int
    feedback: Feedback
    at: int
    status: Status
    code: str
    reason: str
    sent_at: int | None
    answered_at: int | None


class Contact(Struct, frozen=True, array_like=True):
    """How the relay to a vendor account is doing, noted when it changes.

    Attributes:
        vendor: the id of the vendor account.
        state: of its circuit breaker: `closed`, `open` or `half-open`.
        error: why nothing is sent; empty while it works.
        changed_at: ms.
    """

    vendor: int
    state: str
    error: str
    changed_at: int


class StoredSend(Struct, frozen=True, array_like=True):
    """A feedback with all that is kept of it, for a copy; see `NewSend`, `Send` and `Evidence`."""

    id: int
    account: int
    message_id: str
    vendor: int
    feedback: Feedback
    requested_at: int
    at: int
    due_at: int
    until: int
    status: Status
    attempts: int
    code: str
    reason: str
    sent_at: int | None
    answered_at: int | None
    vendor_message_id: str


class RelayStore(Protocol):
    """What the relay keeps, for any thread; the methods wait for the disk.

    Every method may raise `Unavailable` if the storage fails, and `Misconfigured` if it can't be used; a call
    that raises has changed nothing.
    """

    def cursor(self) -> int:
        """Return the position of the last journal entry that was planned; 0 at first."""

    def restart(self, position: int) -> None:
        """Go on after the position of a journal entry; for the first vendor account."""

    def advance(self, after: int, upto: int, sends: Sequence[NewSend]) -> bool:
        """Move the cursor, and add feedbacks, in one durable commit.

        A feedback that is there already stays as it is. A message that was received supersedes its failures
        that wait.

        Args:
            after: the position that the cursor has.
            upto: the position that it gets.
            sends: what to send, in order; those past their `until` are added as expired.

        Returns:
            False if the cursor has another position, since another node has moved it; nothing was changed.
        """

    def erase(self, messages: Collection[tuple[int, str]]) -> None:
        """Delete all about some messages: account and id of each."""

    def erase_before(self, time: int, limit: int) -> int:
        """Delete all about up to `limit` messages requested before a time, ms; return how many rows."""

    def drop(self, vendor: int, limit: int) -> int:
        """Delete up to `limit` rows about a vendor account; return how many."""

    def due(self, vendor: int, now: int, limit: int) -> list[Send]:
        """Return up to `limit` feedbacks to a vendor account that are due, in order."""

    def claim(self, vendor: int, now: int, limit: int) -> list[Send]:
        """Like `due`, but note durably that they are about to be sent, so that nobody else sends them."""

    def next_due(self, vendor: int) -> int | None:
        """Return when the next feedback to a vendor account is due, ms; None if none waits."""

    def settle(self, vendor: int, settled: Sequence[Settled], now: int, *, claimed: bool) -> None:
        """Record what became of feedbacks in one durable commit; `claimed` if they were claimed."""

    def abandon(self, vendor: int) -> int:
        """Mark the feedbacks that a relay that ended had claimed as `unknown`; return how many."""

    def note_contact(self, contact: Contact) -> None:
        """Note how the relay to a vendor account is doing."""

    def contacts(self) -> dict[int, Contact]:
        """Return how the relay to each vendor account is doing."""

    def counts(self) -> Mapping[int, Mapping[Status, int]]:
        """Return how many feedbacks have each status, by vendor account."""

    def letters(self, vendor: int, limit: int) -> list[Evidence]:
        """Return the newest dead letters and those of unknown outcome; at most `limit`, newest first."""

    def retry(self, vendor: int, message_id: str | None, now: int) -> int:
        """Let dead letters and those of unknown outcome wait again: of one message, or `MAX_LETTERS`.

        Returns:
            How many.
        """

    def evidence(self, account: int, message_id: str) -> list[Evidence]:
        """Return the feedbacks about a message, in order."""

    def stored(self, after: int, limit: int) -> list[StoredSend]:
        """Return up to `limit` feedbacks behind the one with the id `after`, in order; for a copy."""

    def replace(self, position: int, sends: Iterable[Sequence[StoredSend]]) -> None:
        """Replace the cursor and all feedbacks, in one durable commit; they get new ids in the same order."""

    def close(self) -> None:
        """Release the file or connection of the calling thread."""
