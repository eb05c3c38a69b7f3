"""Vendor accounts in the tables of an engine, their secrets sealed."""

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from otpconv.access.sealing import Sealer
from otpconv.access.vendors import MAX_VENDORS, ChangeValues, NewVendor, VendorAccount
from otpconv.clock import Clock
from otpconv.errors import InvalidRequest, NotFound
from otpconv.storage.access.tables import AccessTables

_secrets = msgspec.json.Decoder(dict[str, str]).decode


class _Row(Struct, array_like=True):
    """A row of `vendor_accounts`."""

    id: int
    account: int
    name: str
    kind: str
    provider: str
    settings: str
    sealed_secrets: bytes
    per_second: int
    paused: int
    since: int
    created_at: int


class TableVendors:
    """A `VendorStore` in the tables of an engine.

    Args:
        tables: the open tables; closed with the store.
        sealer: seals the secrets.
        clock: gives the time of creation.
    """

    def __init__(self, tables: AccessTables, sealer: Sealer, clock: Clock) -> None:
        self._tables = tables
        self._sealer = sealer
        self._clock = clock

    def list(self, account: int | None = None) -> list[VendorAccount]:
        """See `VendorStore.list`."""
        with self._tables.reading():
            rows = self._tables.rows("vendors", _Row, account=account)
        return [self._opened(row) for row in rows]

    def create(self, account: int, vendor: NewVendor) -> VendorAccount:
        """See `VendorStore.create`."""
        now = self._clock()
        sealed = self._sealer.seal(msgspec.json.encode(vendor.secrets), _context(account, vendor.name))
        with self._tables.changing():
            if (self._tables.number("count_vendors", account=account) or 0) >= MAX_VENDORS:
                raise InvalidRequest(
                    f"The account already has {MAX_VENDORS} vendor accounts, the maximum. Delete one first."
                )
            number = self._tables.number(
                "make_vendor",
                account=account,
                name=vendor.name,
                kind=vendor.kind,
                provider=vendor.provider,
                settings=msgspec.json.encode(vendor.settings).decode(),
                sealed_secrets=sealed,
                per_second=vendor.per_second,
                since=vendor.since,
                now=now,
            )
            if number is None:
                raise InvalidRequest(
                    f"The account already has a vendor account named {vendor.name!r} or one for the provider"
                    f" {vendor.provider!r}. Choose another name or provider, or delete the other one."
                )
        fields = msgspec.structs.asdict(vendor)
        return VendorAccount(**fields, id=number, account=account, created_at=now)

    def set_paused(self, account: int, name: str, *, paused: bool) -> None:
        """See `VendorStore.set_paused`."""
        with self._tables.changing():
            if not self._tables.run("pause_vendor", account=account, name=name, paused=int(paused)):
                raise unknown_vendor(name)

    def change(self, account: int, name: str, change: ChangeValues) -> VendorAccount:
        """See `VendorStore.change`."""
        with self._tables.changing():
            rows = self._tables.rows("vendors", _Row, account=account)
            found = next((row for row in rows if row.name == name), None)
            if found is None:
                raise unknown_vendor(name)
            vendor = self._opened(found)
            settings, secrets = change(vendor)
            self._tables.run(
                "change_vendor",
                account=account,
                name=name,
                settings=msgspec.json.encode(settings).decode(),
                sealed_secrets=self._sealer.seal(msgspec.json.encode(secrets), _context(account, name)),
            )
        return replace(vendor, settings=settings, secrets=secrets)

    def delete(self, account: int, name: str) -> None:
        """See `VendorStore.delete`."""
        with self._tables.changing():
            if not self._tables.run("delete_vendor", account=account, name=name):
                raise unknown_vendor(name)

    def close(self) -> None:
        """See `VendorStore.close`."""
        self._tables.close()

    def _opened(self, row: _Row) -> VendorAccount:
        return VendorAccount(
            id=row.id,
            account=row.account,
            name=row.name,
            kind=row.kind,
            provider=row.provider,
            settings=_secrets(row.settings),
            secrets=_secrets(self._sealer.open(row.sealed_secrets, _context(row.account, row.name))),
            per_second=row.per_second,
            paused=bool(row.paused),
            since=row.since,
            created_at=row.created_at,
        )


def _context(account: int, name: str) -> bytes:
    """Return the context that secrets are sealed for: no other vendor account can use them."""
    return f"vendor {account}/{name}".encode()


def unknown_vendor(name: str) -> NotFound:
    """Return the error about a name that no vendor account of the account has."""
    return NotFound(
        f"There is no vendor account {name[:64]!r}. For those that exist, run: otpconv vendors list"
    )
