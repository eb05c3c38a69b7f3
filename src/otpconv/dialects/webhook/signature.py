"""The signature of our own webhooks, made and verified by the same code, as Standard Webhooks defines it.

Base64 of an HMAC-SHA256 over `id.timestamp.body`. Source: the specification on standardwebhooks.com.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

ID: Final = b"webhook-id"
TIMESTAMP: Final = b"webhook-timestamp"
SIGNATURE: Final = b"webhook-signature"

#: How far the time of a signature may be from the time now, ms, as in the libraries of Standard Webhooks.
TOLERANCE_MS: Final = 5 * 60_000
_PREFIX: Final = "whsec_"
#: Signatures of one request that are compared; a sender has several while it changes its key.
_MAX_SIGNATURES: Final = 8
#: Digits of a time in seconds.
_MAX_DIGITS: Final = 12


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`.

    Args:
        secret: base64 after `whsec_`, as Standard Webhooks writes keys, or any other text.
        message_id: the value of `webhook-id`.
        timestamp: the value of `webhook-timestamp`, s.
        body: the exact body.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()


def verify(secret: str, fields: dict[bytes, bytes], body: bytes, now: int) -> bool:
    """Return whether `secret` made a signature of a request in the last minutes, in constant time.

    Args:
        secret: as `sign` has it.
        fields: the headers by name.
        body: the exact body.
        now: ms.
    """
    time = fields.get(TIMESTAMP, b"").decode("latin-1")
    if not (time.isascii() and time.isdecimal() and len(time) <= _MAX_DIGITS):
        return False
    if abs(int(time) * 1000 - now) > TOLERANCE_MS:
        return False
    expected = sign(secret, fields.get(ID, b"").decode("latin-1"), int(time), body).encode()
    given = fields.get(SIGNATURE, b"").split(b" ")[:_MAX_SIGNATURES]
    return any(hmac.compare_digest(each, expected) for each in given)


def _key(secret: str) -> bytes:
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            pass
    return secret.encode()
