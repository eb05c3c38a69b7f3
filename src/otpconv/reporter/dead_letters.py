"""Reports that the other side will never take, set aside with the reason until somebody decides."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from otpconv.folder import alone
from otpconv.reporter.reports import Report, line_of
from otpconv.reporter.segment import Writer

FILE = "dead-letters.ndjson"
_HEADER_BYTES = 64


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

    def add(self, report: Report, code: str, reason: str, now: int, lost: Callable[[int], None]) -> None:
        """Set a report aside, at `now` (ms); `lost` is told how many old ones had to go for it.

        Raises:
            OSError: the disk is full or fails.
        """
        letter = DeadLetter(now, code, reason, report.kind, msgspec.Raw(report.body), report.flags)
        line = msgspec.json.encode(letter) + b"\n"
        with alone(self._folder):
            if self._max_bytes and self._file.exists():
                excess = self._file.stat().st_size + len(line) > self._max_bytes
                if excess:
                    lines = self._lines()
                    lost(len(lines) - len(lines) // 2)
                    self._write(lines[len(lines) - len(lines) // 2 :])
            fd = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(fd, line)
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
            OSError: the disk is full or fails; all stay where they are.
        """
        with alone(self._folder):
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


def _read(line: bytes) -> DeadLetter | None:
    try:
        return _decode(line)
    except msgspec.MsgspecError:
        return None
