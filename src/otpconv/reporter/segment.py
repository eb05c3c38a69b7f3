"""One file of the spool: its one writer appends to it through shared memory, the delivering process reads it.

A segment begins with a header that holds how far it is delivered; lines follow, then zeros. It has its whole
size from the beginning, so a full disk is met when a segment is made and never in the middle of a report.
Appending is a copy into the page cache: no system call, nothing that lets another thread run, and it outlives
the process.

The writer holds the file's lock until it closes it or ends, however it ends. Who gets a shared lock on a
segment knows that nobody writes to it any more.
"""

import errno
import fcntl
import mmap
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

from otpconv.delivery.reports import Report, read_line
from otpconv.reporter.probe import probe_of
from otpconv.reporter.steady import HOST, Steady, new_name

_UNFINISHED = ".new"
_MAGIC = b"otpconv spool 1 "
_DIGITS = 20
#: The size of the header with which a segment begins.
HEADER_BYTES = 64
#: Read at once; far more than the longest line.
_CHUNK = 64 * 1024
_ZERO = b"\0"


class Writer:
    """A segment that this process appends to, from one thread at a time.

    Attributes:
        path: the file.
        end: where the next line goes.
        size: how large it is.
        map: its bytes; append by setting `map[end : end + len(line)]`, then `end`.
        probe: asks before a copy whether it would kill the process, see `probe_of`.
    """

    def __init__(self, folder: Path, size: int, now: int, steady: Steady = HOST) -> None:
        """Make a segment of `size` bytes, at `now` (ms, wall clock).

        Raises:
            OSError: the disk is full, or the folder may not be written to.
        """
        self.path = folder / new_name(now, steady)
        self.size = size
        self.end = HEADER_BYTES
        # Seen by readers only once it is locked.
        unfinished = self.path.with_suffix(_UNFINISHED)
        self._fd = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            # Written, not fallocated: a first touch of a page costs 0.1 µs then, and 4 µs otherwise.
            _fill(self._fd, size)
            self.map = mmap.mmap(self._fd, size)
            self.map[:HEADER_BYTES] = _header(HEADER_BYTES)
            self.probe = probe_of(self.map)
            unfinished.rename(self.path)
        except BaseException:
            os.close(self._fd)
            unfinished.unlink(missing_ok=True)
            raise

    def append(self, line: bytes) -> None:
        """Append a line for which there is room."""
        size = len(line)
        # Nothing is called below, so no signal handler reports in the middle of it.
        start = self.end
        end = start + size
        self.map[start:end] = line
        self.end = end

    def delivered(self) -> bool:
        """Return whether all that was appended is delivered."""
        # Read, not by the map: to touch a page behind the end of a file that was cut off is deadly.
        return _cursor(os.pread(self._fd, HEADER_BYTES, 0)) >= self.end

    def is_cut_off(self) -> bool:
        """Return whether somebody made the file shorter."""
        return os.fstat(self._fd).st_size < self.size

    def count_missing(self, appended: int) -> int:
        """Return how many of the lines appended are no longer in the file, and not known to be delivered."""
        if self.delivered():
            return 0
        there = sum(chunk.count(b"\n") for chunk in _chunks(self._fd, HEADER_BYTES, self.end))
        return max(0, appended - there)

    def removed(self) -> bool:
        """Return whether somebody removed the file."""
        return os.fstat(self._fd).st_nlink == 0

    def left(self) -> list[bytes]:
        """Return the lines that are not delivered."""
        start = _cursor(os.pread(self._fd, HEADER_BYTES, 0)) or HEADER_BYTES
        return b"".join(_chunks(self._fd, start, self.end)).splitlines(keepends=True)

    def sync(self) -> None:
        """Wait until the appended lines are on the disk."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Give back the room that is left, and let others have the segment."""
        done = self.delivered()
        try:
            self.map.close()
            if not self.is_cut_off():
                os.ftruncate(self._fd, self.end)
            if done:
                self.path.unlink(missing_ok=True)
        finally:
            # By name: a child that was forked while this was made has the descriptor too.
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            os.close(self._fd)

    def abandon(self) -> None:
        """Leave the segment to the process this one was forked from."""
        self.map.close()
        os.close(self._fd)


class SegmentReader:
    """A segment in the delivering process.

    Attributes:
        path: the file.
        damaged: pieces that are not lines, since they were last taken.
        at_end: whether everything that can be read was read.
        left_alone: whether its reports are no longer to be delivered from here.
    """

    def __init__(self, path: Path) -> None:
        """Open a segment and continue after the delivered lines.

        Raises:
            OSError: it is not there any more, or can't be read.
        """
        self.path = path
        self._fd = os.open(path, os.O_RDWR)
        header = os.pread(self._fd, HEADER_BYTES, 0)
        self._cursor = _cursor(header)
        self._open: dict[int, None] = {}
        # A damaged header has its length all the same, and all behind it is delivered once more.
        self.damaged: list[bytes] = [] if self._cursor or not header else [header]
        self._at = self._cursor or len(header)
        self.at_end = False
        self.left_alone = False

    def finished(self) -> bool:
        """Return whether nobody appends to it any more."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def read(self, most: int) -> list[tuple[int, Report]]:
        """Return up to `most` further reports, each with the place by which it is marked as `done`."""
        # Asked before reading: what a writer appended before it finished must not be missed.
        finished = self.finished()
        data = os.pread(self._fd, _CHUNK, self._at)
        found: list[tuple[int, Report]] = []
        bad: list[tuple[int, int]] = []
        at = 0
        while len(found) < most:
            if finished:
                at = _behind_zeros(data, at)
            end = data.find(b"\n", at)
            if end < 0 or data[at] == 0:
                break
            report = read_line(data[at:end])
            if report is None:
                bad.append((at, end + 1))
            else:
                self._set_aside(data, bad)
                found.append((self._at + at, report))
            at = end + 1
        if finished:
            at = self._tail(data, at, bad) if len(found) < most else at
            self._set_aside(data, bad)
        elif bad:
            # The last line may just be coming into being: it is looked at again.
            at = bad[0][0]
        self._open.update(dict.fromkeys(place for place, _ in found))
        self._at += at
        self.at_end = finished and at == len(data) < _CHUNK
        return found

    def is_withdrawn(self, place: int) -> bool:
        """Return whether another process delivers a report that was read, or it was given up."""
        del place
        return self.left_alone

    def done(self, place: int) -> None:
        """Mark the report at `place` as delivered or set aside."""
        self._open.pop(place, None)

    def keep_cursor(self) -> None:
        """Write down how far it is delivered, so that the next process goes on from there."""
        cursor = next(iter(self._open), self._at)
        if cursor != self._cursor:
            os.pwrite(self._fd, _header(cursor), 0)
            self._cursor = cursor

    def give_up(self) -> int:
        """Mark all that is not done as delivered, and return how many reports that loses."""
        rest = b"".join(_chunks(self._fd, self._at))
        count = len(self._open) + rest.count(b"\n")
        self._open.clear()
        self._at += rest.rfind(b"\n") + 1
        self.keep_cursor()
        self.left_alone = True
        return count

    def exhausted(self) -> bool:
        """Return whether it is finished, and all in it was read and is done."""
        return self.at_end and not self._open

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _tail(self, data: bytes, at: int, bad: list[tuple[int, int]]) -> int:
        """Take what stands behind the last line of a finished segment: zeros, or a line that was cut off."""
        at = _behind_zeros(data, at)
        last_chunk = len(data) < _CHUNK
        if at < len(data) and (last_chunk or at == 0):
            bad.append((at, len(data)))
            return len(data)
        return at

    def _set_aside(self, data: bytes, bad: list[tuple[int, int]]) -> None:
        self.damaged += [data[start:end] for start, end in bad]
        bad.clear()


def count_left(path: Path) -> int:
    """Return how many lines of a segment are not delivered."""
    try:
        with path.open("rb") as file:
            file.seek(_cursor(file.read(HEADER_BYTES)))
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK), b""))
    except OSError:
        return 0


def is_delivered(path: Path, end: int) -> bool:
    """Return whether a closed segment is delivered up to `end`."""
    try:
        with path.open("rb") as file:
            return _cursor(file.read(HEADER_BYTES)) >= end
    except FileNotFoundError:
        return True
    except OSError:
        return False


def remove_unfinished(folder: Path) -> None:
    """Remove what processes left that were killed while they made a segment; hold the folder's lock."""
    for path in folder.glob(f"*{_UNFINISHED}"):
        path.unlink(missing_ok=True)


def _header(cursor: int) -> bytes:
    digits = b"%0*d" % (_DIGITS, cursor)
    return (_MAGIC + digits + b" %08x" % crc32(digits)).ljust(HEADER_BYTES - 1) + b"\n"


def _cursor(header: bytes) -> int:
    """Return how far a segment is delivered; its very beginning when the header is damaged."""
    digits = header[len(_MAGIC) : len(_MAGIC) + _DIGITS]
    if digits.isdigit() and header == _header(int(digits)):
        return int(digits)
    return 0


def _chunks(fd: int, start: int, end: int = sys.maxsize) -> Iterator[bytes]:
    """Return the bytes of a file from `start` on, up to its end or `end`."""
    while chunk := os.pread(fd, max(0, min(_CHUNK, end - start)), start):
        yield chunk
        start += len(chunk)


def _behind_zeros(data: bytes, at: int) -> int:
    if at < len(data) and data[at] == 0:
        return len(data) - len(data[at:].lstrip(_ZERO))
    return at


def _fill(fd: int, size: int) -> None:
    if os.pwrite(fd, bytes(size), 0) < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
