"""The journal's part of the contract of a storage engine; see `contract.py` for what may block."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from otpconv.model import Report
from otpconv.storage.awaitable import AwaitableOrValue
from otpconv.storage.contract import Entry
from otpconv.storage.erasure import Deletion, Erased, ErasedRequest


class JournalEntry(Struct, frozen=True, gc=False):
    """A report, an expiry or an erasure as the journal holds it.

    Attributes:
        position: entries are counted from 1.
        recorded_at: ms.
        report: the fact.
    """

    position: int
    recorded_at: int
    report: Report | Deletion | ErasedRequest | Erased


class Journal(Protocol):
    """The append-only, durable record of accepted reports.

    The event loop calls `append`, `confirm` and the two times: one call after the other, or, if they answer
    later, up to `at_once` appends at once.

    Attributes:
        at_once: how many appends may be on their way.
    """

    at_once: int

    def append(self, entries: Sequence[Entry], recorded_at: int) -> AwaitableOrValue[int]:
        """Make `entries` durable in one commit and return the position of the last one."""

    def confirm(self) -> AwaitableOrValue[None]:
        """Make sure that everything that can be read is durable, e.g. a report that was found there."""

    def newest_report_time(self) -> AwaitableOrValue[int | None]:
        """Return when the newest report was recorded, ms; None when there is none."""

    def oldest_time(self) -> AwaitableOrValue[int | None]:
        """Return when the first entry was recorded, ms; None when there is none."""

    def read(self, after: int, limit: int) -> list[JournalEntry]:
        """Return the entries after the position `after`, in their order; at most `limit`.

        In one append, expiries and erasures come after the reports. A report of a deleted message reads as
        `ErasedRequest` or `Erased`. An empty list means that there are no more entries
        yet. Damaged rows that an operator has set aside are left out. A follower calls it on a thread of its
        own, with a journal of its own.

        Raises:
            Misconfigured: the next entry is damaged or missing.
        """

    def head(self) -> int:
        """Return the position of the newest entry; 0 when there is none. Called at the start."""

    def nonces(self, since: int, limit: int) -> list[tuple[int, int]]:
        """Return the newest `limit` (fingerprint, signed_at) of entries recorded at or after `since` (ms).

        Called at the start.
        """

    def had_keys(self) -> bool:
        """Return whether a server with access keys has used this storage. Called at the start."""

    def note_keys(self) -> None:
        """Record that a server with access keys uses this storage. Called at the start."""

    def close(self) -> None:
        """Release the files or connections. Call it from the thread that used the journal."""
