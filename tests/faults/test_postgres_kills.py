"""PostgreSQL and the server are killed under load; nothing acknowledged is lost or counted twice."""

import random
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import postgresql
from campaigns import rounds
from faults.load import Load, assert_recorded
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.errors import Unavailable
from otpconv.ledger.intake import Intake
from otpconv.ledger.recent import Recent
from otpconv.model import Conversion, Requested
from otpconv.service.engines import postgres_engine
from otpconv.storage.contract import Entry
from otpconv.storage.postgres import migrations
from otpconv.storage.postgres.address import Address
from otpconv.storage.postgres.database import Connection, Database
from otpconv.storage.postgres.journal import journal as module
from otpconv.storage.postgres.journal.journal import PostgresJournal
from otpconv.storage.postgres.ledger.reader import PostgresLedgerReader
from otpconv.storage.postgres.ledger.writer import PostgresLedgerWriter
from storage.engines import NOW

#: Half of them of each.
KILLS = rounds(60, at_least=4)


@pytest.mark.long("two servers start in every round")
@pytest.mark.campaign("kills on SQLite are in test_crashes.py, broken connections in test_postgres_faults.py")
def test_kills_of_the_database_and_of_the_server_lose_nothing_acknowledged(
    make_server: Callable[..., LocalServer],
) -> None:
    chance = random.Random(30)
    load_ = Load()
    with postgresql.running(Path(tempfile.gettempdir()), postgresql.DURABLE) as server:
        node = make_server(settings={"OTPCONV_LEDGER": server.url})
        settings = load(data=node.data, ledger=server.url)
        postgres_engine(settings).create()
        node.start()
        load_.start(node)
        for round_ in range(KILLS):
            load_.wait_for_more()
            time.sleep(chance.uniform(0.0, 0.2))
            if round_ % 2:
                node.kill()
                node.start()
                load_.start(node)
            else:
                server.kill()
                server.start()
        load_.wait_for_more()
        load_.stop()
        node.stop()
        node.start()
        node.stop()
        assert load_.refused
        assert_recorded(postgres_engine(settings), load_)


#: Nothing writes the log of a commit that does not wait for the disk.
LAZY = postgresql.DURABLE | {"wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"}


@pytest.mark.campaign("appends that fail between their commits are in storage/postgres/test_journal.py")
def test_an_append_that_a_crash_takes_away_between_its_commits_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = ([Entry(Requested(1, name, NOW - 60_000))] for name in "ab")
    with postgresql.running(postgresql.memory(), LAZY) as server:
        database = Database(Address(server.socket_url))
        migrations.create(database)
        with closing(PostgresJournal(database)) as journal, closing(PostgresLedgerWriter(database)) as writer:
            assert journal.append(first, NOW) == 1
            append = module._append  # noqa: SLF001

            def killed(connection: Connection, rows: list[dict[str, Any]]) -> int:
                monkeypatch.setattr(module, "_append", append)
                with connection.transaction():
                    assert module._insert(connection, rows) == 2  # noqa: SLF001
                # Everybody reads and applies it before it is durable.
                assert journal.head() == writer.apply(10) == 2
                server.kill()
                server.start()
                assert journal.head() == 1
                assert writer.cursor() <= 1
                return append(connection, rows)

            monkeypatch.setattr(module, "_append", killed)
            assert journal.append(second, NOW) == 2
            server.kill()
            server.start()
            # Both were acknowledged.
            found = [entry.report for entry in journal.read(0, 10)]
            assert found == [entry.report for entry in first + second]


def test_a_message_that_a_crash_takes_out_of_the_ledger_is_not_taken_for_unknown() -> None:
    with postgresql.running(postgresql.memory(), LAZY) as server:
        database = Database(Address(server.socket_url))
        migrations.create(database)
        with (
            closing(PostgresJournal(database)) as journal,
            closing(PostgresLedgerWriter(database)) as writer,
            closing(PostgresLedgerReader(database)) as ledger,
        ):
            applied = [0]
            intake = Intake(
                journal,  # type: ignore[arg-type] - as a writer
                ledger,  # type: ignore[arg-type] - answers at once
                Recent(lambda: applied[0]),
                lambda: NOW,
                recorded=lambda *_: None,
                strict=True,
            )
            assert intake.commit([Entry(Requested(1, "a", NOW - 60_000))]) == ["recorded"]
            applied[0] = writer.apply(10)
            assert applied == [1]
            server.kill()
            server.start()
            assert writer.cursor() == 0
            conversion = Entry(Conversion(1, delivered=True, conversion_time=NOW, message_id="a"))
            with pytest.raises(Unavailable, match="lost its newest reports; try again"):
                intake.commit([conversion])
            assert journal.head() == 1
            applied[0] = writer.apply(10)
            assert intake.commit([conversion]) == ["recorded"]
