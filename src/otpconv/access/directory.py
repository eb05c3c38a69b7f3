"""Users, roles and policies of accounts, and the protocol of the store that keeps them (`Directory`)."""

import re
from typing import Literal, Protocol

from msgspec import Struct

from otpconv.access.keys import Role
from otpconv.access.policies.grants import Grants
from otpconv.errors import InvalidRequest

#: The kinds of holders that a policy can be attached to.
Holder = Literal["user", "role"]

# Narrower than the names of users, because ARNs contain it.
_ROLE_NAME = re.compile(r"[A-Za-z0-9.\-]{1,64}")


class User(Struct, frozen=True, kw_only=True):
    """A person or an application that calls, by access keys.

    Attributes:
        account: the number of the account.
        account_name: the name of the account.
        name: unique within the account.
        grants: the user's policies, sorted by name.
        access_key_ids: sorted by age, the oldest first.
        created_at: ms.
    """

    account: int
    account_name: str
    name: str
    grants: Grants
    access_key_ids: tuple[str, ...]
    created_at: int


class Policy(Struct, frozen=True, kw_only=True):
    """A named policy.

    Attributes:
        name: unique within the account; case-insensitive.
        document: the JSON text, as the author wrote it.
        managed: whether every account has it, and none can change it.
        attached_to: the holders in the account, e.g. `user app` or `role reporter`.
        created_at: ms; None for a managed policy.
    """

    name: str
    document: str
    managed: bool
    attached_to: tuple[str, ...]
    created_at: int | None


class Directory(Protocol):
    """The users, roles and policies of each account; no account sees anything of another.

    Every method may raise `NotFound` when the account, user, role or policy does not exist; methods that
    create something create its account, too. A running server notices changes in the same way as changes of
    access keys.
    """

    def create_user(self, account_name: str, name: str) -> User:
        """Create a user without keys and policies.

        Raises:
            InvalidRequest: the name is malformed or taken.
        """

    def accounts(self) -> dict[int, str]:
        """Return the names of all accounts by their numbers."""

    def users(self, account_name: str) -> list[User]:
        """Return the users of an account by name."""

    def user(self, account_name: str, name: str) -> User:
        """Return one user."""

    def create_role(self, account_name: str, name: str, max_duration_s: int) -> Role:
        """Create a role without policies.

        Args:
            account_name: e.g. `default`.
            name: 1 to 64 letters, digits and `. -`.
            max_duration_s: the longest duration of a session of the role, s.

        Raises:
            InvalidRequest: the name is malformed or taken.
        """

    def roles(self, account_name: str) -> list[Role]:
        """Return the roles of an account by name."""

    def role(self, account_name: str, name: str) -> Role:
        """Return one role; its name is case-insensitive."""

    def delete(self, kind: Holder, account_name: str, name: str) -> None:
        """Delete a user and its access keys, or a role. Its policies are detached but not deleted."""

    def attach(self, kind: Holder, account_name: str, name: str, policy: str) -> None:
        """Attach a policy to a user or a role: a managed policy, or one of the account. Repeats do nothing.

        Raises:
            InvalidRequest: there is no such policy.
        """

    def detach(self, kind: Holder, account_name: str, name: str, policy: str) -> None:
        """Detach a policy from a user or a role."""

    def create_policy(self, account_name: str, name: str, document: str) -> Policy:
        """Create a policy.

        Raises:
            InvalidRequest: the name is malformed or taken, or the document is invalid; the text says where.
        """

    def replace_policy(self, account_name: str, name: str, document: str) -> Policy:
        """Replace the document of a policy of the account; it stays attached.

        Raises:
            InvalidRequest: the policy is managed, or the document is malformed; the text says where.
        """

    def policies(self, account_name: str) -> list[Policy]:
        """Return the managed policies, then those of the account, sorted by name."""

    def policy(self, account_name: str, name: str) -> Policy:
        """Return one policy: a managed one, or one of the account."""

    def delete_policy(self, account_name: str, name: str) -> None:
        """Delete a policy of the account.

        Raises:
            InvalidRequest: it is managed, or attached; the text names the holders.
        """

    def close(self) -> None:
        """Release the resources of the directory."""


def require_role_name(name: str) -> None:
    """Raise an error if the name of a role is malformed.

    Raises:
        InvalidRequest: it is malformed.
    """
    if _ROLE_NAME.fullmatch(name) is None:
        raise InvalidRequest("The name of the role must be 1 to 64 of letters, digits and . -")
