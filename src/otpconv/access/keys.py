"""Access keys and roles, the protocol of their store (`KeyStore`), and a cache in memory (`KeyRing`)."""

import builtins
import hmac
from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct

from otpconv.access.names import PERSON_PREFIX, new_secret, person_id
from otpconv.access.policies.grants import Grants
from otpconv.errors import BadCredentials, InactiveAccessKey, NotFound, UnknownAccessKey

#: Access keys per user: two, so that one can replace the other without a gap.
KEYS_A_USER = 2


class AccessKey(Struct, frozen=True, kw_only=True):
    """An access key, with everything about its holder that a request needs.

    The holder is a user, or a caller who assumed a role and uses temporary credentials.

    Attributes:
        access_key_id: the public half; `person_id` for a user who signed in to the pages without a key.
        secret: the half that signs; `repr` never shows it.
        user: the name of the user, unique within the account; the name of the role if one was assumed.
        account: the number of the account.
        account_name: the name of the account.
        grants: the policies of the user or the role, sorted by name, and their cached decisions.
        active: False while the key is disabled.
        created_at: ms.
        last_used_at: ms, accurate to some seconds; None before the first use.
        sign_ins_after: sign-ins to the pages that began at this time (ms) or before are over.
        session_name: the name that the caller gave the session of an assumed role; None for a user.
    """

    access_key_id: str
    secret: str
    user: str
    account: int
    account_name: str
    grants: Grants
    active: bool
    created_at: int
    last_used_at: int | None = None
    sign_ins_after: int = 0
    session_name: str | None = None

    @property
    def policies(self) -> tuple[str, ...]:
        """The names of the policies, sorted."""
        return self.grants.names

    @property
    def signs(self) -> bool:
        """Whether calls can be signed with it: not by a user who signed in without an access key."""
        return not self.access_key_id.startswith(PERSON_PREFIX)

    @property
    def principal_type(self) -> Literal["SubUser", "AssumedRoleUser"]:
        """The type of the holder, in the words of refusals."""
        return "SubUser" if self.session_name is None else "AssumedRoleUser"

    @property
    def display_name(self) -> str:
        """The name of the user, or `role:session`."""
        return self.user if self.session_name is None else f"{self.user}:{self.session_name}"

    @property
    def holder(self) -> str:
        """The name that limits count by: the AccessKeyId, or the role, because each session has a new id."""
        return self.access_key_id if self.session_name is None else f"role/{self.account}/{self.user}"

    @property
    def dimension(self) -> str:
        """The value of the dimension `access_key` for messages that are reported with this key.

        It is the AccessKeyId, or `role/NAME` for temporary credentials, whose id changes with every session.
        """
        return self.access_key_id if self.session_name is None else f"role/{self.user}"

    # typing.override is not in Python 3.11, hence the two markers.
    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return f"AccessKey({self.access_key_id!r}, user={self.user!r}, account={self.account_name!r})"

    def __rich_repr__(self) -> list[tuple[str, str]]:  # type: ignore[explicit-override]
        return [("access_key_id", self.access_key_id), ("user", self.user), ("account", self.account_name)]


class Role(Struct, frozen=True, kw_only=True):
    """An identity that a user can assume for a limited time.

    Attributes:
        account: the number of the account.
        account_name: the name of the account.
        name: unique within the account; case-insensitive.
        grants: the role's policies, sorted by name; a session may restrict them further.
        max_duration_s: the longest duration of a session, s.
        created_at: ms.
    """

    account: int
    account_name: str
    name: str
    grants: Grants
    max_duration_s: int
    created_at: int


class KeyStore(Protocol):
    """The store of access keys. Any thread may call it, and other processes may use the same keys."""

    def create(
        self, account_name: str, user: str, policy: str | None, *, otherwise: str | None = None
    ) -> AccessKey:
        """Create an access key for a user, and also the account and the user if they do not exist.

        Args:
            account_name: e.g. `default`.
            user: 1 to 64 letters, digits and `. - _ @`.
            policy: attached to the user, in addition to its other policies; None attaches none. A new user
                without a policy may do nothing.
            otherwise: a policy to attach if the user has no policy at all.

        Raises:
            InvalidRequest: the name is malformed, the policy is unknown, or the user already has two keys.
        """

    def list(self) -> builtins.list[AccessKey]:
        """Return all access keys, the oldest first."""

    def roles(self) -> builtins.list[Role]:
        """Return the roles of all accounts."""

    def people(self) -> builtins.list[AccessKey]:
        """Return the users of all accounts, for sign-ins to the pages without an access key.

        Their ids are those of `person_id`, and their secrets are random and nobody's.
        """

    def set_active(self, access_key_id: str, active: bool) -> None:  # noqa: FBT001 - a setter's value
        """Enable or disable an access key. Disabling it ends its sign-ins to the pages for good.

        Raises:
            NotFound: the key does not exist.
        """

    def delete(self, access_key_id: str) -> None:
        """Delete an access key for good; its user remains, with its policies.

        Raises:
            NotFound: the key does not exist.
        """

    def account(self, name: str) -> int:
        """Return the number of the account with this name.

        Raises:
            NotFound: the account does not exist.
        """

    def note_uses(self, uses: Mapping[str, int]) -> None:
        """Store when keys were last used, ms by id. Does not wait; `changed` ignores it.

        Raises:
            Unavailable: another process is writing; call it again later, with the uses known by then.
        """

    def changed(self) -> bool:
        """Return whether anybody changed the store since the last call of `list`; cheap."""

    def close(self) -> None:
        """Release the resources of the store."""


class KeyRing:
    """All access keys and roles in memory; a lookup costs one access to a dictionary.

    Args:
        store: the source of the keys, read by the constructor and by `refresh`.

    Attributes:
        version: grows whenever the store was read.
    """

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._keys: dict[str, AccessKey] = {}
        self._roles: dict[tuple[int, str], Role] = {}
        # Apart from the keys: nobody can sign a call as one of them.
        self._people: dict[str, AccessKey] = {}
        self._accounts: dict[str, int] = {}
        self._uses: dict[str, int] = {}
        self._decoy = new_secret()
        self.version = 0
        self._read()

    def get(self, access_key_id: str) -> AccessKey:
        """Return the active access key with this id.

        Raises:
            UnknownAccessKey: the key does not exist.
            InactiveAccessKey: the key is disabled.
        """
        key = self._keys.get(access_key_id)
        if key is None:
            raise UnknownAccessKey(
                "No access key has this AccessKeyId; for those there are, run: otpconv keys list"
            )
        if not key.active:
            raise _inactive()
        return key

    def visitor(self, access_key_id: str) -> AccessKey:
        """Return the active access key of this id, or the user who signed in to the pages without one.

        Only for sign-ins that are proven: users have no secret to prove anything with.

        Raises:
            UnknownAccessKey: there is neither.
            InactiveAccessKey: the key is disabled.
        """
        return self._people.get(access_key_id) or self.get(access_key_id)

    def person(self, account_name: str, user: str) -> AccessKey | None:
        """Return a user as `visitor` does, by name; None if the user does not exist."""
        return self._people.get(person_id(self._accounts.get(account_name, 0), user))

    def authenticate(self, access_key_id: str, secret: str) -> AccessKey:
        """Return the active access key with this id and secret.

        Neither the error nor the time it takes distinguishes a wrong secret from an unknown id.

        Raises:
            BadCredentials: the id is unknown, or the secret is wrong.
            InactiveAccessKey: both are right, but the key is disabled.
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

    def role(self, account: int, name: str) -> Role:
        """Return the role with this name (case-insensitive) in the account with this number.

        Raises:
            NotFound: the role does not exist.
        """
        role = self._roles.get((account, name.lower()))
        if role is None:
            raise NotFound("The account has no role of this name; for those it has, run: otpconv roles list")
        return role

    def secrets(self, account: int) -> dict[str, str]:
        """Return the secrets of an account's active keys by id, to find out which one a caller confused."""
        return {
            key.access_key_id: key.secret
            for key in [*self._keys.values()]
            if key.account == account and key.active
        }

    def note_use(self, key: AccessKey, now: int) -> None:
        """Record that a key was used; call it after the caller has proven to hold the key."""
        self._uses[key.access_key_id] = now

    def keep_uses(self) -> None:
        """Write the last uses of keys to the store; keep those that it can't take now for the next time."""
        # Meanwhile, the event loop may add more uses, to the new dict.
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            self._store.note_uses(dict(uses))
        except BaseException:
            self._uses = uses | self._uses
            raise

    def refresh(self) -> None:
        """Read keys and roles again if the store changed; if that fails, keep the known ones."""
        if self._store.changed():
            self._read()

    def _read(self) -> None:
        # Read the keys first: the next `changed` notices any change that happens in between.
        keys, roles, people = self._store.list(), self._store.roles(), self._store.people()
        self._keys = {key.access_key_id: key for key in keys}
        self._roles = {(role.account, role.name.lower()): role for role in roles}
        self._people = {person.access_key_id: person for person in people}
        self._accounts = {person.account_name: person.account for person in people}
        self.version += 1


def _inactive() -> InactiveAccessKey:
    return InactiveAccessKey("This access key is disabled; enable it or use another one.")
