"""Which policies are attached to which users and roles, and their documents."""

from functools import lru_cache
from typing import Final

from msgspec import Struct

from otpconv.access.directory import Holder
from otpconv.access.policies.document import Document, parse_document
from otpconv.access.policies.evaluation import AttachedPolicy
from otpconv.access.policies.grants import Grants
from otpconv.access.policies.managed import MANAGED
from otpconv.errors import InvalidRequest
from otpconv.storage.access.tables import AccessTables

#: The statement that attaches a policy to each kind of holder.
_ATTACH: Final[dict[Holder, str]] = {"user": "attach_to_user", "role": "attach_to_role"}
#: The statement that reads the policies of each kind of holder.
_GRANTS: Final[dict[Holder, str]] = {"user": "user_grants", "role": "role_grants"}
#: Stands for a document that can't be parsed any more: what it denied stays denied.
_DENY_ALL: Final = parse_document(
    '{"Version": "1", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}'
)
#: Stands for a managed policy that only a newer otpconv has.
_NOTHING: Final = Document(())


class _Row(Struct, array_like=True):
    """A row of `user_grants` or `role_grants`."""

    holder_id: int
    policy: str
    document: str | None


def all_grants(tables: AccessTables, kind: Holder) -> dict[int, Grants]:
    """Return the grants of all users or all roles by id; those without a policy are left out."""
    return _read(tables, kind, None)


def grants(tables: AccessTables, kind: Holder, holder: int) -> Grants:
    """Return the grants of one user or role."""
    return _read(tables, kind, holder).get(holder) or Grants()


def attach_policy(tables: AccessTables, kind: Holder, holder: int, account: int, policy: str) -> None:
    """Attach a policy if it is not attached yet.

    Raises:
        InvalidRequest: the policy does not exist; the text lists those that do.
    """
    tables.run(_ATTACH[kind], id=holder, policy=known_name(tables, account, policy))


def known_name(tables: AccessTables, account: int, policy: str) -> str:
    """Return the name of a policy as it was written when the policy was created.

    Raises:
        InvalidRequest: it is neither managed nor one of the account's; the text lists those that exist.
    """
    if policy in MANAGED:
        return policy
    name = tables.value("policy_name", account=account, name=policy)
    if not isinstance(name, str):
        own = [row[0] for row in tables.rows("policies", tuple[str, str, int], account=account)]
        raise InvalidRequest(
            f"There is no policy of this name; take one of: {', '.join([*MANAGED, *own])}; "
            "or make it, with: otpconv policies create"
        )
    return name


def _read(tables: AccessTables, kind: Holder, holder: int | None) -> dict[int, Grants]:
    attached: dict[int, list[AttachedPolicy]] = {}
    for row in tables.rows(_GRANTS[kind], _Row, id=holder):
        attached.setdefault(row.holder_id, []).append(AttachedPolicy(row.policy, _document(row)))
    return {holder_id: Grants(tuple(policies)) for holder_id, policies in attached.items()}


def _document(row: _Row) -> Document:
    if row.document is None:
        return MANAGED.get(row.policy, _NOTHING)
    return _parsed(row.document)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Document:
    try:
        return parse_document(text)
    except InvalidRequest:  # an older otpconv accepted it
        return _DENY_ALL
