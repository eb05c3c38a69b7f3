import io

import pytest

from otpconv.access.keys import AccessKey, KeyRing, KeyStore
from otpconv.access.names import new_id, new_secret
from otpconv.access.sealing import Sealer
from otpconv.errors import BadCredentials, InactiveAccessKey, UnknownAccessKey
from storage.engines import Access

SEALER = Sealer(bytes(range(32)))


@pytest.fixture
def store(access: Access) -> KeyStore:
    return access.open(lambda: 1_700_000_000_000).keys(SEALER)


def test_ids_and_secrets_have_the_vendors_form() -> None:
    assert new_id().startswith("LTAI")
    assert (len(new_id()), len(new_secret())) == (24, 30)
    assert (new_id() + new_secret()).isalnum()
    assert len({new_secret() for _ in range(100)}) == 100


def test_the_secret_does_not_show(store: KeyStore) -> None:
    key = store.create("default", "app", None)
    shown = f"{key} {key!r} {[key]} {key.__rich_repr__()}"
    assert key.secret not in shown
    assert key.access_key_id in shown
    out = io.StringIO()
    print(key, file=out)
    assert key.secret not in out.getvalue()


def test_a_key_is_found_by_its_id(store: KeyStore) -> None:
    key = store.create("default", "app", None)
    assert KeyRing(store).get(key.access_key_id) == key


def test_an_unknown_and_a_disabled_key_are_told_apart(store: KeyStore) -> None:
    key = store.create("default", "app", None)
    store.set_active(key.access_key_id, active=False)
    ring = KeyRing(store)
    with pytest.raises(UnknownAccessKey, match="otpconv keys list"):
        ring.get("LTAIunknown")
    with pytest.raises(InactiveAccessKey):
        ring.get(key.access_key_id)


def test_the_secrets_of_an_account_are_those_of_its_active_keys(store: KeyStore) -> None:
    one, off, other = (
        store.create(account, user, None)
        for account, user in (("default", "app"), ("default", "old"), ("x", "y"))
    )
    store.set_active(off.access_key_id, active=False)
    ring = KeyRing(store)
    assert ring.secrets(one.account) == {one.access_key_id: one.secret}
    assert ring.secrets(other.account) == {other.access_key_id: other.secret}


def test_changes_show_after_a_refresh_and_not_before(store: KeyStore) -> None:
    ring = KeyRing(store)
    key = store.create("default", "app", None)
    with pytest.raises(UnknownAccessKey):
        ring.get(key.access_key_id)
    ring.refresh()
    assert ring.get(key.access_key_id) == key
    store.delete(key.access_key_id)
    ring.refresh()
    with pytest.raises(UnknownAccessKey):
        ring.get(key.access_key_id)


class Counted:
    """A store that counts how often it is read."""

    def __init__(self, store: KeyStore) -> None:
        self.reads = 0
        self.create, self.delete, self.close = store.create, store.delete, store.close
        self.set_active, self.changed = store.set_active, store.changed
        self.roles, self.people, self.note_uses = store.roles, store.people, store.note_uses
        self._list = store.list

    def list(self) -> list[AccessKey]:
        self.reads += 1
        return self._list()


def test_a_refresh_reads_only_when_something_changed(store: KeyStore) -> None:
    counted = Counted(store)
    ring = KeyRing(counted)
    ring.refresh()
    ring.refresh()
    assert counted.reads == 1
    store.create("default", "app", None)
    ring.refresh()
    ring.refresh()
    assert counted.reads == 2


def test_id_and_secret_together_authenticate(store: KeyStore) -> None:
    key = store.create("default", "app", None)
    assert KeyRing(store).authenticate(key.access_key_id, key.secret) == key


def test_a_wrong_secret_reads_as_an_unknown_id_does(store: KeyStore) -> None:
    key = store.create("default", "app", None)
    ring = KeyRing(store)
    texts = set()
    for access_key_id, secret in [
        (key.access_key_id, key.secret[:-1]),
        (key.access_key_id, ""),
        (key.access_key_id, "ö\udc80"),
        ("LTAIunknown", key.secret),
        ("", ""),
    ]:
        with pytest.raises(BadCredentials) as refusal:
            ring.authenticate(access_key_id, secret)
        assert type(refusal.value) is BadCredentials
        texts.add(refusal.value.text)
    assert len(texts) == 1


def test_only_who_knows_the_secret_hears_that_a_key_is_disabled(store: KeyStore) -> None:
    key = store.create("default", "app", None)
    store.set_active(key.access_key_id, active=False)
    ring = KeyRing(store)
    with pytest.raises(InactiveAccessKey):
        ring.authenticate(key.access_key_id, key.secret)
    with pytest.raises(BadCredentials) as refusal:
        ring.authenticate(key.access_key_id, "wrong")
    assert type(refusal.value) is BadCredentials
