"""Everything one process needs to deliver reports: its counters, spool, backlog and delivering thread.

A forked child must not use what belongs to its parent: the segment, the claim, the connections, and locks
that a thread of the parent may hold. So `Outbox.child` builds a new outbox for the child from the same
settings, and takes over only what the child inherits. This is the only place that decides what that is.
"""

import time
from collections.abc import Callable
from os import getpid
from pathlib import Path
from threading import RLock
from typing import Self

from msgspec import Struct

from otpconv.clock import Clock
from otpconv.delivery.transport import Transport
from otpconv.reporter.backlog import Backlog
from otpconv.reporter.limits import Limits
from otpconv.reporter.spool import Spool
from otpconv.reporter.switch import Switch
from otpconv.reporter.tally import ReasonCounter, Stats
from otpconv.reporter.thread import DeliveryThread

#: How often to check whether everything is delivered, s.
LOOK_S = 0.005


class OutboxSettings(Struct, frozen=True):
    """What an outbox is built from, in the first process and in each child.

    Attributes:
        folder: the spool's folder; None keeps everything in memory.
        limits: what the spool may hold.
        transport: makes a transport; called once in each process.
        switch: the manual switch.
        clock: the time now.
        longest_pause_ms: the longest pause between two tries.
        sync_ms: how often spooled reports are written to the disk; None leaves that to the operating system.
    """

    folder: Path | None
    limits: Limits
    transport: Callable[[], Transport]
    switch: Switch
    clock: Clock
    longest_pause_ms: int
    sync_ms: int | None


class Outbox:
    """The outbox of one process.

    Attributes:
        pid: the process.
        losses: counts lost reports by reason.
        left_out: counts reports that went without their number.
        spool: takes reports.
        backlog: hands out the reports to deliver.
        delivery: the delivering thread.
        takes_requested: whether the other side takes requested messages, not only conversions.
    """

    def __init__(self, settings: OutboxSettings) -> None:
        """Prepare the spool. No thread starts before the first report.

        Args:
            settings: what to build the outbox from.
        """
        self.pid = getpid()
        self.losses, self.left_out = (
            ReasonCounter("reports are lost"),
            ReasonCounter("reports go without the number"),
        )
        self.spool = Spool(settings.folder, settings.limits, self.losses.add)
        self.backlog = Backlog(self.spool, self.losses.add)
        transport = settings.transport()
        self.takes_requested = transport.takes_requested
        self.delivery = DeliveryThread(
            self.spool,
            self.backlog,
            transport,
            settings.switch,
            settings.clock,
            longest_pause_ms=settings.longest_pause_ms,
            sync_ms=settings.sync_ms,
        )
        self.spool.opened = self.delivery.start
        self._settings = settings
        self._parent: Self | None = None

    def child(self) -> Self:
        """Return the outbox of a child that was just forked, and leave this one to the parent."""
        made = type(self)(self._settings)
        made.delivery.put_off = self.delivery.put_off
        if self.delivery.put_off:
            # The parent has no thread and will never deliver its memory. Each child does; it counts once.
            made.spool.memory.fill(self.spool.memory.lines())
        self.delivery.abandon()
        self.backlog.release()
        self.spool.abandon()
        # Kept: collecting the parent's transport would close connections that the parent uses.
        made._parent = self  # noqa: SLF001 - of this class
        return made

    def locks(self) -> tuple[RLock, ...]:
        """Return the locks to hold during a fork, so that the child inherits complete segments and claims."""
        return self.spool.lock, self.backlog.claiming

    def stats(self, *, disabled: bool) -> Stats:
        """Return what became of the reports of this process."""
        pending, size = self.spool.pending()
        return Stats(
            reported=self.spool.reported,
            delivered=self.delivery.rounds.delivered,
            rejected=sum(self.backlog.rejected.counts().values()),
            lost=self.losses.counts(),
            damaged=self.backlog.damaged,
            pending=pending,
            pending_bytes=size,
            breaker=self.delivery.rounds.breaker.state,
            degraded=self.delivery.degraded,
            disabled=disabled,
            delivering=self.backlog.claimed or self.spool.folder is None,
            durable=self.spool.folder is not None and not self.spool.problem,
            clock_set=self.backlog.wall_clock.times_set,
            numbers_left_out=sum(self.left_out.counts().values()),
            last_error=self.delivery.rounds.last_error or self.spool.problem or self.backlog.problem,
        )

    def wait(self, deadline: float) -> bool:
        """Wait until all reports are settled, or until `deadline` (steady, s). Return whether they are."""
        self.delivery.hurry()
        while not self.spool.delivered():
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_S)
        return True

    def end(self, timeout_s: float) -> None:
        """Stop the delivering thread, wait up to `timeout_s` for it, and let other processes deliver."""
        self.delivery.stop(timeout_s)
        self.spool.heal(self._settings.clock())
        self.give_back()

    def give_back(self) -> None:
        """Leave the reports in the folder to others, and count those in memory, which are then lost."""
        if self.spool.memory:
            self.losses.add("closed before delivery", len(self.spool.memory))
            self.spool.memory.clear()
        self.spool.close()

    def collect(self) -> None:
        """End without waiting, after the reporter was garbage-collected."""
        self.delivery.stop(0.0)
        self.give_back()

    def at_exit(self, deadline: float) -> None:
        """Flush until `deadline` (steady, s), then end. An exit never waits longer, whoever holds a lock."""
        if self._is_free(deadline):
            self.wait(deadline if self.delivery.works else 0.0)
        if self._is_free(deadline):
            self.end(LOOK_S)

    def _is_free(self, deadline: float) -> bool:
        """Return whether the spool's lock can be had: an interrupted thread may hold it for ever."""
        free = self.spool.lock.acquire(timeout=max(LOOK_S, deadline - time.monotonic()))
        if free:
            self.spool.lock.release()
        return free
