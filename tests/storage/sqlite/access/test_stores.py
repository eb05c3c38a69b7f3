import subprocess
import sys
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import apsw
import pytest

from campaigns import parameters
from otpconv.access.keys import KeyRing, KeyStore
from otpconv.access.sealing import Sealer
from otpconv.access.sign_outs import SignOuts
from otpconv.errors import InvalidRequest, Misconfigured, NotFound, Unavailable
from otpconv.storage.access.keys import TableKeyStore
from otpconv.storage.sqlite.access import SqliteAccessStore

SEALER = Sealer(bytes(range(32)))
NOW = 1_700_000_000_000


def opened(path: Path) -> TableKeyStore:
    return SqliteAccessStore(path, lambda: NOW).keys(SEALER)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.sqlite"


def test_a_created_key_is_listed_with_its_user_account_and_policies(path: Path) -> None:
    store: KeyStore = opened(path)
    key = store.create("default", "app", "OtpconvReportOnly")
    assert (key.user, key.account, key.account_name) == ("app", 1, "default")
    assert (key.policies, key.active, key.created_at) == (("OtpconvReportOnly",), True, NOW)
    assert store.list() == [key]
    store.close()
    assert opened(path).list() == [key]


def test_no_secret_is_readable_in_the_files(path: Path) -> None:
    store = opened(path)
    secret = store.create("default", "app", None).secret.encode()
    for file in path.parent.iterdir():
        assert secret not in file.read_bytes()


def test_no_name_of_a_sign_in_is_readable_in_the_files(path: Path) -> None:
    key = opened(path).create("default", "olga", None)
    store = SqliteAccessStore(path, lambda: NOW).sign_outs()
    SignOuts(store, lambda: NOW).add(key, "form-token-of-olga", NOW + 1_000)
    for file in path.parent.iterdir():
        assert b"form-token-of-olga" not in file.read_bytes()


def test_the_files_are_for_their_owner_alone(path: Path) -> None:
    store = opened(path)
    store.create("default", "app", None)
    files = list(path.parent.iterdir())
    assert len(files) == 3
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_second_key_keeps_the_user_and_adds_the_policy(path: Path) -> None:
    store = opened(path)
    store.create("default", "app", "OtpconvReportOnly")
    second = store.create("default", "app", "OtpconvReadOnly")
    assert second.policies == ("OtpconvReadOnly", "OtpconvReportOnly")
    assert [key.policies for key in store.list()] == [second.policies] * 2


def test_a_user_has_two_keys_at_most(path: Path) -> None:
    store = opened(path)
    first = store.create("default", "app", None)
    store.create("default", "app", None)
    with pytest.raises(InvalidRequest, match=r"Delete one first.*The older key is LTAI.*never been used"):
        store.create("default", "app", "AdministratorAccess")
    assert len(store.list()) == 2
    assert all(key.policies == () for key in store.list())
    store.delete(first.access_key_id)
    store.create("default", "app", None)


def test_users_of_one_name_in_two_accounts_are_two_users(path: Path) -> None:
    store = opened(path)
    here = store.create("default", "app", "OtpconvReadOnly")
    there = store.create("other", "app", None)
    assert (here.account, there.account_name) == (1, "other")
    assert there.account != 1
    assert there.policies == ()


def test_a_user_stays_when_its_last_key_goes(path: Path) -> None:
    store = opened(path)
    key = store.create("default", "app", "OtpconvReadOnly")
    store.delete(key.access_key_id)
    assert store.list() == []
    assert store.create("default", "app", None).policies == ("OtpconvReadOnly",)


def test_the_policy_for_those_without_any_leaves_what_a_user_has(path: Path) -> None:
    store = opened(path)
    assert store.create("default", "new", None, otherwise="OtpconvReportOnly").policies == (
        "OtpconvReportOnly",
    )
    store.create("default", "app", "OtpconvReadOnly")
    assert store.create("default", "app", None, otherwise="OtpconvReportOnly").policies == (
        "OtpconvReadOnly",
    )


def test_when_a_key_was_last_used_is_kept_and_no_change_to_read_again(path: Path) -> None:
    store = opened(path)
    key = store.create("default", "app", None)
    ring = KeyRing(store)
    ring.note_use(key, NOW + 5)
    ring.note_use(key, NOW + 7)
    ring.keep_uses()
    assert not store.changed()
    assert [key.last_used_at for key in opened(path).list()] == [NOW + 7]
    store.note_uses({key.access_key_id: NOW, "STS.unknown": NOW})
    assert [key.last_used_at for key in store.list()] == [NOW + 7]


def test_a_use_that_can_not_be_kept_now_is_kept_later(path: Path) -> None:
    store = opened(path)
    key = store.create("default", "app", None)
    ring = KeyRing(store)
    ring.note_use(key, NOW)
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        ring.keep_uses()
    other.execute("ROLLBACK")
    ring.keep_uses()
    assert [key.last_used_at for key in store.list()] == [NOW]


def test_a_key_is_disabled_and_enabled_again(path: Path) -> None:
    store = opened(path)
    key = store.create("default", "app", None)
    store.set_active(key.access_key_id, active=False)
    assert [key.active for key in store.list()] == [False]
    store.set_active(key.access_key_id, active=True)
    assert [key.active for key in store.list()] == [True]


def test_a_key_that_does_not_exist_is_neither_disabled_nor_deleted(path: Path) -> None:
    store = opened(path)
    with pytest.raises(NotFound, match="otpconv keys list"):
        store.set_active("LTAIunknown", active=False)
    with pytest.raises(NotFound, match="otpconv keys list"):
        store.delete("LTAIunknown")


@pytest.mark.parametrize("name", ["a", "A.b-c_d@example.com", "x" * 64])
def test_names_of_users_in_the_allowed_characters_are_taken(path: Path, name: str) -> None:
    assert opened(path).create("default", name, None).user == name


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "ä", "a/b", "a\n", "a,b"])
def test_other_names_are_refused(path: Path, name: str) -> None:
    store = opened(path)
    with pytest.raises(InvalidRequest, match="name of the user"):
        store.create("default", name, None)
    with pytest.raises(InvalidRequest, match="name of the account"):
        store.create(name, "app", None)
    assert store.list() == []


def test_an_unknown_policy_is_refused_and_nothing_is_made(path: Path) -> None:
    store = opened(path)
    with pytest.raises(InvalidRequest, match="OtpconvReportOnly"):
        store.create("default", "app", "Nonsense")
    assert store.list() == []


def test_changes_of_this_and_of_another_connection_are_noticed(path: Path) -> None:
    store, other = opened(path), opened(path)
    assert store.changed()
    store.list()
    assert not store.changed()
    key = other.create("default", "app", None)
    assert store.changed()
    assert store.changed()
    assert store.list() == [key]
    assert not store.changed()
    store.set_active(key.access_key_id, active=False)
    assert store.changed()
    store.list()
    assert not store.changed()


def test_another_process_makes_a_key_while_the_store_is_open(path: Path) -> None:
    store = opened(path)
    assert store.list() == []
    program = (
        "import sys; from pathlib import Path; from otpconv.access.sealing import Sealer;"
        "from otpconv.storage.sqlite.access import SqliteAccessStore;"
        "print(SqliteAccessStore(Path(sys.argv[1]), lambda: 0).keys(Sealer(bytes(range(32))))"
        ".create('default', sys.argv[2], None).access_key_id)"
    )
    makers = [
        subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", program, str(path), f"user{index}"], stdout=subprocess.PIPE, text=True
        )
        for index in range(2)
    ]
    made = {maker.communicate(timeout=60)[0].strip() for maker in makers}
    assert store.changed()
    assert {key.access_key_id for key in store.list()} == made
    assert len(made) == 2


def open_at_once(path: Path, processes: int) -> None:
    """Let processes open the store at the same moment, each to make an access key."""
    program = (
        "import sys; from pathlib import Path; from otpconv.access.sealing import Sealer;"
        "from otpconv.storage.sqlite.access import SqliteAccessStore; sys.stdin.read();"
        "SqliteAccessStore(Path(sys.argv[1]), lambda: 0).keys(Sealer(bytes(range(32))))"
        ".create('default', sys.argv[2], None)"
    )
    makers = [
        subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", program, str(path), f"user{index}"], stdin=subprocess.PIPE
        )
        for index in range(processes)
    ]
    for maker in makers:
        maker.communicate(timeout=60)
    assert [maker.returncode for maker in makers] == [0] * processes
    assert len(opened(path).list()) == processes


def test_processes_that_make_the_store_at_once_all_succeed(path: Path) -> None:
    open_at_once(path, 4)


def test_another_sealing_key_is_refused_before_anything_is_written(path: Path) -> None:
    opened(path).create("default", "app", None)
    with pytest.raises(Misconfigured, match="sealing key"):
        SqliteAccessStore(path, lambda: NOW).keys(Sealer(bytes(32)))


def test_a_secret_moved_to_another_key_does_not_open(path: Path) -> None:
    store = opened(path)
    store.create("default", "a", None)
    store.create("default", "b", None)
    raw = apsw.Connection(str(path))
    raw.execute("UPDATE access_keys SET sealed_secret = (SELECT max(sealed_secret) FROM access_keys)")
    with pytest.raises(Misconfigured, match="does not open"):
        store.list()


def test_a_file_of_a_newer_otpconv_is_left_alone(path: Path) -> None:
    opened(path).close()
    apsw.Connection(str(path)).execute("PRAGMA user_version = 99")
    with pytest.raises(Misconfigured, match="newer otpconv"):
        opened(path)


def test_a_database_of_something_else_is_left_alone(path: Path) -> None:
    apsw.Connection(str(path)).execute("CREATE TABLE accounts (x)")
    with pytest.raises(Misconfigured, match="is not otpconv's"):
        opened(path)


def test_a_file_that_is_no_database_is_named(path: Path) -> None:
    path.write_bytes(b"no database " * 100)
    with pytest.raises(Misconfigured, match=r"access\.sqlite"):
        opened(path)


def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="missing"):
        opened(tmp_path / "missing" / "access.sqlite")


def test_a_lock_that_stays_is_temporary_and_leaves_the_store_usable(path: Path) -> None:
    store, other = opened(path), apsw.Connection(str(path))
    store._tables.connection.set_busy_timeout(10)  # noqa: SLF001 - the 5 s of production are long for a test
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="Try again"):
        store.create("default", "app", None)
    assert store.list() == []
    other.execute("ROLLBACK")
    store.create("default", "app", None)


#: What version 1 of the file was made by.
VERSION_1 = Path(__file__).with_name("access_1.sql").read_text("utf-8")
#: What brings it to version 2.
UPGRADE_TO_2 = files("otpconv.storage.sqlite.access").joinpath("upgrade_to_2.sql").read_text("utf-8")


def shape(path: Path) -> object:
    """Return what tables and columns a file has, however they were made."""
    connection = apsw.Connection(str(path))
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema ORDER BY name")]
    return [connection.pragma("user_version")] + [
        (table, connection.execute("SELECT * FROM pragma_table_xinfo(?)", (table,)).fetchall())
        for table in tables
    ]


def test_a_file_of_version_1_is_brought_to_the_present_in_place(path: Path, tmp_path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(VERSION_1)
    sealed = SEALER.seal(b"secret", b"access key LTAIold")
    connection.execute("INSERT INTO users VALUES (7, 1, 'olga', 5)")
    connection.execute("INSERT INTO user_policies VALUES (7, 'OtpconvReadOnly')")
    connection.execute("INSERT INTO access_keys VALUES ('LTAIold', 7, ?, 1, 6, 8)", (sealed,))
    connection.execute("INSERT INTO roles VALUES (3, 1, 'Reporter', 900, 9)")
    connection.close()
    store = opened(path)
    [key] = store.list()
    assert (key.access_key_id, key.secret, key.user) == ("LTAIold", "secret", "olga")
    assert (key.policies, key.active, key.created_at, key.last_used_at) == (("OtpconvReadOnly",), True, 6, 8)
    assert key.sign_ins_after == 0
    assert [role.name for role in store.roles()] == ["Reporter"]
    store.close()
    new = tmp_path / "new.sqlite"
    opened(new).close()
    assert shape(path) == shape(new)
    assert [key.secret for key in opened(path).list()] == ["secret"]


def test_a_file_of_version_2_keeps_its_sign_outs_and_gets_those_of_people(path: Path, tmp_path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(VERSION_1)
    connection.execute(UPGRADE_TO_2)
    connection.execute("INSERT INTO users VALUES (7, 1, 'olga', 5)")
    sealed = SEALER.seal(b"secret", b"access key LTAIold")
    connection.execute("INSERT INTO access_keys VALUES ('LTAIold', 7, ?, 1, 6, 8, 4)", (sealed,))
    connection.execute("INSERT INTO sign_outs VALUES ('LTAIold', x'01', 99)")
    connection.close()
    with closing(opened(path)) as store:
        [key], [person] = store.list(), store.people()
    assert (key.access_key_id, key.sign_ins_after) == ("LTAIold", 4)
    assert (person.access_key_id, person.user, person.sign_ins_after) == ("user/1/olga", "olga", 5)
    sign_outs = SqliteAccessStore(path, lambda: NOW).sign_outs()
    sign_outs.add("user/1/olga", b"2", 99, 1)
    assert sign_outs.load() == {"LTAIold": {b"\x01": 99}, "user/1/olga": {b"2": 99}}
    new = tmp_path / "new.sqlite"
    opened(new).close()
    assert shape(path) == shape(new)


@pytest.mark.parametrize("upgrades", parameters(["", "2"], [""], "from a later version"))
def test_processes_that_upgrade_a_file_at_once_all_succeed(path: Path, upgrades: str) -> None:
    apsw.Connection(str(path)).execute(VERSION_1 + (UPGRADE_TO_2 if upgrades else ""))
    open_at_once(path, 3)
