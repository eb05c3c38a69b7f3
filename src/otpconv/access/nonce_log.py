"""A log of admitted nonces on disk, from which the next start of the server restores the replay guard.

The journal has the nonces of recorded calls. This log has all admitted nonces, including those of calls that
were then refused or changed nothing, so that these can't be replayed after a restart either. A record is
written to the operating system before its call continues, so it survives the end of the process. Only `sync`
waits for the disk; calls that return credentials use it.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from struct import Struct

from otpconv.access.nonces import WINDOW_MS
from otpconv.errors import Misconfigured, Unavailable

#: Two signed numbers of 64 bits: the fingerprint, and the time of signing, ms. If the time is -1, the first
#: is a floor.
_RECORD = Struct("<qq")
_FLOOR = -1
#: The age at which a file is complete, s: then all nonces in the file before it are too old to be replayed.
_DONE_S = 2 * WINDOW_MS / 1000 + 60
#: A file is also complete with this many records, 64 MiB: 2,200 calls per second for that time.
_DONE_RECORDS = 4 * 1024 * 1024
#: The number of records to read at once.
_PART = 65_536


class NonceLog:
    """Two files, a newer and an older one; for one process at a time.

    Args:
        file: the path of the newer file; the older one has the suffix `.old`.

    Attributes:
        floor: requests signed in this second or before are refused, because their nonces are forgotten; or
            -1.

    Raises:
        Misconfigured: a file can't be read.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._older = file.with_name(f"{file.name}.old")
        self.floor = max((first for first, second in self._records() if second == _FLOOR), default=-1)
        self._descriptor = -1
        self._count = 0
        self._done_at = 0.0

    def remembered(self) -> Iterator[tuple[int, int]]:
        """Yield fingerprints and the times of signing, ms, the oldest first."""
        return (record for record in self._records() if record[1] != _FLOOR)

    def append(self, fingerprint: int, signed_at: int, floor: int) -> None:
        """Write that a nonce was admitted.

        Args:
            fingerprint: of the nonce.
            signed_at: when its request was signed, ms.
            floor: the floor of the guard: nonces up to this second are forgotten.

        Raises:
            Unavailable: the disk is full, fails or is read-only; then the nonce must not be admitted.
        """
        try:
            if self._descriptor < 0 or self._count >= _DONE_RECORDS or time.monotonic() >= self._done_at:
                self._turn(floor)
            self._write(_RECORD.pack(fingerprint, signed_at))
        except OSError as error:
            raise Unavailable(
                f"The file {self._file} can't be written ({error.strerror}); try again."
            ) from error

    def sync(self) -> None:
        """Wait until the written records are on the disk. Any thread may call it.

        Raises:
            Unavailable: the disk fails.
        """
        # Open by name, the newer file first: the files may be exchanged meanwhile.
        for path in (self._file, self._older, self._file.parent):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                os.fsync(descriptor)
            except OSError as error:
                raise self._unavailable(error) from error
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _turn(self, floor: int) -> None:
        """Open the newer file, or start a new one if it is complete."""
        if self._descriptor >= 0:
            self.close()
            self._file.replace(self._older)
        self._descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        size = os.fstat(self._descriptor).st_size
        # A full disk can leave half a record.
        os.ftruncate(self._descriptor, size - size % _RECORD.size)
        self._count = size // _RECORD.size
        self._done_at = time.monotonic() + _DONE_S
        if floor >= 0:
            self._write(_RECORD.pack(floor, _FLOOR))

    def _write(self, record: bytes) -> None:
        written = os.write(self._descriptor, record)
        if written < len(record):
            with suppress(OSError):
                os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
            raise OSError(0, "the disk is full")
        self._count += 1

    def _records(self) -> Iterator[tuple[int, int]]:
        for path in (self._older, self._file):
            try:
                with path.open("rb") as file:
                    while part := file.read(_RECORD.size * _PART):
                        yield from _RECORD.iter_unpack(part[: len(part) - len(part) % _RECORD.size])
            except FileNotFoundError:
                continue
            except OSError as error:
                raise Misconfigured(f"{path} can't be read: {error.strerror}") from error

    def _unavailable(self, error: OSError) -> Unavailable:
        return Unavailable(f"The file {self._file} can't be written ({error.strerror}); try again.")
