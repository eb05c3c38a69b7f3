"""Users, roles and policies of accounts: what they are, and where they are kept (`Directory`)."""

import re
from typing import Literal, Protocol

from msgspec import Struct

from otpconv.access.keys import Role
from otpconv.access.policies.grants import Grants
from otpconv.errors import InvalidRequest

#: What a policy can be attached to.
Holder = Literal["user", "role"]

# Narrower than that of users: it stands in ARNs.
_ROLE_NAME = re.compile(r"[A-Za-z0-9.\-]{1,64}")


class User(Struct, frozen=True, kw_only=True):
    """Somebody or something that calls, by access keys.

    Attributes:
        account: the number of the account.
        account_name: the name of the account.
        name: unique within the account.
        grants: the user's policies, sorted by name.
        access_key_ids: the oldest first.
        created_at: ms.
    """

    account: int
    account_name: str
    name: str
    grants: Grants
    access_key_ids: tuple[str, ...]
    created_at: int


class Policy(Struct, frozen=True, kw_only=True):
    """A policy by its name.

    Attributes:
        name: unique within the account, where case does not count.
        document: as it was written, JSON.
        managed: whether every account has it, and none can change it.
        attached_to: the holders in the account, as `user app` and `role reporter`.
        created_at: ms; None for a managed one.
    """

    name: str
    document: str
    managed: bool
    attached_to: tuple[str, ...]
    created_at: int | None


class Directory(Protocol):
    """Who there is, and who may what; no account sees anything of another.

    Every method may raise `NotFound` when an account, a user, a role or a policy is not there; what makes
    something makes its account too. Changes show in a running server as those of access keys do.
    """

    def create_user(self, account_name: str, name: str) -> User:
        """Make a user without keys and policies.

        Raises:
            InvalidRequest: the name is malformed, or taken.
        """

    def users(self, account_name: str) -> list[User]:
        """Return the users of an account by name."""

    def user(self, account_name: str, name: str) -> User:
        """Return one user."""

    def create_role(self, account_name: str, name: str, max_duration_s: int) -> Role:
        """Make a role without policies.

        Args:
            account_name: as `default`.
            name: 1 to 64 letters, digits and `. -`.
            max_duration_s: how long it can be assumed at most.

        Raises:
            InvalidRequest: the name is malformed, or taken.
        """

    def roles(self, account_name: str) -> list[Role]:
        """Return the roles of an account by name."""

    def role(self, account_name: str, name: str) -> Role:
        """Return one role; case does not count."""

    def delete(self, kind: Holder, account_name: str, name: str) -> None:
        """Delete a user with its access keys, or a role; its policies are detached and stay."""

    def attach(self, kind: Holder, account_name: str, name: str, policy: str) -> None:
        """Attach a policy, managed or of the account, to a user or a role; again is no error.

        Raises:
            InvalidRequest: there is no such policy.
        """

    def detach(self, kind: Holder, account_name: str, name: str, policy: str) -> None:
        """Take a policy off a user or a role."""

    def create_policy(self, account_name: str, name: str, document: str) -> Policy:
        """Make a policy.

        Raises:
            InvalidRequest: the name is malformed or taken, or the document is no policy; says where in it.
        """

    def replace_policy(self, account_name: str, name: str, document: str) -> Policy:
        """Replace the document of a policy of the account; it stays attached.

        Raises:
            InvalidRequest: the policy is managed, or the document is malformed; the text says where.
        """

    def policies(self, account_name: str) -> list[Policy]:
        """Return the managed policies, then those of the account by name."""

    def policy(self, account_name: str, name: str) -> Policy:
        """Return one policy, managed or of the account."""

    def delete_policy(self, account_name: str, name: str) -> None:
        """Delete a policy of the account.

        Raises:
            InvalidRequest: it is managed, or attached; the text says to whom.
        """

    def close(self) -> None:
        """Let go of the directory."""


def require_role_name(name: str) -> None:
    """Refuse a malformed name of a role.

    Raises:
        InvalidRequest: it is malformed.
    """
    if _ROLE_NAME.fullmatch(name) is None:
        raise InvalidRequest("The name of the role must be 1 to 64 of letters, digits and . -")
