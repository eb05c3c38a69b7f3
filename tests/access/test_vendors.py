"""The store of vendor accounts, on each engine."""

import pytest

from otpconv.access.sealing import Sealer
from otpconv.access.vendors import NewVendor, VendorStore
from otpconv.errors import NotFound
from storage.engines import Access

SEALER = Sealer(bytes(range(32)))
NOW = 1_700_000_000_000


@pytest.fixture
def account(access: Access) -> int:
    return access.open(lambda: NOW).directory().create_user("shop", "app").account


@pytest.fixture
def store(access: Access) -> VendorStore:
    return access.open(lambda: NOW).vendors(SEALER)


def test_a_change_replaces_settings_and_secrets_and_nothing_else(
    access: Access, store: VendorStore, account: int
) -> None:
    made = store.create(account, NewVendor("a", "twilio", "p", {"x": "1"}, {"y": "2"}, per_second=3, since=4))
    other = store.create(account, NewVendor("b", "twilio", "q", {"x": "1"}, {"y": "2"}))
    changed = store.change(account, "a", lambda old: (old.settings | {"z": "5"}, {"w": "6"}))
    assert (changed.settings, changed.secrets) == ({"x": "1", "z": "5"}, {"w": "6"})
    again = access.open(lambda: NOW).vendors(SEALER)
    assert again.list(account) == [changed, other]
    assert (changed.id, changed.since, changed.per_second) == (made.id, 4, 3)
    with pytest.raises(NotFound):
        store.change(account, "c", lambda old: (old.settings, old.secrets))


def test_a_change_that_fails_changes_nothing(store: VendorStore, account: int) -> None:
    made = store.create(account, NewVendor("a", "twilio", "p", {"x": "1"}, {"y": "2"}))
    with pytest.raises(ZeroDivisionError):
        store.change(account, "a", lambda _: ({}, {})[1 // 0])  # type: ignore[return-value]
    assert store.list(account) == [made]
