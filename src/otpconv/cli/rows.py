"""Reading the rows of CSV and NDJSON files as streams: a damaged row never harms its neighbours."""

import csv
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

import msgspec
from msgspec import Struct

from otpconv.errors import Misconfigured
from otpconv.rates.cells import unescaped

#: Bytes of one line at most; a longer one is no row.
MAX_LINE_BYTES = 1024 * 1024
_BOM = b"\xef\xbb\xbf"
#: What files begin with that are not text in UTF-8, and what to do about it.
_FOREIGN = {
    b"\xff\xfe": "is UTF-16: convert it first, as iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "is UTF-16: convert it first, as iconv -f UTF-16 -t UTF-8",
    b"\x1f\x8b": "is compressed: unpack it first, as gunzip -c FILE | otpconv import -",
    b"PK\x03\x04": "is a spreadsheet or an archive: save it as CSV first",
}


class Row(Struct):
    """One row of a file.

    Attributes:
        line: the number of its first line, from 1.
        original: as it stands in the file: its values by column, or its text where it is not even a row.
        problem: why it is no row; None when it is one.
    """

    line: int
    original: dict[str, object] | str
    problem: str | None = None


class Lines:
    """The lines of a binary stream, one by one, which knows where it is.

    Attributes:
        position: bytes read.
        line: lines read.
        damaged: whether the current record holds something that is not UTF-8.
    """

    def __init__(self, stream: BinaryIO, position: int = 0, line: int = 0) -> None:
        """Take a stream that stands at `position`, which is after `line` lines."""
        self._stream = stream
        # Lines, and how many bytes more they have than anybody wants to read.
        self._ahead: deque[tuple[bytes, int]] = deque()
        self._record: list[tuple[bytes, int]] = []
        self.position = position
        self.line = line
        self.damaged = False

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        data, cut = self._ahead.popleft() if self._ahead else self._read_line()
        if not data:
            raise StopIteration
        if self.position == 0:
            _check_kind(data)
        self.position += len(data) + cut
        self.line += 1
        self._record.append((data, cut))
        if cut:
            raise csv.Error(f"a line of more than {MAX_LINE_BYTES:,} bytes")
        try:
            return (data.removeprefix(_BOM) if self.line == 1 else data).decode()
        except UnicodeDecodeError:
            self.damaged = True
            return data.decode(errors="backslashreplace")

    def begin_record(self) -> None:
        """Say that the next line is the first of a new record."""
        self._record = []
        self.damaged = False

    def end_record_early(self) -> str:
        """Give back all lines of the record but the first, to be read again, and return the first."""
        first, *others = self._record
        self._ahead.extendleft(reversed(others))
        self.position -= sum(len(data) + cut for data, cut in others)
        self.line -= len(others)
        return first[0].decode(errors="backslashreplace").rstrip("\r\n")

    def _read_line(self) -> tuple[bytes, int]:
        data = self._stream.readline(MAX_LINE_BYTES)
        cut = 0
        if len(data) == MAX_LINE_BYTES:
            more = data
            while more and not more.endswith(b"\n"):
                more = self._stream.readline(MAX_LINE_BYTES)
                cut += len(more)
        return data, cut


class Csv:
    """The rows of a CSV file with a header row; separated by commas, semicolons or tabs."""

    def __init__(self, lines: Lines) -> None:
        """Read the header.

        Raises:
            Misconfigured: there is none.
        """
        lines.begin_record()
        try:
            first = next(lines)
            self._delimiter = next((mark for mark in ",;\t" if mark in first), ",")
            (self.columns,) = csv.reader([first], delimiter=self._delimiter, strict=True)
        except StopIteration:
            raise Misconfigured("the file is empty: a CSV file begins with a row of column names") from None
        except (csv.Error, ValueError) as error:
            raise Misconfigured(f"the header row can't be read ({error}); is it a CSV file?") from None
        if lines.damaged:
            raise Misconfigured("the header row is not UTF-8: convert it first, as iconv -f LATIN1 -t UTF-8")
        self.columns = [name.strip() for name in self.columns]

    def rows(self, lines: Lines) -> Iterator[Row]:
        """Return the rows after the header, blank ones left out."""
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        while True:
            lines.begin_record()
            number = lines.line + 1
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                # A quote that nobody closed takes in all that follows: only its first line is to blame.
                yield Row(number, lines.end_record_early(), f"not a row of CSV: {error}")
                continue
            if not any(values):
                continue
            # An empty value is an absent one, here and when the row is imported again from the rejects file.
            named = zip(self.columns, values, strict=False)
            original: dict[str, object] = {name: unescaped(value) for name, value in named if value.strip()}
            problem = "not UTF-8" if lines.damaged else None
            if len(values) != len(self.columns):
                problem = f"{len(values)} values, and the header has {len(self.columns)} columns"
                original[""] = values[len(self.columns) :]
            yield Row(number, original, problem)


def ndjson_rows(lines: Lines) -> Iterator[Row]:
    """Return the rows of a file with one JSON object a line, blank lines left out."""
    while True:
        lines.begin_record()
        try:
            text = next(lines).strip()
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(lines.line, lines.end_record_early(), str(error))
            continue
        if not text:
            continue
        if text == "[" and lines.line == 1:
            raise Misconfigured("the file is one JSON list: turn it into lines first, as jq -c '.[]' FILE")
        try:
            found = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            yield Row(lines.line, text, f"not JSON: {error}")
            continue
        if not isinstance(found, dict):
            yield Row(lines.line, text, "not a JSON object")
        else:
            yield Row(lines.line, found, "not UTF-8" if lines.damaged else None)


def _check_kind(beginning: bytes) -> None:
    for mark, advice in _FOREIGN.items():
        if beginning.startswith(mark):
            raise Misconfigured(f"the file {advice}")
