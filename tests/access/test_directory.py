import json
from collections.abc import Callable

import pytest

from otpconv.access.authorize import authorize
from otpconv.access.directory import Directory
from otpconv.access.keys import KeyRing, KeyStore
from otpconv.access.policies.managed import MANAGED
from otpconv.access.sealing import Sealer
from otpconv.errors import AccessDenied, InvalidRequest, NotFound, OtpconvError
from storage.engines import Access

SEALER = Sealer(bytes(range(32)))
NOW = 1_700_000_000_000
REPORT = "dysms:SmsConversion"


def text(effect: str, action: str = REPORT) -> str:
    return json.dumps({"Version": "1", "Statement": {"Effect": effect, "Action": action, "Resource": "*"}})


@pytest.fixture
def directory(access: Access) -> Directory:
    return access.open(lambda: NOW).directory()


@pytest.fixture
def store(access: Access) -> KeyStore:
    return access.open(lambda: NOW).keys(SEALER)


def test_a_user_is_made_once_and_shown_with_its_policies_and_keys(
    directory: Directory, store: KeyStore
) -> None:
    made = directory.create_user("shop", "app")
    assert (made.name, made.account_name, made.created_at, made.access_key_ids) == ("app", "shop", NOW, ())
    with pytest.raises(InvalidRequest, match="already"):
        directory.create_user("shop", "app")
    directory.attach("user", "shop", "app", "OtpconvReadOnly")
    directory.attach("user", "shop", "app", "OtpconvReadOnly")
    keys = tuple(store.create("shop", "app", None).access_key_id for _ in range(2))
    shown = directory.user("shop", "app")
    assert shown.grants.names == ("OtpconvReadOnly",)
    assert set(shown.access_key_ids) == set(keys)
    assert directory.users("shop") == [shown]


def test_a_deleted_user_takes_keys_and_attachments_with_it_and_a_namesake_inherits_nothing(
    directory: Directory, store: KeyStore
) -> None:
    key = store.create("default", "app", "AdministratorAccess")
    ring = KeyRing(store)
    directory.delete("user", "default", "app")
    ring.refresh()
    with pytest.raises(OtpconvError):
        ring.get(key.access_key_id)
    assert directory.create_user("default", "app").grants.names == ()
    with pytest.raises(NotFound, match="otpconv users list"):
        directory.delete("user", "default", "nobody")


def test_a_policy_of_ones_own_decides_and_its_changes_show_after_a_refresh(
    directory: Directory, store: KeyStore
) -> None:
    key = store.create("default", "app", "OtpconvReportOnly")
    directory.create_policy("default", "NoReports", text("Deny"))
    ring = KeyRing(store)
    authorize(ring.get(key.access_key_id), REPORT, dict)
    directory.attach("user", "default", "app", "noreports")
    ring.refresh()
    with pytest.raises(AccessDenied, match="policy NoReports"):
        authorize(ring.get(key.access_key_id), REPORT, dict)
    directory.detach("user", "default", "app", "NoReports")
    ring.refresh()
    authorize(ring.get(key.access_key_id), REPORT, dict)


def test_a_bad_document_is_refused_with_its_place_and_nothing_is_kept(directory: Directory) -> None:
    with pytest.raises(InvalidRequest, match=r"Statement\.Effect"):
        directory.create_policy("default", "Bad", text("Maybe"))
    assert len(directory.policies("default")) == len(MANAGED)


@pytest.mark.parametrize("name", ["Own", "own", "administratoraccess"])
def test_a_policys_name_is_taken_whatever_its_case(directory: Directory, name: str) -> None:
    directory.create_policy("default", "Own", text("Allow"))
    with pytest.raises(InvalidRequest, match="already"):
        directory.create_policy("default", name, text("Allow"))


def test_an_attached_policy_is_not_deleted_but_says_who_has_it(directory: Directory) -> None:
    directory.create_policy("default", "Own", text("Allow"))
    directory.create_user("default", "app")
    directory.create_role("default", "reporter", 3_600)
    directory.attach("user", "default", "app", "Own")
    directory.attach("role", "default", "REPORTER", "own")
    with pytest.raises(InvalidRequest, match="role reporter, user app"):
        directory.delete_policy("default", "Own")
    directory.detach("user", "default", "app", "Own")
    directory.delete("role", "default", "reporter")
    directory.delete_policy("default", "Own")
    with pytest.raises(NotFound):
        directory.policy("default", "Own")
    with pytest.raises(InvalidRequest, match="managed"):
        directory.delete_policy("default", "AdministratorAccess")


def test_policies_that_exist_nowhere_are_not_attached_or_detached(directory: Directory) -> None:
    directory.create_user("default", "app")
    with pytest.raises(InvalidRequest, match="OtpconvReportOnly"):
        directory.attach("user", "default", "app", "Nonsense")
    with pytest.raises(NotFound, match="otpconv users show app"):
        directory.detach("user", "default", "app", "OtpconvReportOnly")


def test_no_account_reaches_into_another(directory: Directory, store: KeyStore) -> None:
    directory.create_policy("one", "Own", text("Allow"))
    directory.create_user("one", "app")
    directory.create_role("one", "reporter", 3_600)
    directory.create_user("two", "other")
    attempts: list[Callable[[], object]] = [
        lambda: directory.user("two", "app"),
        lambda: directory.role("two", "reporter"),
        lambda: directory.policy("two", "Own"),
        lambda: directory.delete_policy("two", "Own"),
        lambda: directory.delete("user", "two", "app"),
        lambda: directory.delete("role", "two", "reporter"),
        lambda: directory.attach("user", "two", "other", "Own"),
        lambda: directory.attach("user", "two", "app", "OtpconvReadOnly"),
        lambda: store.create("two", "third", "Own"),
        lambda: directory.users("three"),
    ]
    for attempt in attempts:
        with pytest.raises((NotFound, InvalidRequest)):
            attempt()
    directory.create_policy("two", "Own", text("Deny"))
    directory.attach("user", "one", "app", "Own")
    assert directory.policy("two", "Own").attached_to == ()
    (policy,) = directory.user("one", "app").grants.policies
    assert policy.document.statements[0].effect == "Allow"
    assert [user.name for user in directory.users("two")] == ["other"]
    assert directory.roles("two") == []


def test_a_role_is_found_in_memory_in_any_case_and_within_its_account(
    directory: Directory, store: KeyStore
) -> None:
    ring = KeyRing(store)
    made = directory.create_role("default", "Reporter", 7_200)
    assert (made.max_duration_s, made.grants.names) == (7_200, ())
    with pytest.raises(NotFound):
        ring.role(1, "reporter")
    directory.attach("role", "default", "reporter", "OtpconvReportOnly")
    ring.refresh()
    role = ring.role(1, "rePorter")
    assert (role.name, role.max_duration_s, role.grants.names) == ("Reporter", 7_200, ("OtpconvReportOnly",))
    with pytest.raises(NotFound, match="otpconv roles list"):
        ring.role(2, "reporter")
    with pytest.raises(InvalidRequest, match="already"):
        directory.create_role("default", "reporter", 3_600)


@pytest.mark.parametrize(("name", "longest"), [("a_b", 3_600), ("", 3_600), ("ok", 899), ("ok", 43_201)])
def test_a_role_that_no_token_could_stand_for_is_refused(
    directory: Directory, name: str, longest: int
) -> None:
    with pytest.raises(InvalidRequest):
        directory.create_role("default", name, longest)


def test_a_document_that_can_not_be_read_any_more_denies_everything(
    directory: Directory, store: KeyStore, access: Access
) -> None:
    directory.create_policy("default", "Own", text("Allow"))
    key = store.create("default", "app", "AdministratorAccess")
    directory.attach("user", "default", "app", "Own")
    access.run("UPDATE policies SET document = '{}'")
    ring = KeyRing(store)
    with pytest.raises(AccessDenied, match="policy Own"):
        authorize(ring.get(key.access_key_id), REPORT, dict)


def test_a_managed_policy_of_a_newer_release_allows_nothing(store: KeyStore, access: Access) -> None:
    key = store.create("default", "app", "AdministratorAccess")
    access.run("UPDATE user_policies SET policy = 'OfANewerRelease'")
    ring = KeyRing(store)
    assert ring.get(key.access_key_id).policies == ("OfANewerRelease",)
    with pytest.raises(AccessDenied):
        authorize(ring.get(key.access_key_id), REPORT, dict)
