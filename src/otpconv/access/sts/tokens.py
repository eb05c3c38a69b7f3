"""Temporary credentials for an assumed role, in the format of the Security Token Service (STS).

The security token contains everything about the session, encrypted, so any node with the same sealing key
accepts it, and nothing is stored. A single token can't be revoked, but each use looks up the role by its
name: its current policies apply, and a deleted role ends its sessions.

A token has 200 to 500 characters, all of them unreserved in URLs. A session policy of 2,048 ASCII characters
adds 2,730, and more if it has other characters.

Source: "AssumeRole", Security Token Service 2015-04-01, Alibaba Cloud documentation.
"""

import binascii
import re
import secrets
from functools import lru_cache

from msgspec import MsgspecError, Struct, msgpack

from otpconv.access.names import new_secret
from otpconv.access.sealing import Sealer, from_text, to_text
from otpconv.clock import difference, iso_8601
from otpconv.errors import ExpiredToken, InvalidRequest, MalformedToken, Misconfigured, MismatchedToken

#: The prefix that distinguishes the AccessKeyId of temporary credentials from that of a user.
ID_PREFIX = "STS."

MIN_DURATION_S = 900
#: The longest session that a role can allow.
MAX_DURATION_S = 43_200
#: The default maximum of a role, and the default duration of a session.
DEFAULT_DURATION_S = 3_600

MAX_POLICY_CHARS = 2_048

_ID_RANDOM_BYTES = 12
_CONTEXT = b"security token"
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_SESSION_NAME = re.compile(r"[A-Za-z0-9.@\-_]{2,64}")

#: Cached opened tokens; 5 MiB if each has the longest session policy, in ASCII.
_REMEMBERED = 1_024


class Session(Struct, frozen=True, kw_only=True, array_like=True):
    """A session of an assumed role.

    The order of the fields is the format of a token: append new ones, and give them a default.

    Attributes:
        access_key_id: the id of the temporary credentials, `STS.…`.
        secret: the half that signs; `repr` never shows it.
        account: the number of the role's account.
        role: the name of the role; its policies are looked up at each use.
        session_name: the caller's name for the session.
        session_policy: a policy as JSON that can only restrict the role's permissions; empty for none.
        issued_at: ms.
        expires_at: ms, a whole second.
        role_created_at: distinguishes the role from a later one with the same name, ms; 0 in tokens of old
            versions.
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
        """The ARN of the session, e.g. `acs:sts::1:assumed-role/reporter/alice`."""
        return assumed_role_arn(self.account, self.role, self.session_name)


class TemporaryCredentials(Struct, frozen=True, kw_only=True):
    """The temporary credentials that a caller gets by assuming a role.

    Attributes:
        access_key_id: the public half.
        secret: the half that signs; `repr` never shows it.
        security_token: must be sent, and signed, with every request.
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
        sealer: encrypts the token.
        account: the number of the role's account.
        role: the name of the role.
        session_name: 2 to 64 letters, digits and `. @ - _`.
        now: ms.
        session_policy: JSON of at most `MAX_POLICY_CHARS` characters, not parsed here; empty for none.
        duration_s: how long they are valid, s; at least `MIN_DURATION_S`.
        max_duration_s: the role's maximum, s; at most `MAX_DURATION_S`.
        role_created_at: when the role was created, ms; 0 if that is unknown.

    Raises:
        InvalidRequest: the session name, the session policy or the duration is outside these bounds.
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
        # Responses give whole seconds; round down, so that they never promise too much.
        expires_at=(now // 1_000 + duration_s) * 1_000,
        role_created_at=role_created_at,
    )
    return TemporaryCredentials(
        access_key_id=session.access_key_id,
        secret=session.secret,
        security_token=to_text(sealer.seal(msgpack.encode(session), _CONTEXT)),
        expires_at=session.expires_at,
    )


def open_token(sealer: Sealer, token: str, access_key_id: str, now: int) -> Session:
    """Return the session of a security token; cheap if the token was opened recently.

    Verify the signature next: this does not prove that the caller holds the session's secret.

    Args:
        sealer: with the same sealing key as the one that encrypted the token.
        token: the token of the request.
        access_key_id: the AccessKeyId of the request.
        now: ms.

    Raises:
        MalformedToken: the token is not of this service, is damaged, or was encrypted with another key.
        MismatchedToken: it belongs to another AccessKeyId.
        ExpiredToken: it has expired.
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
    """Return the ARN of a session of an assumed role."""
    return f"acs:sts::{account}:assumed-role/{role}/{session_name}"


def _check(session_name: str, session_policy: str, duration_s: int, longest_s: int) -> None:
    if _SESSION_NAME.fullmatch(session_name) is None:
        raise InvalidRequest("The name of the session must be 2 to 64 of letters, digits and . @ - _")
    if len(session_policy) > MAX_POLICY_CHARS or not _is_unicode(session_policy):
        raise InvalidRequest(f"The session policy must be at most {MAX_POLICY_CHARS} Unicode characters.")
    if not MIN_DURATION_S <= duration_s <= longest_s:
        raise InvalidRequest(f"The duration must be {MIN_DURATION_S} to {longest_s} seconds for this role.")


# A token that can't be opened raises an error and is not cached, so garbage displaces nothing.
@lru_cache(maxsize=_REMEMBERED)
def _opened(sealer: Sealer, token: str) -> Session:
    try:
        return msgpack.decode(sealer.open(_decode(token), _CONTEXT), type=Session)
    except (binascii.Error, Misconfigured, MsgspecError) as error:
        raise MalformedToken(
            "The security token is not of this server, or was damaged; assume the role again, here."
        ) from error


def _decode(token: str) -> bytes:
    """Return the bytes of a token. Each byte string has only one valid text, even if base64 has spare bits.

    Raises:
        binascii.Error: the text is not in that form.
    """
    if _TOKEN.fullmatch(token):
        sealed = from_text(token)
        if to_text(sealed) == token:
            return sealed
    raise binascii.Error("not base64 as we write it")


def _is_unicode(text: str) -> bool:
    """Return whether a text can be encoded as UTF-8: a lone surrogate can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
