"""Encryption of stored secrets (AES-256-GCM), and the sealing key."""

import base64
import binascii
import contextlib
import os
import secrets
import shlex
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from otpconv.errors import Misconfigured

KEY_BYTES = 32

_NONCE_BYTES = 12

#: The first byte of all sealed data, so that another cipher can follow later.
_VERSION = b"\x01"

#: The permission bits of the group and of others.
_FOREIGN_RIGHTS = 0o077


class Sealer:
    """Encrypts bytes, so that only the holder of the key can read them, and only in the right context.

    Args:
        key: 32 bytes, from `load_key`.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"A sealing key has {KEY_BYTES} bytes.")
        self._key = key
        self._cipher = AESGCM(self._expand(b"otpconv seal"))

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Return `plain` encrypted. The context is not stored: pass the same one to `open`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Decrypt bytes that were sealed for `context`.

        Raises:
            Misconfigured: they were sealed with another key or for another context, or are damaged.
        """
        start = len(_VERSION)
        body = start + _NONCE_BYTES
        if sealed.startswith(_VERSION):
            # A nonce or a tag that is cut short raises ValueError.
            with contextlib.suppress(InvalidTag, ValueError):
                return self._cipher.decrypt(sealed[start:body], sealed[body:], context)
        raise Misconfigured(
            "A sealed secret does not open with this sealing key: give the key that was in use when the "
            "secret was stored, or restore key and data from the same backup."
        )

    def derive(self, purpose: str) -> bytes:
        """Return a key of 32 bytes for `purpose`; nobody can derive one purpose's key from another's."""
        return self._expand(b"otpconv derive:" + purpose.encode())

    def _expand(self, info: bytes) -> bytes:
        return HKDFExpand(hashes.SHA256(), KEY_BYTES, info).derive(self._key)


def to_text(sealed: bytes) -> str:
    """Return sealed bytes as text that needs no escaping in URLs and cookies: base64 without padding."""
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def from_text(text: str) -> bytes:
    """Return the bytes of a text from `to_text`; characters outside of base64 are skipped.

    Raises:
        ValueError: the text is not base64.
    """
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def load_key(path: Path, given: str | None, *, make: bool = True) -> bytes:
    """Return the sealing key, 32 bytes: the given one, or else the one in the file, created if necessary.

    Args:
        path: the file of the key; not used if a key is given.
        given: the key from the settings, in base64 or hexadecimal; None if they have none.
        make: whether to create the file if it does not exist. Pass False if phone numbers are already stored:
            another key would give other hashes.

    Raises:
        Misconfigured: the key is malformed, or the file can't be read, is readable by others, or is missing.
    """
    if given is not None:
        key = _decode(given)
        if key is None:
            raise Misconfigured(
                "The sealing key in the settings is not 32 bytes in base64 or hexadecimal; "
                "make one with: openssl rand -base64 32"
            )
        return key
    try:
        if not path.exists():
            if not make:
                raise _gone(path)
            _create(path)
        return _read(path)
    except OSError as error:
        raise Misconfigured(
            f"The sealing key {path} cannot be read or made: {error.strerror}. "
            "Make its directory writable for the user that runs otpconv, or give the key in the settings."
        ) from error


def _gone(path: Path) -> Misconfigured:
    return Misconfigured(
        f"The sealing key {path} is gone. Restore it from a backup, or give it in the settings if it was"
        " there before. If it is lost, make a new one, which fits neither the access keys nor the numbers"
        f" that are stored: (umask 077; openssl rand -base64 32 > {shlex.quote(str(path))})"
    )


def _decode(text: str) -> bytes | None:
    compact = text.strip()
    try:
        if len(compact) == 2 * KEY_BYTES:
            key = bytes.fromhex(compact)
        else:
            standard = compact.rstrip("=").replace("-", "+").replace("_", "/")
            key = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None
    return key if len(key) == KEY_BYTES else None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        if os.name == "posix" and os.fstat(file.fileno()).st_mode & _FOREIGN_RIGHTS:
            raise Misconfigured(f"The sealing key {path} is open to other users; run: chmod 600 {path}")
        text = file.read(1024).decode("ascii", "replace")
    key = _decode(text)
    if key is None:
        raise Misconfigured(
            f"The file {path} does not hold a sealing key (32 bytes in base64 or hexadecimal); "
            "restore it from a backup, since secrets sealed with it open with no other key."
        )
    return key


def _create(path: Path) -> None:
    """Create the key file, unless another process creates it at the same time.

    The complete file is linked to its name in one step, so nobody ever reads half a key. If two processes
    start at once, the link of the second one fails, and both use the key of the first one.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
