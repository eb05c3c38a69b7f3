"""The composition root: puts the rooms together, and is the only place that knows which engine it is."""

import asyncio
from itertools import chain
from pathlib import Path

from otpconv.access.directory import Directory
from otpconv.access.keys import KeyRing, KeyStore
from otpconv.access.nonce_log import NonceLog
from otpconv.access.nonces import WINDOW_MS, NonceGuard
from otpconv.access.sealing import Sealer, load_key
from otpconv.access.sign_outs import SignOuts
from otpconv.access.sts.sessions import Sessions
from otpconv.clock import Clock, wall_clock
from otpconv.config import Settings
from otpconv.errors import Misconfigured
from otpconv.ledger.applier import Applier
from otpconv.ledger.forgetting import EVERY_S, Forgetting
from otpconv.ledger.freshness import Freshness
from otpconv.ledger.intake import Intake
from otpconv.ledger.journal_writer import JournalWriter
from otpconv.ledger.judge import EARLIEST_MS
from otpconv.ledger.questions import Questions
from otpconv.ledger.recent import Recent
from otpconv.metrics import Metrics
from otpconv.phone import NumberHash
from otpconv.service import data_folder
from otpconv.service.deleting import Retention
from otpconv.service.first_key import first_key_file
from otpconv.service.housekeeping import Housekeeping, keep_keys
from otpconv.service.readiness import ReadinessCheck
from otpconv.storage import sqlite
from otpconv.storage.awaitable import resolve
from otpconv.storage.contract import DAY_MS, MINUTE_MS, LedgerReader
from otpconv.storage.sqlite import SqliteJournal, SqliteLedgerReader, SqliteLedgerWriter
from otpconv.storage.sqlite.access import SqliteDirectory, SqliteKeyStore, SqliteSignOuts

#: How often it is looked whether something is old enough to be forgotten, s.
_FORGET_EVERY_S = 5.0
#: How often the server looks for deletions by the command line, s.
_DELETED_EVERY_S = 0.1
#: A deletion by the command line gives up after `deleting.APPLIED_WITHIN_S`, s.
_DELETED_LATE_S = 10.0
#: How often the server looks for messages that are too old, and how late a deletion may be, s.
_RETENTION_EVERY_S, _RETENTION_LATE_S = 60.0, 6 * 3600.0
#: A start reads the nonces of the time window in both directions, and of one minute more for the clock.
_NONCES_MS = 2 * WINDOW_MS + MINUTE_MS

#: Nonces in memory: 15 minutes of 2,200 requests per second, in about 300 MB.
_NONCES = 2_000_000


class Service:
    """Everything behind the front doors: keys, nonces, intake, ledger, and the applier between the last two.

    Attributes:
        keys: the access keys, kept fresh while the service runs.
        sealer: seals what is handed out and comes back, such as the cookies of who is signed in.
        sessions: the temporary credentials of those who assumed a role.
        sign_outs: which sign-ins to the pages are over.
        nonces: the guard against replayed requests; what it admits is in `nonce_log`.
        number_hash: the keyed hash under which numbers are stored.
        region: whose national numbers are read; empty: of none.
        intake: takes reports.
        questions: answers questions about what the reports come to.
        recent: what is acknowledged and not yet in the ledger.
        metrics: what is measured for machines.
        housekeeping: what is done again and again; others may add to it.
        readiness: whether reports can be recorded and questions answered.
        clock: the time now.
    """

    def __init__(self, settings: Settings, clock: Clock = wall_clock) -> None:
        """Open the data folder, made if it is not there.

        Raises:
            Misconfigured: the folder is in use by another server, or something in it is damaged.
            Unavailable: the disk is full or fails.
        """
        self.clock = clock
        self._settings = settings
        data = settings.data
        self._lock = data_folder.hold(data)
        sqlite.open_on_a_full_disk(data)
        self.sealer = open_sealer(settings)
        self._key_store: KeyStore = SqliteKeyStore(data / "access.sqlite", self.sealer, clock)
        self.keys = KeyRing(self._key_store)
        self.sessions = Sessions(self.sealer, self.keys)
        self.sign_outs = SignOuts(SqliteSignOuts(data / "access.sqlite"), clock)
        self.number_hash = NumberHash(self.sealer.derive("number"))
        self.region = settings.region
        self._journal = SqliteJournal(data / "journal.sqlite")
        self._writer = JournalWriter(self._journal, lambda: SqliteJournal(data / "journal.sqlite"))
        self.nonce_log = NonceLog(data / "nonces")
        self.nonces = NonceGuard(_NONCES, self.nonce_log.append)
        journaled = self._journal.nonces(clock() - _NONCES_MS, _NONCES)
        self.nonces.restore(chain(self.nonce_log.remembered(), journaled), self.nonce_log.floor)
        ledger_file, journal_file = data / "ledger.sqlite", data / "journal.sqlite"
        cursor = sqlite.prepare(ledger_file, journal_file)
        self._acknowledged = self._journal.head()
        self.metrics = Metrics()
        self._applier = Applier(
            lambda: SqliteLedgerWriter(ledger_file, journal_file), cursor, measured=self.metrics.applied
        )
        self._freshness = Freshness(self._applier)
        self._ledger = SqliteLedgerReader(ledger_file)
        self.questions = Questions(self._ledger, self._freshness, lambda: self._acknowledged)
        unmatched_ms = settings.unmatched_days * DAY_MS
        self._forgetting = Forgetting(self._journal, self._ledger, clock, unmatched_ms=unmatched_ms)
        self.recent = Recent(lambda: self._applier.applied)
        self.intake = Intake(
            self._writer, self._ledger, self.recent, clock, recorded=self._recorded, strict=settings.strict
        )
        self.intake.earliest = max(EARLIEST_MS, self._ledger.messages_from())
        self._retention = Retention(
            data,
            self._ledger,
            settings.retention_days,
            applied=lambda: self._applier.applied,
            nudge=self._applier.notify,
        )
        self.housekeeping = self._housekeeping()
        self.readiness = ReadinessCheck(
            data,
            writer=self._writer,
            intake=self.intake,
            applier=self._applier,
            ledger=self._ledger,
            housekeeping=self.housekeeping,
        )

    def first_key_file(self) -> Path | None:
        """Return the file with the first access key, made with its key when there has never been any.

        The file holds ID:SECRET and only its owner may read it. None when an operator has made the keys, or
        seals them with a key of its own, which a file in clear would undo.

        Raises:
            Misconfigured: the folder had access keys, and they are gone.
        """
        make = self._settings.sealing_key is None
        had_keys = self._journal.had_keys()
        file = first_key_file(self._key_store, self._settings.data, had_keys=had_keys, make=make)
        self.keys.refresh()
        if self._key_store.list():
            self._journal.note_keys()
        return file

    async def start(self) -> None:
        """Start the applier and the housekeeping; reports may come from now on."""
        await self.housekeeping.run("expiry")  # if it fails, questions can be answered all the same
        self._applier.start()
        self.housekeeping.start()

    async def stop(self) -> None:
        """Make durable and apply what was accepted, then close everything."""
        await self.housekeeping.run("key uses")
        self._retention.stop()
        await self.housekeeping.stop()
        self._freshness.close()
        await self.intake.drain()
        await asyncio.get_running_loop().run_in_executor(None, self._applier.stop)
        self.questions.close()
        self.readiness.close()
        self._ledger.close()
        self._writer.close()
        self.nonce_log.close()
        self._key_store.close()
        self._lock.close()

    def lag(self) -> int:
        """Return how many acknowledged reports are not yet in the ledger."""
        return max(0, self._acknowledged - self._applier.applied)

    def _recorded(self, upto: int, reports: int, seconds: float) -> None:
        self._acknowledged = upto
        self._applier.notify()
        self.metrics.committed(reports, seconds)

    def _housekeeping(self) -> Housekeeping:
        tasks = Housekeeping()
        keep_keys(tasks, self.keys.refresh, self.keys.keep_uses)
        tasks.every(
            _FORGET_EVERY_S,
            "expiry",
            self._forget,
            late_s=3 * EVERY_S,
            harm="old conversions and rollups by minute take room on the disk",
        )
        tasks.every(
            _DELETED_EVERY_S,
            "deletions",
            self._follow_deletions,
            late_s=_DELETED_LATE_S,
            harm="`otpconv forget` and `otpconv ledger prune` wait",
        )
        tasks.every(
            _RETENTION_EVERY_S,
            "retention",
            self._retention.run,
            late_s=_RETENTION_LATE_S,
            harm="messages that are to be deleted are kept",
            aside=True,
        )
        self.metrics.registry.register(tasks)
        return tasks

    def _follow_deletions(self) -> None:
        """Apply what another process, i.e. a command that deletes, has appended to the journal."""
        if self._journal.head() > self._applier.applied:
            self._applier.notify()
        # Otherwise a deleted message would be remembered until the next report.
        self.recent.forget_applied()
        self.intake.earliest = max(EARLIEST_MS, self._ledger.messages_from())

    async def _forget(self) -> None:
        if due := await self._forgetting.due():
            expiry, recorded_at = due
            # No report, so nobody waits for it: `_acknowledged` stays.
            await resolve(self._writer.append([expiry], recorded_at))
            self._applier.notify()


def open_sealer(settings: Settings) -> Sealer:
    """Return what seals secrets, from the settings or the data folder's own key.

    Raises:
        Misconfigured: the key is malformed, its file may be read by others, or it is gone.
    """
    given = settings.sealing_key.get_secret_value() if settings.sealing_key else None
    data = data_folder.make(settings.data)
    return Sealer(load_key(data / "sealing.key", given, make=not (data / "journal.sqlite").exists()))


def open_key_store(settings: Settings, clock: Clock = wall_clock) -> KeyStore:
    """Return the access keys of a data folder, for the command line; a running server sees changes at once.

    Raises:
        Misconfigured: the folder or something in it can't be used.
    """
    sealer = open_sealer(settings)
    return SqliteKeyStore(settings.data / "access.sqlite", sealer, clock)


def open_directory(settings: Settings, clock: Clock = wall_clock) -> Directory:
    """Return the users, roles and policies of a data folder; a running server sees changes at once.

    Raises:
        Misconfigured: the folder or something in it can't be used.
    """
    return SqliteDirectory(data_folder.make(settings.data) / "access.sqlite", clock)


def open_ledger(settings: Settings) -> tuple[LedgerReader, int]:
    """Return the ledger of a data folder for reading, and how many acknowledged reports it still lacks.

    A server may run on the folder meanwhile.

    Raises:
        Misconfigured: there is no ledger, it can't be used, or it does not fit the journal.
        Unavailable: the disk fails.
    """
    ledger, journal = settings.data / "ledger.sqlite", settings.data / "journal.sqlite"
    if not ledger.is_file():
        raise Misconfigured(
            f"there is no ledger in {settings.data}: give the server's folder with --data DIR"
        )
    if sqlite.is_outdated(ledger):
        raise Misconfigured(f"{ledger} was written by an older otpconv: run `otpconv doctor --rebuild`")
    sqlite.require_fit(ledger, journal)
    return SqliteLedgerReader(ledger), sqlite.lag(journal, ledger)
