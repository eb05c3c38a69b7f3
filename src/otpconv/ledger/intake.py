"""Intake: gathers the reports of many waiting requests and makes them durable with one commit.

It runs on the event loop. While the disk is fast, so does the journal's commit: measured, handing it to a
thread and back costs more than the wait, during which the next batch gathers. On a slow disk, the commit runs
in a thread; see `journal_writer.py`.

An engine over a network answers later. While it commits a batch, the next ones are judged and committed,
without the reports of the first. So would another node judge them, and nobody has an answer yet that the
reports of the first are recorded. A commit makes all earlier ones durable that it has seen.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from otpconv.clock import Clock
from otpconv.errors import Unavailable
from otpconv.ledger.batch import Batch, Done, DoneAll, cost_of
from otpconv.ledger.chunk_size import ChunkSize
from otpconv.ledger.journal_writer import JournalWriter
from otpconv.ledger.judge import EARLIEST_MS, Judge, Judgement
from otpconv.ledger.recent import Recent
from otpconv.model import CLOCK_SKEW_MS, Report
from otpconv.storage.awaitable import AwaitableOrValue, resolve, then
from otpconv.storage.contract import Entry
from otpconv.storage.lookup import LedgerLookup, Stored

#: Reports of one commit; further ones wait for the next, so that the event loop is free in between.
MAX_BATCH = 2_000
#: Reports for which a commit is worth its wait for the disk at once; fewer wait for others to join.
ENOUGH = 256
#: Reports for each batch on its way for which it is worth to begin another; fewer wait for others to join.
WORTH = 16
#: Reports that may wait for a commit; further ones are refused, and the client retries.
MAX_WAITING = 200_000


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
            recorded: called after each commit of something new, with the position of the last acknowledged
                entry in the journal, how many reports the commit has, and the time it took, s.
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
        self._batches: deque[Batch] = deque()
        self._waiting = self._acknowledged = 0
        self._in_flight: dict[Batch, asyncio.Task[None]] = {}
        # While a batch is judged, recent reports must not change; those of a commit that ends meanwhile wait.
        self._is_gathering = self._is_judging = False
        self._durable: list[Callable[[], None]] = []
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
        batch.cost += cost_of(entry.report)
        self._waiting += 1
        if self._in_flight:
            self._gather_next()

    def hand_in_all(self, entries: list[Entry], done: DoneAll) -> None:
        """Queue entries for one commit; as `hand_in`, but `done` is called with what became of each."""
        if self._waiting >= MAX_WAITING:
            done(_too_much())
            return
        batch = self._open_batch()
        start = len(batch.entries)
        batch.waiters.append((done, slice(start, start + len(entries))))
        batch.entries += entries
        batch.cost += sum([cost_of(entry.report) for entry in entries])
        self._waiting += len(entries)
        if self._in_flight:
            self._gather_next()

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
            more = cost_of(report)
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
        while self._batches or self._in_flight:  # noqa: ASYNC110 - an event would cost every request
            await asyncio.sleep(0.001 if self._in_flight else 0)

    def commit(self, batch: Sequence[Entry]) -> AwaitableOrValue[list[Judgement]]:
        """Judge the entries, make the new ones durable in one commit, and return what became of each.

        Only one batch may be judged at a time.

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
        stored = self._ledger.look_up(judge.lookup)
        if isinstance(stored, Stored):
            return self._write(judge, now, self._judged(judge, stored))
        self._is_judging = True
        return self._judge_later(judge, now, stored)

    async def _judge_later(self, judge: Judge, now: int, looking: Awaitable[Stored]) -> list[Judgement]:
        """Judge a batch once the ledger has answered; then the next one may be judged."""
        try:
            judged = self._judged(judge, await looking)
        finally:
            self._is_judging = False
            for add in self._durable:
                add()
            self._durable.clear()
            self._gather_next()
        return await resolve(self._write(judge, now, judged))

    def _judged(self, judge: Judge, stored: Stored) -> tuple[list[Judgement], list[Entry]]:
        """Judge a batch against the ledger."""
        if self._strict and stored.position is not None and stored.position < self._recent.forgotten:
            # After a failover, until the applier has applied again what the new primary lacks.
            raise Unavailable("The ledger has lost its newest reports; try again in a moment.")
        return judge.judge(stored)

    def _write(
        self, judge: Judge, now: int, judged: tuple[list[Judgement], list[Entry]]
    ) -> AwaitableOrValue[list[Judgement]]:
        """Make new reports durable."""
        judgements, new = judged
        if not new:
            return then(self._writer.confirm(), lambda _: judgements)
        began, before = time.perf_counter(), self._acknowledged

        def written(upto: int) -> list[Judgement]:
            add = partial(self._recent.add, upto, judge.on_its_way, judge.conversions, judge.receipts)
            if self._is_judging:
                self._durable.append(add)
            else:
                add()
            # One that began later may have ended first; only a failover takes the journal back.
            self._acknowledged = max(upto, self._acknowledged) if upto > before else upto
            self._recorded(self._acknowledged, len(new), time.perf_counter() - began)
            return judgements

        return then(self._writer.append(new, now), written)

    def _open_batch(self) -> Batch:
        """Return the batch that has room; the first one to wait sees to its commit."""
        if not self._batches:
            self._batches.append(Batch())
            self._gather_next()
        batch = self._batches[-1]
        if batch.cost >= MAX_BATCH:
            batch = Batch()
            self._batches.append(batch)
        return batch

    def _gather(self, loop: asyncio.AbstractEventLoop, before: int) -> None:
        """Commit when a turn of the loop has brought nothing new, or enough has gathered."""
        if before < self._waiting < ENOUGH:
            loop.call_soon(self._gather, loop, self._waiting)
            return
        self._is_gathering = False
        self._commit_waiting(loop)

    def _commit_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._batches.popleft()
        self._waiting -= len(batch.entries)
        began = self._stopwatch()
        try:
            judgements = self.commit(batch.entries)
        except Exception as error:  # noqa: BLE001 - whatever it is, all who wait must be answered
            self._gather_next()
            batch.fail(error)
            return
        self._chunk.learn(batch.cost, self._stopwatch() - began)
        if isinstance(judgements, list):
            self._gather_next()
            batch.answer(judgements)
        else:
            self._in_flight[batch] = loop.create_task(self._answer_later(batch, judgements))

    async def _answer_later(self, batch: Batch, judgements: Awaitable[list[Judgement]]) -> None:
        """Wait for a commit; reports that come meanwhile gather for the next one."""
        try:
            batch.answer(await judgements)
        except Exception as error:  # noqa: BLE001 - as above
            batch.fail(error)
        finally:
            del self._in_flight[batch]
            self._gather_next()

    def _gather_next(self) -> None:
        """Begin with the next batch, if one waits and its turn has come."""
        if self._batches and not self._is_gathering and self._is_free():
            self._is_gathering = True
            loop = asyncio.get_running_loop()
            loop.call_soon(self._gather, loop, 0)

    def _is_free(self) -> bool:
        """Return whether the next batch may be judged."""
        if not self._in_flight:
            return True
        # Strict judging needs the messages of the batch before.
        # As many as can be on their way are committed, and one more is judged, or waits for that.
        has_room = len(self._in_flight) <= self._writer.at_once
        may_overlap = has_room and not self._strict and not self._is_judging
        return may_overlap and self._waiting >= WORTH * len(self._in_flight)


def _too_much() -> Unavailable:
    return Unavailable("Too many reports are waiting for the disk; try again in a moment.")
