"""PostgreSQL as a server: its address, its versions, and its faults in words."""

import logging
import socket
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from threading import Barrier
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

import postgresql
from otpconv.errors import Misconfigured, OtpconvError, Unavailable
from otpconv.storage.postgres import PostgresEngine, migrations
from otpconv.storage.postgres.address import Address, Limits
from otpconv.storage.postgres.database import Database
from otpconv.storage.postgres.ledger.reader import PostgresLedgerReader
from otpconv.storage.postgres.shared import SharedConnection


def parts(url: str, ca: Path | None = None) -> dict[str, object]:
    return dict(conninfo_to_dict(Address(url, ca).conninfo))


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://u@localhost/d", None),
        ("postgresql://u@127.0.0.1:5433/d", None),
        ("postgresql:///d?host=/run/postgresql", None),
        ("postgresql://u@db.internal/d", "require"),
        ("postgresql://u@localhost,db.internal/d", "require"),
        ("postgresql://u@db.internal/d?sslmode=verify-full", "verify-full"),
        ("postgresql://u@db.internal/d?sslmode=disable", "disable"),
    ],
)
def test_a_connection_to_another_machine_is_encrypted_unless_the_url_says_otherwise(
    url: str, mode: str | None
) -> None:
    assert parts(url).get("sslmode") == mode


def test_a_certificate_authority_verifies_the_server(tmp_path: Path) -> None:
    found = parts("postgresql://u@db.internal/d", tmp_path / "ca.pem")
    assert found["sslmode"] == "verify-full"
    assert found["sslrootcert"] == str(tmp_path / "ca.pem")


def test_several_hosts_pass_through_and_the_one_that_takes_writes_is_chosen() -> None:
    found = parts("postgresql://u@one:1,two:2/d")
    assert (found["host"], found["port"]) == ("one,two", "1,2")
    assert found["target_session_attrs"] == "read-write"
    assert parts("postgresql://u@one,two/d?target_session_attrs=any")["target_session_attrs"] == "any"
    assert "target_session_attrs" not in parts("postgresql://u@one/d")


SECRET = "p@ss sesame"  # noqa: S105 - for no server


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{quote(SECRET)}@127.0.0.1:1/d",
        f"postgresql://u:{quote(SECRET)}@127.0.0.1:1/d?no_such_parameter=1",
        f"postgresql://u:{quote(SECRET)}@[::1/d",
        f"postgresql://u:{SECRET}@127.0.0.1:1/d",
    ],
)
def test_no_password_is_in_an_error_a_log_or_a_repr(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = ""
    try:
        database = Database(Address(url))
        shown += repr(database.address) + str(database.address) + repr(database)
        PostgresEngine(database).start()
    except OtpconvError:
        shown += traceback.format_exc()
    shown += caplog.text
    assert shown
    assert not any(part in shown for part in (SECRET, quote(SECRET), "sesame"))


def test_a_server_that_does_not_answer_is_unavailable_within_the_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        database = Database(Address(f"postgresql://u@127.0.0.1:{port}/d", connect_s=2))
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1/d.*timeout"):
            database.connect()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda url: url.replace(quote(postgresql.PASSWORD), "wrong"),
            "refuses the connection",
        ),
        (lambda url: url + "_missing", "does not exist"),
        (lambda url: url + "?sslmode=require", "refuses the connection"),
    ],
    ids=["password", "database", "tls"],
)
def test_a_wrong_password_database_or_tls_is_for_the_operator_to_correct(
    url: str, change: Callable[[str], str], text: str
) -> None:
    with pytest.raises(Misconfigured, match=f"{text}.*setting `ledger`"):
        Database(Address(change(url))).connect()


def test_a_database_without_tables_says_how_to_create_them(url: str) -> None:
    engine = PostgresEngine(Database(Address(url)))
    with pytest.raises(Misconfigured, match="otpconv ledger init"):
        engine.start()
    with pytest.raises(Misconfigured, match="otpconv ledger init"):
        engine.migrate(lambda *_: None)
    assert engine.create()
    assert not engine.create()
    engine.start()
    assert engine.migrate(lambda *_: None) == (migrations.VERSION, migrations.VERSION)


def test_a_step_of_a_copy_may_take_longer_than_a_question(url: str) -> None:
    database = Database(Address(url), Limits(statement_s=0.2))
    long = "SELECT pg_sleep(0.4)"
    with closing(database.connect()) as connection, pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute(long)
    with closing(database.for_copies().connect()) as connection:
        connection.execute(long)


def test_tables_that_are_created_by_several_at_once_are_created_once(url: str) -> None:
    database, together = Database(Address(url)), Barrier(4)

    def create(_: int) -> bool:
        together.wait()
        return migrations.create(database)

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(create, range(4))) == [False, False, False, True]


@pytest.mark.parametrize(("version", "advice"), [(99, "upgrade otpconv"), (0, "otpconv ledger migrate")])
def test_tables_of_another_version_are_refused_with_what_to_do(
    database: Database, version: int, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if version:
        with psycopg.connect(database.address.conninfo) as connection:
            connection.execute("INSERT INTO otpconv.versions (version) VALUES (%s)", (version,))
    else:
        monkeypatch.setattr(migrations, "VERSION", migrations.VERSION + 1)
    engine = PostgresEngine(database)
    with pytest.raises(Misconfigured, match=advice):
        engine.start()
    if version:
        for change in (engine.create, lambda: engine.migrate(lambda *_: None)):
            with pytest.raises(Misconfigured, match=advice):
                change()


def test_a_statement_and_a_lock_that_take_too_long_are_ended(database: Database) -> None:
    quick = Database(database.address, Limits(statement_s=2, lock_s=1))
    with closing(quick.connect()) as connection, psycopg.connect(database.address.conninfo) as other:
        other.execute("LOCK TABLE otpconv.about")
        with pytest.raises(Unavailable, match="a lock was not free within 1 s"), quick.mapped():
            connection.execute("SELECT 1 FROM about FOR UPDATE")
        with pytest.raises(Unavailable, match="longer than 2 s"), quick.mapped():
            connection.execute("SELECT pg_sleep(60)")


def test_beyond_the_connections_a_question_waits_and_is_then_refused(database: Database) -> None:
    few = Database(database.address, Limits(connections=1, connect_s=1))
    reader = PostgresLedgerReader(few)
    refused = pytest.raises(Unavailable, match="All 1 connections")
    with ThreadPoolExecutor(1) as other, reader.snapshot(), refused:
        other.submit(reader.unmatched, 1).result()
    assert reader.unmatched(1) == 0
    reader.close()


def test_an_acknowledged_report_waits_for_the_disk_whatever_the_database_defaults_to(
    database: Database,
) -> None:
    with psycopg.connect(database.address.conninfo, autocommit=True) as admin:
        name = admin.info.dbname
        for default, used in (("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")):
            admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = {default}")  # type: ignore[arg-type]
            with closing(database.connect()) as connection:
                assert connection.execute("SHOW synchronous_commit").fetchall() == [(used,)]


def test_what_only_files_can_do_is_refused_with_what_to_do_instead(
    database: Database, tmp_path: Path
) -> None:
    engine = PostgresEngine(database)
    with pytest.raises(Misconfigured, match="pg_basebackup"):
        engine.copy(tmp_path, lambda *_: None)
    with pytest.raises(Misconfigured, match="restore the database"):
        engine.set_damage_aside()


def test_compacting_leaves_no_deleted_row_in_the_files_of_the_tables(database: Database) -> None:
    dead = "SELECT sum(pg_relation_size(relid)) FROM pg_stat_user_tables WHERE schemaname LIKE 'otpconv%'"
    with psycopg.connect(database.address.conninfo, autocommit=True) as admin:
        admin.execute(
            "INSERT INTO otpconv.accounts (name) SELECT 'a' || n FROM generate_series(1, 5000) AS n"
        )
        admin.execute("DELETE FROM otpconv.accounts WHERE account_id > 1")
        before = admin.execute(dead).fetchall()[0][0]
        PostgresEngine(database).compact()
        assert admin.execute(dead).fetchall()[0][0] < before / 2


@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_shared_connection_that_broke_in_use_is_opened_again(
    database: Database, *, in_transaction: bool
) -> None:
    shared = SharedConnection(database)
    with closing(database.connect()) as admin, closing(shared):
        with suppress(Unavailable), shared.open() as connection, ExitStack() as stack:
            if in_transaction:
                stack.enter_context(connection.transaction())
            connection.execute("SELECT 1")
            admin.execute("SELECT pg_terminate_backend(%s::integer)", (connection.info.backend_pid,))
            with suppress(Unavailable), shared.open() as same:
                same.execute("SELECT 1")
            # A statement of a transaction must not be run outside of it.
            with shared.open() as same:
                assert same is connection
                assert same.closed
        with shared.open() as connection:
            assert connection.execute("SELECT 1").fetchall() == [(1,)]
