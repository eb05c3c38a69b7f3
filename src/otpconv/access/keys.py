"""Access keys: what they are, where they are kept (`KeyStore`), how a request finds its own (`KeyRing`)."""

import builtins
import hmac
import re
import secrets
import string
from typing import Protocol

from msgspec import Struct

from otpconv.errors import BadCredentials, InactiveAccessKey, InvalidRequest, UnknownAccessKey

#: How many access keys a user may have, so that one can be replaced by the other without a gap.
KEYS_A_USER = 2

_ID_PREFIX = "LTAI"
_ID_RANDOM_CHARS = 20
_SECRET_CHARS = 30
_CHARS = string.ascii_letters + string.digits
_NAME = re.compile(r"[A-Za-z0-9._@\-]{1,64}")


class AccessKey(Struct, frozen=True, kw_only=True):
    """An access key, with all that a request's way needs to know of the user behind it.

    Attributes:
        access_key_id: the public half.
        secret: the half that signs; never shown by `repr`.
        user: the name of the user, unique within the account.
        account: the number of the account.
        account_name: the name of the account.
        policies: the names of the user's policies, sorted.
        active: false while it is disabled.
        created_at: ms.
    """

    access_key_id: str
    secret: str
    user: str
    account: int
    account_name: str
    policies: tuple[str, ...]
    active: bool
    created_at: int

    # typing.override is not in Python 3.11, hence the two markers.
    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return f"AccessKey({self.access_key_id!r}, user={self.user!r}, account={self.account_name!r})"

    def __rich_repr__(self) -> list[tuple[str, str]]:  # type: ignore[explicit-override]
        return [("access_key_id", self.access_key_id), ("user", self.user), ("account", self.account_name)]


class KeyStore(Protocol):
    """Where access keys are kept; for one thread at a time, while other processes may use the same keys."""

    def create(self, account_name: str, user: str, policy: str | None) -> AccessKey:
        """Make an access key for a user, and the account and the user where they do not exist.

        Args:
            account_name: as `default`.
            user: 1 to 64 letters, digits and `. - _ @`.
            policy: is attached to the user, beside those it has; None attaches none. A new user without
                a policy may do nothing.

        Raises:
            InvalidRequest: a malformed name, an unknown policy, or a user that has two keys already.
        """

    def list(self) -> builtins.list[AccessKey]:
        """Return all access keys, the oldest first."""

    def set_active(self, access_key_id: str, active: bool) -> None:  # noqa: FBT001 - a setter's value
        """Enable or disable an access key.

        Raises:
            NotFound: there is no such key.
        """

    def delete(self, access_key_id: str) -> None:
        """Delete an access key for good; a user goes with its last key.

        Raises:
            NotFound: there is no such key.
        """

    def account(self, name: str) -> int:
        """Return the number of the account of this name.

        Raises:
            NotFound: there is none.
        """

    def changed(self) -> bool:
        """Return whether anybody changed the store since `list` was last called; cheap."""

    def close(self) -> None:
        """Let go of the store."""


class KeyRing:
    """All access keys in memory; a look-up is a dictionary hit.

    Args:
        store: where they come from; read now and by `refresh`.
    """

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._keys = _by_id(store)
        self._decoy = new_secret()

    def get(self, access_key_id: str) -> AccessKey:
        """Return the active access key of this id.

        Raises:
            UnknownAccessKey: there is none.
            InactiveAccessKey: it is disabled.
        """
        key = self._keys.get(access_key_id)
        if key is None:
            raise UnknownAccessKey(
                "No access key has this AccessKeyId; for those there are, run: otpconv keys list"
            )
        if not key.active:
            raise _inactive()
        return key

    def authenticate(self, access_key_id: str, secret: str) -> AccessKey:
        """Return the active access key of this id and secret.

        Neither the answer nor the time it takes tells a wrong secret from an unknown id.

        Raises:
            BadCredentials: there is no such key, or it has another secret.
            InactiveAccessKey: both are right, and the key is disabled.
        """
        key = self._keys.get(access_key_id)
        expected = self._decoy if key is None else key.secret
        right = hmac.compare_digest(secret.encode("utf-8", "surrogatepass"), expected.encode())
        if key is None or not right:
            raise BadCredentials(
                "The AccessKeyId or its AccessKeySecret is wrong; send those of one key as user and password."
            )
        if not key.active:
            raise _inactive()
        return key

    def refresh(self) -> None:
        """Read the keys again if the store changed; when that fails the keys known so far stay."""
        if self._store.changed():
            self._keys = _by_id(self._store)


def new_id() -> str:
    """Return a new AccessKeyId in the vendor's form."""
    return _ID_PREFIX + _random(_ID_RANDOM_CHARS)


def new_secret() -> str:
    """Return a new AccessKeySecret, 178 random bits."""
    return _random(_SECRET_CHARS)


def require_name(what: str, name: str) -> None:
    """Refuse a malformed name of an account or a user.

    Args:
        what: `account` or `user`, for the text.
        name: the name to check.

    Raises:
        InvalidRequest: it is malformed.
    """
    if _NAME.fullmatch(name) is None:
        raise InvalidRequest(f"The name of the {what} must be 1 to 64 of letters, digits and . - _ @")


def _random(chars: int) -> str:
    return "".join(secrets.choice(_CHARS) for _ in range(chars))


def _by_id(store: KeyStore) -> dict[str, AccessKey]:
    return {key.access_key_id: key for key in store.list()}


def _inactive() -> InactiveAccessKey:
    return InactiveAccessKey("This access key is disabled; enable it or use another one.")
