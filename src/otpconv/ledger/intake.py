"""Intake: gathers the reports of many waiting requests and makes them durable with one commit.

It runs on the event loop, the journal's commit included: handing the work to a thread and back costs more
than the wait, and while the loop waits for the disk the next batch gathers in the server (measured).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal

from otpconv.clock import Clock
from otpconv.errors import Refused, Unavailable
from otpconv.ledger.contract import Entry, Journal, Ledger
from otpconv.ledger.judge import Judge
from otpconv.ledger.recent import Recent
from otpconv.model import CLOCK_SKEW_MS, Report

#: Reports of one commit; more wait for the next, so that the loop is never held for long.
MAX_BATCH = 2_000
#: Reports for which a commit is worth its wait for the disk at once; fewer wait for others to join.
ENOUGH = 256
#: Reports of one batch of a client that go into one commit.
CHUNK = 1_000
#: Reports that may wait for a commit; more are told to come again.
MAX_WAITING = 200_000

#: What became of a report: new, already known, or refused and why.
Outcome = Literal["recorded", "unchanged"] | Refused
#: Takes what became of an entry, or why nothing did. It must not raise: others wait behind it.
Done = Callable[[Outcome | Exception], None]
#: The same for several entries.
DoneAll = Callable[[list[Outcome] | Exception], None]


class Intake:
    """Checks reports, writes the new ones into the journal, and answers when they are durable."""

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        recent: Recent,
        clock: Clock,
        *,
        recorded: Callable[[int, int, float], None],
        strict: bool = False,
    ) -> None:
        """Take the journal to write, the ledger to look messages up in, and what is between the two.

        Args:
            journal: where reports are made durable.
            ledger: where messages are looked up.
            recent: what is in the journal and not yet in the ledger.
            clock: the time now.
            recorded: called after each commit of something new, with the position of its last entry in the
                journal, how many reports it has, and the time it took, s.
            strict: refuse conversions of unknown messages.
        """
        self._journal = journal
        self._ledger = ledger
        self._recent = recent
        self._clock = clock
        self._recorded = recorded
        self._strict = strict
        self._batches: deque[_Batch] = deque()
        self._waiting = 0

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
        self._waiting += len(entries)

    def submit(self, entries: list[Entry]) -> asyncio.Future[list[Outcome]]:
        """Do as `hand_in_all`, and return a future that has or raises what `done` would be called with."""
        future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()

        def done(outcomes: list[Outcome] | Exception) -> None:
            if future.done():
                return
            if isinstance(outcomes, Exception):
                future.set_exception(outcomes)
            else:
                future.set_result(outcomes)

        self.hand_in_all(entries, done)
        return future

    async def record(self, reports: Sequence[Report]) -> list[Outcome]:
        """Queue many reports and wait for all; a large batch is several commits, with others' in between.

        Raises:
            Unavailable: the storage failed; what it had recorded before stays, and a repeat does no harm.
        """
        outcomes: list[Outcome] = []
        for first in range(0, len(reports), CHUNK):
            outcomes += await self.submit([Entry(report) for report in reports[first : first + CHUNK]])
        return outcomes

    async def drain(self) -> None:
        """Wait until nothing waits for a commit any more."""
        while self._batches:  # noqa: ASYNC110 - an event would cost every request
            await asyncio.sleep(0)

    def commit(self, batch: Sequence[Entry]) -> list[Outcome]:
        """Check the entries, make the new ones durable in one commit, and say what became of each.

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
        judge = Judge(batch, self._ledger, self._recent, latest=now + CLOCK_SKEW_MS, strict=self._strict)
        outcomes: list[Outcome] = []
        new: list[Entry] = []
        for entry in batch:
            try:
                if judge.is_new(entry.report):
                    new.append(entry)
                    outcomes.append("recorded")
                else:
                    outcomes.append("unchanged")
            except Refused as refusal:
                outcomes.append(refusal)
        if new:
            began = time.perf_counter()
            upto = self._journal.append(new, now)
            self._recent.add(upto, judge.on_its_way, judge.heard)
            self._recorded(upto, len(new), time.perf_counter() - began)
        return outcomes

    def _open_batch(self) -> "_Batch":
        """Return the batch that has room; the first one to wait sees to its commit."""
        if not self._batches:
            loop = asyncio.get_running_loop()
            loop.call_soon(self._gather, loop, 0)
            self._batches.append(_Batch())
        batch = self._batches[-1]
        if len(batch.entries) >= MAX_BATCH:
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
        if self._batches:
            loop.call_soon(self._gather, loop, 0)
        try:
            outcomes = self.commit(batch.entries)
        except Exception as error:  # noqa: BLE001 - whatever it is, everyone who waits has to hear of it
            for done, _ in batch.waiters:
                done(error)
            return
        for done, part in batch.waiters:
            done(outcomes[part])


class _Batch:
    """What the next commit is to have, and who waits for which part of it."""

    __slots__ = ("entries", "waiters")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        # What each waits for: the outcome at an index, or the outcomes of a slice.
        self.waiters: list[tuple[Callable[[Any], None], int | slice]] = []


def _too_much() -> Unavailable:
    return Unavailable("Too many reports are waiting for the disk; try again in a moment.")
