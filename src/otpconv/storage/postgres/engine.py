"""The engine in PostgreSQL as a whole."""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from otpconv.clock import Clock
from otpconv.errors import Misconfigured
from otpconv.storage.alerts import store as alerts
from otpconv.storage.check_result import CheckResult
from otpconv.storage.notifications import store as notifications
from otpconv.storage.postgres import migrations, upgrade
from otpconv.storage.postgres.access.store import PostgresAccessStore
from otpconv.storage.postgres.annotations import PostgresAnnotations
from otpconv.storage.postgres.database import Database, compact
from otpconv.storage.postgres.distribution.tables import is_distributed
from otpconv.storage.postgres.health import Doctor
from otpconv.storage.postgres.journal.eraser import PostgresJournalEraser, has_erasures
from otpconv.storage.postgres.journal.journal import PostgresJournal, try_commit, was_used
from otpconv.storage.postgres.ledger.distributed_reader import DistributedLedgerReader
from otpconv.storage.postgres.ledger.reader import PostgresLedgerReader
from otpconv.storage.postgres.ledger.rebuild import rebuild
from otpconv.storage.postgres.ledger.verify import verify
from otpconv.storage.postgres.ledger.writer import PostgresLedgerWriter
from otpconv.storage.postgres.nodes import PostgresNodes
from otpconv.storage.postgres.on_thread import APPENDS, JournalOnThread, LookupOnThread
from otpconv.storage.postgres.patience import Patience
from otpconv.storage.postgres.tables import SharedTables
from otpconv.storage.postgres.transfer import PostgresTransfer
from otpconv.storage.relay import store as relay

_log = logging.getLogger(__name__)


class PostgresEngine:
    """An `Engine` in a PostgreSQL database.

    Args:
        database: where it is; `create` makes its tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._patience = Patience(database.address, database.limits.report_s)

    def start(self) -> None:
        """See `Engine.start`: checks that the tables are there, of this version, and not being replaced."""
        with closing(self.nodes()) as nodes:
            nodes.require_open()
        _log.info("the ledger is in PostgreSQL (%s)", self._database.address)

    def nodes(self) -> PostgresNodes:
        """See `Engine.nodes`."""
        self._require_version()
        return PostgresNodes(self._database)

    def try_write(self) -> None:
        """See `Engine.try_write`."""
        try_commit(self._database)

    def access(self, clock: Clock) -> PostgresAccessStore:
        """See `Engine.access`."""
        self._require_version()
        return PostgresAccessStore(self._database, clock)

    def annotations(self) -> PostgresAnnotations:
        """See `Engine.annotations`."""
        return PostgresAnnotations(self._database)

    def relay(self) -> relay.TableRelayStore:
        """See `Engine.relay`."""
        return relay.TableRelayStore(SharedTables(self._database, relay.STATEMENTS))

    def alerts(self) -> alerts.TableAlertStore:
        """See `Engine.alerts`."""
        return alerts.TableAlertStore(SharedTables(self._database, alerts.STATEMENTS))

    def has_alerts(self) -> bool:
        """See `Engine.has_alerts`."""
        return True

    def notifications(self) -> notifications.TableNotificationStore:
        """See `Engine.notifications`."""
        return notifications.TableNotificationStore(SharedTables(self._database, notifications.STATEMENTS))

    def has_journal(self) -> bool:
        """See `Engine.has_journal`."""
        self._require_version()
        return was_used(self._database)

    def journal(self) -> JournalOnThread:
        """See `Engine.journal`."""
        return JournalOnThread(PostgresJournal(self._database, APPENDS), self._patience)

    def journal_eraser(self) -> PostgresJournalEraser:
        """See `Engine.journal_eraser`."""
        return PostgresJournalEraser(self._database)

    def has_erasures(self) -> bool:
        """See `Engine.has_erasures`."""
        return has_erasures(self._database)

    def compact(self) -> None:
        """See `Engine.compact`; tables that others use stay locked for the time."""
        compact(self._database)

    def prepare_ledger(self) -> int:
        """See `Engine.prepare_ledger`: a migration has prepared it."""
        self._lag()
        with closing(self.ledger_writer()) as writer:
            return writer.cursor()

    def ledger_writer(self) -> PostgresLedgerWriter:
        """See `Engine.ledger_writer`."""
        return PostgresLedgerWriter(self._database)

    def ledger_reader(self) -> PostgresLedgerReader:
        """See `Engine.ledger_reader`."""
        return self._reader()(self._database)

    def ledger_lookup(self) -> LookupOnThread:
        """See `Engine.ledger_lookup`."""
        return LookupOnThread(self._reader()(self._database.for_lookups()), self._patience)

    def open_ledger(self) -> tuple[PostgresLedgerReader, int]:
        """See `Engine.open_ledger`."""
        self._require_version()
        return self.ledger_reader(), self._lag()

    def findings(self, *, served: bool, now: int) -> Iterator[CheckResult]:
        """See `Engine.findings`."""
        return Doctor(self._database).findings(served=served, now=now)

    def verify_ledger(self, done: Callable[[int, int], None]) -> Iterator[CheckResult]:
        """See `Engine.verify_ledger`."""
        self._require_version()
        return verify(self._database, done)

    def rebuild_ledger(self, done: Callable[[int, int], None]) -> int:
        """See `Engine.rebuild_ledger`."""
        return rebuild(self._database, done)

    def set_damage_aside(self) -> list[str]:
        """See `Engine.set_damage_aside`.

        Raises:
            Misconfigured: always, since PostgreSQL checks its pages itself and can't read damaged ones.
        """
        raise Misconfigured(
            f"Damaged rows in PostgreSQL ({self._database.address}) can't be set aside: restore the database"
            " from a backup"
        )

    def copy(self, target: Path, done: Callable[[int, int], None]) -> list[Path]:  # noqa: ARG002
        """See `Engine.copy`.

        Raises:
            Misconfigured: always, since PostgreSQL has its own tools for backups.
        """
        raise Misconfigured(
            f"The ledger is in PostgreSQL ({self._database.address}): back it up with pg_basebackup or"
            " pgBackRest, and copy the sealing key"
        )

    def transfer(self) -> PostgresTransfer:
        """See `Engine.transfer`."""
        self._require_version()
        return PostgresTransfer(self._database)

    def create(self, shards: int | None = None) -> bool:
        """Create the tables; return False if they were there already.

        Args:
            shards: into how many shards of a Citus the messages are divided; None keeps them on one server.

        Raises:
            Misconfigured: a newer otpconv made them, the user may not create them, or they can't be
                distributed.
            Unavailable: the database fails.
        """
        return migrations.create(self._database, shards)

    def migrate(self, done: Callable[[int, int], None]) -> tuple[int, int]:
        """Bring the tables up to date, and return their versions before and after; servers may run.

        Args:
            done: called now and then with the entries applied, and how many there are.

        Raises:
            Misconfigured: there are no tables, or a newer otpconv made them.
            Unavailable: the database fails, or a deletion runs.
        """
        return upgrade.migrate(self._database, done)

    def _reader(self) -> type[PostgresLedgerReader]:
        with self._database.mapped(), closing(self._database.connect()) as connection:
            spread = is_distributed(self._database, connection)
        return DistributedLedgerReader if spread else PostgresLedgerReader

    def _lag(self) -> int:
        with closing(Doctor(self._database)) as doctor:
            return doctor.lag()

    def _require_version(self) -> None:
        with closing(self._database.connect()) as connection:
            migrations.require_version(self._database, connection)
