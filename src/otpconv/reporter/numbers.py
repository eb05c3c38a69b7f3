"""Recipients' numbers in the spool: sealed with a key of the spool's own, never in clear on the disk."""

import errno
import os
from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import UNSET

from otpconv.delivery.reports import SEALED, Report, fields_of, line_of, read_line, with_fields
from otpconv.folder import alone

_KEY_BYTES = 32
_NONCE_BYTES = 12
KEY_FILE = "number.key"


class Numbers:
    """Seals and opens numbers, by AES-256-GCM; every process on the spool does so with the same key."""

    def __init__(self, folder: Path) -> None:
        """Use the key of a spool.

        Raises:
            OSError: it is not there, or can't be read.
            ValueError: it is damaged.
        """
        self._cipher = AESGCM((folder / KEY_FILE).read_bytes())

    def seal(self, number: str) -> str:
        """Return the number sealed, as a text."""
        nonce = os.urandom(_NONCE_BYTES)
        return b64encode(nonce + self._cipher.encrypt(nonce, number.encode(), None)).decode()

    def sealed(self, report: Report) -> Report:
        """Return a report as it may be on the disk."""
        if report.flags & SEALED or b'"to":' not in report.body:
            return report
        fields = fields_of(report)
        if fields.to is not UNSET:
            fields.to = self.seal(fields.to)
            report = with_fields(Report(report.flags | SEALED, report.body), fields)
        return report

    def in_clear(self, report: Report) -> Report:
        """Return a report as it is sent.

        Raises:
            ValueError: its number was sealed with another key, or is damaged.
        """
        fields = fields_of(report)
        if fields.to is not UNSET:
            fields.to = self._open(fields.to)
        return with_fields(report, fields, without=SEALED)

    def _open(self, sealed: str) -> str:
        data = b64decode(sealed)
        try:
            return self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], None).decode()
        except InvalidTag:
            raise ValueError("sealed with another key") from None


class NumberSealer:
    """Seals and opens the numbers of a spool whose key may not be there yet."""

    def __init__(self) -> None:
        self._numbers: Numbers | None = None

    @property
    def ready(self) -> bool:
        """Whether the key is there."""
        return self._numbers is not None

    def prepare(self, folder: Path, within_ms: int) -> None:
        """Read the key of a spool, and make it if there is none; wait up to `within_ms` for the folder.

        Raises:
            OSError: it can't be made or read.
        """
        if not (folder / KEY_FILE).exists():
            with alone(folder, within_ms=within_ms):
                make_key(folder)
        try:
            self._numbers = Numbers(folder)
        except ValueError as error:
            raise OSError(f"the number key in {folder} is damaged: remove it") from error

    def sealed(self, line: bytes) -> bytes:
        """Return the line as it may be on the disk: it can come from memory, with its number in clear."""
        report = None if self._numbers is None else read_line(line[:-1])
        if report is None or self._numbers is None:
            return line
        sealed = self._numbers.sealed(report)
        return line if sealed is report else line_of(sealed.flags, sealed.body)

    def in_clear(self, report: Report) -> Report:
        """Return the report with its number in clear.

        Raises:
            ValueError: it can't be opened.
        """
        if not report.flags & SEALED:
            return report
        if self._numbers is None:
            raise ValueError("the key of the spool's numbers is not there")
        return self._numbers.in_clear(report)


def make_key(folder: Path) -> None:
    """Make the key of a spool, if there is none; hold the folder's lock.

    Raises:
        OSError: it can't be made.
    """
    file = folder / KEY_FILE
    if file.exists():
        return
    # Complete before it has its name: a full disk, or a kill, must not leave a piece of a key.
    unfinished = file.with_suffix(".new")
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        if os.write(fd, os.urandom(_KEY_BYTES)) < _KEY_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(fd)
    finally:
        os.close(fd)
    unfinished.rename(file)
