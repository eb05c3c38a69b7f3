"""Who is signed in to the pages: sealed into a cookie, so it survives a restart and nothing is stored.

A sign-in ends when it was not used for two hours, after a week, when its access key is disabled or deleted,
or by signing out. The latter two are for good, for every copy of the cookie: see `access/sign_outs.py`.
"""

import secrets

from msgspec import MsgspecError, Struct, msgpack

from otpconv.access.sealing import Sealer, from_text, to_text
from otpconv.errors import Misconfigured

#: How long an unused sign-in lasts, ms.
IDLE_MS = 2 * 60 * 60_000
#: How long a sign-in lasts, ms.
LONGEST_MS = 7 * 24 * 60 * 60_000
#: How old a cookie gets before it is renewed, ms.
_RENEW_MS = 5 * 60_000
#: How far a cookie's time may be ahead of the clock, ms; more means that the clock was wrong.
_AHEAD_MS = 60_000
#: A cookie of ours has some 200 characters; a longer one is not decoded. Heads may have 64 KiB.
_MAX_CHARS = 1_024

_CONTEXT = b"signed in"


class SignedIn(Struct, frozen=True, array_like=True):
    """One sign-in. The order of the fields is the format of a cookie.

    Attributes:
        access_key_id: of the key it was proven with; what it may do is looked up at each use.
        form_token: stands in every form of its pages; known to nobody else, so it names the sign-in too.
        since: when it began, ms.
        seen_at: when its cookie was made, ms.
    """

    access_key_id: str
    form_token: str
    since: int
    seen_at: int

    # typing.override is not in Python 3.11, hence the marker.
    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return f"SignedIn({self.access_key_id!r}, since={self.since!r})"


class SignIns:
    """Makes and opens the cookies.

    Args:
        sealer: seals the cookies.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def start(self, access_key_id: str, now: int) -> SignedIn:
        """Return a new sign-in of somebody who has proven to hold this key."""
        return SignedIn(access_key_id, secrets.token_urlsafe(18), now, now)

    def seal(self, signed_in: SignedIn) -> str:
        """Return the value of the cookie."""
        return to_text(self._sealer.seal(msgpack.encode(signed_in), _CONTEXT))

    def open(self, cookie: str, now: int) -> SignedIn | None:
        """Return the sign-in of a cookie; None when it is over, or the cookie is not ours."""
        if len(cookie) > _MAX_CHARS:
            return None
        try:
            signed_in = msgpack.decode(self._sealer.open(from_text(cookie), _CONTEXT), type=SignedIn)
        except (ValueError, Misconfigured, MsgspecError):
            return None
        over = now >= min(signed_in.seen_at + IDLE_MS, signed_in.since + LONGEST_MS)
        return None if over or signed_in.seen_at > now + _AHEAD_MS else signed_in

    def renewed(self, signed_in: SignedIn, now: int) -> SignedIn | None:
        """Return the sign-in as seen now; None while its cookie is young."""
        if now - signed_in.seen_at < _RENEW_MS:
            return None
        return SignedIn(signed_in.access_key_id, signed_in.form_token, signed_in.since, now)
