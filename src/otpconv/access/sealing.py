"""Secrets at rest: the sealing key, and what is sealed with it (AES-256-GCM)."""

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

#: The first byte of everything sealed, so that another cipher can follow one day.
_VERSION = b"\x01"

#: Any right for the group or for others.
_FOREIGN_RIGHTS = 0o077


class Sealer:
    """Seals bytes so that only the holder of the key reads them, and only in the context they are for.

    Args:
        key: 32 bytes, from `load_key`.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"A sealing key has {KEY_BYTES} bytes.")
        self._key = key
        self._cipher = AESGCM(self._expand(b"otpconv seal"))

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Return `plain` encrypted; `context` is not stored, and `open` must be given the same."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return what was sealed for `context`.

        Raises:
            Misconfigured: it was sealed with another key or for another context, or it is damaged.
        """
        start = len(_VERSION)
        body = start + _NONCE_BYTES
        if sealed.startswith(_VERSION):
            # A nonce or a tag cut short is a ValueError.
            with contextlib.suppress(InvalidTag, ValueError):
                return self._cipher.decrypt(sealed[start:body], sealed[body:], context)
        raise Misconfigured(
            "A sealed secret does not open with this sealing key: give the key that was in use when the "
            "secret was stored, or restore key and data from the same backup."
        )

    def derive(self, purpose: str) -> bytes:
        """Return a key of 32 bytes for `purpose`; keys of different purposes tell nothing of each other."""
        return self._expand(b"otpconv derive:" + purpose.encode())

    def _expand(self, info: bytes) -> bytes:
        return HKDFExpand(hashes.SHA256(), KEY_BYTES, info).derive(self._key)


def load_key(path: Path, given: str | None, *, make: bool = True) -> bytes:
    """Return the sealing key, 32 bytes: the given one, else the one in the file, which is made if need be.

    Args:
        path: the file of the key; not touched when a key is given.
        given: the key as text, base64 or hexadecimal, from the settings; None when they hold none.
        make: whether to make the file if it is not there. Not where numbers are stored already: no other key
            gives the same hashes.

    Raises:
        Misconfigured: the key is malformed, or the file cannot be used, is open to others, or is gone.
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
    """Make the key file, or leave the one that another process made meanwhile.

    The whole file is linked to its name in one step: nobody ever reads half a key, and of two processes that
    start at once the second one's link fails, so both go on with the first one's key.
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
