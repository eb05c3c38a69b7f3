"""Temporary credentials: a role assumed for some time, as the Security Token Service (STS) hands it out.

All that a node must know of them is sealed into the security token, so any node with the same sealing key
takes them, and nothing is stored. They cannot be called back one by one, but names are looked up at each use:
what the role's policies allow, and whether the role is still there.

A token has 200 to 500 characters, all of them unreserved in URLs; a session policy of 2,048 characters adds
2,730, and more where they are not ASCII.

Source: "AssumeRole", Security Token Service 2015-04-01, Alibaba Cloud documentation.
"""

import base64
import binascii
import re
import secrets
from functools import lru_cache

from msgspec import MsgspecError, Struct, msgpack

from otpconv.access.names import new_secret
from otpconv.access.sealing import Sealer
from otpconv.clock import difference, iso_8601
from otpconv.errors import ExpiredToken, InvalidRequest, MalformedToken, Misconfigured, MismatchedToken

#: What tells the AccessKeyId of temporary credentials from one of a user.
ID_PREFIX = "STS."

MIN_DURATION_S = 900
#: The longest session that a role can allow.
MAX_DURATION_S = 43_200
#: The maximum of a role, and the length of a session, if nothing else is given.
DEFAULT_DURATION_S = 3_600

MAX_POLICY_CHARS = 2_048

_ID_RANDOM_BYTES = 12
_CONTEXT = b"security token"
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_SESSION_NAME = re.compile(r"[A-Za-z0-9.@\-_]{2,64}")

#: Cached opened tokens; 5 MiB if each has the longest session policy, in ASCII.
_REMEMBERED = 1_024


class Session(Struct, frozen=True, kw_only=True, array_like=True):
    """A role that somebody assumed, until it expires.

    The order of the fields is the format of a token: new ones are appended, and have a default.

    Attributes:
        access_key_id: of the temporary credentials, `STS.…`.
        secret: the half that signs; never shown by `repr`.
        account: the number of the account the role belongs to.
        role: the name of the role; what it may do is looked up at each use.
        session_name: what the caller named the session.
        session_policy: a policy as JSON that may only take away from what the role allows; empty when none.
        issued_at: ms.
        expires_at: ms, a whole second.
        role_created_at: tells the role from another one of its name, ms; 0 in tokens of before.
    """

    access_key_id: str
    secret: str
    account: int
    role: str
    session_name: str
    session_policy: str
    issued_at: int
    expires_at: int
    role_created_at: int = 0

    # typing.override is not in Python 3.11, hence the two markers.
    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return f"Session({self.access_key_id!r}, {self.arn!r})"

    def __rich_repr__(self) -> list[tuple[str, str]]:  # type: ignore[explicit-override]
        return [("access_key_id", self.access_key_id), ("arn", self.arn)]

    @property
    def arn(self) -> str:
        """Who acts in this session, as `acs:sts::1:assumed-role/reporter/alice`."""
        return assumed_role_arn(self.account, self.role, self.session_name)


class TemporaryCredentials(Struct, frozen=True, kw_only=True):
    """What the caller that assumes a role is given.

    Attributes:
        access_key_id: the public half.
        secret: the half that signs; never shown by `repr`.
        security_token: has to be sent, and signed, with every request.
        expires_at: ms, a whole second.
    """

    access_key_id: str
    secret: str
    security_token: str
    expires_at: int

    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return f"Credentials({self.access_key_id!r}, expires_at={self.expires_at!r})"

    def __rich_repr__(self) -> list[tuple[str, str | int]]:  # type: ignore[explicit-override]
        return [("access_key_id", self.access_key_id), ("expires_at", self.expires_at)]


def issue(
    sealer: Sealer,
    *,
    account: int,
    role: str,
    session_name: str,
    now: int,
    session_policy: str = "",
    duration_s: int = DEFAULT_DURATION_S,
    max_duration_s: int = DEFAULT_DURATION_S,
    role_created_at: int = 0,
) -> TemporaryCredentials:
    """Return new temporary credentials for a role that the caller may assume.

    Args:
        sealer: seals the token.
        account: the number of the role's account.
        role: the name of the role.
        session_name: 2 to 64 letters, digits and `. @ - _`.
        now: ms.
        session_policy: JSON of at most `MAX_POLICY_CHARS` characters, not looked into here; empty for none.
        duration_s: how long they are good for, at least `MIN_DURATION_S`.
        max_duration_s: the most the role allows; never more than `MAX_DURATION_S`.
        role_created_at: when the role was made, ms; 0 where that is not known.

    Raises:
        InvalidRequest: the session name, the session policy or the duration is not as above.
    """
    _check(session_name, session_policy, duration_s, min(max_duration_s, MAX_DURATION_S))
    session = Session(
        access_key_id=ID_PREFIX + secrets.token_hex(_ID_RANDOM_BYTES),
        secret=new_secret(),
        account=account,
        role=role,
        session_name=session_name,
        session_policy=session_policy,
        issued_at=now,
        # Callers are told whole seconds, and should not be told too much.
        expires_at=(now // 1_000 + duration_s) * 1_000,
        role_created_at=role_created_at,
    )
    return TemporaryCredentials(
        access_key_id=session.access_key_id,
        secret=session.secret,
        security_token=_encode(sealer.seal(msgpack.encode(session), _CONTEXT)),
        expires_at=session.expires_at,
    )


def open_token(sealer: Sealer, token: str, access_key_id: str, now: int) -> Session:
    """Return the session a security token stands for; cheap when the token was opened lately.

    That the caller holds the session's secret is still to be proven, by a signature.

    Args:
        sealer: of the same sealing key as the one that sealed it.
        token: as it came.
        access_key_id: the one that came with it.
        now: ms.

    Raises:
        MalformedToken: it is not of this service, was damaged, or was sealed with another key.
        MismatchedToken: it belongs to another AccessKeyId.
        ExpiredToken: its time is over.
    """
    session = _opened(sealer, token)
    if session.access_key_id != access_key_id:
        raise MismatchedToken(
            "The security token belongs to another AccessKeyId; send AccessKeyId, AccessKeySecret and token "
            "of the same temporary credentials."
        )
    if now >= session.expires_at:
        raise ExpiredToken(
            f"The temporary credentials expired at {iso_8601(session.expires_at)}, "
            f"{difference(session.expires_at, now)}; assume the role again."
        )
    return session


def role_arn(account: int, role: str) -> str:
    """Return the ARN of a role."""
    return f"acs:ram::{account}:role/{role}"


def assumed_role_arn(account: int, role: str, session_name: str) -> str:
    """Return the ARN of somebody who assumed a role."""
    return f"acs:sts::{account}:assumed-role/{role}/{session_name}"


def _check(session_name: str, session_policy: str, duration_s: int, longest_s: int) -> None:
    if _SESSION_NAME.fullmatch(session_name) is None:
        raise InvalidRequest("The name of the session must be 2 to 64 of letters, digits and . @ - _")
    if len(session_policy) > MAX_POLICY_CHARS or not _is_unicode(session_policy):
        raise InvalidRequest(f"The session policy must be at most {MAX_POLICY_CHARS} Unicode characters.")
    if not MIN_DURATION_S <= duration_s <= longest_s:
        raise InvalidRequest(f"The duration must be {MIN_DURATION_S} to {longest_s} seconds for this role.")


# What cannot be opened raises and is not remembered, so rubbish crowds nothing out.
@lru_cache(maxsize=_REMEMBERED)
def _opened(sealer: Sealer, token: str) -> Session:
    try:
        return msgpack.decode(sealer.open(_decode(token), _CONTEXT), type=Session)
    except (binascii.Error, Misconfigured, MsgspecError) as error:
        raise MalformedToken(
            "The security token is not of this server, or was damaged; assume the role again, here."
        ) from error


def _encode(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _decode(token: str) -> bytes:
    """Return the bytes of a token; every bytes have one text alone, also where base64 has bits to spare.

    Raises:
        binascii.Error: it is not how we write any bytes.
    """
    if _TOKEN.fullmatch(token):
        sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        if _encode(sealed) == token:
            return sealed
    raise binascii.Error("not base64 as we write it")


def _is_unicode(text: str) -> bool:
    """Return whether a text can be encoded at all: a lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
