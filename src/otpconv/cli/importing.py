"""Importing a file: rows become batches, what is rejected goes to a file, the progress is kept."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

import msgspec
from msgspec import Struct

from otpconv.cli.checkpoint import Checkpoint, Progress
from otpconv.cli.records import Reader
from otpconv.cli.rows import Csv, Lines, Row, ndjson_rows
from otpconv.cli.sender import Sender
from otpconv.cli.terminal import note
from otpconv.errors import InvalidRequest, Misconfigured

#: Rows and bytes of one batch at most; the server takes 10,000 and 8 MiB.
BATCH_ROWS = 5_000
_BATCH_BYTES = 4 * 1024 * 1024
#: So many ignored fields are reported with their line; all are counted.
_IGNORED_SHOWN = 5

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
        self.size = 0
        self.messages: list[tuple[Row, bytes]] = []
        self.conversions: list[tuple[Row, bytes]] = []
        self.rejects: list[Reject] = []

    def add(self, row: Row, reader: Reader) -> None:
        self.rows += 1
        if row.problem is not None or isinstance(row.original, str):
            self.reject(row, InvalidRequest.code, f"{row.problem}.")
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

    def reject(self, row: Row, code: str, message: str) -> None:
        self.rejects.append(Reject(row.line, code, message, row.original))

    @property
    def full(self) -> bool:
        return self.rows >= BATCH_ROWS or self.size >= _BATCH_BYTES


class Import:
    """One run: reads rows, sends them in batches, and keeps the progress after each."""

    def __init__(
        self, sender: Sender, reader: Reader, rejects: Rejects, checkpoint: Checkpoint, done: Progress
    ) -> None:
        """Take where the rows go, what reads and what keeps them, and the progress made before."""
        self._sender = sender
        self._reader = reader
        self._rejects = rejects
        self._checkpoint = checkpoint
        self._done = done

    def run(self, stream: BinaryIO, kind: Format, show: Callable[[int], None]) -> None:
        """Import from where the progress stands to the end; `show` is called with the position, bytes.

        Raises:
            Misconfigured: the file is not of this kind, or its header can't be meant.
            Refused: the server refuses a call as a whole.
            Unavailable: the server does not come back.
        """
        lines, rows = self._rows(stream, kind)
        batch = _Batch()
        for row in rows:
            batch.add(row, self._reader)
            if batch.full:
                self._send(batch, lines)
                show(lines.position)
                batch = _Batch()
        if batch.rows:
            self._send(batch, lines)

    def _rows(self, stream: BinaryIO, kind: Format) -> tuple[Lines, Iterator[Row]]:
        lines = Lines(stream)
        table = Csv(lines) if kind == "csv" else None
        if table is not None:
            self._reader.check_columns(table.columns)
        if self._done.position:
            stream.seek(self._done.position)
            lines = Lines(stream, self._done.position, self._done.line)
        return lines, ndjson_rows(lines) if table is None else table.rows(lines)

    def _send(self, batch: _Batch, lines: Lines) -> None:
        done = self._done
        recorded = unchanged = 0
        for path, reports in (("/v1/messages", batch.messages), ("/v1/conversions", batch.conversions)):
            if reports:
                answer: dict[str, Any] = self._sender.send(path, [body for _, body in reports])
                recorded += answer["recorded"]
                unchanged += answer["unchanged"]
                for each in answer.get("ignored", []):
                    if done.ignored < _IGNORED_SHOWN:
                        line = reports[each["index"]][0].line
                        note(f"line {line}: {each['field']} is ignored: {each['message']}")
                    done.ignored += 1
                for reject in answer["rejected"]:
                    batch.reject(reports[reject["index"]][0], reject["code"], reject["message"])
        batch.rejects.sort(key=lambda reject: reject.line)
        done.rejects_bytes = self._rejects.write(batch.rejects)
        done.rejected += len(batch.rejects)
        done.recorded += recorded
        done.unchanged += unchanged
        done.rows += batch.rows
        done.position, done.line = lines.position, lines.line
        self._checkpoint.save(done)
