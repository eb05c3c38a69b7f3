"""The lines of a text, one by one and bounded, with errors in their bytes."""

import csv
import io
import re
import zlib
from collections import deque
from itertools import islice

from otpconv.errors import Misconfigured

#: A line of this many characters or more is not read as a row.
MAX_LINE_CHARS = 1024 * 1024
#: Characters that are kept of a damaged or unreadable line, to show it.
_SHOWN_CHARS = 64 * 1024
_DAMAGE = re.compile("[\udc00-\udcff]")
#: Chinese in GB 2312: pairs of bytes, both with the high bit.
_GB2312 = re.compile(rb"(?:[\x00-\x7f]|[\xa1-\xf7][\xa1-\xfe])*")


class Lines:
    """The lines of a text.

    Attributes:
        line: lines read.
    """

    def __init__(self, text: io.TextIOWrapper) -> None:
        """Read from a text that stands at its beginning."""
        self._text = text
        self._ahead: deque[str] = deque()
        self._record: list[str] = []
        self.line = 0

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else self._read_line()
        if not line:
            raise StopIteration
        self.line += 1
        self._record.append(line)
        if len(line) >= MAX_LINE_CHARS:
            raise csv.Error(f"the line has more than {MAX_LINE_CHARS:,} characters")
        return line

    def begin_record(self) -> None:
        """Make the next line the first of a new record."""
        self._record = []

    def end_record_early(self) -> str:
        """Put back all lines of the record but the first, to be read again, and return the first."""
        first, *others = self._record
        self._ahead.extendleft(reversed(others))
        self.line -= len(others)
        return printable(first[:_SHOWN_CHARS]).rstrip("\r\n")

    def peek(self, count: int) -> list[str]:
        """Return the next `count` lines, or as many as there are, without going on."""
        while len(self._ahead) < count and (line := self._read_line()):
            self._ahead.append(line)
        return list(islice(self._ahead, count))

    def skip_to(self, line: int) -> None:
        """Go on until `line` lines are read."""
        while self.line < line and (self._ahead.popleft() if self._ahead else self._read_line()):
            self.line += 1

    def damage(self) -> str | None:
        """Return the error in the bytes of the current record, or None."""
        number = self.line - len(self._record)
        for line in self._record:
            number += 1
            # A text knows whether it is ASCII; most lines are.
            if not line.isascii() and (found := describe_damage(line, self._text.encoding)) is not None:
                return f"line {number} {found}"
        return None

    @property
    def encoding(self) -> str:
        """The name of the encoding."""
        return self._text.encoding

    def _read_line(self) -> str:
        try:
            line = part = self._text.readline(MAX_LINE_CHARS)
            while len(part) == MAX_LINE_CHARS and part[-1] not in "\r\n":
                part = self._text.readline(MAX_LINE_CHARS)
        except (EOFError, OSError, zlib.error) as error:
            # Only a compressed file ends with an error.
            raise Misconfigured(
                f"the file can't be read after line {self.line + len(self._ahead):,} ({error}):"
                " it is truncated or damaged; get the file again"
            ) from None
        return line


def describe_damage(text: str, encoding: str) -> str | None:
    """Return which byte is not of the encoding, and which encoding to try; None: all are."""
    found = _DAMAGE.search(text)
    if found is None:
        return None
    name = encoding.removesuffix("-sig").upper()
    byte = ord(found[0]) & 0xFF
    likely = "gb18030"
    if name == "UTF-8":
        raw = text.encode("utf-8", "surrogateescape")
        likely = "gb18030" if _GB2312.fullmatch(raw) else "cp1252"
    advice = "another --encoding" if name == "GB18030" else f"--encoding, e.g. --encoding {likely}"
    return f"holds the byte 0x{byte:02X}, which is not {name}: give {advice}"


def printable(text: str) -> str:
    r"""Return a text with each damaged byte written like `\xe4`."""
    return _DAMAGE.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", text)
