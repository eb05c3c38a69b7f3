"""Recipients' numbers in the spool: sealed with a key of the spool's own, never in clear on the disk."""

import os
from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_BYTES = 32
_NONCE_BYTES = 12
KEY_FILE = "number.key"


class Numbers:
    """Seals and opens numbers, by AES-256-GCM; every process on the spool does so with the same key."""

    def __init__(self, folder: Path) -> None:
        """Take the key of a spool, made when there is none; hold the folder's lock.

        Raises:
            OSError: it can't be read or made.
            ValueError: it is damaged.
        """
        file = folder / KEY_FILE
        if not file.exists():
            fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.write(fd, os.urandom(_KEY_BYTES))
                os.fsync(fd)
            finally:
                os.close(fd)
        self._cipher = AESGCM(file.read_bytes())

    def seal(self, number: str) -> str:
        """Return the number sealed, as a text."""
        nonce = os.urandom(_NONCE_BYTES)
        return b64encode(nonce + self._cipher.encrypt(nonce, number.encode(), None)).decode()

    def open(self, sealed: str) -> str:
        """Return the number.

        Raises:
            ValueError: it was sealed with another key, or is damaged.
        """
        data = b64decode(sealed)
        try:
            return self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], None).decode()
        except InvalidTag:
            raise ValueError("sealed with another key") from None
