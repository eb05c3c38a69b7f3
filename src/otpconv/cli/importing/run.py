"""Importing a file: rows become batches, rejected rows go to a file, the progress is kept."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal, Self

import msgspec
from msgspec import Struct

from otpconv.cli.importing.checkpoint import Checkpoint, Note, Progress
from otpconv.cli.importing.header import read_header
from otpconv.cli.importing.lines import Lines
from otpconv.cli.importing.records import Reader
from otpconv.cli.importing.rows import Row, csv_rows, ndjson_rows
from otpconv.cli.importing.sender import Sender
from otpconv.cli.importing.source import text_of
from otpconv.dialects.native.reports import CONVERSIONS_PATH, MESSAGES_PATH
from otpconv.errors import InvalidRequest, Misconfigured

#: Rows and bytes of one batch; the server accepts 10,000 and 8 MiB.
BATCH_ROWS = 5_000
_BATCH_BYTES = 4 * 1024 * 1024
#: Lines in which to look for the first one that is not empty.
_PEEKED = 50

Format = Literal["csv", "ndjson"]


class Reject(Struct):
    """A line of the rejects file: where the row is, why it was rejected, and the row as it was."""

    line: int
    code: str
    message: str
    row: dict[str, object] | str


class Rejects:
    """The file of rejected rows; one without any is not left behind."""

    def __init__(self, path: Path, keep_bytes: int) -> None:
        """Open it, and keep what an interrupted run wrote: its first `keep_bytes`.

        Raises:
            Misconfigured: it can't be written.
        """
        self._path = path
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            if path.is_file():
                os.ftruncate(descriptor, min(keep_bytes, os.fstat(descriptor).st_size))
        except OSError as error:
            raise Misconfigured(f"{path} can't be written ({error.strerror}): give --rejects PATH") from None
        self._file = os.fdopen(descriptor, "wb")
        if path.is_file():
            self._file.seek(0, os.SEEK_END)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._path.is_file() and not self._path.stat().st_size:
            self._path.unlink()

    def write(self, lines: list[Reject]) -> int:
        """Add lines and return the size of the file after them, bytes."""
        for line in lines:
            self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()
        return self._file.tell() if self._file.seekable() else 0


class _Batch:
    """Rows on their way to the server."""

    def __init__(self) -> None:
        self.rows = 0
        self.left_out = 0
        self.size = 0
        self.messages: list[tuple[Row, bytes]] = []
        self.conversions: list[tuple[Row, bytes]] = []
        self.rejects: list[Reject] = []
        self.notes: dict[str, Note] = {}

    def add(self, row: Row, reader: Reader) -> None:
        self.rows += 1
        if row.problem is not None or isinstance(row.original, str):
            self.reject(row, InvalidRequest.code, f"{row.problem}.")
            return
        if not reader.wants(row.original):
            self.left_out += 1
            return
        try:
            reports = reader.read(row.original)
        except InvalidRequest as error:
            self.reject(row, error.code, error.text)
            return
        if reports.message is not None:
            self.messages.append((row, reports.message))
        if reports.conversion is not None:
            self.conversions.append((row, reports.conversion))
        self.size += len(reports.message or b"") + len(reports.conversion or b"")
        for text in reports.notes:
            self.note(row, text)

    def note(self, row: Row, text: str) -> None:
        found = self.notes.setdefault(text, Note(0, row.line))
        found.count += 1

    def reject(self, row: Row, code: str, message: str) -> None:
        self.rejects.append(Reject(row.line, code, message, row.original))

    @property
    def full(self) -> bool:
        return self.rows >= BATCH_ROWS or self.size >= _BATCH_BYTES


class Table(Struct):
    """How a file is read: its kind, its encoding, and what separates its columns; None: as it looks.

    Attributes:
        kind: CSV or NDJSON.
        encoding: the encoding.
        delimiter: the character between columns.
        renamed: columns of the file, by our field.
        usual_encoding: the encoding of a file that is not UTF-8.
    """

    kind: Format | None
    encoding: str | None
    delimiter: str | None
    renamed: Mapping[str, str]
    usual_encoding: str | None = None

    def open(self, stream: BinaryIO) -> tuple[Lines, list[str] | None, Iterator[Row]]:
        """Return the lines of a stream that stands at its beginning, the columns of CSV, and the rows.

        Raises:
            Misconfigured: it is not a file of this kind.
        """
        lines = Lines(text_of(stream, self.encoding, self.usual_encoding))
        if (self.kind or _kind(lines)) == "ndjson":
            return lines, None, ndjson_rows(lines)
        header = read_header(lines, self.delimiter, self.renamed)
        return lines, header.columns, csv_rows(lines, header)


class Import:
    """One run: reads rows, sends them in batches, and keeps the progress after each."""

    def __init__(
        self, sender: Sender, reader: Reader, rejects: Rejects, checkpoint: Checkpoint, done: Progress
    ) -> None:
        """Import to a server.

        Args:
            sender: sends batches.
            reader: makes reports of rows.
            rejects: keeps rejected rows.
            checkpoint: keeps the progress.
            done: the progress made before; it is brought up to date.
        """
        self._sender = sender
        self._reader = reader
        self._rejects = rejects
        self._checkpoint = checkpoint
        self._done = done

    def run(self, stream: BinaryIO, table: Table, show: Callable[[], None]) -> None:
        """Import from where the progress stands to the end; call `show` after each batch.

        Raises:
            Misconfigured: the file is not of this kind, or its header can't be meant.
            Refused: the server refuses a call as a whole.
            Unavailable: the server does not come back.
        """
        lines, columns, rows = table.open(stream)
        if columns is not None:
            self._reader.set_columns(columns)
        lines.skip_to(self._done.line)
        batch = _Batch()
        for row in rows:
            batch.add(row, self._reader)
            if batch.full:
                self._send(batch, lines)
                show()
                batch = _Batch()
        if batch.rows:
            self._send(batch, lines)

    def _send(self, batch: _Batch, lines: Lines) -> None:
        done = self._done
        recorded = unchanged = 0
        for path, reports in ((MESSAGES_PATH, batch.messages), (CONVERSIONS_PATH, batch.conversions)):
            if reports:
                answer = self._sender.send(path, [body for _, body in reports])
                recorded += answer.recorded
                unchanged += answer.unchanged
                for ignored in answer.ignored:
                    text = f"{ignored.field} is ignored: {ignored.message}"
                    batch.note(reports[ignored.index][0], text)
                done.ignored += len(answer.ignored)
                for rejected in answer.rejected:
                    batch.reject(reports[rejected.index][0], rejected.code, rejected.message)
        batch.rejects.sort(key=lambda reject: reject.line)
        done.rejects_bytes = self._rejects.write(batch.rejects)
        if batch.rejects and not done.first_reject:
            done.first_reject = f"line {batch.rejects[0].line}: {batch.rejects[0].message}"
        done.rejected += len(batch.rejects)
        done.recorded += recorded
        done.unchanged += unchanged
        done.rows += batch.rows
        done.left_out += batch.left_out
        for text, found in batch.notes.items():
            known = done.notes.get(text, Note(0, found.line))
            done.notes[text] = Note(known.count + found.count, known.line)
        done.line = lines.line
        self._checkpoint.save(done)


def _kind(lines: Lines) -> Format:
    """Return what a file is by its first character that is not blank: JSON begins with a bracket."""
    first = next((line.lstrip() for line in lines.peek(_PEEKED) if line.strip()), "")
    return "ndjson" if first.startswith(("{", "[")) else "csv"
