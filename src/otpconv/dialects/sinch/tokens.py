"""The access tokens that Sinch's clients ask for: made and verified by the same code.

A token names its access key and when it expires, and is signed with the AccessKeySecret. So it needs no
storage, and it ends when the key is deleted or disabled.
"""

import hashlib
import hmac
import re
from typing import Final

from msgspec import Struct

from otpconv.errors import SignatureMismatch

#: How long a token is valid, s.
LIFETIME_S: Final = 3_600

#: Distinguishes this signature from all others that are made with an AccessKeySecret.
_PURPOSE: Final = b"otpconv sinch access token\n"
_TOKEN: Final = re.compile(r"otpconv\.([!-\-/-~]{1,128})\.([0-9]{1,12})\.([0-9a-f]{64})")


class AccessToken(Struct, frozen=True):
    """A token that was read and is not verified yet.

    Attributes:
        access_key_id: the id of the access key that it stands for.
        expires_at: ms, a whole second.
        signature: as it was sent.
    """

    access_key_id: str
    expires_at: int
    signature: str

    def verify(self, secret: str) -> None:
        """Check in constant time that the token was made with `secret`, the AccessKeySecret.

        Raises:
            SignatureMismatch: it was made with another secret, or was changed.
        """
        expected = _signature(self.access_key_id, self.expires_at // 1_000, secret)
        if not hmac.compare_digest(expected, self.signature):
            raise SignatureMismatch(
                "The access token is not of this server, or was changed. Ask for a new one."
            )


def make_token(access_key_id: str, secret: str, now: int) -> str:
    """Return a token for an access key whose secret was proven; `now` is in ms UTC."""
    expires_at_s = now // 1_000 + LIFETIME_S
    return f"otpconv.{access_key_id}.{expires_at_s}.{_signature(access_key_id, expires_at_s, secret)}"


def read_token(text: str) -> AccessToken | None:
    """Return the token in a text; None if the text has another form."""
    match = _TOKEN.fullmatch(text)
    return AccessToken(match[1], int(match[2]) * 1_000, match[3]) if match else None


def _signature(access_key_id: str, expires_at_s: int, secret: str) -> str:
    text = f"{access_key_id}\n{expires_at_s}".encode()
    return hmac.new(secret.encode(), _PURPOSE + text, hashlib.sha256).hexdigest()
