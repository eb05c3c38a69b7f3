"""What an operator does with a data folder: look it over, make its ledger again, fill it, back it up."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from otpconv.clock import Clock, duration, wall_clock
from otpconv.config import Settings
from otpconv.errors import Misconfigured, OtpconvError
from otpconv.model import Report
from otpconv.service import data_folder
from otpconv.service.alerting import BEHIND_MS
from otpconv.service.engines import engine_of, storage_of, used_engine
from otpconv.service.running import alone, is_served, stopped
from otpconv.storage.awaitable import resolve
from otpconv.storage.check_result import CheckResult
from otpconv.storage.contract import Entry
from otpconv.storage.erasure import Deletion
from otpconv.storage.findings import guarded

SEALING_KEY = "sealing.key"
_RESTART = "wait 2 minutes if the server has just started; else see its log, then restart it"
#: Journal entries that `fill` applies in one transaction.
_APPLIED_AT_ONCE = 20_000


def inspect_storage(settings: Settings, clock: Clock = wall_clock) -> Iterator[CheckResult]:
    """Check a storage, changing nothing; servers may run on it meanwhile."""
    engine = engine_of(settings)
    try:
        served = is_served(settings)
    except OtpconvError:
        served = False  # the findings say why
    yield from engine.findings(served=served, now=clock())
    yield guarded("detectors", _RESTART, lambda: _detectors(settings, served=served, now=clock()))


def _detectors(settings: Settings, *, served: bool, now: int) -> CheckResult:
    """Check that the detectors look at each minute; opens the alerts only where a server has made them."""
    if not settings.alerts:
        return CheckResult("detectors", ok=True, text="the setting `alerts` is off: nobody is alerted")
    if not served:
        return CheckResult("detectors", ok=True, text="they look at the last hour when the server starts")
    with closing(engine_of(settings).alerts()) as store:
        first = min(store.checkpoints().values(), default=None)
    if first is None:
        return CheckResult("detectors", ok=True, text="they have not looked at any messages yet")
    if now - first <= BEHIND_MS:
        return CheckResult("detectors", ok=True, text="they look at each minute")
    text = f"they are {duration(now - first)} behind: nobody is alerted"
    return CheckResult("detectors", ok=False, text=text, advice=_RESTART)


def verify_ledger(settings: Settings, done: Callable[[int, int], None]) -> Iterator[CheckResult]:
    """Verify the ledger against its journal, and the rollups against the messages, also while a server runs.

    Deletions are refused meanwhile, since they change the journal.

    Args:
        settings: name the data folder.
        done: called now and then with the work done so far, and all of it.

    Raises:
        Misconfigured: there is no journal or ledger, a file is damaged, a deletion runs, or the disk has no
            room for a second ledger.
        Unavailable: the disk fails or gets full.
    """
    engine = used_engine(settings)
    with ExitStack() as opened:
        try:
            opened.enter_context(alone(settings))
        except BlockingIOError:
            raise Misconfigured(
                f"a deletion or another verification runs on {storage_of(settings)}: wait until it has"
                " finished"
            ) from None
        yield from engine.verify_ledger(done)


def rebuild_ledger(settings: Settings, done: Callable[[int, int], None]) -> int:
    """Make the ledger again from the journal and return the number of journal entries in it.

    Args:
        settings: name the data folder.
        done: called now and then with the entries applied, and how many there are.

    Raises:
        Misconfigured: there is no journal, it is damaged, or a server runs on the storage.
        Unavailable: the disk is full or fails; the old ledger stays.
    """
    engine = used_engine(settings)
    with stopped(settings):
        return engine.rebuild_ledger(done)


def set_damage_aside(settings: Settings) -> list[str]:
    """Set the damaged rows of the journal aside, so that a rebuild leaves them out; return the problems.

    Nothing is deleted: the rows stay in the journal, and its table `set_aside` names them.

    Raises:
        Misconfigured: there is no journal, its rows can't even be listed, or a server runs on the folder.
        Unavailable: the disk is full or fails.
    """
    engine = used_engine(settings)
    with stopped(settings):
        return engine.set_damage_aside()


def fill(settings: Settings, batches: Iterable[tuple[int, Sequence[Report | Deletion]]]) -> None:
    """Write past reports into the journal of a new data folder, and apply them; they are not checked.

    Args:
        settings: name the data folder.
        batches: what to write in one commit, and the time to record it with, ms.

    Raises:
        Misconfigured: a server runs on the folder.
        Unavailable: the disk is full or fails.
    """
    engine = engine_of(settings)
    with data_folder.hold(settings.data), closing(engine.journal()) as journal, asyncio.Runner() as runner:
        engine.prepare_ledger()
        with closing(engine.ledger_writer()) as ledger:
            for recorded_at, reports in batches:
                entries = [Entry(report) for report in reports]
                head = runner.run(resolve(journal.append(entries, recorded_at)))
                if head - ledger.cursor() >= _APPLIED_AT_ONCE:
                    ledger.apply(_APPLIED_AT_ONCE)
            while ledger.apply(_APPLIED_AT_ONCE) < journal.head():
                pass


def copy_state(settings: Settings, target: Path, done: Callable[[int, int], None]) -> list[Path]:
    """Copy everything that can't be made again into an empty folder, also while a server runs.

    Each copy is of one moment after this call. Reports acknowledged before it are in the copies.

    Args:
        settings: name the data folder.
        target: an empty folder on a disk with room for the copies.
        done: called now and then with the bytes written, and about how many there will be.

    Returns:
        The copies, each with the name of its original.

    Raises:
        Misconfigured: there is no journal, or a file is damaged.
        Unavailable: the disk is full or fails.
    """
    copies = used_engine(settings).copy(target, done)
    key = settings.data / SEALING_KEY
    if settings.sealing_key is None:
        data_folder.write_private(target / SEALING_KEY, key.read_text(encoding="ascii"))
        copies.append(target / SEALING_KEY)
    return copies
