"""The embedded engine as a whole: which files of a data folder hold what."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from otpconv.clock import Clock
from otpconv.errors import Misconfigured
from otpconv.storage.alerts.store import TableAlertStore
from otpconv.storage.check_result import CheckResult
from otpconv.storage.notifications.store import TableNotificationStore
from otpconv.storage.relay.store import TableRelayStore
from otpconv.storage.sqlite.access.store import SqliteAccessStore
from otpconv.storage.sqlite.alerts import alerts_file, notifications_file
from otpconv.storage.sqlite.annotations import SqliteAnnotations
from otpconv.storage.sqlite.backup import copy
from otpconv.storage.sqlite.connection import compact, open_on_a_full_disk, try_write
from otpconv.storage.sqlite.health import findings, lag
from otpconv.storage.sqlite.journal.eraser import SqliteJournalEraser, has_erasures
from otpconv.storage.sqlite.journal.journal import SqliteJournal
from otpconv.storage.sqlite.ledger.binding import require_fit
from otpconv.storage.sqlite.ledger.reader import SqliteLedgerReader
from otpconv.storage.sqlite.ledger.rebuild import is_outdated, prepare, rebuild
from otpconv.storage.sqlite.ledger.verify import verify
from otpconv.storage.sqlite.ledger.writer import SqliteLedgerWriter
from otpconv.storage.sqlite.relay import relay_file
from otpconv.storage.sqlite.transfer import SqliteTransfer


class SqliteEngine:
    """An `Engine` in SQLite files.

    Args:
        folder: the data folder; it exists before a file is opened.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._journal = folder / "journal.sqlite"
        self._ledger = folder / "ledger.sqlite"
        self._access = folder / "access.sqlite"
        self._annotations = folder / "annotations.sqlite"
        self._relay = folder / "relay.sqlite"
        self._alerts = folder / "alerts.sqlite"

    def start(self) -> None:
        """See `Engine.start`."""
        open_on_a_full_disk(self._folder)

    def nodes(self) -> None:
        """See `Engine.nodes`: the process that holds the data folder is the only one."""

    def try_write(self) -> None:
        """See `Engine.try_write`."""
        try_write(self._folder)

    def access(self, clock: Clock) -> SqliteAccessStore:
        """See `Engine.access`."""
        return SqliteAccessStore(self._access, clock)

    def annotations(self) -> SqliteAnnotations:
        """See `Engine.annotations`."""
        return SqliteAnnotations(self._annotations)

    def relay(self) -> TableRelayStore:
        """See `Engine.relay`."""
        return relay_file(self._relay)

    def alerts(self) -> TableAlertStore:
        """See `Engine.alerts`."""
        return alerts_file(self._alerts)

    def has_alerts(self) -> bool:
        """See `Engine.has_alerts`."""
        return self._alerts.is_file()

    def notifications(self) -> TableNotificationStore:
        """See `Engine.notifications`."""
        return notifications_file(self._alerts)

    def has_journal(self) -> bool:
        """See `Engine.has_journal`."""
        return self._journal.is_file()

    def journal(self) -> SqliteJournal:
        """See `Engine.journal`."""
        return SqliteJournal(self._journal)

    def journal_eraser(self) -> SqliteJournalEraser:
        """See `Engine.journal_eraser`."""
        return SqliteJournalEraser(self._journal, self._ledger)

    def has_erasures(self) -> bool:
        """See `Engine.has_erasures`."""
        return has_erasures(self._journal)

    def compact(self) -> None:
        """See `Engine.compact`."""
        for file in (self._journal, self._ledger, *self._existing(self._relay, self._alerts)):
            compact(file)

    def prepare_ledger(self) -> int:
        """See `Engine.prepare_ledger`."""
        return prepare(self._ledger, self._journal)

    def ledger_writer(self) -> SqliteLedgerWriter:
        """See `Engine.ledger_writer`."""
        return SqliteLedgerWriter(self._ledger, self._journal)

    def ledger_reader(self) -> SqliteLedgerReader:
        """See `Engine.ledger_reader`."""
        return SqliteLedgerReader(self._ledger)

    def ledger_lookup(self) -> SqliteLedgerReader:
        """See `Engine.ledger_lookup`."""
        return SqliteLedgerReader(self._ledger)

    def open_ledger(self) -> tuple[SqliteLedgerReader, int]:
        """See `Engine.open_ledger`."""
        self._require_ledger()
        require_fit(self._ledger, self._journal)
        return self.ledger_reader(), lag(self._journal, self._ledger)

    def findings(self, *, served: bool, now: int) -> Iterator[CheckResult]:
        """See `Engine.findings`."""
        others = [self._access, *self._existing(self._annotations, self._relay, self._alerts)]
        return findings(self._journal, self._ledger, others, served=served, now=now)

    def verify_ledger(self, done: Callable[[int, int], None]) -> Iterator[CheckResult]:
        """See `Engine.verify_ledger`."""
        self._require_ledger()
        return verify(self._ledger, self._journal, done)

    def rebuild_ledger(self, done: Callable[[int, int], None]) -> int:
        """See `Engine.rebuild_ledger`."""
        return rebuild(self._ledger, self._journal, done)

    def set_damage_aside(self) -> list[str]:
        """See `Engine.set_damage_aside`."""
        with closing(self.journal()) as journal:
            return [str(problem) for problem in journal.set_aside()]

    def copy(self, target: Path, done: Callable[[int, int], None]) -> list[Path]:
        """See `Engine.copy`.

        Accounts are only ever added, so the keys, which are copied after the reports, have the accounts of
        all of them. The relay and the detectors of alerts, whose files are copied before them, have not read
        a report that is not in the copy.
        """
        copies = []
        followers = self._existing(self._relay, self._alerts)
        for file in (*followers, self._journal, self._access, *self._existing(self._annotations)):
            copy(file, target / file.name, done)
            copies.append(target / file.name)
        return copies

    def transfer(self) -> SqliteTransfer:
        """See `Engine.transfer`."""
        return SqliteTransfer(self._journal, self._ledger, self._access, self._annotations)

    def _require_ledger(self) -> None:
        """Refuse a ledger that is missing, or that an older otpconv wrote."""
        if not self._ledger.is_file():
            raise Misconfigured(
                f"there is no ledger in {self._folder}: give the server's folder with --data DIR"
            )
        if is_outdated(self._ledger):
            raise Misconfigured(
                f"{self._ledger} was written by an older otpconv: run `otpconv ledger rebuild`"
            )

    def _existing(self, *files: Path) -> list[Path]:
        """Return those of some files that exist: older versions did not create all of them."""
        return [file for file in files if file.is_file()]
