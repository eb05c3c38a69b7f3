"""Records messages that a vendor has taken. Their answers must not fail: a failure here is repeated later."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, Protocol

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from otpconv.errors import OtpconvError, Refused
from otpconv.ledger.judge import Judgement
from otpconv.model import Report
from otpconv.service.housekeeping import Housekeeping
from otpconv.storage.contract import Entry

#: Reports that wait to be recorded at most; the oldest are dropped, logged and counted.
MAX_WAITING: Final = 10_000
#: How long an answer waits for its record, s: a disk that hangs must not take the answer away.
WAIT_S: Final = 1.0
#: How often failed records are repeated, s; when that is late, s; and how many reports at once.
_RETRY_S, _LATE_S, _AT_ONCE = 1.0, 60.0, 500

_log = logging.getLogger(__name__)


class Recorder(Protocol):
    """Makes reports durable; see `Intake`."""

    def submit(self, entries: list[Entry]) -> "asyncio.Future[list[Judgement]]":
        """Queue entries for one commit; the future has what became of each, or `Unavailable`."""


class Recording(Collector):
    """The reports on their way to the journal. For the thread of the event loop.

    Args:
        intake: records them.
    """

    def __init__(self, intake: Recorder) -> None:
        self._intake = intake
        self._waiting: deque[Report] = deque()
        self._lost = 0

    def keep(self, tasks: Housekeeping) -> None:
        """Add the repeats to the repeated tasks."""
        tasks.every(
            _RETRY_S,
            "sent messages",
            self.repeat,
            late_s=_LATE_S,
            harm="messages that were sent do not count as requested",
        )

    async def record(self, reports: Sequence[Report]) -> None:
        """Record reports; returns when they are durable, or after `WAIT_S`. Never raises."""
        if not reports:
            return
        recorded = self._intake.submit([Entry(report) for report in reports])
        recorded.add_done_callback(partial(self._recorded, reports))
        await asyncio.wait({recorded}, timeout=WAIT_S)

    async def repeat(self) -> None:
        """Record again what failed.

        Raises:
            Unavailable: the storage still fails.
        """
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            try:
                judgements = await self._intake.submit([Entry(report) for report in some])
            except BaseException:
                self._wait(some)
                raise
            self._judge(judgements)

    async def close(self) -> None:
        """Record what still waits; what fails is lost."""
        try:
            await self.repeat()
        except OtpconvError as error:
            self.lose(len(self._waiting), error.text)
            self._waiting.clear()

    def lose(self, count: int, why: str) -> None:
        """Log and count reports that can't be recorded."""
        self._lost += count
        _log.error("%d reports about sent messages are lost: %s", count, why)

    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        """Yield how many reports wait, and how many were lost."""
        yield GaugeMetricFamily(
            "otpconv_sends_unrecorded",
            "Reports about sent messages that wait to be recorded.",
            len(self._waiting),
        )
        yield CounterMetricFamily(
            "otpconv_sends_lost", "Reports about sent messages that could not be recorded.", self._lost
        )

    def _recorded(self, reports: Sequence[Report], done: "asyncio.Future[list[Judgement]]") -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self._judge(done.result())
            return
        text = error.text if isinstance(error, OtpconvError) else repr(error)
        _log.warning("%d reports about sent messages wait to be recorded: %s", len(reports), text)
        self._wait(reports)

    def _judge(self, judgements: Sequence[Judgement]) -> None:
        for judgement in judgements:
            if isinstance(judgement, Refused):
                self.lose(1, judgement.text)

    def _wait(self, reports: Sequence[Report]) -> None:
        self._waiting.extend(reports)
        if (over := len(self._waiting) - MAX_WAITING) > 0:
            for _ in range(over):
                self._waiting.popleft()
            self.lose(over, f"over {MAX_WAITING:,} were waiting")
