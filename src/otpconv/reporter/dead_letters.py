"""Reports that the other side will never take, set aside with the reason until somebody decides."""

import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from otpconv.delivery.reports import line_of
from otpconv.folder import alone
from otpconv.reporter.segment import Writer

FILE = "dead-letters.ndjson"
_HEADER_BYTES = 64
#: How long a person, and delivery, waits for the folder: a stopped process that holds it delays neither for
#: longer.
_REQUEUE_WAIT_MS, _ADD_WAIT_MS = 5_000, 20
#: How many dead letters wait to be written at most, and are written at once; how soon it is tried again, s.
_MOST_WAITING, _AT_ONCE = 1000, 100
_AGAIN_S = 1.0


class DeadLetter(Struct):
    """A report that was set aside.

    Attributes:
        at: when, ms.
        code: the other side's error code, or a word of ours.
        reason: for a person.
        kind: `requested` or `conversion`.
        report: its fields as the native API names them; `to` is sealed.
        flags: of its line in the spool.
    """

    at: int
    code: str
    reason: str
    kind: str
    report: msgspec.Raw
    flags: int

    def shown(self) -> dict[str, object]:
        """Return the report's fields as they may be shown: without the number."""
        fields: dict[str, object] = msgspec.json.decode(self.report)
        return {name: "(sealed)" if name == "to" else value for name, value in fields.items()}


_decode = msgspec.json.Decoder(DeadLetter).decode


class DeadLetters:
    """The dead letters of one spool."""

    def __init__(self, folder: Path, max_bytes: int = 0) -> None:
        """Take the spool's folder, and how large the file may become, bytes; 0 is without end."""
        self._folder = folder
        self._file = folder / FILE
        self._max_bytes = max_bytes

    def add(self, letters: Sequence[DeadLetter], lost: Callable[[int], None], *, within_ms: int) -> None:
        """Set reports aside; `lost` is told how many old ones had to go for them.

        Raises:
            BlockingIOError: another process holds the folder for longer than `within_ms`.
            OSError: the disk is full or fails.
        """
        data = b"".join(msgspec.json.encode(letter) + b"\n" for letter in letters)
        with alone(self._folder, within_ms=within_ms):
            if self._max_bytes and self._file.exists():
                excess = self._file.stat().st_size + len(data) > self._max_bytes
                if excess:
                    lines = self._lines()
                    lost(len(lines) - len(lines) // 2)
                    self._write(lines[len(lines) - len(lines) // 2 :])
            fd = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                before = os.fstat(fd).st_size
                if os.write(fd, data) < len(data):
                    # A full disk took a part of it: all are added later, or none is.
                    os.ftruncate(fd, before)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(fd)

    def __iter__(self) -> Iterator[DeadLetter]:
        """Iterate over those that can be read, oldest first."""
        for line in self._lines():
            letter = _read(line)
            if letter is not None:
                yield letter

    def requeue(self, wanted: Callable[[DeadLetter], bool], now: int) -> int:
        """Put those that are wanted back into the spool, to be delivered, and return how many they were.

        Raises:
            BlockingIOError: another process holds the folder for long, e.g. since it is stopped.
            OSError: the disk is full or fails; all stay where they are.
        """
        with alone(self._folder, within_ms=_REQUEUE_WAIT_MS):
            kept, back = [], []
            for line in self._lines():
                letter = _read(line)
                if letter is not None and wanted(letter):
                    back.append(line_of(letter.flags, bytes(letter.report)))
                else:
                    kept.append(line)
            if back:
                data = b"".join(back)
                writer = Writer(self._folder, _HEADER_BYTES + len(data), now)
                writer.map[writer.end :] = data
                writer.end = writer.size
                writer.sync()
                writer.close()
                self._write(kept)
            return len(back)

    def _lines(self) -> list[bytes]:
        return self._file.read_bytes().splitlines() if self._file.exists() else []

    def _write(self, lines: list[bytes]) -> None:
        new = self._file.with_suffix(".new-letters")
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.writelines(line + b"\n" for line in lines)
        new.replace(self._file)


class Burials:
    """Dead letters on their way to the disk. While they can't be written they wait, and are tried again."""

    def __init__(self, letters: DeadLetters, lost: Callable[[str, int], None]) -> None:
        """Take where they go; `lost` is told a reason and a number when some are given up."""
        self._letters = letters
        self._lost = lost
        self._waiting: list[tuple[DeadLetter, Callable[[], None]]] = []
        self._again_at = 0.0

    def add(self, letter: DeadLetter, done: Callable[[], None]) -> None:
        """Set a report aside, now or later; `done` is called when it is on the disk, or given up."""
        self._waiting.append((letter, done))
        self.write()
        if len(self._waiting) > _MOST_WAITING:
            _, first_done = self._waiting.pop(0)
            self._lost("dead letter could not be written", 1)
            first_done()

    def write(self) -> None:
        """Write those that wait, unless that went wrong a moment ago."""
        while self._waiting and time.monotonic() >= self._again_at:
            some = self._waiting[:_AT_ONCE]
            letters = [letter for letter, _ in some]
            try:
                self._letters.add(
                    letters, lambda count: self._lost("dead letters are full", count), within_ms=_ADD_WAIT_MS
                )
            except OSError:
                self._again_at = time.monotonic() + _AGAIN_S
                return
            del self._waiting[: len(some)]
            for _, done in some:
                done()

    def forked(self) -> None:
        """Leave to the parent what waits."""
        self._waiting.clear()


def _read(line: bytes) -> DeadLetter | None:
    try:
        return _decode(line)
    except msgspec.MsgspecError:
        return None
