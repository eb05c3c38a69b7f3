"""The contract of a storage engine as a whole: it opens the parts of one storage, and looks after them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from otpconv.access.store import AccessStore
from otpconv.clock import Clock
from otpconv.storage.alerts.contract import AlertStore
from otpconv.storage.annotations import AnnotationStore
from otpconv.storage.check_result import CheckResult
from otpconv.storage.contract import LedgerReader, LedgerWriter
from otpconv.storage.erasure import JournalEraser
from otpconv.storage.journal import Journal
from otpconv.storage.lookup import LedgerLookup
from otpconv.storage.nodes import Nodes
from otpconv.storage.notifications.contract import NotificationStore
from otpconv.storage.relay.contract import RelayStore
from otpconv.storage.transfer import Transfer


class Engine(Protocol):
    """One storage: journal, ledger, keys, annotations, relay and alerts. Making an engine opens nothing.

    Every method may block, and raises `errors.Misconfigured` if something in the storage can't be used, and
    `errors.Unavailable` if the storage fails.
    """

    def start(self) -> None:
        """Prepare this process for a server. Called once, before a part is opened."""

    def nodes(self) -> Nodes | None:
        """Return the nodes of the storage; None if one process holds all of it."""

    def try_write(self) -> None:
        """Write as much as a small commit does, as a test of the storage, and keep none of it."""

    def access(self, clock: Clock) -> AccessStore:
        """Return the access store; `clock` gives the time of changes."""

    def annotations(self) -> AnnotationStore:
        """Open the annotations; create them if there are none."""

    def relay(self) -> RelayStore:
        """Return what the relay keeps; the first thread that uses it opens it."""

    def alerts(self) -> AlertStore:
        """Return the alerts; the first thread that uses them opens them."""

    def has_alerts(self) -> bool:
        """Return whether there may be alerts or notifications: to open them would create them."""

    def notifications(self) -> NotificationStore:
        """Return the notifications of alerts; the first thread that uses them opens them."""

    def has_journal(self) -> bool:
        """Return whether the storage has a journal; one without was never used by a server."""

    def journal(self) -> Journal:
        """Open the journal; create it if there is none. Each thread that appends opens its own."""

    def journal_eraser(self) -> JournalEraser:
        """Return the eraser of deleted messages; the thread that first uses it opens the journal."""

    def has_erasures(self) -> bool:
        """Return whether reports of deleted messages may still be in the journal."""

    def compact(self) -> None:
        """Rewrite the storage without unused space, which may still hold deleted messages; no server may run.

        Raises:
            Unavailable: the disk is full or fails; the storage stays as it was.
        """

    def prepare_ledger(self) -> int:
        """Prepare the ledger for a server and return its cursor; the journal exists.

        Creates an empty ledger if there is none, and rebuilds one that an older otpconv wrote.
        """

    def ledger_writer(self) -> LedgerWriter:
        """Open the ledger for the applier, on the thread that calls this."""

    def ledger_reader(self) -> LedgerReader:
        """Open the ledger for questions, on any thread."""

    def ledger_lookup(self) -> LedgerLookup:
        """Open the ledger for the event loop."""

    def open_ledger(self) -> tuple[LedgerReader, int]:
        """Open the ledger beside a server, and return how many acknowledged reports it still lacks.

        Raises:
            Misconfigured: there is no ledger, it needs a rebuild, or it does not fit the journal.
        """

    def findings(self, *, served: bool, now: int) -> Iterator[CheckResult]:
        """Check the storage and change nothing; a server may run.

        Args:
            served: whether a server runs, which should be applying the journal to the ledger.
            now: the time by the wall clock, ms.
        """

    def verify_ledger(self, done: Callable[[int, int], None]) -> Iterator[CheckResult]:
        """Verify the ledger against its journal, and the rollups against the messages; change neither.

        A server may run, but no deletion.

        Args:
            done: called now and then with the work done so far, and all of it.

        Raises:
            Misconfigured: there is no ledger, or no room to verify it; or it needs a rebuild.
        """

    def rebuild_ledger(self, done: Callable[[int, int], None]) -> int:
        """Build the ledger again from the journal and return its cursor; no server may run.

        Args:
            done: called now and then with the entries applied, and how many there are.
        """

    def set_damage_aside(self) -> list[str]:
        """Set the damaged rows of the journal aside and return the problems; no server may run."""

    def copy(self, target: Path, done: Callable[[int, int], None]) -> list[Path]:
        """Copy what can't be rebuilt into an empty folder and return the copies; a server may run.

        Args:
            target: an empty folder on a disk with room for the copies.
            done: called now and then with the bytes written, and about how many there will be.
        """

    def transfer(self) -> Transfer:
        """Open the storage for a copy into another one, or for one of another; new files are created.

        As the target of a copy, nothing else may use it.

        Raises:
            Misconfigured: another copy or a newer otpconv uses it.
        """
