"""The composition root: builds a server from its parts."""

import asyncio
from functools import partial
from pathlib import Path

from otpconv.access.keys import AccessKey, KeyRing
from otpconv.access.sign_outs import SignOuts
from otpconv.access.sts.sessions import Sessions
from otpconv.clock import Clock, wall_clock
from otpconv.config import Settings
from otpconv.ledger.applier import Applier
from otpconv.ledger.forgetting import EVERY_S, Forgetting
from otpconv.ledger.freshness import Freshness
from otpconv.ledger.intake import Intake
from otpconv.ledger.journal_writer import JournalWriter
from otpconv.ledger.judge import EARLIEST_MS
from otpconv.ledger.questions import Questions
from otpconv.ledger.recent import Recent
from otpconv.metrics import Metrics
from otpconv.ranges.current import CurrentRanges
from otpconv.rates.current import CurrentSignals
from otpconv.service import data_folder
from otpconv.service.administration import Administration
from otpconv.service.alert_retention import AlertRetention
from otpconv.service.alert_targets import AlertTargets
from otpconv.service.alerting import Alerting
from otpconv.service.engines import engine_of, storage_of
from otpconv.service.first_key import first_key_file
from otpconv.service.health import Health, disk_in_time, versions
from otpconv.service.housekeeping import Housekeeping, keep_keys
from otpconv.service.membership import BEAT, Membership
from otpconv.service.numbers import Numbers
from otpconv.service.opening import open_directory, open_key_store, open_sealer
from otpconv.service.readiness import ReadinessCheck
from otpconv.service.relaying import Relaying
from otpconv.service.replays import guards
from otpconv.service.retention import Retention
from otpconv.service.sandbox import Sandbox
from otpconv.service.vendors import Vendors
from otpconv.storage.awaitable import resolve
from otpconv.storage.contract import DAY_MS
from otpconv.storage.nodes import EXPIRY

#: How often it is looked whether something is old enough to be forgotten, s.
_FORGET_EVERY_S = 5.0


class Service:
    """Everything behind the front doors: keys, nonces, intake, ledger, and the applier between the last two.

    Attributes:
        keys: the access keys, kept fresh while the service runs.
        sealer: encrypts values that are handed out and come back, such as the cookies of signed-in users.
        sessions: the temporary credentials of those who assumed a role.
        sign_outs: which sign-ins to the pages are over.
        alerts: what detectors found, and what became of it.
        annotations: texts at times, which charts show.
        prices: the price lists of accounts.
        saved_views: views of the dashboard that users saved under names.
        nonces: the guard against replayed requests.
        once: the guard of what may be used once among all nodes of the storage.
        membership: this server among the nodes of its storage.
        number_hash: the keyed hash under which numbers are stored.
        region: whose national numbers are read; empty: of none.
        intake: takes reports.
        questions: answers questions about what the reports come to.
        signals: finds what fails now, for the stories of messages.
        ranges: judges which number ranges look like fraud now.
        recent: acknowledged reports that are not yet in the ledger.
        metrics: the measurements for machines.
        housekeeping: the repeated tasks; others may add to them.
        readiness: whether reports can be recorded and questions answered.
        administration: reads and changes users, keys and policies.
        vendors, alert_targets: the vendor accounts and the relay to them, and where alerts are sent to.
        relaying, alerting: the relay and the detectors of this server.
        settings: what the service was started with.
        clock: the time now.
    """

    def __init__(self, settings: Settings, clock: Clock = wall_clock) -> None:
        """Open the data folder, made if it is not there.

        Raises:
            Misconfigured: the folder is in use by another server, or something in it is damaged.
            Unavailable: the disk is full or fails.
        """
        self.clock, self.settings, self.ranges = clock, settings, CurrentRanges()
        self._lock = data_folder.hold(data := settings.data)
        (engine := engine_of(settings)).start()
        self.sealer = open_sealer(settings)
        (access := engine.access(clock)).adopt(self.sealer)
        self._key_store = access.keys(self.sealer)
        self.keys = KeyRing(self._key_store)
        self._sandbox = Sandbox(self._key_store, lambda: open_directory(settings, clock), data)
        self.sessions, self.sign_outs = Sessions(self.sealer, self.keys), SignOuts(access.sign_outs(), clock)
        self.saved_views, self.prices = access.saved_views(), access.prices()
        self.number_hash, self.region = Numbers(self.sealer), settings.region
        self.annotations, self.alerts, self._journal = engine.annotations(), engine.alerts(), engine.journal()
        self._writer = JournalWriter(self._journal, engine.journal)
        self.nonces, self.once = guards(self._journal, access.once(), data, clock())
        cursor = engine.prepare_ledger()
        self._acknowledged, self.metrics, self.signals = self._journal.head(), Metrics(), CurrentSignals()
        self.membership = leases = Membership(engine.nodes())
        self._applier = Applier(engine.ledger_writer, cursor, measured=self.metrics.applied, leases=leases)
        self._freshness = Freshness(self._applier)
        self._ledger, self._lookup = engine.ledger_reader(), engine.ledger_lookup()
        self.questions = Questions(self._ledger, self._freshness, lambda: self._acknowledged)
        unmatched_ms = settings.unmatched_days * DAY_MS
        self._forgetting = Forgetting(self._journal, self._lookup, clock, unmatched_ms=unmatched_ms)
        self.recent = Recent(lambda: self._applier.applied)
        parts = self._writer, self._lookup, self.recent
        self.intake = Intake(*parts, clock, recorded=self._recorded, strict=settings.strict)
        self._retention = Retention(settings, self._ledger, lambda: self._applier.applied, leases)
        self.membership.lag, self.membership.failing_s = self.lag, self._applier.failing_s
        self.vendors = Vendors(engine, partial(access.vendors, self.sealer), clock, self.number_hash.see)
        self.alert_targets = AlertTargets(engine, partial(access.alert_targets, self.sealer), clock)
        self.relaying = Relaying(settings, self.vendors, leases)
        self.alerting = Alerting(settings, self.alerts, self.alert_targets, leases, clock)
        self.housekeeping = self._housekeeping()
        self.readiness = ReadinessCheck(
            storage_of(settings),
            engine.try_write,
            writer=self._writer,
            intake=self.intake,
            applier=self._applier,
            ledger=self._ledger,
            housekeeping=self.housekeeping,
        )
        self.administration = Administration(settings, clock, open_directory, open_key_store)

    def first_key_file(self) -> Path | None:
        """Return the file with the first access key, made with its key when there has never been any.

        The file holds ID:SECRET and only its owner may read it. None when an operator has made the keys, or
        seals them with a key of its own, which a file in clear would undo.

        Raises:
            Misconfigured: the folder had access keys, and they are gone.
        """
        make = self.settings.sealing_key is None
        had_keys = self._journal.had_keys()
        file = first_key_file(self._key_store, self.settings.data, had_keys=had_keys, make=make)
        self.keys.refresh()
        if self._key_store.list():
            self._journal.note_keys()
        return file

    def announce(self, public_url: str, port: int) -> None:
        """Make this server known to commands, e.g. `otpconv sign-in-link` and `otpconv nodes`."""
        data_folder.note_url(self._lock, public_url)
        self.membership.announce(port)

    async def sandbox_key(self) -> AccessKey:
        """Return the access key of the sandbox, an account whose messages count in no other account.

        Raises:
            InactiveAccessKey: an operator has disabled it.
            Unavailable: the disk is full or fails.
        """
        key = await asyncio.to_thread(self._sandbox.key)
        self.keys.refresh()
        return self.keys.get(key.access_key_id)

    async def start(self) -> None:
        """Start the applier and the housekeeping; reports may come from now on."""
        self._started_at = self.clock()
        await self._note_deletions()
        await self.housekeeping.run(BEAT)
        await self.housekeeping.run("expiry")  # if it fails, questions can be answered all the same
        self._applier.start()
        self.housekeeping.start()

    async def stop(self) -> None:
        """Make accepted reports durable and apply them, then close everything."""
        await self.housekeeping.run("key uses")
        self._retention.stop()
        await self.housekeeping.stop()
        await asyncio.to_thread(self.relaying.stop)
        await asyncio.to_thread(self.alerting.stop)
        self._freshness.close()
        await self.intake.drain()
        await asyncio.get_running_loop().run_in_executor(None, self._applier.stop)
        self.questions.close()
        self.readiness.close()
        self.administration.close()
        self._ledger.close()
        self._lookup.close()
        self._writer.close()
        await asyncio.to_thread(self.membership.leave)
        self.once.close()
        self._key_store.close()
        self.alerts.close()
        self.annotations.close()
        self.prices.close()
        self._lock.close()

    def lag(self) -> int:
        """Return how many acknowledged reports are not yet in the ledger."""
        return max(0, self._acknowledged - self._applier.applied)

    async def see_changes(self) -> None:
        """Read the access keys again now, so that a change of users, keys or policies is in force."""
        await self.housekeeping.run("access keys")

    async def health(self) -> Health:
        """Return how the server is doing; never raises, and takes some seconds at most."""
        ready = await self.readiness.check()
        disk = await disk_in_time(self.administration.aside, self.settings.data)
        tasks = self.housekeeping.states()
        return Health(ready.problems, ready.degraded, self.lag(), self._started_at, disk, tasks, versions())

    def _recorded(self, upto: int, reports: int, seconds: float) -> None:
        self._acknowledged = upto
        self._applier.notify()
        self.metrics.committed(reports, seconds)

    def _housekeeping(self) -> Housekeeping:
        tasks = Housekeeping()
        keep_keys(tasks, self.keys, self.sign_outs)
        self.membership.keep(tasks, self.metrics.registry)
        tasks.every(
            _FORGET_EVERY_S,
            "expiry",
            self._forget,
            late_s=3 * EVERY_S,
            harm="old conversions and rollups by minute take room on the disk",
        )
        self._retention.keep(tasks, self._note_deletions)
        AlertRetention(self.alerts, self._ledger, self.membership).keep(tasks)
        self.relaying.keep(tasks)
        self.alerting.keep(tasks)
        self.metrics.registry.register(tasks)
        return tasks

    async def _note_deletions(self) -> None:
        """Forget deleted messages in memory too, and refuse reports about times before the last prune."""
        # Otherwise a deleted message would be remembered until the next report.
        self.recent.forget_applied()
        messages_from = await resolve(self._lookup.messages_from())
        self.intake.earliest = max(EARLIEST_MS, messages_from)

    async def _forget(self) -> None:
        if self.membership.holds(EXPIRY) and (due := await self._forgetting.due()):
            expiry, recorded_at = due
            # No report, so nobody waits for it: `_acknowledged` stays.
            await resolve(self._writer.append([expiry], recorded_at))
            self._applier.notify()
