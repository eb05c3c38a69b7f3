"""Connections that hang, lose their standby or become read-only; several hosts."""

import asyncio
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

import postgresql
from faults.proxy import Proxy
from otpconv.errors import Unavailable
from otpconv.model import Requested
from otpconv.storage.contract import Entry
from otpconv.storage.postgres import PostgresEngine, migrations
from otpconv.storage.postgres.address import Address, Limits
from otpconv.storage.postgres.connection import NotPrimary, Unanswered, Unconfirmed
from otpconv.storage.postgres.database import Database
from otpconv.storage.postgres.journal.journal import PostgresJournal
from otpconv.storage.postgres.transfer import PostgresTransfer
from storage.engines import NOW

#: A primary whose commits wait for a standby while `synchronous_standby_names` names one; there is none.
REPLICATED = {"wal_level": "replica", "max_wal_senders": "2", **postgresql.FAST}
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


class Primary:
    """A server of the module with a database that has the tables."""

    def __init__(self, server: postgresql.PostgresServer) -> None:
        self.database = Database(Address(server.url))
        migrations.create(self.database)
        self.admin = psycopg.connect(server.socket_url, autocommit=True)
        self.admin.execute("SET synchronous_commit = local")

    @contextmanager
    def without_standby(self) -> Iterator[None]:
        """Let commits wait for a standby that does not exist."""
        self._set("nobody")
        try:
            yield
        finally:
            self._set("")

    def _set(self, names: str) -> None:
        self.admin.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")  # type: ignore[arg-type]
        self.admin.execute("SELECT pg_reload_conf()")
        for _ in range(1_000):
            with psycopg.connect(self.database.address.conninfo) as other:
                if other.execute("SHOW synchronous_standby_names").fetchall() == [(names,)]:
                    break

    def end_waits(self, how: str, times: int) -> None:
        """Cancel or terminate so many commits that wait, each of another connection."""
        ended: set[int] = set()
        while len(ended) < times:
            for (pid,) in self.admin.execute(WAITING).fetchall():
                if pid not in ended:
                    self.admin.execute(f"SELECT pg_{how}_backend(%s)", (pid,))  # type: ignore[arg-type]
                    ended.add(pid)


@pytest.fixture(scope="module")
def primary() -> Iterator[Primary]:
    with postgresql.running(Path(tempfile.gettempdir()), REPLICATED) as server:
        made = Primary(server)
        yield made
        made.admin.close()


def entries(*ids: str) -> list[Entry]:
    return [Entry(Requested(1, id_, NOW)) for id_ in ids]


def ids_after(journal: PostgresJournal, position: int) -> list[str]:
    return [getattr(entry.report, "message_id", "") for entry in journal.read(position, 100)]


@pytest.mark.parametrize("how", ["cancel", "terminate"])
def test_a_commit_whose_wait_for_a_standby_was_ended_is_not_acknowledged(primary: Primary, how: str) -> None:
    with closing(PostgresJournal(primary.database)) as journal:
        before = journal.append(entries("first"), NOW)
        with primary.without_standby():
            # The commit, and that of the transaction which finds it: neither was confirmed.
            thread = threading.Thread(target=primary.end_waits, args=(how, 2))
            thread.start()
            with pytest.raises(Unavailable):
                journal.append(entries("second"), NOW)
            thread.join()
        assert journal.append(entries("third"), NOW) > before
        assert ids_after(journal, before) == ["second", "third"]


@pytest.mark.parametrize("how", ["cancel", "terminate"])
def test_a_commit_is_acknowledged_once_a_later_one_was_confirmed(primary: Primary, how: str) -> None:
    with closing(PostgresJournal(primary.database)) as journal:
        before = journal.append(entries("first"), NOW)

        def end_one_wait() -> None:
            primary.end_waits(how, 1)
            while not primary.admin.execute(WAITING).fetchall():
                pass
            primary._set("")  # noqa: SLF001 - as a standby that comes back

        with primary.without_standby():
            thread = threading.Thread(target=end_one_wait)
            thread.start()
            assert journal.append(entries("second"), NOW) == before + 1
            thread.join()
        assert ids_after(journal, before) == ["second"]


def test_commits_wait_for_a_standby_beside_one_another(primary: Primary) -> None:
    with (
        closing(PostgresJournal(primary.database, 2)) as journal,
        closing(PostgresJournal(primary.database)) as other,
        ThreadPoolExecutor(3) as threads,
    ):
        before = journal.append(entries("first"), NOW)
        with primary.without_standby():
            waiting = [
                threads.submit(each.append, entries(f"{n}"), NOW)
                for n, each in enumerate([journal, journal, other])
            ]
            while len(primary.admin.execute(WAITING).fetchall()) < len(waiting):
                pass
            assert len(ids_after(other, before)) == len(waiting)
            assert not any(future.done() for future in waiting)
        positions = sorted(future.result() for future in waiting)
        assert positions == [before + 1, before + 2, before + 3]


def test_what_can_be_read_is_confirmed_by_a_commit_that_waits_for_a_standby(primary: Primary) -> None:
    with closing(PostgresJournal(primary.database)) as journal:
        journal.confirm()
        with primary.without_standby():
            journal._appending._idle[-1].answer_s = 0.3  # noqa: SLF001
            with pytest.raises(Unavailable, match="not answered"):
                journal.confirm()
        journal.confirm()


def test_a_copy_gets_rows_once_a_standby_has_confirmed_them(primary: Primary) -> None:
    with (
        closing(PostgresJournal(primary.database)) as journal,
        closing(PostgresTransfer(primary.database)) as copy,
        ThreadPoolExecutor(2) as threads,
    ):
        before = journal.append(entries("first"), NOW)
        with primary.without_standby():
            appended = threads.submit(journal.append, entries("second"), NOW)
            while not ids_after(journal, before):
                pass
            rows = threads.submit(copy.rows, before, 10)
            while len(primary.admin.execute(WAITING).fetchall()) < 2:
                pass
            assert not rows.done()
        assert [row.seq for row in rows.result()] == [appended.result()]


def test_an_unconfirmed_commit_closes_its_connection(primary: Primary) -> None:
    with closing(primary.database.connect()) as connection, primary.without_standby():
        thread = threading.Thread(target=primary.end_waits, args=("cancel", 1))
        thread.start()
        with pytest.raises(Unconfirmed, match="synchronous replication"):
            connection.execute("UPDATE writers SET last = last")
        thread.join()
        assert connection.closed


def test_a_commit_that_waits_has_a_bound_on_the_client(primary: Primary) -> None:
    with closing(primary.database.connect()) as connection, primary.without_standby():
        connection.answer_s = 0.3
        began = time.monotonic()
        with pytest.raises(Unanswered, match=r"not answered within 0\.3 s"), connection.transaction():
            connection.execute("UPDATE writers SET last = last")
        assert time.monotonic() - began < 3
        assert connection.closed


def test_a_server_that_hangs_is_given_up(database: Database) -> None:
    port = int(psycopg.conninfo.conninfo_to_dict(database.address.conninfo)["port"] or 0)
    proxy = Proxy(port)
    behind = Database(Address(database.address.conninfo.replace(f"port={port}", f"port={proxy.port}")))
    with closing(behind.connect()) as connection:
        connection.answer_s = 0.3
        proxy.block()
        with pytest.raises(Unavailable, match="not answered"), behind.mapped():
            connection.execute("SELECT 1")
        assert connection.closed
    proxy.close()


def test_a_connection_to_a_former_primary_is_dropped_and_the_next_one_works(database: Database) -> None:
    with (
        closing(PostgresJournal(database)) as journal,
        psycopg.connect(database.address.conninfo, autocommit=True) as admin,
    ):
        journal.append(entries("first"), NOW)
        connection = journal._appending._idle[-1]  # noqa: SLF001
        connection.execute("SET default_transaction_read_only = on")
        assert journal.append(entries("second"), NOW) == 2
        assert connection.closed
        name = admin.info.dbname
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")  # type: ignore[arg-type]
        with closing(database.connect()) as other, pytest.raises(NotPrimary):
            other.execute("DELETE FROM journal")
        journal._appending._idle[-1].close()  # noqa: SLF001
        with pytest.raises(Unavailable, match="read-only"):
            journal.append(entries("third"), NOW)
        with suppress(psycopg.Error):
            admin.execute("SET default_transaction_read_only = off")
        admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")  # type: ignore[arg-type]
        assert journal.append(entries("third"), NOW) == 3


def test_of_several_hosts_the_one_that_takes_writes_is_found_in_the_time_of_one(database: Database) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(database.address.conninfo)
    rest = f"user={parts['user']} password='{parts['password']}' dbname={parts['dbname']}"
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as closed:
        unused = closed.getsockname()[1]
        closed.close()
        ports = [silent.getsockname()[1], unused]
        several = f"{rest} host=127.0.0.1,127.0.0.1,127.0.0.1 port={ports[0]},{ports[1]},{parts['port']}"
        began = time.monotonic()
        with closing(Database(Address(several), Limits(connect_s=20)).connect()) as connection:
            assert connection.info.port == int(parts["port"] or 0)
        down = f"{rest} host=127.0.0.1,127.0.0.1 port={ports[0]},{ports[1]}"
        with pytest.raises(Unavailable, match="timeout") as failure:
            Database(Address(down), Limits(connect_s=2)).connect()
        assert "Connection refused" in failure.value.text
        assert postgresql.PASSWORD not in failure.value.text
        assert time.monotonic() - began < 10


def test_reports_are_refused_in_time_while_the_server_hangs(database: Database) -> None:
    port = int(psycopg.conninfo.conninfo_to_dict(database.address.conninfo)["port"] or 0)
    proxy = Proxy(port)
    address = Address(database.address.conninfo.replace(f"port={port}", f"port={proxy.port}"))
    engine = PostgresEngine(Database(address, Limits(connect_s=2, report_s=0.4)))

    async def report() -> None:
        journal, lookup = engine.journal(), engine.ledger_lookup()
        assert await journal.append(entries("first"), NOW) == 1
        assert await lookup.messages_from() == 0
        proxy.block()
        began = time.monotonic()
        for call in (journal.append(entries("second"), NOW), lookup.messages_from()):
            with pytest.raises(Unavailable, match=r"within 0\.4 s"):
                await call
        assert time.monotonic() - began < 2 * 0.4
        proxy.heal()
        while True:
            with suppress(Unavailable):
                assert await journal.append(entries("third"), NOW) > 1
                break
            await asyncio.sleep(0.02)
        assert await lookup.messages_from() == 0
        await asyncio.to_thread(journal.close)
        await asyncio.to_thread(lookup.close)

    asyncio.run(report())
    proxy.close()
