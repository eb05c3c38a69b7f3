"""Access keys in the tables of an engine. Their secrets are sealed."""

import builtins
from collections.abc import Mapping

from msgspec import Struct

from otpconv.access.keys import KEYS_A_USER, AccessKey, Role
from otpconv.access.names import new_id, new_secret, person_id, require_name
from otpconv.access.policies.grants import Grants
from otpconv.access.sealing import Sealer
from otpconv.clock import Clock, iso_8601
from otpconv.errors import InvalidRequest, NotFound
from otpconv.storage.access.grants import all_grants, attach_policy, grants
from otpconv.storage.access.roles import read_roles
from otpconv.storage.access.tables import AccessTables


class _Row(Struct, array_like=True):
    """A row of `keys`."""

    access_key_id: str
    sealed_secret: bytes
    user_id: int
    user: str
    account: int
    account_name: str
    active: int
    created_at: int
    last_used_at: int | None
    sign_ins_after: int


class _PersonRow(Struct, array_like=True):
    """A row of `people`."""

    user_id: int
    user: str
    account: int
    account_name: str
    created_at: int
    sign_ins_after: int


class TableKeyStore:
    """A `KeyStore` in the tables of an engine.

    Args:
        tables: the open tables; closed with the store.
        sealer: seals and opens the secrets.
        clock: gives the time of creation of new keys.

    Raises:
        Misconfigured: the tables can't be used, or their secrets were sealed with another sealing key.
        Unavailable: the storage failed.
    """

    def __init__(self, tables: AccessTables, sealer: Sealer, clock: Clock) -> None:
        self._sealer = sealer
        self._clock = clock
        self._version_listed: object = None
        self._tables = tables
        try:
            # Before anything is written: secrets of two sealing keys could not be used.
            with self._tables.reading():
                for row in self._tables.rows("any_key", tuple[str, bytes]):
                    self._secret(*row)
        except BaseException:
            self._tables.close()
            raise

    def create(
        self, account_name: str, user: str, policy: str | None, *, otherwise: str | None = None
    ) -> AccessKey:
        """See `KeyStore.create`."""
        require_name("account", account_name)
        require_name("user", user)
        access_key_id, secret, now = new_id(), new_secret(), self._clock()
        sealed = self._sealer.seal(secret.encode(), _context(access_key_id))
        tables = self._tables
        with tables.changing():
            tables.run("make_account", name=account_name)
            account = tables.number("account", name=account_name) or 0
            tables.run("make_user", account=account, name=user, now=now)
            user_id = tables.number("user_id", account=account, name=user) or 0
            self._require_room(user_id, user)
            wanted = policy or (otherwise if not grants(tables, "user", user_id).policies else None)
            if wanted is not None:
                attach_policy(tables, "user", user_id, account, wanted)
            tables.run("make_key", access_key_id=access_key_id, id=user_id, sealed_secret=sealed, now=now)
            granted = grants(tables, "user", user_id)
        self._version_listed = None
        return AccessKey(
            access_key_id=access_key_id,
            secret=secret,
            user=user,
            account=account,
            account_name=account_name,
            grants=granted,
            active=True,
            created_at=now,
        )

    def list(self) -> builtins.list[AccessKey]:
        """See `KeyStore.list`."""
        with self._tables.reading():
            rows = self._tables.rows("keys", _Row)
            granted = all_grants(self._tables, "user")
            # Within the transaction, so that it matches the rows read, and not a change right after.
            version = self._tables.version()
        keys = [self._key(row, granted.get(row.user_id) or Grants()) for row in rows]
        self._version_listed = version
        return keys

    def roles(self) -> builtins.list[Role]:
        """See `KeyStore.roles`."""
        with self._tables.reading():
            return read_roles(self._tables)

    def people(self) -> builtins.list[AccessKey]:
        """See `KeyStore.people`."""
        with self._tables.reading():
            rows = self._tables.rows("people", _PersonRow)
            granted = all_grants(self._tables, "user")
        return [
            AccessKey(
                access_key_id=person_id(row.account, row.user),
                secret=new_secret(),
                user=row.user,
                account=row.account,
                account_name=row.account_name,
                grants=granted.get(row.user_id) or Grants(),
                active=True,
                created_at=row.created_at,
                sign_ins_after=row.sign_ins_after,
            )
            for row in rows
        ]

    def set_active(self, access_key_id: str, active: bool) -> None:  # noqa: FBT001 - as in `KeyStore`
        """See `KeyStore.set_active`."""
        self._change("set_active", access_key_id=access_key_id, active=int(active), now=self._clock())

    def delete(self, access_key_id: str) -> None:
        """See `KeyStore.delete`."""
        self._change("delete_key", access_key_id=access_key_id)

    def account(self, name: str) -> int:
        """See `KeyStore.account`."""
        with self._tables.reading():
            account = self._tables.number("account", name=name)
        if account is None:
            raise NotFound(
                f"There is no account {name!r}. To see the accounts with keys, run: otpconv keys list"
            )
        return account

    def note_uses(self, uses: Mapping[str, int]) -> None:
        """See `KeyStore.note_uses`."""
        with self._tables.noting():
            for access_key_id, at in uses.items():
                self._tables.run("note_use", access_key_id=access_key_id, at=at)

    def changed(self) -> bool:
        """See `KeyStore.changed`."""
        return self._version_listed is None or self._tables.version() != self._version_listed

    def close(self) -> None:
        """See `KeyStore.close`."""
        self._tables.close()

    def _change(self, statement: str, **values: str | int) -> None:
        with self._tables.changing():
            if not self._tables.run(statement, **values):
                raise NotFound("There is no access key with this id. To see all keys, run: otpconv keys list")
        # The version shows only the changes of other connections.
        self._version_listed = None

    def _require_room(self, user_id: int, user: str) -> None:
        keys = self._tables.rows("keys_of_user", tuple[str, int | None], id=user_id)
        if len(keys) >= KEYS_A_USER:
            older, used_at = keys[0]
            used = "has never been used" if used_at is None else f"was last used at {iso_8601(used_at)}"
            raise InvalidRequest(
                f"The user {user} already has {KEYS_A_USER} access keys, the maximum. Delete one first with: "
                f"otpconv keys delete ID. The older key is {older}, which {used}"
            )

    def _key(self, row: _Row, granted: Grants) -> AccessKey:
        return AccessKey(
            access_key_id=row.access_key_id,
            secret=self._secret(row.access_key_id, row.sealed_secret),
            user=row.user,
            account=row.account,
            account_name=row.account_name,
            grants=granted,
            active=bool(row.active),
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            sign_ins_after=row.sign_ins_after,
        )

    def _secret(self, access_key_id: str, sealed: bytes) -> str:
        return self._sealer.open(sealed, _context(access_key_id)).decode()


def _context(access_key_id: str) -> bytes:
    return b"access key " + access_key_id.encode()
