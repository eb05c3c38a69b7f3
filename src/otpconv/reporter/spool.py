"""The spool of one process: reports are appended to a segment of its own in a folder that processes share.

The folder is bounded: before a segment is made, all segments are counted with their whole size. What can't be
written to the folder waits in memory, and goes to the folder as soon as that is possible again.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import RLock

from otpconv.delivery.reports import Report
from otpconv.folder import alone
from otpconv.reporter import segment
from otpconv.reporter.limits import SEGMENT_BYTES, Limits
from otpconv.reporter.memory import Memory
from otpconv.reporter.probe import PAGE, POPULATE_WRITE
from otpconv.reporter.segments import count_pending, make_room, sync
from otpconv.reporter.steady import HOST, Steady

#: Bytes that wait in memory while the folder can't be used.
_MEMORY_BYTES = 4 * 1024 * 1024
#: How long to wait for the folder: other processes need it for a fraction of this, and a stopped one blocks
#: nobody.
_FOLDER_WAIT_MS = 20
#: How soon a folder that is full, or can't be used, is tried again, s.
_FULL_AGAIN_S, _BROKEN_AGAIN_S = 0.02, 1.0
#: Segments that are not yet safe against power failures.
_MOST_UNSYNCED = 1000

_log = logging.getLogger("otpconv.reporter")


class Spool:
    """Takes reports from the threads of this process.

    Attributes:
        folder: the folder; None in the memory-only mode.
        limits: what it may hold.
        memory: what waits in memory.
        reported: reports taken.
        problem: why the folder can't be used; empty while it can.
        opened: called when the first report of a process comes: from then on somebody has to deliver.
        steady: the clock by which reports get old.
        lock: held while the process forks too, since a child must know what it inherits.
    """

    def __init__(
        self,
        folder: Path | None,
        limits: Limits,
        lost: Callable[[str, int], None],
        steady: Steady = HOST,
    ) -> None:
        """Prepare a spool.

        Args:
            folder: where segments go, made if it is not there; None keeps everything in memory.
            limits: what it may hold.
            lost: called with a reason and a number when reports are given up.
            steady: the clock by which reports get old.
        """
        from otpconv.reporter.numbers import NumberSealer  # noqa: PLC0415 - it loads cryptography

        self.folder = folder
        self.limits = limits
        self.memory = Memory(limits.max_bytes if folder is None else _MEMORY_BYTES)
        self.reported = 0
        self.problem = ""
        self._lost = lost
        self.opened: Callable[[], None] = lambda: None
        self.steady = steady
        self._read_steady = steady.read
        self.lock = RLock()
        self._writer: segment.Writer | None = None
        #: When the newest segment was opened, ms, and when it is closed, by the steady clock, s.
        self._opened_at = 0
        self._rotate_at = 0.0
        #: How many reports were taken before it was opened.
        self._reported_before = 0
        self._closed: deque[tuple[Path, int]] = deque()
        self._unsynced: list[Path] = []
        self._sealer = NumberSealer()
        self._opening = False
        self._late: deque[bytes] = deque()
        self._begun = False
        self._again_at = 0.0
        with suppress(OSError):
            self._prepare()

    def in_clear(self, report: Report) -> Report:
        """Return the report with its number in clear.

        Raises:
            ValueError: it can't be opened.
        """
        return self._sealer.in_clear(report)

    def append(self, line: bytes, now: int, has_number: bool = False) -> bool:  # noqa: FBT001, FBT002 - faster so
        """Take a line, at `now` (ms); it outlives this process, however that ends.

        Args:
            line: the line, with its number in clear if it has one.
            now: the time now, ms.
            has_number: whether it has one.

        Returns:
            Whether it is taken; False when there is no room, and none could be made.
        """
        with self.lock:
            if has_number:
                line = self._sealer.sealed(line)
            size = len(line)
            writer = self._writer
            if writer is not None and self._read_steady() < self._rotate_at:
                page = writer.end & -PAGE
                try:
                    writer.probe(POPULATE_WRITE, page, writer.end + size - page)
                except (OSError, ValueError):  # cut off, or at the segment's end
                    writer = None
                # Nothing is called below, so no signal handler reports in the middle of it.
                if writer is not None and writer is self._writer:
                    end = writer.end + size
                    if end <= writer.size:
                        writer.map[writer.end : end] = line
                        writer.end = end
                        self.reported += 1
                        return True
            if self._opening:
                # A signal handler reports while its thread opens a segment.
                self._late.append(line)
                return True
            self._opening = True
            try:
                taken = self._append_slowly(line, now)
                self.reported += taken
            finally:
                self._opening = False
            self._take_late(now)
            # Only now: gevent lets others report while it starts a thread.
            self.begin()
        return taken

    def begin(self) -> None:
        """See to it that somebody delivers from now on, in this process."""
        with self.lock:
            if not self._begun:
                self._begun = True
                self.opened()

    def delivered(self) -> bool:
        """Return whether all that this process reported is delivered, set aside or lost."""
        with self.lock:
            self._forget_delivered()
            own = self._writer is None or self._writer.delivered()
            return own and not self._closed and not self.memory

    def heal(self, now: int) -> None:
        """Bring to the folder what waits elsewhere, once that is possible; close an idle segment in time."""
        with self.lock:
            self._take_late(now)
            if self.folder is None or time.monotonic() < self._again_at:
                return
            if self._writer is not None and self._writer.removed():
                self._rescue(self._writer, now)
            elif self._writer is not None and (
                self._read_steady() >= self._rotate_at or self._writer.is_cut_off()
            ):
                self._close_segment()
            # A delivery may hold lines of memory for hours; in the folder they outlive this process.
            while (line := self.memory.take() or self.memory.withdraw()) is not None:
                # It was counted when it came.
                self.reported -= 1
                if not self.append(line, now, has_number=True):
                    self.memory.append(line)
                    self.reported += 1
                    break
                if self.problem:
                    break

    def sync(self) -> None:
        """Wait until the appended lines are on the disk, so that they outlive a power failure too.

        Raises:
            OSError: the disk fails.
        """
        with self.lock:
            paths, self._unsynced = self._unsynced, []
            if self._writer is not None:
                self._unsynced.append(self._writer.path)
                paths.append(self._writer.path)
        if paths and self.folder is not None:
            sync((*paths, self.folder))

    def pending(self) -> tuple[int, int]:
        """Return how many reports wait in the folder and in memory, and the bytes they take."""
        count, size = count_pending(self.folder) if self.folder is not None else (0, 0)
        return count + len(self.memory), size + self.memory.bytes

    def close(self) -> None:
        """Leave the spooled reports to others. A later report opens the spool again."""
        with self.lock:
            self._take_late(self._opened_at)
            self._close_segment()

    def abandon(self) -> None:
        """Leave the open segment to the process that this one was forked from."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.abandon()

    def _append_slowly(self, line: bytes, now: int) -> bool:
        """Take a line that the open segment, if there is one, does not; False when there is no room."""
        if self.folder is None:
            return self.memory.keep(line, self.limits.overflow, self._lost)
        if time.monotonic() < self._again_at:
            return bool(self.problem) and self.memory.keep(line, self.limits.overflow, self._lost)
        try:
            room = self._next_segment(now)
        except OSError as error:
            self._again_at = time.monotonic() + _BROKEN_AGAIN_S
            self._tell(error.strerror or str(error))
            return self.memory.keep(line, self.limits.overflow, self._lost)
        self._tell("")
        if not room or self._writer is None:
            self._again_at = time.monotonic() + _FULL_AGAIN_S
            return False
        self._writer.append(self._sealer.sealed(line))
        return True

    def _next_segment(self, now: int) -> bool:
        """Open a further segment; False when there is no room for it."""
        self._prepare()
        assert self.folder is not None  # noqa: S101 - for the type checker
        self._close_segment()
        with ExitStack() as held:
            # Who holds it longer is stopped, or starved: rather a segment too many than reports in memory.
            with suppress(BlockingIOError):
                held.enter_context(alone(self.folder, within_ms=_FOLDER_WAIT_MS))
                segment.remove_unfinished(self.folder)
            if not make_room(self.folder, self.limits, lambda count: self._lost("overflow", count)):
                return False
            self._writer = segment.Writer(self.folder, SEGMENT_BYTES, now, self.steady)
        self._opened_at = now
        self._rotate_at = self._read_steady() + self.limits.open_ms / 1000
        self._reported_before = self.reported
        return True

    def _prepare(self) -> None:
        if self.folder is not None and not (self._sealer.ready and self.folder.is_dir()):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sealer.prepare(self.folder, _FOLDER_WAIT_MS)

    def _take_late(self, now: int) -> None:
        """Take what a signal handler has reported in the middle of another report."""
        while self._late and not self._opening:
            if not self.append(self._late.popleft(), now, has_number=True):
                self._lost("overflow", 1)

    def _rescue(self, writer: segment.Writer, now: int) -> None:
        """Append the lines of a segment that somebody has removed once more."""
        self._writer = None
        for line in writer.left():
            # It was counted when it came.
            self.reported -= 1
            if not self.append(line, now):
                self.reported += 1
                self._lost("overflow", 1)
        writer.abandon()

    def _close_segment(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            self._closed.append((writer.path, writer.end))
            self._unsynced = [*self._unsynced[-_MOST_UNSYNCED:], writer.path]
            with suppress(OSError):
                missing = writer.is_cut_off() and writer.count_missing(self.reported - self._reported_before)
                if missing:
                    self._lost("a segment was cut off", missing)
                writer.close()
        self._forget_delivered()

    def _forget_delivered(self) -> None:
        while self._closed and segment.is_delivered(*self._closed[0]):
            self._closed.popleft()

    def _tell(self, problem: str) -> None:
        if problem and not self.problem:
            _log.error("the spool %s can't be used (%s): reports wait in memory", self.folder, problem)
        elif self.problem and not problem:
            _log.warning("the spool %s can be used again", self.folder)
        self.problem = problem
