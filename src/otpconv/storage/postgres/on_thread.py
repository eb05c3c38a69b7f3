"""What the event loop calls, on threads of its own, since PostgreSQL answers over a network."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from otpconv.storage.contract import Entry
from otpconv.storage.journal import JournalEntry
from otpconv.storage.lookup import Lookup, Stored
from otpconv.storage.postgres.journal.journal import PostgresJournal
from otpconv.storage.postgres.ledger.reader import PostgresLedgerReader
from otpconv.storage.postgres.patience import Patience

_T = TypeVar("_T")

#: Appends that may be on their way at once, each on a connection of its own.
APPENDS = 2


class _OnThread:
    """Runs work on a number of threads; if it is one, in the order of the calls."""

    def __init__(self, name: str, patience: Patience, threads: int = 1) -> None:
        self._threads = ThreadPoolExecutor(threads, name)
        self._patience = patience

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await self._patience.run(self._threads, work)


class JournalOnThread(_OnThread):
    """A `Journal` whose calls of the event loop wait on a thread.

    Args:
        journal: has a connection for each append at once; closed with this one.
        patience: how long the event loop waits.
    """

    at_once = APPENDS

    def __init__(self, journal: PostgresJournal, patience: Patience) -> None:
        super().__init__("journal", patience, APPENDS)
        self._journal = journal

    async def append(self, entries: Sequence[Entry], recorded_at: int) -> int:
        """See `Journal.append`."""
        return await self._run(lambda: self._journal.append(entries, recorded_at))

    async def confirm(self) -> None:
        """See `Journal.confirm`."""
        await self._run(self._journal.confirm)

    async def newest_report_time(self) -> int | None:
        """See `Journal.newest_report_time`."""
        return await self._run(self._journal.newest_report_time)

    async def oldest_time(self) -> int | None:
        """See `Journal.oldest_time`."""
        return await self._run(self._journal.oldest_time)

    def read(self, after: int, limit: int) -> list[JournalEntry]:
        """See `Journal.read`."""
        return self._journal.read(after, limit)

    def head(self) -> int:
        """See `Journal.head`."""
        return self._journal.head()

    def nonces(self, since: int, limit: int) -> list[tuple[int, int]]:
        """See `Journal.nonces`."""
        return self._journal.nonces(since, limit)

    def had_keys(self) -> bool:
        """See `Journal.had_keys`."""
        return self._journal.had_keys()

    def note_keys(self) -> None:
        """See `Journal.note_keys`."""
        self._journal.note_keys()

    def close(self) -> None:
        """See `Journal.close`: waits until the threads have finished."""
        self._threads.shutdown()
        self._journal.close()


class LookupOnThread(_OnThread):
    """A `LedgerLookup` on a thread.

    Args:
        reader: closed with this one.
        patience: how long the event loop waits.
    """

    def __init__(self, reader: PostgresLedgerReader, patience: Patience) -> None:
        super().__init__("lookup", patience)
        self._reader = reader

    async def look_up(self, lookup: Lookup) -> Stored:
        """See `LedgerLookup.look_up`."""
        return await self._run(lambda: self._reader.look_up(lookup))

    async def messages_from(self) -> int:
        """See `LedgerLookup.messages_from`."""
        return await self._run(self._reader.messages_from)

    async def minutes_from(self) -> int:
        """See `LedgerLookup.minutes_from`."""
        return await self._run(self._reader.minutes_from)

    def close(self) -> None:
        """See `LedgerLookup.close`: waits until the threads have finished."""
        self._threads.shutdown()
        self._reader.close()
