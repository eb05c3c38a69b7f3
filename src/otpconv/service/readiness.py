"""Whether a server can record reports and answer questions. It tries both, and does not guess."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct

from otpconv.errors import OtpconvError
from otpconv.ledger.applier import Applier
from otpconv.ledger.intake import Intake
from otpconv.ledger.journal_writer import JournalWriter
from otpconv.service.housekeeping import Housekeeping
from otpconv.storage.contract import LedgerReader

#: How often it is tried at most, s. A commit that succeeded within this time counts as a try.
TRY_EVERY_S = 5.0
#: How long an answer waits for a check that has just begun, s; then it uses the result of the previous one.
WAIT_S = 0.5
#: A disk that has not answered for this time counts as failed, s.
STUCK_S = 10.0
#: How long applying may fail before the server is not ready, s. It may fail e.g. while another process moves
#: the journal's log, and is retried.
APPLYING_S = 5.0


class Readiness(Struct, frozen=True):
    """Whether a server can do its work.

    Attributes:
        problems: why reports can't be recorded, or questions not be answered; empty: both can be done.
        degraded: what else the operator must see to.
    """

    problems: list[str]
    degraded: list[str]


class ReadinessCheck:
    """Tries now and then whether a server can do its work, while somebody asks.

    Args:
        storage: its name in the texts, e.g. `the disk of /data`.
        try_write: writes as much as a small commit does.
        writer: whose commits count as tries.
        intake: takes the reports.
        applier: brings them into the ledger.
        ledger: answers the questions.
        housekeeping: what must not be late.
    """

    def __init__(
        self,
        storage: str,
        try_write: Callable[[], None],
        *,
        writer: JournalWriter,
        intake: Intake,
        applier: Applier,
        ledger: LedgerReader,
        housekeeping: Housekeeping,
    ) -> None:
        self._storage = storage
        self._try_write = try_write
        self._writer = writer
        self._intake = intake
        self._applier = applier
        self._ledger = ledger
        self._housekeeping = housekeeping
        self._thread = ThreadPoolExecutor(1, "readiness")
        self._trying: asyncio.Future[list[str]] | None = None
        self._began_at = -TRY_EVERY_S
        self._written_at = -1.0
        self._found: list[str] = []
        self._draining = False

    def drain(self) -> None:
        """Note that the server stops soon: from now on it is not ready, though it still does its work."""
        self._draining = True

    async def check(self) -> Readiness:
        """Return whether the server can do its work now; never raises, and takes `WAIT_S` at most."""
        if self._trying is None and time.monotonic() - self._began_at >= TRY_EVERY_S:
            self._trying = asyncio.ensure_future(self._try())
        if self._trying is not None:
            await asyncio.wait({self._trying}, timeout=WAIT_S)
        return Readiness([*self._problems()], self._housekeeping.late())

    def close(self) -> None:
        """End the thread, once it has finished."""
        self._thread.shutdown()

    def _problems(self) -> list[str]:
        problems = [*self._found]
        if self._draining:
            problems.append("The server is stopping: send requests to another one.")
        writer, applier = self._writer, self._applier
        failed_at = writer.failed_at
        # With a server that is taken out for its answer here nobody reports: a later try counts too.
        if failed_at is not None and failed_at >= self._written_at:
            problems.append(f"Reports can't be recorded: {writer.failed}")
        waited_s = max(
            writer.waiting_s(), time.monotonic() - self._began_at if self._trying is not None else 0.0
        )
        if waited_s > STUCK_S:
            name = self._storage[0].upper() + self._storage[1:]
            problems.append(f"{name} has not answered for {waited_s:.0f} s.")
        if self._intake.is_full:
            problems.append(f"Reports can't be recorded: too many are waiting for {self._storage}.")
        if applier.failed is not None and applier.failing_s() > APPLYING_S:
            problems.append(f"Reports are not applied to the ledger: {applier.failed}")
        return problems

    async def _try(self) -> list[str]:
        self._began_at = began = time.monotonic()
        committed_at = self._writer.succeeded_at
        write = committed_at is None or began - committed_at > TRY_EVERY_S or self._writer.failed is not None
        try:
            self._found = await asyncio.get_running_loop().run_in_executor(self._thread, self._tried, write)
            if write and not self._found:
                self._written_at = began
        finally:
            self._trying = None
        return self._found

    def _tried(self, write: bool) -> list[str]:  # noqa: FBT001 - an executor gives no names
        found = []
        if write:
            try:
                self._try_write()
            except OtpconvError as error:
                found.append(error.text)
        try:
            with self._ledger.snapshot():
                pass
        except OtpconvError as error:
            found.append(f"Questions can't be answered: {error.text}")
        except Exception as error:  # noqa: BLE001 - whatever it is, questions meet it too
            found.append(f"Questions can't be answered: {error!r}")
        return found
