"""Reads roles for the server and the command line."""

from msgspec import Struct

from otpconv.access.keys import Role
from otpconv.access.policies.grants import Grants
from otpconv.storage.access.grants import all_grants
from otpconv.storage.access.tables import AccessTables


class _Row(Struct, array_like=True):
    """A row of `roles`."""

    role_id: int
    name: str
    account: int
    account_name: str
    created_at: int
    max_duration_s: int


def read_roles(tables: AccessTables, account: int | None = None) -> list[Role]:
    """Return the roles of an account, or of all, by account and name."""
    granted = all_grants(tables, "role")
    return [
        Role(
            account=row.account,
            account_name=row.account_name,
            name=row.name,
            grants=granted.get(row.role_id) or Grants(),
            max_duration_s=row.max_duration_s,
            created_at=row.created_at,
        )
        for row in tables.rows("roles", _Row, account=account)
    ]
