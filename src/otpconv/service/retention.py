"""Deletes old messages every day, and finishes deletions that were interrupted."""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing

from otpconv.config import Settings
from otpconv.ledger.erasing import Eraser
from otpconv.ledger.forgetting import MINUTES_KEPT_MS
from otpconv.service.deleting import Recording
from otpconv.service.engines import engine_of
from otpconv.service.housekeeping import Housekeeping
from otpconv.service.running import alone
from otpconv.storage.contract import DAY_MS, LedgerReader
from otpconv.storage.erasure import Erasure
from otpconv.storage.nodes import ALL_LEASES, RETENTION, Leases

#: How often the server looks for messages that are too old, and how late a deletion may be, s.
EVERY_S, LATE_S = 60.0, 6 * 3600.0
#: How often the server forgets messages that were deleted from the ledger, and how late that may be, s.
_NOTED_EVERY_S, _NOTED_LATE_S = 0.1, 10.0
#: How often the server looks for days with too many number ranges, and how late that may be, s.
_SHORTENED_EVERY_S, _SHORTENED_LATE_S = 300.0, 3600.0


class Retention:
    """Deletes messages older than some days, and finishes deletions that were interrupted.

    Args:
        settings: name the data folder, and how long messages are kept.
        ledger: the ledger, for any thread.
        applied: returns the position of the last journal entry in the ledger.
        leases: knows whether this process is the one that deletes.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: LedgerReader,
        applied: Callable[[], int],
        leases: Leases = ALL_LEASES,
    ) -> None:
        self._settings = settings
        self._leases = leases
        self._days = settings.retention_days
        self._engine = engine_of(settings)
        self._ledger = ledger
        self._applied = applied
        self._eraser: Eraser | None = None
        self._deleted_before = 0

    def keep(self, tasks: Housekeeping, note_deletions: Callable[[], Awaitable[object]]) -> None:
        """Add the deletion to the repeated tasks, in a thread of its own, and a check for finished ones."""
        tasks.every(
            _NOTED_EVERY_S,
            "deletions",
            note_deletions,
            late_s=_NOTED_LATE_S,
            harm="reports about deleted messages are still accepted",
        )
        tasks.every(
            EVERY_S,
            "retention",
            self.run,
            late_s=LATE_S,
            harm="expired messages are kept",
            aside=True,
        )
        tasks.every(
            _SHORTENED_EVERY_S,
            "ranges",
            self.shorten_ranges,
            late_s=_SHORTENED_LATE_S,
            harm="rollups by number range take room on the disk, and questions about ranges more time",
            aside=True,
        )

    def shorten_ranges(self) -> None:
        """Count the ranges of crowded days by shorter prefixes; see `LedgerReader.range_lengths`.

        Raises:
            Unavailable: the storage failed.
        """
        if self._leases.holds(RETENTION) and (lengths := self._ledger.range_lengths()):
            with closing(Recording(self._engine, self._applied)) as record:
                record(Erasure(0, 0, range_lengths=lengths))

    def run(self) -> None:
        """Delete messages that are too old, and finish interrupted deletions. Call it from one thread.

        Does nothing while another deletion runs, e.g. a command, or while another node does it.

        Raises:
            Misconfigured: a file is damaged, or the folder can't be written.
            Unavailable: the storage failed.
        """
        if not self._leases.holds(RETENTION):
            return
        before = self._before()
        if before <= self._deleted_before and not self._engine.has_erasures():
            return
        with ExitStack() as opened:
            try:
                opened.enter_context(alone(self._settings))
            except BlockingIOError:
                return
            record = Recording(self._engine, self._applied)
            opened.callback(record.close)
            eraser = Eraser(self._ledger, self._engine.journal_eraser(), record)
            opened.callback(eraser.close)
            self._eraser = eraser
            eraser.finish()
            # The first time after a start too: an earlier process may not have deleted all of them.
            if before > self._deleted_before:
                eraser.prune(before)
                self._deleted_before = before

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
