"""The access keys in a SQLite file, which the server and the command line use at the same time."""

import builtins
import contextlib
import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Final

import apsw
import msgspec

from otpconv.access.keys import KEYS_A_USER, AccessKey, new_id, new_secret, require_name
from otpconv.access.policies import require_known
from otpconv.access.sealing import Sealer
from otpconv.clock import Clock
from otpconv.errors import InvalidRequest, Misconfigured, NotFound, Unavailable
from otpconv.folder import alone

#: The version of the schema that this code reads and writes.
VERSION: Final = 1

_BUSY_TIMEOUT_MS = 5_000

_SQL = resources.files(__package__)
_SCHEMA = _SQL.joinpath("schema.sql").read_text("utf-8")
_LIST_KEYS = _SQL.joinpath("list_keys.sql").read_text("utf-8")

_UNUSABLE = (
    OSError,
    apsw.NotADBError,
    apsw.CorruptError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.PermissionsError,
)
_TEMPORARY = (apsw.BusyError, apsw.LockedError, apsw.FullError, apsw.IOError, apsw.NoMemError)


class _Row(msgspec.Struct, array_like=True):
    """A row of `list_keys.sql`."""

    access_key_id: str
    sealed_secret: bytes
    user: str
    account: int
    account_name: str
    policies: str | None
    active: int
    created_at: int


class SqliteKeyStore:
    """A `KeyStore` in one SQLite file, made with mode 0600 if it does not exist; secrets are sealed.

    Args:
        path: the file; its directory exists.
        sealer: seals and opens the secrets.
        clock: stamps new keys.

    Raises:
        Misconfigured: the file is not such a store, is damaged, is of a newer otpconv, or was written with
            another sealing key.
        Unavailable: it is locked by another process for longer than 5 s.
    """

    def __init__(self, path: Path, sealer: Sealer, clock: Clock) -> None:
        self._path = path
        self._sealer = sealer
        self._clock = clock
        self._version_listed: int | None = None
        with self._mapped(), alone(path.parent):
            self._connection = _open(path)
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def create(self, account_name: str, user: str, policy: str | None) -> AccessKey:
        """See `KeyStore.create`."""
        require_name("account", account_name)
        require_name("user", user)
        if policy is not None:
            require_known(policy)
        access_key_id, secret, created_at = new_id(), new_secret(), self._clock()
        sealed = self._sealer.seal(secret.encode(), _context(access_key_id))
        with self._changing():
            account = self._account(account_name)
            user_id = self._user(account, user)
            if self._value("SELECT count(*) FROM access_keys WHERE user_id = ?", user_id) >= KEYS_A_USER:
                raise InvalidRequest(
                    f"The user {user} has {KEYS_A_USER} access keys already, which is the most; "
                    "delete one first, with: otpconv keys delete"
                )
            if policy is not None:
                self._run("INSERT INTO user_policies VALUES (?, ?) ON CONFLICT DO NOTHING", user_id, policy)
            self._run(
                "INSERT INTO access_keys (access_key_id, user_id, sealed_secret, created_at) "
                "VALUES (?, ?, ?, ?)",
                access_key_id,
                user_id,
                sealed,
                created_at,
            )
            policies = self._policies(user_id)
        return AccessKey(
            access_key_id=access_key_id,
            secret=secret,
            user=user,
            account=account,
            account_name=account_name,
            policies=policies,
            active=True,
            created_at=created_at,
        )

    def list(self) -> builtins.list[AccessKey]:
        """See `KeyStore.list`."""
        with self._mapped(), self._transaction("BEGIN"):
            rows = self._run(_LIST_KEYS).fetchall()
            # Within the transaction, so that it belongs to what was read and not to a change right after.
            version = self._value("PRAGMA data_version")
        keys = [self._key(row) for row in msgspec.convert(rows, builtins.list[_Row])]
        self._version_listed = version
        return keys

    def set_active(self, access_key_id: str, active: bool) -> None:  # noqa: FBT001 - as in `KeyStore`
        """See `KeyStore.set_active`."""
        with self._changing():
            self._run("UPDATE access_keys SET active = ? WHERE access_key_id = ?", int(active), access_key_id)
            self._require_a_change()

    def delete(self, access_key_id: str) -> None:
        """See `KeyStore.delete`."""
        with self._changing():
            self._run("DELETE FROM access_keys WHERE access_key_id = ?", access_key_id)
            self._require_a_change()
            # Otherwise whoever makes a key under this name later would come by the old policies unawares.
            self._run("DELETE FROM users WHERE user_id NOT IN (SELECT user_id FROM access_keys)")

    def account(self, name: str) -> int:
        """See `KeyStore.account`."""
        with self._mapped():
            account = self._value("SELECT account_id FROM accounts WHERE name = ?", name)
        if not account:
            raise NotFound(f"There is no account {name!r}; to see those with keys, run: otpconv keys list")
        return account

    def changed(self) -> bool:
        """See `KeyStore.changed`."""
        if self._version_listed is None:
            return True
        with self._mapped():
            return self._value("PRAGMA data_version") != self._version_listed

    def close(self) -> None:
        """See `KeyStore.close`."""
        with self._mapped():
            self._connection.close()

    def _prepare(self) -> None:
        self._connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
        self._run("PRAGMA journal_mode = WAL").fetchall()
        self._run("PRAGMA synchronous = FULL")
        self._run("PRAGMA foreign_keys = ON")
        if self._value("PRAGMA user_version") != VERSION:
            with self._transaction("BEGIN IMMEDIATE"):
                self._upgrade()
        self._check_sealer()

    def _upgrade(self) -> None:
        found = self._value("PRAGMA user_version")
        if found > VERSION:
            raise Misconfigured(
                f"The file {self._path} was written by a newer otpconv (its version is {found}, "
                f"{VERSION} is known here); run that one, or restore the backup made before the upgrade."
            )
        if found == VERSION:  # another process was first
            return
        if self._value("SELECT count(*) FROM sqlite_schema"):
            raise Misconfigured(
                f"The file {self._path} is not otpconv's; move it away or use another directory."
            )
        self._connection.execute(_SCHEMA).fetchall()

    def _check_sealer(self) -> None:
        # Before anything is written: keys sealed with two different keys in one file would help nobody.
        row = self._run("SELECT access_key_id, sealed_secret FROM access_keys LIMIT 1").fetchone()
        if row is not None:
            self._secret(*msgspec.convert(row, tuple[str, bytes]))

    def _account(self, name: str) -> int:
        self._run("INSERT INTO accounts (name) VALUES (?) ON CONFLICT DO NOTHING", name)
        return self._value("SELECT account_id FROM accounts WHERE name = ?", name)

    def _user(self, account: int, name: str) -> int:
        self._run("INSERT INTO users (account_id, name) VALUES (?, ?) ON CONFLICT DO NOTHING", account, name)
        return self._value("SELECT user_id FROM users WHERE account_id = ? AND name = ?", account, name)

    def _policies(self, user_id: int) -> tuple[str, ...]:
        rows = self._run("SELECT policy FROM user_policies WHERE user_id = ? ORDER BY policy", user_id)
        return tuple(str(name) for (name,) in rows)

    def _key(self, row: _Row) -> AccessKey:
        return AccessKey(
            access_key_id=row.access_key_id,
            secret=self._secret(row.access_key_id, row.sealed_secret),
            user=row.user,
            account=row.account,
            account_name=row.account_name,
            policies=tuple(row.policies.split(",")) if row.policies else (),
            active=bool(row.active),
            created_at=row.created_at,
        )

    def _secret(self, access_key_id: str, sealed: bytes) -> str:
        return self._sealer.open(sealed, _context(access_key_id)).decode()

    def _require_a_change(self) -> None:
        if not self._connection.changes():
            raise NotFound(
                "There is no access key of this id; to see those there are, run: otpconv keys list"
            )

    def _run(self, sql: str, *values: str | int | bytes) -> apsw.Cursor:
        return self._connection.execute(sql, values)

    def _value(self, sql: str, *values: str | int | bytes) -> int:
        value = self._run(sql, *values).get
        return value if isinstance(value, int) else 0

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        with self._mapped(), self._transaction("BEGIN IMMEDIATE"):
            yield
        # data_version tells only of other connections' changes.
        self._version_listed = None

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        self._run(begin)
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            # Some failures have rolled back on their own.
            if self._connection.in_transaction:
                self._run("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except _UNUSABLE as error:
            raise Misconfigured(
                f"The file {self._path} cannot be used ({error}); mend its rights, or "
                "restore it from a backup."
            ) from error
        except _TEMPORARY as error:
            raise Unavailable(f"The file {self._path} cannot be used now ({error}); try again.") from error


def _open(path: Path) -> apsw.Connection:
    # SQLite would make the file readable for all; its companions (-wal, -shm) take over the mode of the file.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    return apsw.Connection(str(path))


def _context(access_key_id: str) -> bytes:
    return b"access key " + access_key_id.encode()
