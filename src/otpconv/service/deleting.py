"""Deletes messages: by command, beside a running server or without one, and every day by the setting."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from otpconv import folder
from otpconv.clock import Clock, wall_clock
from otpconv.config import Settings
from otpconv.errors import Misconfigured, Unavailable
from otpconv.ledger.erasing import Eraser
from otpconv.ledger.forgetting import MINUTES_KEPT_MS
from otpconv.service import data_folder
from otpconv.storage import sqlite
from otpconv.storage.contract import DAY_MS, Entry
from otpconv.storage.erasure import Erasure
from otpconv.storage.sqlite import (
    SqliteJournal,
    SqliteJournalEraser,
    SqliteLedgerReader,
    SqliteLedgerWriter,
)

#: How long an erasure may wait for the ledger, s; the server applies what was reported before it first.
APPLIED_WITHIN_S = 120.0
#: How often it is checked whether the ledger has it, s.
_CHECK_S = 0.01
#: Entries of one transaction, where no server applies the journal.
_BATCH = 5_000
_LOCK = "deleting"


def prune(settings: Settings, before: int, deleted: Callable[[int], None]) -> int:
    """Delete the messages of all accounts requested before a time, also while a server runs on the folder.

    Args:
        settings: name the data folder.
        before: the time, ms.
        deleted: called now and then with the number of messages deleted so far.

    Returns:
        The number of deleted messages.

    Raises:
        Misconfigured: there is no journal, a file is damaged, or another deletion runs.
        Unavailable: the disk is full or fails, or the server does not apply the journal. Run it again then.
    """
    with _eraser(settings) as eraser:
        return eraser.prune(before, deleted)


def forget(settings: Settings, account: int, number: str) -> int:
    """Delete everything about a number (keyed hash) of an account, as `prune` does.

    Returns:
        The number of deleted messages.

    Raises:
        Misconfigured: there is no journal, a file is damaged, or another deletion runs.
        Unavailable: the disk is full or fails, or the server does not apply the journal. Run it again then.
    """
    with _eraser(settings) as eraser:
        return eraser.forget(account, number)


class Retention:
    """Deletes messages older than some days, and finishes deletions that were interrupted.

    Args:
        data: the data folder.
        ledger: the ledger, for any thread.
        days: how long messages are kept; None keeps them.
        applied: returns the position of the last journal entry in the ledger.
        nudge: called when the journal has something new for the ledger.
    """

    def __init__(
        self,
        data: Path,
        ledger: SqliteLedgerReader,
        days: int | None,
        applied: Callable[[], int],
        nudge: Callable[[], None],
    ) -> None:
        self._data = data
        self._ledger = ledger
        self._days = days
        self._applied = applied
        self._nudge = nudge
        self._eraser: Eraser | None = None

    def run(self) -> None:
        """Delete what is due. Call it from one thread.

        Raises:
            Misconfigured: another deletion runs, or a file is damaged.
            Unavailable: the storage failed.
        """
        before = self._before()
        if before <= self._ledger.messages_from() and not self._is_unfinished():
            return
        journal_file, ledger_file = self._data / "journal.sqlite", self._data / "ledger.sqlite"
        with ExitStack() as opened:
            opened.enter_context(_alone(self._data))
            journal = SqliteJournal(journal_file, preallocate=False)
            opened.callback(journal.close)
            record = _Recording(journal, self._applied, self._nudge)
            eraser = Eraser(self._ledger, SqliteJournalEraser(journal_file, ledger_file), record)
            opened.callback(eraser.close)
            self._eraser = eraser
            eraser.finish()
            if before > self._ledger.messages_from():
                eraser.prune(before)

    def stop(self) -> None:
        """Stop soon; the next start goes on. Any thread may call it."""
        if self._eraser is not None:
            self._eraser.stop()

    def _before(self) -> int:
        """Return the start of the oldest day to keep, ms; 0 keeps all."""
        # Not by the wall clock alone: it may be wrong, and a deletion can't be undone. See `forgetting`.
        minutes_from = self._ledger.minutes_from()
        if self._days is None or not minutes_from:
            return 0
        return (minutes_from + MINUTES_KEPT_MS - self._days * DAY_MS) // DAY_MS * DAY_MS

    def _is_unfinished(self) -> bool:
        return sqlite.has_erasures(self._data / "journal.sqlite")


class _Recording:
    """Appends an erasure to the journal and waits until the ledger has applied it."""

    def __init__(
        self,
        journal: SqliteJournal,
        applied: Callable[[], int],
        nudge: Callable[[], object],
        clock: Clock = wall_clock,
    ) -> None:
        self._journal = journal
        self._applied = applied
        self._nudge = nudge
        self._clock = clock

    def __call__(self, erasure: Erasure) -> None:
        position = self._journal.append([Entry(erasure)], self._clock())
        deadline = time.monotonic() + APPLIED_WITHIN_S
        self._nudge()
        while self._applied() < position:
            if time.monotonic() > deadline:
                raise Unavailable(
                    "The server does not apply the deletion to the ledger: read its log, then run the command"
                    " again."
                )
            time.sleep(_CHECK_S)


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Keep other deletions out, since two would write the same rows of the journal."""
    try:
        held = folder.hold(data / _LOCK)
    except BlockingIOError:
        raise Misconfigured(f"another deletion runs on {data}: wait until it has finished") from None
    except OSError as error:
        raise Misconfigured(
            f"the data folder {data} can't be written ({error.strerror}): check its permissions and its disk"
        ) from None
    with held:
        yield


@contextmanager
def _eraser(settings: Settings) -> Iterator[Eraser]:
    data = settings.data
    journal_file, ledger_file = data / "journal.sqlite", data / "ledger.sqlite"
    if not journal_file.is_file():
        raise Misconfigured(f"there is no journal in {data}: give the server's folder with --data DIR")
    with ExitStack() as opened:
        opened.enter_context(_alone(data))
        served = data_folder.is_held(data)
        if not served:
            opened.enter_context(data_folder.hold(data))
            sqlite.prepare(ledger_file, journal_file)
        journal = SqliteJournal(journal_file, preallocate=False)
        opened.callback(journal.close)
        ledger = SqliteLedgerReader(ledger_file)
        opened.callback(ledger.close)
        writer = None if served else SqliteLedgerWriter(ledger_file, journal_file)

        def applied() -> int:
            if writer is not None:
                return writer.apply(_BATCH)
            with ledger.snapshot() as cursor:
                return cursor

        if writer is not None:
            opened.callback(writer.close)
            while applied() < journal.head():
                pass
        record = _Recording(journal, applied, lambda: None)
        eraser = Eraser(ledger, SqliteJournalEraser(journal_file, ledger_file), record)
        opened.callback(eraser.close)
        yield eraser
