"""Users, roles and policies in the tables of an engine."""

from typing import Final

from msgspec import Struct

from otpconv.access.directory import Holder, Policy, User, require_role_name
from otpconv.access.keys import Role
from otpconv.access.names import require_name
from otpconv.access.policies.document import parse_document
from otpconv.access.policies.grants import Grants
from otpconv.access.policies.managed import DOCUMENTS
from otpconv.access.sts.tokens import MAX_DURATION_S, MIN_DURATION_S
from otpconv.clock import Clock
from otpconv.errors import InvalidRequest, NotFound
from otpconv.storage.access.grants import all_grants, attach_policy, known_name
from otpconv.storage.access.roles import read_roles
from otpconv.storage.access.tables import AccessTables

#: The statements about each kind of holder.
_ID: Final[dict[Holder, str]] = {"user": "user_id", "role": "role_id"}
_DELETE: Final[dict[Holder, str]] = {"user": "delete_user", "role": "delete_role"}
_DETACH: Final[dict[Holder, str]] = {"user": "detach_from_user", "role": "detach_from_role"}


class _AccountRow(Struct, array_like=True):
    """A row of `accounts`."""

    account: int
    name: str


class _UserRow(Struct, array_like=True):
    """A row of `users`."""

    user_id: int
    name: str
    account: int
    account_name: str
    created_at: int


class TableDirectory:
    """A `Directory` in the tables of an engine.

    Args:
        tables: the open tables; closed with the directory.
        clock: gives the time of creation.
    """

    def __init__(self, tables: AccessTables, clock: Clock) -> None:
        self._clock = clock
        self._tables = tables

    def create_user(self, account_name: str, name: str) -> User:
        """See `Directory.create_user`."""
        require_name("user", name)
        with self._tables.changing():
            account = self._made_account(account_name)
            if not self._tables.run("make_user", account=account, name=name, now=self._clock()):
                raise _taken("user", name)
            return self._user(account, name)

    def accounts(self) -> dict[int, str]:
        """See `Directory.accounts`."""
        with self._tables.reading():
            return {row.account: row.name for row in self._tables.rows("accounts", _AccountRow)}

    def users(self, account_name: str) -> list[User]:
        """See `Directory.users`."""
        with self._tables.reading():
            return self._users(self._account(account_name))

    def user(self, account_name: str, name: str) -> User:
        """See `Directory.user`."""
        with self._tables.reading():
            return self._user(self._account(account_name), name)

    def create_role(self, account_name: str, name: str, max_duration_s: int) -> Role:
        """See `Directory.create_role`."""
        require_role_name(name)
        if not MIN_DURATION_S <= max_duration_s <= MAX_DURATION_S:
            raise InvalidRequest(f"The longest duration must be {MIN_DURATION_S} to {MAX_DURATION_S} seconds")
        with self._tables.changing():
            account = self._made_account(account_name)
            made = self._tables.run(
                "make_role", account=account, name=name, max_duration_s=max_duration_s, now=self._clock()
            )
            if not made:
                raise _taken("role", name)
            return self._role(account, name)

    def roles(self, account_name: str) -> list[Role]:
        """See `Directory.roles`."""
        with self._tables.reading():
            return read_roles(self._tables, self._account(account_name))

    def role(self, account_name: str, name: str) -> Role:
        """See `Directory.role`."""
        with self._tables.reading():
            return self._role(self._account(account_name), name)

    def delete(self, kind: Holder, account_name: str, name: str) -> None:
        """See `Directory.delete`."""
        with self._tables.changing():
            self._tables.run(_DELETE[kind], id=self._id(kind, self._account(account_name), name))

    def attach(self, kind: Holder, account_name: str, name: str, policy: str) -> None:
        """See `Directory.attach`."""
        with self._tables.changing():
            account = self._account(account_name)
            attach_policy(self._tables, kind, self._id(kind, account, name), account, policy)

    def detach(self, kind: Holder, account_name: str, name: str, policy: str) -> None:
        """See `Directory.detach`."""
        with self._tables.changing():
            holder = self._id(kind, self._account(account_name), name)
            if not self._tables.run(_DETACH[kind], id=holder, policy=policy):
                raise NotFound(
                    f"The {kind} {name} has no policy {policy!r}; for those it has, run: "
                    f"otpconv {kind}s show {name}"
                )

    def create_policy(self, account_name: str, name: str, document: str) -> Policy:
        """See `Directory.create_policy`."""
        require_name("policy", name)
        parse_document(document)
        if name.lower() in map(str.lower, DOCUMENTS):
            raise _taken("policy", name)
        with self._tables.changing():
            account = self._made_account(account_name)
            now = self._clock()
            if not self._tables.run("make_policy", account=account, name=name, document=document, now=now):
                raise _taken("policy", name)
            return self._policy(account, name)

    def replace_policy(self, account_name: str, name: str, document: str) -> Policy:
        """See `Directory.replace_policy`."""
        parse_document(document)
        with self._tables.changing():
            account = self._account(account_name)
            policy = self._policy(account, name)
            if policy.managed:
                raise InvalidRequest(f"The policy {policy.name} is managed; it can't be changed")
            self._tables.run("replace_policy", account=account, name=name, document=document)
            return self._policy(account, name)

    def policies(self, account_name: str) -> list[Policy]:
        """See `Directory.policies`."""
        with self._tables.reading():
            return self._policies(self._account(account_name))

    def policy(self, account_name: str, name: str) -> Policy:
        """See `Directory.policy`."""
        with self._tables.reading():
            return self._policy(self._account(account_name), name)

    def delete_policy(self, account_name: str, name: str) -> None:
        """See `Directory.delete_policy`."""
        with self._tables.changing():
            account = self._account(account_name)
            policy = self._policy(account, name)
            if policy.managed:
                raise InvalidRequest(f"The policy {policy.name} is managed; it can't be deleted")
            if policy.attached_to:
                holders = ", ".join(policy.attached_to)
                raise InvalidRequest(f"The policy {name} is attached to: {holders}; detach it first")
            self._tables.run("delete_policy", account=account, name=name)

    def close(self) -> None:
        """See `Directory.close`."""
        self._tables.close()

    def _made_account(self, name: str) -> int:
        require_name("account", name)
        self._tables.run("make_account", name=name)
        return self._account(name)

    def _account(self, name: str) -> int:
        account = self._tables.number("account", name=name)
        if account is None:
            raise NotFound(f"There is no account {name!r}; the first user, role or policy in it makes it")
        return account

    def _id(self, kind: Holder, account: int, name: str) -> int:
        found = self._tables.number(_ID[kind], account=account, name=name)
        if found is None:
            raise NotFound(f"The account has no {kind} {name!r}; for those it has, run: otpconv {kind}s list")
        return found

    def _user(self, account: int, name: str) -> User:
        self._id("user", account, name)
        return next(user for user in self._users(account) if user.name == name)

    def _users(self, account: int) -> list[User]:
        granted = all_grants(self._tables, "user")
        keys: dict[int, list[str]] = {}
        for holder, access_key_id in self._tables.rows("key_ids", tuple[int, str], account=account):
            keys.setdefault(holder, []).append(access_key_id)
        return [
            User(
                account=row.account,
                account_name=row.account_name,
                name=row.name,
                grants=granted.get(row.user_id) or Grants(),
                access_key_ids=tuple(keys.get(row.user_id, ())),
                created_at=row.created_at,
            )
            for row in self._tables.rows("users", _UserRow, account=account)
        ]

    def _role(self, account: int, name: str) -> Role:
        self._id("role", account, name)
        return next(role for role in read_roles(self._tables, account) if role.name.lower() == name.lower())

    def _policy(self, account: int, name: str) -> Policy:
        try:
            known = known_name(self._tables, account, name)
        except InvalidRequest as error:
            raise NotFound(error.text) from None
        return next(policy for policy in self._policies(account) if policy.name == known)

    def _policies(self, account: int) -> list[Policy]:
        holders: dict[str, list[str]] = {}
        for name, holder in self._tables.rows("attachments", tuple[str, str], account=account):
            holders.setdefault(name, []).append(holder)
        managed: list[tuple[str, str, int | None]] = [(name, text, None) for name, text in DOCUMENTS.items()]
        own = self._tables.rows("policies", tuple[str, str, int | None], account=account)
        return [
            Policy(
                name=name,
                document=document,
                managed=created_at is None,
                attached_to=tuple(holders.get(name, ())),
                created_at=created_at,
            )
            for name, document, created_at in [*managed, *own]
        ]


def _taken(what: str, name: str) -> InvalidRequest:
    return InvalidRequest(f"There is a {what} of the name {name} already; take another one")
