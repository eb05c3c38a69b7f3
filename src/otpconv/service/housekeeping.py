"""What a server does again and again beside its requests; no failure ends it, and none goes unnoticed."""

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from otpconv.access.keys import KeyRing
from otpconv.access.sign_outs import SignOuts
from otpconv.errors import OtpconvError

#: How often it is checked whether a task is late, s.
_WATCH_S = 1.0
#: A task that stays late is logged again after this time, s.
REMIND_S = 60.0

#: How often the access keys are looked at for changes by other processes, s.
KEYS_EVERY_S = 0.25
#: A revoked key or policy stops working within this time, s; otherwise the server warns.
KEYS_LATE_S = 10.0
#: How often it is written when access keys were last used, s.
USES_EVERY_S = 5.0
#: How long key uses may stay unwritten before the server warns, s: another process may be writing.
USES_LATE_S = 600.0

#: What a task does; an awaitable is awaited.
Work = Callable[[], Awaitable[object] | None]

_log = logging.getLogger(__name__)


class TaskState(Struct, frozen=True):
    """How a task is doing.

    Attributes:
        name: of the task.
        age_s: time since it last succeeded, or since it was added, s.
        failures: runs that failed since the start.
        problem: the fault and its consequence, if the task is late; otherwise empty.
    """

    name: str
    age_s: float
    failures: int
    problem: str


class Housekeeping(Collector):
    """Repeats tasks on the event loop until `stop`.

    A task that raises, whatever it raises, is logged once a failure and tried again the next time.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, _Task] = {}
        self._running: list[asyncio.Task[None]] = []

    def every(
        self, seconds: float, name: str, work: Work, *, late_s: float, harm: str, aside: bool = False
    ) -> None:
        """Add a task; it starts at once if the others run already.

        Args:
            seconds: from the end of one run to the start of the next, s.
            name: of the task, in logs, metrics and `/readyz`.
            work: what it does.
            late_s: the task is late when it has not succeeded for this time, s.
            harm: what that does to users, for the operator.
            aside: run `work` in a thread of the task's own, always the same one: it may wait for a disk.
        """
        task = self._tasks[name] = _Task(seconds, name, work, late_s, harm, aside=aside)
        if self._running:
            self._running.append(asyncio.create_task(task.repeat()))

    def start(self) -> None:
        """Start all tasks; each runs for the first time after its pause."""
        self._running = [asyncio.create_task(task.repeat()) for task in self._tasks.values()]
        self._running.append(asyncio.create_task(self._watch()))

    async def run(self, name: str) -> None:
        """Run a task now, whether or not it has its pause; a failure is noted as any other."""
        await self._tasks[name].run()

    async def stop(self) -> None:
        """End all tasks; their threads end when they have finished what they do."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running = []
        for task in self._tasks.values():
            await asyncio.to_thread(task.close)

    def late(self) -> list[str]:
        """Return which tasks have not succeeded for too long, and what that means, one sentence each."""
        return [task.complaint() for task in self._tasks.values() if task.is_late]

    def states(self) -> list[TaskState]:
        """Return how each task is doing."""
        return [
            TaskState(task.name, task.age_s, task.failures, task.complaint() if task.is_late else "")
            for task in self._tasks.values()
        ]

    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        """Tell Prometheus how often each task failed, and how long ago it succeeded."""
        failures = CounterMetricFamily(
            "otpconv_housekeeping_failures", "Runs of a housekeeping task that failed.", labels=("task",)
        )
        ages = GaugeMetricFamily(
            "otpconv_housekeeping_age_seconds",
            "Time since a housekeeping task last succeeded, or since it was started.",
            labels=("task",),
        )
        for task in [*self._tasks.values()]:
            failures.add_metric((task.name,), task.failures)
            ages.add_metric((task.name,), task.age_s)
        yield failures
        yield ages

    async def _watch(self) -> None:
        """Say loudly which tasks are late, also those that hang."""
        while True:
            await asyncio.sleep(_WATCH_S)
            for task in self._tasks.values():
                task.remind()


def keep_keys(tasks: Housekeeping, keys: KeyRing, sign_outs: SignOuts) -> None:
    """Add the tasks of the access keys, each in a thread of its own: they read and write a disk.

    Args:
        tasks: where to add them.
        keys: read again when another process has changed access, and written when they were last used.
        sign_outs: read again likewise.
    """

    def refresh() -> None:
        keys.refresh()
        sign_outs.refresh(keys.version)

    tasks.every(
        KEYS_EVERY_S,
        "access keys",
        refresh,
        late_s=KEYS_LATE_S,
        harm="a key or policy that was revoked since then still works",
        aside=True,
    )
    tasks.every(
        USES_EVERY_S,
        "key uses",
        keys.keep_uses,
        late_s=USES_LATE_S,
        harm="`otpconv keys list` shows old times of last use",
        aside=True,
    )


class _Task:
    def __init__(
        self, seconds: float, name: str, work: Work, late_s: float, harm: str, *, aside: bool
    ) -> None:
        self._seconds = seconds
        self.name = name
        self._work = work
        self._late_s = late_s
        self._harm = harm
        self._thread = ThreadPoolExecutor(1, name) if aside else None
        self._succeeded_at = time.monotonic()
        self._remind_at = 0.0
        self._failed = ""
        self.failures = 0

    @property
    def age_s(self) -> float:
        return time.monotonic() - self._succeeded_at

    @property
    def is_late(self) -> bool:
        return self.age_s > self._late_s

    def complaint(self) -> str:
        why = f" ({self._failed})" if self._failed else ""
        return f"{self.name} has not succeeded for {self.age_s:.0f} s{why}: {self._harm}"

    def remind(self) -> None:
        now = time.monotonic()
        if self.is_late and now >= self._remind_at:
            self._remind_at = now + REMIND_S
            _log.error("housekeeping: %s", self.complaint())

    async def repeat(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await self.run()

    async def run(self) -> None:
        error = await self._error()
        if error is not None:
            self._note(error)
            return
        if self._failed:
            _log.info("housekeeping: %s succeeds again", self.name)
        self._failed, self._succeeded_at, self._remind_at = "", time.monotonic(), 0.0

    async def _error(self) -> Exception | None:
        """Do the work and return what it raised; the next run may succeed."""
        if self._thread is not None:
            return await asyncio.get_running_loop().run_in_executor(self._thread, _error_of, self._work)
        try:
            if inspect.isawaitable(done := self._work()):
                await done
        except Exception as error:  # noqa: BLE001 - nobody else would notice
            return error
        return None

    def _note(self, error: Exception) -> None:
        self.failures += 1
        expected = isinstance(error, OtpconvError)
        failed = error.text if isinstance(error, OtpconvError) else repr(error)
        if failed != self._failed:
            self._failed = failed
            _log.log(
                logging.WARNING if expected else logging.ERROR,
                "housekeeping: %s failed, and is tried again: %s",
                self.name,
                failed,
                exc_info=None if expected else error,
            )

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown()


def _error_of(work: Work) -> Exception | None:
    """Do some work in a thread and return what it raised: a future can't hold `StopIteration`."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - nobody else would notice
        return error
    return None
