"""How far an import has come, beside its file, so that another run goes on from there."""

import os
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from otpconv.cli.terminal import note

#: Bytes at the beginning of a file that identify it.
_HEAD_BYTES = 64 * 1024


class Note(Struct):
    """Something that was assumed or repaired: how often, and in which line first."""

    count: int
    line: int


class Progress(Struct):
    """The acknowledged part of a file.

    Attributes:
        source: fingerprint of the file and of the options it was read with.
        line: lines of the file; an interrupted run goes on after them, whatever the encoding and compression.
        rows: rows of the file.
        left_out: rows that `--only` did not ask for.
        recorded: reports that were new.
        unchanged: reports that were known.
        rejected: lines in the rejects file.
        rejects_bytes: its size.
        ignored: phone numbers that reports were taken without.
        first_reject: the first of them, for the summary.
        notes: the assumptions and repairs, by text.
    """

    source: str
    line: int = 0
    rows: int = 0
    left_out: int = 0
    recorded: int = 0
    unchanged: int = 0
    rejected: int = 0
    rejects_bytes: int = 0
    ignored: int = 0
    first_reject: str = ""
    notes: dict[str, Note] = {}


class Checkpoint:
    """The file that keeps the progress of an import; without a path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        """Create the checkpoint.

        Args:
            path: the file that keeps it; None: nothing is kept.
        """
        self._path = path

    def load(self) -> Progress | None:
        """Return what an interrupted run left; None when there is nothing, or nothing that can be read."""
        if self._path is None:
            return None
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Progress)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def save(self, progress: Progress) -> None:
        """Keep the progress; whoever reads it finds this or the one before, never half of it."""
        if self._path is None:
            return
        draft = self._path.with_name(f"{self._path.name}.new")
        try:
            draft.write_bytes(msgspec.json.encode(progress))
            draft.replace(self._path)
        except OSError as error:
            note(f"{self._path} can't be written ({error.strerror}): interrupted, the import starts over")
            self._path = None

    def remove(self) -> None:
        """Forget the progress: the import is complete."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def fingerprint(stream: BinaryIO, options: object) -> str:
    """Return what tells this file and these options from others, and rewind the stream."""
    head = stream.read(_HEAD_BYTES)
    stream.seek(0, os.SEEK_SET)
    return sha256(repr(options).encode() + head).hexdigest()
