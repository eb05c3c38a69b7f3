"""Nodes and leases in PostgreSQL, and what may be used once among all nodes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import psycopg
import pytest

from cluster import wait_until
from ledger.reports import DAY
from otpconv.access.sealing import Sealer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.errors import Misconfigured, Unavailable
from otpconv.model import Requested
from otpconv.service.running import stopped
from otpconv.storage.contract import Entry
from otpconv.storage.journal_eraser import Rewritten
from otpconv.storage.nodes import EXPIRY, LEASES, LEDGER, MAX_NODES
from otpconv.storage.postgres.access import once
from otpconv.storage.postgres.access.once import PostgresOnce
from otpconv.storage.postgres.access.store import PostgresAccessStore
from otpconv.storage.postgres.database import Connection, Database
from otpconv.storage.postgres.engine import PostgresEngine
from otpconv.storage.postgres.journal.eraser import PostgresJournalEraser
from otpconv.storage.postgres.journal.journal import PostgresJournal
from otpconv.storage.postgres.nodes import PostgresNodes

Open = Callable[[], PostgresNodes]
ALL = frozenset(LEASES)


@pytest.fixture
def join(database: Database) -> Iterator[Open]:
    opened: list[PostgresNodes] = []

    def make() -> PostgresNodes:
        opened.append(PostgresNodes(database))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def admin(database: Database) -> Iterator[Connection]:
    with closing(database.connect()) as connection:
        yield connection


def test_a_lease_is_held_by_one_node_until_it_ends_or_is_freed(join: Open, admin: Connection) -> None:
    first, second = join(), join()
    assert first.beat("a:1", 0, LEASES).leases == ALL
    assert second.beat("b:1", 0, LEASES).leases == frozenset()
    assert first.beat("a:1", 0, LEASES).leases == ALL
    admin.execute("UPDATE leases SET until = 1 WHERE name = 'ledger'")  # the time is over
    assert second.beat("b:1", 0, LEASES).leases == {LEDGER}
    assert first.beat("a:1", 0, LEASES).leases == ALL - {LEDGER}
    assert admin.execute("SELECT epoch FROM leases WHERE name = 'ledger'").fetchall() == [(2,)]
    assert second.beat("b:1", 0, [EXPIRY]).leases == frozenset()  # it gives the ledger back
    assert first.beat("a:1", 0, LEASES).leases == ALL
    first.leave()
    assert second.beat("b:1", 0, LEASES).leases == ALL
    assert [node.name for node in second.list()] == ["b:1"]


def test_a_clock_of_the_database_that_goes_back_holds_no_lease_for_long(
    join: Open, admin: Connection
) -> None:
    first, second = join(), join()
    first.beat("a:1", 0, LEASES)
    admin.execute("UPDATE leases SET until = until + 3600000")
    assert second.beat("b:1", 0, LEASES).leases == ALL


def test_a_node_that_is_silent_does_not_run_and_is_dropped_in_the_end(join: Open, admin: Connection) -> None:
    first, second = join(), join()
    first.beat("a:1", 7, LEASES)
    second.beat("b:1", 0, [])
    listed = {node.name: node for node in second.list()}
    assert (listed["a:1"].lag, listed["a:1"].leases, listed["a:1"].running) == (7, tuple(sorted(ALL)), True)
    admin.execute("UPDATE nodes SET seen_at = seen_at - 6000 WHERE name = 'a:1'")
    second.beat("b:1", 0, [])
    assert [(node.name, node.running) for node in second.list()] == [("b:1", True), ("a:1", False)]
    # It was started again, with the same name.
    join().beat("a:1", 0, [])
    assert [(node.name, node.running) for node in second.list()] == [("a:1", True), ("b:1", True)]
    admin.execute("UPDATE nodes SET seen_at = seen_at - 3700000 WHERE name = 'a:1'")
    second.beat("b:1", 0, [])
    assert [node.name for node in second.list()] == ["b:1"]


def test_the_list_of_nodes_is_bounded(join: Open, admin: Connection) -> None:
    admin.execute(
        "INSERT INTO nodes SELECT gen_random_uuid(), 'n' || n, '1', now_ms(), now_ms() - n, 0"
        " FROM generate_series(1, 500) AS n"
    )
    one = join()
    one.beat("a:1", 0, [])
    assert len(one.list()) == MAX_NODES
    assert "a:1" in {node.name for node in one.list()}


def test_who_takes_the_ledger_over_ends_an_applier_that_hangs(
    join: Open, admin: Connection, database: Database
) -> None:
    with closing(database.connect()) as reading, closing(database.connect()) as stuck:
        reading.execute("BEGIN")
        reading.execute("SELECT position FROM cursors")
        with suppress(psycopg.OperationalError), stuck.pipeline(), stuck.transaction():
            stuck.execute("SELECT position FROM cursors FOR UPDATE").fetchall()
            admin.execute("SELECT pg_sleep(1.1)")
            join().beat("a:1", 0, LEASES)
            admin.execute("SELECT position FROM cursors FOR UPDATE")  # it is free
        assert stuck.closed
        assert reading.execute("SELECT 1").fetchall() == [(1,)]  # a question is left alone


def test_deletions_keep_each_other_out(join: Open) -> None:
    first, second = join(), join()
    with first.alone(), pytest.raises(BlockingIOError), second.alone():
        pass
    with second.alone():
        pass


#: Holds the lock of deletions until its input ends.
HOLDER = """
import sys
from otpconv.storage.postgres import nodes
from otpconv.storage.postgres.address import Address
from otpconv.storage.postgres.database import Database
nodes._HANGING_S, nodes._PING_S = 1, 0.1
with nodes.PostgresNodes(Database(Address(sys.argv[1]))).alone():
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_deletion_that_hangs_keeps_others_out_for_some_seconds(join: Open, url: str) -> None:
    command = [sys.executable, "-c", HOLDER, url]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as hanging:  # noqa: S603 - our own
        assert hanging.stdout is not None
        assert hanging.stdout.readline() == b"locked\n"
        nodes = join()

        def is_free() -> bool:
            with suppress(BlockingIOError), nodes.alone():
                return True
            return False

        over = time.monotonic() + 2
        while time.monotonic() < over:  # twice as long as it may hang
            assert not is_free()
        os.kill(hanging.pid, signal.SIGSTOP)
        try:
            wait_until(is_free)
        finally:
            os.kill(hanging.pid, signal.SIGCONT)
        hanging.communicate()
        assert hanging.returncode == 0


def test_while_the_ledger_is_replaced_no_node_starts_or_takes_a_lease(
    join: Open, database: Database, url: str
) -> None:
    first, second = join(), join()
    assert first.beat("a:1", 0, LEASES).leases == ALL
    with second.closed():
        assert [node.name for node in second.list()] == ["a:1"]  # so the command refuses
        with pytest.raises(Unavailable, match="replaces the ledger"):
            first.beat("a:1", 0, LEASES)
        with pytest.raises(Misconfigured, match="start the server when it has finished"):
            PostgresEngine(database).start()
    PostgresEngine(database).start()
    assert first.beat("a:1", 0, LEASES).leases == ALL
    first.leave()
    # A node that starts in between is either listed, or kept out.
    settings = load(ledger=url)
    with stopped(settings), pytest.raises(Unavailable):
        second.beat("b:1", 0, LEASES)
    second.beat("b:1", 0, LEASES)
    with pytest.raises(Misconfigured, match="b:1"), stopped(settings):
        pass


def test_a_row_that_another_deletion_has_rewritten_is_not_overwritten(
    database: Database, admin: Connection
) -> None:
    with closing(PostgresJournal(database)) as journal:
        seq = journal.append([Entry(Requested(1, "m", DAY))], DAY)
    with closing(PostgresJournalEraser(database)) as eraser:
        eraser.reports(seq)
        admin.execute("UPDATE journal SET reports = '[[4]]'")
        with pytest.raises(Unavailable, match="Another deletion"):
            eraser.rewrite([Rewritten(seq, [], 10)])


def test_something_is_used_once_and_remembered_for_two_hours(
    database: Database, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(PostgresOnce(database)) as one, closing(PostgresOnce(database)) as another:
        assert one.use(1, "link")
        assert not one.use(1, "link")
        assert not another.use(1, "link")
        assert another.use(2, "link")
        monkeypatch.setattr(once, "MAX_USED", 2)
        assert one.use(1, "second")
        with pytest.raises(Unavailable, match="has used 2 sign-in links"):
            another.use(1, "third")
        assert not another.use(1, "second")
        # What has no bound uses up no bound either.
        assert [one.use(1, name, bounded=False) for name in ("a", "b", "c", "a")] == [True, True, True, False]
        assert not another.use(1, "b", bounded=False)
        admin.execute("UPDATE used_once SET used_at = used_at - 7300000 WHERE account = 1")
        assert another.use(1, "third")
        assert admin.execute("SELECT count(*) FROM used_once WHERE account > 0").fetchall() == [(2,)]


def test_the_first_sealing_key_is_the_only_one(database: Database, admin: Connection) -> None:
    store = PostgresAccessStore(database, wall_clock)
    mine, other = Sealer(bytes(32)), Sealer(bytes([1] * 32))
    store.keys(other).close()  # to look is not to use
    store.adopt(mine)
    store.adopt(mine)
    store.keys(mine).close()
    for use in (store.adopt, store.keys):
        with pytest.raises(Misconfigured, match="is not the one that the database"):
            use(other)
    ((fingerprint,),) = admin.execute("SELECT fingerprint FROM sealing").fetchall()
    assert fingerprint not in (bytes(32).hex(), mine.derive("number").hex())
