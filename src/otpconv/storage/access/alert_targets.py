"""Targets of notifications in the tables of an engine, their secrets sealed."""

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from otpconv.access.alert_targets import MAX_TARGETS, AlertTarget, NewAlertTarget, Rules, TargetKind
from otpconv.access.sealing import Sealer
from otpconv.clock import Clock
from otpconv.errors import InvalidRequest, NotFound
from otpconv.storage.access.tables import AccessTables

_texts = msgspec.json.Decoder(dict[str, str]).decode
_rules = msgspec.json.Decoder(Rules).decode


class _Row(Struct, array_like=True):
    """A row of `alert_targets`."""

    id: int
    account: int
    name: str
    kind: TargetKind
    settings: str
    rules: str
    sealed_secrets: bytes
    created_at: int


class TableAlertTargets:
    """An `AlertTargetStore` in the tables of an engine.

    Args:
        tables: the open tables; closed with the store.
        sealer: seals the secrets.
        clock: gives the time of creation.
    """

    def __init__(self, tables: AccessTables, sealer: Sealer, clock: Clock) -> None:
        self._tables = tables
        self._sealer = sealer
        self._clock = clock

    def list(self, account: int | None = None) -> list[AlertTarget]:
        """See `AlertTargetStore.list`."""
        with self._tables.reading():
            rows = self._tables.rows("alert_targets", _Row, account=account)
        return [self._opened(row) for row in rows]

    def create(self, account: int, target: NewAlertTarget) -> AlertTarget:
        """See `AlertTargetStore.create`."""
        now = self._clock()
        with self._tables.changing():
            if (self._tables.number("count_alert_targets", account=account) or 0) >= MAX_TARGETS:
                raise InvalidRequest(
                    f"The account already has {MAX_TARGETS} targets, the maximum. Delete one first."
                )
            number = self._tables.number(
                "make_alert_target",
                account=account,
                name=target.name,
                kind=target.kind,
                settings=msgspec.json.encode(target.settings).decode(),
                rules=msgspec.json.encode(target.rules).decode(),
                sealed_secrets=self._sealer.seal(
                    msgspec.json.encode(target.secrets), _context(account, target.name)
                ),
                now=now,
            )
            if number is None:
                raise InvalidRequest(
                    f"The account already has a target named {target.name!r}. Choose another name, or delete"
                    " that one."
                )
        fields = {name: getattr(target, name) for name in NewAlertTarget.__struct_fields__}
        return AlertTarget(**fields, id=number, account=account, created_at=now)

    def delete(self, account: int, name: str) -> None:
        """See `AlertTargetStore.delete`."""
        with self._tables.changing():
            if not self._tables.run("delete_alert_target", account=account, name=name):
                raise unknown_target(name)

    def close(self) -> None:
        """See `AlertTargetStore.close`."""
        self._tables.close()

    def _opened(self, row: _Row) -> AlertTarget:
        secrets = self._sealer.open(row.sealed_secrets, _context(row.account, row.name))
        fields = asdict(row)
        del fields["sealed_secrets"]
        fields |= {"settings": _texts(row.settings), "rules": _rules(row.rules), "secrets": _texts(secrets)}
        return AlertTarget(**fields)


def unknown_target(name: str) -> NotFound:
    """Return the error about a name that no target of the account has."""
    return NotFound(
        f"There is no target {name[:64]!r}. For those that exist, run: otpconv alerts targets list"
    )


def _context(account: int, name: str) -> bytes:
    """Return the context that secrets are sealed for: no other target can use them."""
    return f"alert target {account}/{name}".encode()
