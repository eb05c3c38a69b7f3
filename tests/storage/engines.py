"""The storage engines behind one handle: what knows which engine it is, is here and nowhere else."""

from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Protocol, TypeVar

from otpconv.model import Conversion, MessageState, Report, Requested
from otpconv.storage.contract import BOUNDS, Bounds, Entry, LedgerReader, LedgerWriter
from otpconv.storage.erasure import Deletion, JournalEraser
from otpconv.storage.journal import Journal
from otpconv.storage.lookup import Lookup
from otpconv.storage.sqlite import (
    SqliteJournal,
    SqliteJournalEraser,
    SqliteLedgerReader,
    SqliteLedgerWriter,
)

T = TypeVar("T")

#: Some instant, ms: the time of recording where it makes no difference.
NOW = 1_800_000_000_000
#: Thousands of small commits: nobody pulls the plug here, so they need not wait for a disk.
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
#: More than any test has in its journal.
ALL = 1_000_000


class Storage:
    """A journal, and a ledger that follows it.

    Attributes:
        name: what the engine calls the journal.
        new_journal, new_ledger_writer, new_ledger: open one more, as another process or thread does.
    """

    journal: Journal
    writer: LedgerWriter
    ledger: LedgerReader

    def __init__(
        self,
        name: str,
        journal: Callable[[], Journal],
        writer: Callable[[], LedgerWriter],
        ledger: Callable[[], LedgerReader],
        eraser: Callable[[], JournalEraser],
    ) -> None:
        self.name = name
        self.new_journal = journal
        self.new_ledger_writer = writer
        self.new_ledger = ledger
        self.new_eraser = eraser
        self.open()

    def open(self) -> None:
        self.journal, self.writer, self.ledger = (
            self.new_journal(),
            self.new_ledger_writer(),
            self.new_ledger(),
        )

    def close(self) -> None:
        self.ledger.close()
        self.writer.close()
        self.journal.close()

    def reopen(self) -> None:
        """What a restart does."""
        self.close()
        self.open()

    def append(self, *reports: Report | Deletion, recorded_at: int = NOW) -> int:
        return self.journal.append([Entry(report) for report in reports], recorded_at)

    def states(self, account: int, message_ids: Collection[str]) -> dict[str, MessageState]:
        """The states of the known messages, by the reports with their id."""
        return self.ledger.look_up(Lookup({account: message_ids}, {}, [])).states[account]

    def outlines(self, account: int, message_ids: Collection[str]) -> dict[str, MessageState]:
        """The same, but of each request only its time and number."""
        return self.ledger.look_up(Lookup({}, {account: message_ids}, [])).outlines[account]

    def newest(self, account: int, number: str, at: int) -> Requested | None:
        """The message that a conversion known by number alone is about."""
        conversion = Conversion(account, delivered=True, conversion_time=at, number=number)
        return self.ledger.look_up(Lookup({}, {}, [conversion])).owners.get(conversion)

    def has_conversion(self, conversion: Conversion) -> bool:
        """Whether this very conversion, known by number alone, is in the ledger."""
        return conversion in self.ledger.look_up(Lookup({}, {}, [conversion])).conversions

    def record(self, *reports: Report | Deletion) -> None:
        """Bring reports into the journal and the ledger, in this order."""
        for report in reports:
            self.append(report)
        self.apply_all()

    def apply_all(self, limits: Sequence[int] = (ALL,)) -> None:
        """Apply to the end of the journal, in transactions of up to `limits` entries by turns."""
        turn = 0
        while self.writer.cursor() < self.journal.head():
            self.writer.apply(limits[turn % len(limits)])
            turn += 1


def at_once(coroutine: Coroutine[None, None, T]) -> T:
    """Return what a coroutine returns that has nothing to wait for: SQLite answers at once."""
    try:
        coroutine.send(None)
    except StopIteration as returned:
        result: T = returned.value
        return result
    raise AssertionError("it waits")


class Engine(Protocol):
    """What a storage engine has to bring along to be tested."""

    def __init__(self, root: Path) -> None: ...

    def open(self, journal: str = "", bounds: Bounds = BOUNDS) -> AbstractContextManager[Storage]:
        """Open a new ledger of a new journal, or of the one named `journal`; closed on leaving."""


class SqliteEngine:
    """Files below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names = count()

    @contextmanager
    def open(self, journal: str = "", bounds: Bounds = BOUNDS) -> Iterator[Storage]:
        new = str(next(self._names))
        ledger_path = self._root / f"{new}.ledger"
        journal_path = self._root / f"{journal or new}.journal"
        storage = Storage(
            journal or new,
            lambda: SqliteJournal(journal_path),
            lambda: SqliteLedgerWriter(ledger_path, journal_path, bounds=bounds),
            lambda: SqliteLedgerReader(ledger_path),
            lambda: SqliteJournalEraser(journal_path, ledger_path),
        )
        try:
            yield storage
        finally:
            storage.close()


ENGINES: list[type[Engine]] = [SqliteEngine]
