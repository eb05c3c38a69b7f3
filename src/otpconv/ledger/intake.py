"""Intake: gathers the reports of many waiting requests and makes them durable with one commit.

It runs on the event loop, the journal's commit included: handing the work to a thread and back costs more
than the wait, and while the loop waits for the disk the next batch gathers in the server (measured).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

from otpconv.clock import Clock
from otpconv.errors import (
    InvalidTime,
    NumberMismatch,
    Refused,
    Unavailable,
    UnknownMessage,
)
from otpconv.ledger.contract import Entry, Journal, Ledger
from otpconv.ledger.recent import Recent
from otpconv.model import (
    Conversion,
    Expiry,
    MessageState,
    Report,
    Requested,
    SelfReportedRate,
    owner,
    state_of,
)

#: How far ahead of our clock a reported time may be, ms.
CLOCK_SKEW_MS = 60_000
#: Times before the year 2000 are seconds taken for milliseconds, or mistakes, ms.
EARLIEST_MS = 946_684_800_000
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


class Intake:
    """Checks reports, writes the new ones into the journal, and answers when they are durable."""

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        recent: Recent,
        clock: Clock,
        *,
        recorded: Callable[[], None],
        strict: bool = False,
    ) -> None:
        """Take the journal to write, the ledger to look messages up in, and what is between the two.

        Args:
            journal: where reports are made durable.
            ledger: where messages are looked up.
            recent: what is in the journal and not yet in the ledger.
            clock: the time now.
            recorded: called after each commit of something new.
            strict: refuse conversions of unknown messages.
        """
        self._journal = journal
        self._ledger = ledger
        self._recent = recent
        self._clock = clock
        self._recorded = recorded
        self._strict = strict
        self._waiting: deque[tuple[list[Entry], asyncio.Future[list[Outcome]]]] = deque()
        self._waiting_entries = 0

    def submit(self, entries: list[Entry]) -> asyncio.Future[list[Outcome]]:
        """Queue entries for the next commit.

        Returns:
            A future of what became of each, done when the new ones are durable. It raises `Unavailable` when
            the storage failed or too much is waiting: nothing of these entries was recorded.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Outcome]] = loop.create_future()
        if self._waiting_entries >= MAX_WAITING:
            future.set_exception(
                Unavailable("Too many reports are waiting for the disk; try again in a moment.")
            )
            return future
        if not self._waiting:
            loop.call_soon(self._gather, loop, 0)
        self._waiting.append((entries, future))
        self._waiting_entries += len(entries)
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
        if self._waiting:
            await asyncio.wait([future for _, future in self._waiting])

    def commit(self, batch: Sequence[Entry]) -> list[Outcome]:
        """Check the entries, make the new ones durable in one commit, and say what became of each.

        Raises:
            Unavailable: the storage failed; nothing was recorded.
        """
        now = self._clock()
        self._recent.forget_applied()
        judge = _Judge(batch, self._ledger, self._recent, latest=now + CLOCK_SKEW_MS, strict=self._strict)
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
            upto = self._journal.append(new, now)
            self._recent.add(upto, judge.changed, judge.heard)
            self._recorded()
        return outcomes

    def _gather(self, loop: asyncio.AbstractEventLoop, before: int) -> None:
        """Commit when a turn of the loop has brought nothing new, or enough has gathered."""
        if before < self._waiting_entries < ENOUGH:
            loop.call_soon(self._gather, loop, self._waiting_entries)
        else:
            self._commit_waiting(loop)

    def _commit_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        batch: list[Entry] = []
        waiters = []
        while self._waiting and len(batch) < MAX_BATCH:
            entries, future = self._waiting.popleft()
            waiters.append((len(batch), future))
            batch += entries
        self._waiting_entries -= len(batch)
        if self._waiting:
            loop.call_soon(self._gather, loop, 0)
        try:
            outcomes = self.commit(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, everyone who waits has to hear of it
            for _, future in waiters:
                if not future.done():
                    future.set_exception(error)
            return
        end = len(batch)
        for start, future in reversed(waiters):
            if not future.done():
                future.set_result(outcomes[start:end])
            end = start


class _Judge:
    """Holds the reports of one batch against what is known, and against those before them in the batch."""

    def __init__(
        self, batch: Sequence[Entry], ledger: Ledger, recent: Recent, *, latest: int, strict: bool
    ) -> None:
        self._ledger = ledger
        self._recent = recent
        self._latest = latest
        self._strict = strict
        self.changed: dict[tuple[int, str], MessageState] = {}
        self.heard: set[Conversion] = set()
        self._requested_for: dict[bytes, list[Requested]] = {}
        self._stored: dict[int, dict[str, MessageState]] = {}
        wanted: dict[int, set[str]] = {}
        for entry in batch:
            report = entry.report
            if isinstance(report, Conversion | Requested) and report.message_id:
                wanted.setdefault(report.account, set()).add(report.message_id)
        for account, message_ids in wanted.items():
            self._stored[account] = ledger.states(account, message_ids)

    def is_new(self, report: Report | Expiry) -> bool:
        """Tell whether the report adds anything to what is known.

        Raises:
            Refused: it contradicts what is known, or its time can't be.
        """
        if isinstance(report, Conversion):
            self._check_time("conversion_time", report.conversion_time)
            return self._is_new_conversion(report) if report.message_id else self._is_new_by_number(report)
        if isinstance(report, Requested):
            self._check_time("requested_at", report.requested_at)
            state = self._state(report.account, report.message_id)
            if state and state.requested and state.requested.precedence() <= report.precedence():
                return False
            self._change(report, state)
            if report.number:
                self._requested_for.setdefault(report.number, []).append(report)
        elif isinstance(report, SelfReportedRate):
            self._check_time("report_time", report.report_time)
        return True

    def _is_new_conversion(self, report: Conversion) -> bool:
        state = self._state(report.account, report.message_id)
        if state is None or state.requested is None:
            if self._strict:
                raise UnknownMessage(f"No message {report.message_id} was reported as requested.")
        else:
            _check_after(report, state.requested)
            if report.number and state.requested.number and report.number != state.requested.number:
                raise NumberMismatch(f"Message {report.message_id} was requested for another number.")
        if state is not None and _absorbs(state, report):
            return False
        self._change(report, state)
        return True

    def _is_new_by_number(self, report: Conversion) -> bool:
        stored = self._ledger.newest(report.account, report.number, report.conversion_time)
        candidates = self._requested_for.get(report.number, []) + self._recent.requested_for(report.number)
        if stored is not None:
            candidates.append(stored)
        message = owner(candidates, report.conversion_time)
        if message is not None:
            if report.conversion_time <= message.requested_at and self._stands(message):
                _check_after(report, message)
        elif self._strict:
            raise UnknownMessage("No message was requested for this number in the 24 hours before.")
        if report in self.heard or self._recent.heard(report) or self._ledger.heard(report):
            return False
        self.heard.add(report)
        return True

    def _stands(self, message: Requested) -> bool:
        """Tell whether no report that won over this one is known, here or on its way."""
        key = message.account, message.message_id
        state = self.changed.get(key) or self._recent.state(*key)
        if state is None:
            state = self._ledger.states(message.account, [message.message_id]).get(message.message_id)
        return state is None or state.requested == message

    def _state(self, account: int, message_id: str) -> MessageState | None:
        return (
            self.changed.get((account, message_id))
            or self._recent.state(account, message_id)
            or self._stored[account].get(message_id)
        )

    def _change(self, report: Requested | Conversion, state: MessageState | None) -> None:
        if state is None:
            new = state_of(report)
        elif isinstance(report, Conversion):
            new = state.with_conversion(report)
        else:
            new = state.join(state_of(report))
        self.changed[report.account, report.message_id] = new

    def _check_time(self, parameter: str, time: int) -> None:
        if time > self._latest:
            raise InvalidTime(
                f"{parameter} {time} is in the future: the time now is {self._latest - CLOCK_SKEW_MS} (ms)."
            )
        if time < EARLIEST_MS:
            raise InvalidTime(
                f"{parameter} {time} is before the year 2000: it is in milliseconds, not seconds."
            )


def _check_after(report: Conversion, message: Requested) -> None:
    if report.conversion_time <= message.requested_at:
        raise InvalidTime(
            f"conversion_time {report.conversion_time} is not after the message was requested,"
            f" at {message.requested_at} (ms)."
        )


def _absorbs(state: MessageState, report: Conversion) -> bool:
    """Tell whether joining the conversion would leave the state as it is."""
    if not report.delivered:
        return state.false_last is not None and report.conversion_time <= state.false_last
    if state.true_first is None or state.true_last is None:
        return False
    return state.true_first <= report.conversion_time <= state.true_last
