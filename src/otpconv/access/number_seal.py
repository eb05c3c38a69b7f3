"""Seals phone numbers for vendors that know a message by its number, so that none is stored in clear.

A sealed number stands where the vendor's id of a message would. The same message and number give the same
text, so a repeated report is still the same report. Two messages to one number have nothing in common.
"""

from contextlib import suppress
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from otpconv.access.sealing import Sealer, from_text, to_text

_PREFIX: Final = "number:"


class NumberSeal:
    """Seals and opens numbers with AES-SIV.

    Args:
        sealer: its key is derived from the sealing key.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._cipher = AESSIV(sealer.derive("number of a message"))

    def seal(self, account: int, message_id: str, e164: str) -> str:
        """Return a text that stands for the number of a message."""
        return _PREFIX + to_text(self._cipher.encrypt(e164.encode(), _context(account, message_id)))

    def open(self, account: int, message_id: str, text: str) -> str:
        """Return the number in E.164; empty if the text was not sealed by this key for this message."""
        with suppress(InvalidTag, ValueError):
            sealed = from_text(text.removeprefix(_PREFIX))
            return self._cipher.decrypt(sealed, _context(account, message_id)).decode()
        return ""


def is_sealed_number(text: str) -> bool:
    """Return whether a vendor's id of a message is a sealed number."""
    return text.startswith(_PREFIX)


def _context(account: int, message_id: str) -> list[bytes]:
    return [b"%d" % account, message_id.encode()]
