"""Links that sign somebody in to the pages once, within an hour.

A link is sealed with the server's sealing key. So processes that can read this key make links while the
server runs: a server that starts on a terminal, and `otpconv sign-in-link`. The server stores only that a
link was used, beside the sign-ins that were ended (`sign_outs.py`).
"""

import secrets

from msgspec import MsgspecError, Struct, msgpack

from otpconv.access.sealing import Sealer, from_text, to_text
from otpconv.clock import iso_8601
from otpconv.errors import BadCredentials, Misconfigured

#: How long a link is valid, ms.
VALID_MS = 60 * 60_000
#: How far a link's time may be ahead of the clock, ms.
_AHEAD_MS = 60_000
#: A token of ours has some 120 characters; a longer one is not decoded.
_MAX_CHARS = 1_024
_CONTEXT = b"sign-in link"


class SignInLink(Struct, frozen=True, array_like=True):
    """One link. The order of the fields is the format of a token.

    Attributes:
        access_key_id: of the key whose holder it signs in.
        name: distinguishes it from the key's other links.
        issued_at: when it was made, ms.
    """

    access_key_id: str
    name: str
    issued_at: int

    @property
    def until(self) -> int:
        """When it is over, ms."""
        return self.issued_at + VALID_MS


class SignInLinks:
    """Makes and opens the tokens of links.

    Args:
        sealer: seals the tokens.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def issue(self, access_key_id: str, now: int) -> str:
        """Return the token of a new link.

        Args:
            access_key_id: of an active key.
            now: the time now, ms.
        """
        link = SignInLink(access_key_id, secrets.token_urlsafe(18), now)
        return to_text(self._sealer.seal(msgpack.encode(link), _CONTEXT))

    def open(self, token: str, now: int) -> SignInLink:
        """Return the link of a token; does not know whether it was used.

        Args:
            token: as it came.
            now: the time now, ms.

        Raises:
            BadCredentials: it is not the token of a link of this server, or it is too old.
        """
        if len(token) > _MAX_CHARS:
            raise unusable(now)
        try:
            link = msgpack.decode(self._sealer.open(from_text(token), _CONTEXT), type=SignInLink)
        except (ValueError, Misconfigured, MsgspecError):
            raise unusable(now) from None
        if not -_AHEAD_MS <= now - link.issued_at < VALID_MS:
            raise unusable(now)
        return link


def unusable(now: int) -> BadCredentials:
    """Return the error of a link that does not sign in, at the time `now`, ms."""
    return BadCredentials(
        "This link was used before, or is too old. A link works once, within an hour, and the server's time"
        f" is {iso_8601(now)}. To get a new link, run on the server's machine: otpconv sign-in-link. Or sign"
        " in with an access key."
    )


def url_of_link(public_url: str, token: str) -> str:
    """Return the URL of a link.

    Args:
        public_url: the URL of the server, without a slash at the end.
        token: from `SignInLinks.issue`.
    """
    return f"{public_url}/sign-in?token={token}"
