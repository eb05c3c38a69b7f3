"""Reports that the other side will never take: they are set aside with the reason until a person decides."""

import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from otpconv.folder import alone

FILE = "dead-letters.ndjson"
#: How long a person, and the delivering thread, wait for the folder while a stopped process holds it.
_REQUEUE_WAIT_MS, _ADD_WAIT_MS = 5_000, 20
#: How many dead letters may wait to be written, and are written at once; the pause before the next try, s.
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
        flags: the flags of its line in the spool.
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
    """The dead letters in one folder."""

    def __init__(self, folder: Path, max_bytes: int = 0) -> None:
        """Read nothing yet.

        Args:
            folder: where the file is.
            max_bytes: how large the file may become; 0: without limit.
        """
        self._folder = folder
        self._file = folder / FILE
        self._max_bytes = max_bytes

    def add(self, letters: Sequence[DeadLetter], lost: Callable[[int], None], *, within_ms: int) -> None:
        """Set reports aside.

        Args:
            letters: the reports.
            lost: called with the number of old dead letters that were deleted to make room.
            within_ms: how long to wait for the folder.

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
                    # A full disk took a part of it. Take that back: all are added later.
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

    def take_back(
        self, wanted: Callable[[DeadLetter], bool], keep: Callable[[Sequence[DeadLetter]], None]
    ) -> int:
        """Move the dead letters that are wanted to where reports wait for delivery.

        Args:
            wanted: chooses the dead letters.
            keep: stores their reports durably; called at most once, while the folder is held.

        Returns:
            How many were moved.

        Raises:
            BlockingIOError: another process holds the folder for long, e.g. because it is stopped.
            OSError: the disk is full or fails; all stay dead letters.
        """
        with alone(self._folder, within_ms=_REQUEUE_WAIT_MS):
            kept: list[bytes] = []
            back: list[DeadLetter] = []
            for line in self._lines():
                letter = _read(line)
                if letter is not None and wanted(letter):
                    back.append(letter)
                else:
                    kept.append(line)
            if back:
                keep(back)
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
    """Dead letters on their way to the disk. While they can't be written, they wait for another try."""

    def __init__(self, letters: DeadLetters, lost: Callable[[str, int], None]) -> None:
        """Write nothing yet.

        Args:
            letters: where they go.
            lost: called with a reason and a number when some are given up.
        """
        self._letters = letters
        self._lost = lost
        self._waiting: list[tuple[DeadLetter, Callable[[], None]]] = []
        self._again_at = 0.0

    def add(self, letter: DeadLetter, done: Callable[[], None]) -> None:
        """Set a report aside, now or later; call `done` when it is on the disk, or given up."""
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


def _read(line: bytes) -> DeadLetter | None:
    try:
        return _decode(line)
    except msgspec.MsgspecError:
        return None
