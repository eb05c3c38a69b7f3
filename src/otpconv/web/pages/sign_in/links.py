"""Links that sign in once: `serve` prints one on a terminal, as notebook servers do."""

import hashlib
import secrets

from otpconv.clock import iso_8601
from otpconv.errors import BadCredentials

#: How long a link is valid, ms.
VALID_MS = 60 * 60_000


class OneTimeLinks:
    """The links that were not followed yet; in memory, by a hash of their tokens."""

    def __init__(self) -> None:
        self._open: dict[bytes, tuple[str, int]] = {}

    def issue(self, access_key_id: str, now: int) -> str:
        """Return the token of a new link, which signs in the holder of this access key.

        Args:
            access_key_id: of an active key.
            now: ms.
        """
        token = secrets.token_urlsafe(32)
        self._open[_hash(token)] = access_key_id, now
        return token

    def redeem(self, token: str, now: int) -> tuple[str, int]:
        """Return whose access key a link is for, and when it was made (ms); the link is used up by that.

        Args:
            token: as it came.
            now: ms.

        Raises:
            BadCredentials: no link has it, it was followed before, or it is too old.
        """
        access_key_id, issued_at = self._open.pop(_hash(token), ("", 0))
        if not 0 <= now - issued_at < VALID_MS:
            raise BadCredentials(
                "This link was used before, or is too old: it is good once, within an hour, and the server's "
                f"time is {iso_8601(now)}. Sign in with an access key, or restart the server for a new one."
            )
        return access_key_id, issued_at


def _hash(token: str) -> bytes:
    # Looked up by hash, so the time of a lookup reveals nothing about existing tokens.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
