"""Reports kept in memory: all in the memory-only mode, otherwise while the spool can't be written to."""

from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock

from otpconv.delivery.reports import Report, read_line
from otpconv.reporter.limits import Overflow

#: Memory of a line in addition to its bytes.
_OVERHEAD_BYTES = 64


class Memory:
    """Lines in order, at most so many bytes of them. Threads may append and read at once."""

    def __init__(self, max_bytes: int) -> None:
        """Create an empty queue.

        Args:
            max_bytes: the most bytes that it holds.
        """
        self.max_bytes = max_bytes
        self.bytes = 0
        self._lock = Lock()
        self._lines: deque[bytes] = deque()
        #: Lines of reports that are being delivered, by their places.
        self._in_hand: dict[int, bytes] = {}
        self._handed_out = 0

    def __len__(self) -> int:
        return len(self._lines) + len(self._in_hand)

    def room(self, line: bytes) -> bool:
        """Return whether the line still fits."""
        return self.bytes + len(line) + _OVERHEAD_BYTES <= self.max_bytes

    def append(self, line: bytes) -> None:
        """Keep a line."""
        with self._lock:
            self._lines.append(line)
            self.bytes += len(line) + _OVERHEAD_BYTES

    def keep(self, line: bytes, overflow: Overflow, lost: Callable[[str, int], None]) -> bool:
        """Keep a line if there is room for it, or if the oldest give way. Return whether it is kept."""
        if overflow == "drop-oldest":
            while not self.room(line) and self.take() is not None:
                lost("overflow", 1)
        if not self.room(line):
            return False
        self.append(line)
        return True

    def take(self) -> bytes | None:
        """Hand out the oldest line, which is not kept any more; None when there is none."""
        with self._lock:
            if not self._lines:
                return None
            line = self._lines.popleft()
            self.bytes -= len(line) + _OVERHEAD_BYTES
            return line

    def read(self, most: int) -> list[tuple[int, Report]]:
        """Hand out up to `most` reports, oldest first, as a segment does."""
        found: list[tuple[int, Report]] = []
        while len(found) < most and (line := self.take()) is not None:
            report = read_line(line[:-1])
            assert report is not None, "memory holds encoded reports"  # noqa: S101 - for the type checker
            with self._lock:
                self._handed_out += 1
                self._in_hand[self._handed_out] = line
            found.append((self._handed_out, report))
        return found

    def is_withdrawn(self, place: int) -> bool:
        """Return whether a report that was handed out belongs to the folder by now."""
        return place not in self._in_hand

    def done(self, place: int) -> None:
        """Forget a report that was handed out."""
        with self._lock:
            self._in_hand.pop(place, None)

    def withdraw(self) -> bytes | None:
        """Take back the oldest line that was handed out; None if all are settled."""
        with self._lock:
            place = next(iter(self._in_hand), None)
            return None if place is None else self._in_hand.pop(place)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._lines.clear()
            self._in_hand.clear()
            self.bytes = 0

    def lines(self) -> list[bytes]:
        """Return the lines, oldest first, without the lock: in a child a thread of the parent may hold it."""
        return list(self._lines)

    def fill(self, lines: Iterable[bytes]) -> None:
        """Keep lines that a parent had in its memory."""
        for line in lines:
            self.append(line)
