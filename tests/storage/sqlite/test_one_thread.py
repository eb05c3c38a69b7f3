"""A SQLite connection is for the thread that opened it, whatever it is asked for."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from otpconv.access.sealing import Sealer
from otpconv.errors import Unavailable
from otpconv.model import Expiry
from otpconv.storage.contract import Entry
from otpconv.storage.sqlite import SqliteJournal, SqliteLedgerReader, SqliteLedgerWriter
from otpconv.storage.sqlite.access import SqliteAccessStore
from otpconv.storage.sqlite.one_thread import OneThreadConnection, WrongThread

#: How long a commit waits for a reader, s.
PATIENCE_S = 10


def in_another_thread(work: Callable[[], object]) -> object:
    """Return what work returns or raises in another thread."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(work())
        except Exception as error:  # noqa: BLE001 - it is looked at
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome[0]


WORK: dict[str, Callable[[OneThreadConnection], object]] = {
    "execute": lambda connection: connection.execute("SELECT 1"),
    "executemany": lambda connection: connection.executemany("SELECT ?", [(1,)]),
    "transaction": lambda connection: connection.transaction().__enter__(),
    "cursor": lambda connection: connection.cursor(),
    "pragma": lambda connection: connection.pragma("user_version"),
    "wal_checkpoint": lambda connection: connection.wal_checkpoint(),
}


@pytest.mark.parametrize("name", WORK)
def test_a_connection_refuses_other_threads_and_serves_its_own(tmp_path: Path, name: str) -> None:
    work = WORK[name]
    connection = OneThreadConnection(str(tmp_path / "file.sqlite"))
    assert isinstance(in_another_thread(lambda: work(connection)), WrongThread)
    assert connection.execute("SELECT 1").get == 1
    work(connection)
    connection.close()


def test_the_journal_and_the_ledger_writer_belong_to_the_thread_that_opened_them(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    writer = SqliteLedgerWriter(tmp_path / "ledger.sqlite", tmp_path / "journal.sqlite")
    entries = [Entry(Expiry(0, 0))]
    for work in (
        lambda: journal.append(entries, 0),
        lambda: journal.append(entries * 2, 0),
        journal.head,
        lambda: journal.nonces(0, 1),
        lambda: writer.apply(10),
        writer.cursor,
    ):
        # Errors that are not SQLite's own may be mapped at the border.
        assert isinstance(in_another_thread(work), WrongThread | Unavailable)
    assert journal.append(entries, 0) == 1
    assert writer.apply(10) == 1
    writer.close()
    journal.close()


def test_the_ledger_and_the_access_keys_are_for_any_thread_each_with_a_connection_of_its_own(
    tmp_path: Path,
) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    SqliteLedgerWriter(tmp_path / "ledger.sqlite", tmp_path / "journal.sqlite").close()
    ledger = SqliteLedgerReader(tmp_path / "ledger.sqlite")
    store = SqliteAccessStore(tmp_path / "access.sqlite", lambda: 0).keys(Sealer(bytes(32)))
    key = store.create("default", "olga", "AdministratorAccess")
    for ask in (lambda: ledger.unmatched(1), lambda: [each.access_key_id for each in store.list()]):
        assert ask() == in_another_thread(ask) == ask()
    assert in_another_thread(store.changed) is True  # it has seen nothing yet
    store.list()
    assert store.changed() is False
    in_another_thread(lambda: store.set_active(key.access_key_id, active=False))
    assert store.changed() is True
    assert [each.active for each in store.list()] == [False]
    ledger.close()
    store.close()
    journal.close()


def test_other_threads_run_while_a_transaction_commits(tmp_path: Path) -> None:
    file = str(tmp_path / "file.sqlite")
    connection = OneThreadConnection(file)
    connection.execute("CREATE TABLE number(value)")
    connection.set_busy_timeout(PATIENCE_S * 1000)
    reads, commits = threading.Event(), threading.Event()

    def read() -> None:
        reader = OneThreadConnection(file)
        reader.execute("BEGIN; SELECT * FROM number")
        reads.set()
        commits.wait()
        time.sleep(0.05)  # until the commit waits for this thread, which can only go on without it
        reader.close()

    thread = threading.Thread(target=read)
    thread.start()
    reads.wait()
    began = time.monotonic()
    with connection.transaction():
        connection.execute("INSERT INTO number VALUES (1)")
        commits.set()
    assert time.monotonic() - began < PATIENCE_S / 2
    thread.join()
    assert connection.execute("SELECT value FROM number").get == 1


def test_a_transaction_that_fails_changes_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    connection = OneThreadConnection(str(tmp_path / "file.sqlite"))
    connection.execute("CREATE TABLE number(value)")
    with pytest.raises(apsw.SQLError), connection.transaction():
        connection.execute("INSERT INTO number VALUES (1); SELECT * FROM nothing")
    with connection.transaction():
        connection.execute("INSERT INTO number VALUES (2)")
    assert connection.execute("SELECT value FROM number").get == 2


def test_the_context_of_apsw_which_holds_the_lock_of_python_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="transaction"), OneThreadConnection(str(tmp_path / "file.sqlite")):
        pass
