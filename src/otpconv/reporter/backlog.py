"""What is to be delivered: the memory of this process, and the folder, if no other process delivers it."""

import fcntl
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import RLock

from msgspec import Struct

from otpconv.reporter import segment
from otpconv.reporter.dead_letters import DeadLetters
from otpconv.reporter.memory import Memory
from otpconv.reporter.reports import Report
from otpconv.reporter.segment import Reader
from otpconv.reporter.segments import drop, segments
from otpconv.reporter.spool import Spool
from otpconv.reporter.tally import Tally

CLAIM_FILE = "delivering"
DAMAGED_FILE = "damaged"
#: Of the spool's bound: what dead letters, and damaged pieces, may take beside it.
_LETTERS_SHARE = 4
_DAMAGED_BYTES = 1024 * 1024

_log = logging.getLogger("otpconv.reporter")


class Item(Struct, eq=False):
    """A report on its way.

    Attributes:
        report: the report as it is spooled.
        source: where it was read.
        place: its place there.
        strikes: how often it failed, alone, while others were taken.
        seen: how many were delivered when it had its last strike.
        settled: whether it is delivered, set aside, or lost.
    """

    report: Report
    source: Reader | Memory
    place: int
    strikes: int = 0
    seen: int = -1
    settled: bool = False


class Backlog:
    """Hands out reports in about the order in which they came, and forgets them once they are settled.

    Attributes:
        claimed: whether this process delivers the folder.
        rejected: those it set aside as dead letters, by error code.
        damaged: how many damaged pieces it set aside.
        problem: why the folder can't be delivered; empty while it can.
        claiming: held while a claim is made, and while the process forks.
    """

    def __init__(self, spool: Spool, lost: Callable[[str, int], None]) -> None:
        """Take the spool of this process; `lost` is told a reason and a number when reports are given up."""
        self.claimed = False
        self.rejected = Tally("reports are set aside as dead letters")
        self.damaged = 0
        self.problem = ""
        self._spool = spool
        self._folder = spool.folder
        self._lost = lost
        self._fd: int | None = None
        self.claiming = RLock()
        self._readers: dict[Path, Reader] = {}
        self._unreadable: set[Path] = set()
        self._letters = (
            None
            if spool.folder is None
            else DeadLetters(spool.folder, spool.limits.max_bytes // _LETTERS_SHARE)
        )

    def claim(self, destination: str) -> None:
        """Become the one that delivers the folder, unless another process is, or the folder can't be used."""
        if self.claimed or self._folder is None or not self._folder.is_dir():
            return
        with self.claiming:
            self._claim(self._folder, destination)

    def read(self, most: int, now: int) -> list[Item]:
        """Return up to `most` further reports."""
        memory = self._spool.memory
        items = [Item(report, memory, place) for place, report in memory.read(most)]
        if self._folder is None or not self.claimed or len(items) >= most:
            return items
        # From here on nothing may be raised: what was read would not be read again.
        try:
            paths = [path for path, _ in segments(self._folder)]
        except OSError as error:
            self._tell(error.strerror or str(error))
            return items
        self._tell("")
        self._forget(set(paths))
        for path in paths:
            reader = self._reader(path, now)
            if reader is None:
                continue
            try:
                while len(items) < most and (found := reader.read(most - len(items))):
                    items += [Item(report, reader, place) for place, report in found]
            except OSError as error:
                self._skip(path, error)
            if reader.damaged:
                with suppress(OSError):
                    self._set_aside(reader)
            if len(items) >= most:
                break
        return items

    def expires_at(self) -> int | None:
        """Return when the oldest reports of the folder are given up, ms; None when none wait there."""
        limits = self._spool.limits
        with suppress(OSError):
            for path, _ in segments(self._folder) if self._folder is not None else ():
                created = path.name.partition("-")[0]
                if created.isdecimal() and segment.count_left(path):
                    return int(created) + limits.open_ms + limits.max_age_ms
        return None

    def settle(self, item: Item) -> None:
        """Forget a report: it is delivered, set aside, or lost."""
        item.source.done(item.place)

    def bury(self, item: Item, code: str, reason: str, now: int) -> None:
        """Set a report aside as a dead letter, and settle it."""
        self.rejected.add(code, 1)
        try:
            if self._letters is not None:
                self._letters.add(
                    item.report, code, reason, now, lambda count: self._lost("dead letters are full", count)
                )
        except OSError:
            self._lost("dead letter could not be written", 1)
        self.settle(item)

    def keep(self) -> None:
        """Write down what is settled, and remove segments that are through.

        Raises:
            OSError: the disk fails.
        """
        for path, reader in list(self._readers.items()):
            if reader.exhausted():
                path.unlink(missing_ok=True)
                self._close(path)
            else:
                reader.keep_cursor()

    def release(self) -> None:
        """Let another process deliver the folder."""
        for path in list(self._readers):
            self._close(path)
        if self._fd is not None:
            os.close(self._fd)
        self._fd, self.claimed = None, False

    def forked(self) -> None:
        """Begin anew in a child."""
        self.claiming = RLock()
        self.release()
        self.rejected.forked()
        self.damaged = 0

    def _claim(self, folder: Path, destination: str) -> None:
        if self._fd is None:
            try:
                self._fd = os.open(folder / CLAIM_FILE, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as error:
                self._tell(f"{CLAIM_FILE}: {error.strerror}")
                return
            self._tell("")
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.fsdecode(os.pread(self._fd, 4096, 0))
            if other not in {"", destination}:
                self._tell(f"a process delivers it to {other}: give each destination a spool of its own")
            return
        self.claimed = True
        with suppress(OSError):  # it is for people to read
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, destination.encode(), 0)

    def _reader(self, path: Path, now: int) -> Reader | None:
        reader = self._readers.get(path)
        if reader is None:
            limits = self._spool.limits
            created = path.name.partition("-")[0]
            if (
                created.isdecimal()
                and int(created) + limits.open_ms + limits.max_age_ms < now
                and drop(path, lambda count: self._lost("age", count))
            ):
                return None
            if path in self._unreadable:
                return None
            try:
                reader = self._readers[path] = Reader(path)
            except FileNotFoundError:
                return None
            except OSError as error:
                self._skip(path, error)
        return reader

    def _skip(self, path: Path, error: OSError) -> None:
        """Leave what is no segment, or can't be read, where it is: it must not stop the others."""
        _log.error("%s can't be read (%s) and is left as it is", path, error.strerror)
        self._unreadable.add(path)
        if path in self._readers:
            self._close(path)

    def _tell(self, problem: str) -> None:
        if problem and not self.problem:
            _log.error("the spool %s can't be delivered (%s)", self._folder, problem)
        self.problem = problem

    def _forget(self, there: set[Path]) -> None:
        """Close segments that another process removed to make room."""
        for path in self._readers.keys() - there:
            self._close(path)

    def _close(self, path: Path) -> None:
        with suppress(OSError):
            self._readers.pop(path).close()

    def _set_aside(self, reader: Reader) -> None:
        pieces, reader.damaged = reader.damaged, []
        self.damaged += len(pieces)
        assert self._folder is not None  # noqa: S101 - for the type checker
        file = self._folder / DAMAGED_FILE
        _log.error("%s is damaged in %d places: what can't be read is in %s", reader.path, len(pieces), file)
        fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            for piece in pieces:
                if os.fstat(fd).st_size + len(piece) <= _DAMAGED_BYTES:
                    os.write(fd, piece)
        finally:
            os.close(fd)
