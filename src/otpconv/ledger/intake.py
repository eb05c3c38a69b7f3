"""Intake: gathers the reports of many waiting requests and makes them durable with one commit.

It runs on the event loop. While the disk is fast, so does the journal's commit: measured, handing it to a
thread and back costs more than the wait, during which the next batch gathers. On a slow disk, the commit runs
in a thread; see `journal_writer.py`.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from otpconv.clock import Clock
from otpconv.errors import Unavailable
from otpconv.ledger.chunk_size import ChunkSize
from otpconv.ledger.journal_writer import JournalWriter
from otpconv.ledger.judge import EARLIEST_MS, Judge, Judgement
from otpconv.ledger.recent import Recent
from otpconv.model import CLOCK_SKEW_MS, Conversion, Report
from otpconv.storage.awaitable import AwaitableOrValue, then
from otpconv.storage.contract import Entry
from otpconv.storage.erasure import Deletion
from otpconv.storage.lookup import LedgerLookup, Stored

#: Reports of one commit; further ones wait for the next, so that the event loop is free in between.
MAX_BATCH = 2_000
#: A conversion by number alone counts as this many reports, because it needs several lookups.
BY_NUMBER_COST = 10
#: Reports for which a commit is worth its wait for the disk at once; fewer wait for others to join.
ENOUGH = 256
#: Reports that may wait for a commit; further ones are refused, and the client retries.
MAX_WAITING = 200_000

_log = logging.getLogger(__name__)

#: Takes what became of an entry, or why it failed.
Done = Callable[[Judgement | Exception], None]
#: The same for several entries.
DoneAll = Callable[[list[Judgement] | Exception], None]


class Intake:
    """Checks reports, writes the new ones into the journal, and answers when they are durable.

    Attributes:
        earliest: the earliest time that a report may name, ms.
    """

    def __init__(
        self,
        writer: JournalWriter,
        ledger: LedgerLookup,
        recent: Recent,
        clock: Clock,
        *,
        recorded: Callable[[int, int, float], None],
        strict: bool = False,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Create the intake.

        Args:
            writer: makes reports durable.
            ledger: where messages are looked up.
            recent: the reports in the journal that are not yet in the ledger.
            clock: the time now.
            recorded: called after each commit of something new, with the position of its last entry in the
                journal, how many reports it has, and the time it took, s.
            strict: refuse conversions of unknown messages.
            stopwatch: a clock that never goes back, s; it decides how much of a large batch is one commit.
        """
        self._writer = writer
        self._ledger = ledger
        self._recent = recent
        self._clock = clock
        self._recorded = recorded
        self._strict = strict
        self._stopwatch = stopwatch
        self._batches: deque[_Batch] = deque()
        self._waiting = 0
        self._committing: asyncio.Task[None] | None = None
        self._chunks = asyncio.Lock()
        self._chunk = ChunkSize()
        self.earliest = EARLIEST_MS

    @property
    def is_full(self) -> bool:
        """Whether so much is waiting that reports are refused."""
        return self._waiting >= MAX_WAITING

    def hand_in(self, entry: Entry, done: Done) -> None:
        """Queue an entry for the next commit.

        Args:
            entry: what to record.
            done: called with what became of it, once it is durable if it is new; or with `Unavailable` when
                the storage failed or too much is waiting: it was not recorded.
        """
        if self._waiting >= MAX_WAITING:
            done(_too_much())
            return
        batch = self._open_batch()
        batch.waiters.append((done, len(batch.entries)))
        batch.entries.append(entry)
        batch.cost += _cost(entry.report)
        self._waiting += 1

    def hand_in_all(self, entries: list[Entry], done: DoneAll) -> None:
        """Queue entries for one commit; as `hand_in`, but `done` is called with what became of each."""
        if self._waiting >= MAX_WAITING:
            done(_too_much())
            return
        batch = self._open_batch()
        start = len(batch.entries)
        batch.waiters.append((done, slice(start, start + len(entries))))
        batch.entries += entries
        batch.cost += sum([_cost(entry.report) for entry in entries])
        self._waiting += len(entries)

    def submit(self, entries: list[Entry]) -> asyncio.Future[list[Judgement]]:
        """Do as `hand_in_all`, and return a future that has or raises what `done` would be called with."""
        future: asyncio.Future[list[Judgement]] = asyncio.get_running_loop().create_future()

        def done(judgements: list[Judgement] | Exception) -> None:
            if future.done():
                return
            if isinstance(judgements, Exception):
                future.set_exception(judgements)
            else:
                future.set_result(judgements)

        self.hand_in_all(entries, done)
        return future

    async def record(self, reports: Sequence[Report]) -> list[Judgement]:
        """Queue many reports and wait for all; a large batch is several commits, with others' in between.

        One large chunk of such batches is queued at a time, so a single report waits for one at most.

        Raises:
            Unavailable: the storage failed; what it had recorded before stays, and a repeat does no harm.
        """
        judgements: list[Judgement] = []
        chunk: list[Entry] = []
        cost = 0
        for report in reports:
            more = _cost(report)
            if chunk and cost + more > self._chunk.reports:
                judgements += await self._submit_chunk(chunk, cost)
                chunk, cost = [], 0
            chunk.append(Entry(report))
            cost += more
        return judgements + await self._submit_chunk(chunk, cost) if chunk else judgements

    async def _submit_chunk(self, chunk: list[Entry], cost: int) -> list[Judgement]:
        if cost < self._chunk.reports // 2:  # many small batches share a commit
            return await self.submit(chunk)
        async with self._chunks:
            return await self.submit(chunk)

    async def drain(self) -> None:
        """Wait until no report waits for a commit."""
        while self._batches or self._committing:  # noqa: ASYNC110 - an event would cost every request
            await asyncio.sleep(0.001 if self._committing else 0)

    def commit(self, batch: Sequence[Entry]) -> AwaitableOrValue[list[Judgement]]:
        """Judge the entries, make the new ones durable in one commit, and return what became of each.

        Only one commit may be in progress.

        Raises:
            Unavailable: the storage failed, or the applier is too far behind for strict judging; nothing was
                recorded.
        """
        now = self._clock()
        self._recent.forget_applied()
        if self._recent.is_full():
            if self._strict:
                raise Unavailable("Too many reports are waiting for the ledger; try again in a moment.")
            self._recent.forget_oldest()
        latest = now + CLOCK_SKEW_MS
        judge = Judge(batch, self._recent, latest=latest, earliest=self.earliest, strict=self._strict)
        return then(self._ledger.look_up(judge.lookup), partial(self._write, judge, now))

    def _write(self, judge: Judge, now: int, stored: Stored) -> AwaitableOrValue[list[Judgement]]:
        """Judge a batch against the ledger, and make new reports durable."""
        if self._strict and stored.position is not None and stored.position < self._recent.forgotten:
            # After a failover, until the applier has applied again what the new primary lacks.
            raise Unavailable("The ledger has lost its newest reports; try again in a moment.")
        judgements, new = judge.judge(stored)
        if not new:
            return then(self._writer.confirm(), lambda _: judgements)
        began = time.perf_counter()

        def written(upto: int) -> list[Judgement]:
            self._recent.add(upto, judge.on_its_way, judge.conversions, judge.receipts)
            self._recorded(upto, len(new), time.perf_counter() - began)
            return judgements

        return then(self._writer.append(new, now), written)

    def _open_batch(self) -> "_Batch":
        """Return the batch that has room; the first one to wait sees to its commit."""
        if not self._batches:
            if self._committing is None:
                loop = asyncio.get_running_loop()
                loop.call_soon(self._gather, loop, 0)
            self._batches.append(_Batch())
        batch = self._batches[-1]
        if batch.cost >= MAX_BATCH:
            batch = _Batch()
            self._batches.append(batch)
        return batch

    def _gather(self, loop: asyncio.AbstractEventLoop, before: int) -> None:
        """Commit when a turn of the loop has brought nothing new, or enough has gathered."""
        if before < self._waiting < ENOUGH:
            loop.call_soon(self._gather, loop, self._waiting)
        else:
            self._commit_waiting(loop)

    def _commit_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._batches.popleft()
        self._waiting -= len(batch.entries)
        began = self._stopwatch()
        try:
            judgements = self.commit(batch.entries)
        except Exception as error:  # noqa: BLE001 - whatever it is, all who wait must be answered
            self._gather_next(loop)
            batch.fail(error)
            return
        self._chunk.learn(batch.cost, self._stopwatch() - began)
        if isinstance(judgements, list):
            self._gather_next(loop)
            batch.answer(judgements)
        else:
            self._committing = loop.create_task(self._answer_later(loop, batch, judgements))

    async def _answer_later(
        self, loop: asyncio.AbstractEventLoop, batch: "_Batch", judgements: Awaitable[list[Judgement]]
    ) -> None:
        """Wait for a commit; reports that come meanwhile gather for the next one."""
        try:
            batch.answer(await judgements)
        except Exception as error:  # noqa: BLE001 - as above
            batch.fail(error)
        finally:
            self._committing = None
            self._gather_next(loop)

    def _gather_next(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._batches:
            loop.call_soon(self._gather, loop, 0)


class _Batch:
    """What the next commit is to have, and who waits for which part of it."""

    __slots__ = ("cost", "entries", "waiters")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.cost = 0
        # What each waits for: the judgement at an index, or the judgements of a slice.
        self.waiters: list[tuple[Callable[[Any], None], int | slice]] = []

    def answer(self, judgements: list[Judgement]) -> None:
        for done, part in self.waiters:
            try:
                done(judgements[part])
            except Exception:  # noqa: BLE001 - it must not cost those behind it their answers
                _log.exception("an answer could not be handed over")

    def fail(self, error: Exception) -> None:
        for done, _ in self.waiters:
            try:
                done(error)
            except Exception:  # noqa: BLE001 - as above
                _log.exception("an answer could not be handed over")


def _cost(report: Report | Deletion) -> int:
    return BY_NUMBER_COST if type(report) is Conversion and not report.message_id else 1


def _too_much() -> Unavailable:
    return Unavailable("Too many reports are waiting for the disk; try again in a moment.")
