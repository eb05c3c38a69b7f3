"""Decides when unmatched conversions and rollups by minute expire, and how far to trust the wall clock.

An expiry is an entry in the journal, so what has expired stays expired, even after a rebuild. That is why the
wall clock never decides alone: time counts only up to the newest report in the journal, and a jump of more
than a day counts only after the process has run with it for some hours and has logged a warning.
"""

import logging
import time
from collections.abc import Callable

from otpconv.clock import Clock, duration, iso_8601
from otpconv.model import Expiry
from otpconv.storage.awaitable import resolve
from otpconv.storage.contract import CLOCK_BEHIND_MS, DAY_MS, HOUR_MS, Entry
from otpconv.storage.journal import Journal
from otpconv.storage.lookup import LedgerLookup

#: How long rollups by minute are kept, ms (3 days).
MINUTES_KEPT_MS = 72 * HOUR_MS
#: Time from one expiry to the next, s.
EVERY_S = 3600.0
#: How far the expiry time may advance at once, ms; before a longer jump it waits.
STEP_MS = DAY_MS
#: How long the server must run before it trusts a jump of the clock, s.
WAIT_S = 6 * 3600.0
#: Time from one warning to the next, s.
_WARN_EVERY_S = 3600.0

_log = logging.getLogger(__name__)


class Forgetting:
    """Decides which expiries the journal gets. Await `due` every few seconds.

    Args:
        journal: holds all accepted reports.
        ledger: knows the expiries so far.
        clock: the time now.
        unmatched_ms: how long a conversion waits for its message, ms.
        steady: seconds that no clock change moves.
    """

    def __init__(
        self,
        journal: Journal,
        ledger: LedgerLookup,
        clock: Clock,
        *,
        unmatched_ms: int,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._clock = clock
        self._unmatched_ms = unmatched_ms
        self._steady = steady
        self._due_at = steady()
        self._kept_from = 0
        self._waits_since: float | None = None
        self._warned_at: float | None = None

    async def due(self) -> tuple[Entry, int] | None:
        """Return an expiry for the journal, and the time to record it with; at most one an hour.

        Raises:
            Unavailable: the storage failed.
        """
        newest = await resolve(self._journal.newest_report_time())
        oldest = await resolve(self._journal.oldest_time())
        # The ledger may not have applied the last expiry yet.
        kept_from = max(await resolve(self._ledger.minutes_from()), self._kept_from)
        if newest is None or oldest is None or (kept_from and self._steady() < self._due_at):
            return None
        now = self._clock()
        if now < newest - CLOCK_BEHIND_MS:
            self._warn(
                f"the clock is {duration(newest - now)} behind the newest report, recorded at"
                f" {iso_8601(newest)}: set the clock if it is wrong. If it is right, it was wrong when"
                " that report was recorded, and the report has a wrong time"
            )
        at = min(now, newest)
        reached = max(kept_from + MINUTES_KEPT_MS, oldest)
        if at <= reached + STEP_MS:
            self._waits_since = None
        elif self._waits(at - reached):
            return None
        self._due_at = self._steady() + EVERY_S
        minutes_from = (at - MINUTES_KEPT_MS) // HOUR_MS * HOUR_MS
        if minutes_from <= kept_from:
            return None
        # The first expiry comes right after the first report, so that no minutes of old data are kept. It
        # expires no conversions: their messages may be about to be imported.
        unmatched_before = at - self._unmatched_ms if kept_from else 0
        self._kept_from = minutes_from
        # Recorded with the time it is computed from, not with that of the wall clock.
        return Entry(Expiry(unmatched_before, minutes_from)), at

    def _waits(self, jump_ms: int) -> bool:
        """Return whether a jump of the clock is too recent to count, and log a warning while it is."""
        if self._waits_since is None:
            self._waits_since = self._steady()
        left_s = self._waits_since + WAIT_S - self._steady()
        if left_s > 0:
            self._warn(
                f"the clock is {duration(jump_ms)} ahead of what the journal had so far: set it if it is"
                " wrong. If it is right, do nothing: old minutes and unmatched conversions are"
                f" forgotten again in {duration(int(left_s * 1000))}"
            )
        return left_s > 0

    def _warn(self, text: str) -> None:
        now = self._steady()
        if self._warned_at is None or now >= self._warned_at + _WARN_EVERY_S:
            self._warned_at = now
            _log.warning("%s", text)
