"""A database of version 1 is migrated beside its servers, which go on until they are restarted."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from ledger.reports import DAY
from otpconv.errors import Unavailable
from otpconv.model import Conversion, Report, Requested
from otpconv.receipts import Receipt, ReceiptStatus
from otpconv.storage.alerts.contract import Checkpoint, Evidence, Found
from otpconv.storage.contract import Entry
from otpconv.storage.journal_rows import new_rows
from otpconv.storage.postgres import PostgresEngine
from otpconv.storage.postgres.address import Address
from otpconv.storage.postgres.database import Connection, Database, execute, parts_of
from otpconv.storage.postgres.journal.journal import PostgresJournal, _columns
from otpconv.storage.postgres.migrations import VERSION
from otpconv.storage.postgres.nodes import PostgresNodes
from storage.engines import NOW

_NAME = "-- name: "
#: The tables of version 1, as that version made them, and the temporary tables of its applier.
VERSION_1 = {
    part.split("\n", 1)[0]: part.split("\n", 1)[1]
    for part in Path(__file__).with_name("version_1.sql").read_text("utf-8").split(_NAME)[1:]
}
#: What its applier called for each batch.
APPLY = "SELECT apply_reports(5000, 200, 1000, 250)"
NUMBER = "0a" * 16
REPORTS: list[Report] = [
    Requested(1, "a", DAY, number=NUMBER, session_id="s"),
    Requested(1, "b", DAY + 1, session_id="s"),
    Conversion(1, delivered=True, conversion_time=DAY + 9, message_id="b"),
]
FOUND = Found("nothing_sent", (), "critical", NOW, NOW, NOW, Evidence())


@pytest.fixture
def old(url: str) -> Database:
    """A database of version 1."""
    database = Database(Address(url))
    with psycopg.connect(url, autocommit=True) as admin:
        for schema, part in ((database.schema, "state"), (database.ledger_schema, "ledger")):
            admin.execute(f"CREATE SCHEMA {schema}")  # type: ignore[arg-type] - our own name
            admin.execute(f"SET search_path = {schema}, {database.schema}")  # type: ignore[arg-type] - likewise
            admin.execute(VERSION_1[part])  # type: ignore[arg-type] - our own text
        admin.execute("INSERT INTO otpconv.versions (version) VALUES (1)")
    return database


@pytest.fixture
def applier(old: Database) -> Iterator[Connection]:
    """The connection of an applier of version 1."""
    with closing(old.connect()) as connection:
        connection.execute(VERSION_1["applier"])  # type: ignore[arg-type] - our own text
        yield connection


def append(database: Database, *reports: Report) -> int:
    """Append as a node of version 1."""
    (row,) = new_rows([Entry(report) for report in reports], NOW)
    with closing(database.connect()) as connection:
        values = _columns(row, str(uuid4()))
        ((position,),) = execute(connection, parts_of(VERSION_1["append"]), values).fetchall()
        return int(position)


def test_a_migration_keeps_what_the_ledger_says_and_is_made_once(old: Database, applier: Connection) -> None:
    assert append(old, *REPORTS) == 3
    assert applier.execute(APPLY).fetchall() == [(3,)]
    engine = PostgresEngine(old)
    shown: list[tuple[int, int]] = []
    assert engine.migrate(lambda done, whole: shown.append((done, whole))) == (1, VERSION)
    assert shown[-1] == (3, 3)
    assert engine.migrate(lambda *_: None) == (VERSION, VERSION)
    engine.start()
    with closing(engine.ledger_reader()) as reader:
        message = reader.message(1, "b")
        assert message is not None
        assert message.verified_at == DAY + 9
        assert message.receipt is None
    assert [result for result in engine.verify_ledger(lambda *_: None) if not result.ok] == []
    with closing(engine.alerts()) as alerts:
        assert alerts.record(1, None, Checkpoint(NOW, {}), [FOUND])
    with closing(old.connect()) as connection:
        found = connection.execute("SELECT count(*) FROM otpconv.alerts").fetchall()
    assert found == [(1,)]  # not beside the ledger, which is built again
    with closing(PostgresJournal(old)) as journal:
        assert journal.append([Entry(Requested(1, "c", DAY))], NOW) == 4
    assert append(old, Requested(1, "d", DAY)) == 5


def test_an_applier_of_version_1_goes_on_after_the_migration(old: Database, applier: Connection) -> None:
    append(old, *REPORTS)
    applier.execute(APPLY)
    engine = PostgresEngine(old)
    engine.migrate(lambda *_: None)
    delivered = Receipt(1, "v", ReceiptStatus.DELIVERED, DAY + 5, price=7_000, currency="EUR")
    head = append(old, Requested(1, "c", DAY + 2, vendor_message_id="v"), delivered)
    assert applier.execute(APPLY).fetchall() == [(head,)]
    with closing(engine.ledger_reader()) as reader:
        message = reader.message(1, "c")
        assert message is not None
        assert message.receipt is not None
        assert message.receipt.price == 7_000
    # It did conversions by number by several statements; now they are in the call.
    end = append(old, Conversion(1, delivered=True, conversion_time=DAY + 7, number=NUMBER))
    assert applier.execute(APPLY).fetchall() == [(end,)]
    with closing(engine.ledger_writer()) as writer:
        assert writer.apply(10) == end
    assert [result for result in engine.verify_ledger(lambda *_: None) if not result.ok] == []


@pytest.mark.campaign("that a migration is exact is in the test before the last; here beside a deletion")
def test_no_reports_are_erased_from_the_journal_during_a_migration(old: Database) -> None:
    append(old, *REPORTS)
    engine = PostgresEngine(old)
    with (
        closing(PostgresNodes(old)) as nodes,
        nodes.alone(),
        pytest.raises(Unavailable, match="deletion runs"),
    ):
        engine.migrate(lambda *_: None)
    assert engine.migrate(lambda *_: None) == (1, VERSION)


@pytest.mark.campaign("a node of version 1 goes on in a test before; here its relay does")
def test_nodes_of_version_1_plan_relayed_conversions_after_the_migration(old: Database) -> None:
    PostgresEngine(old).migrate(lambda *_: None)
    with closing(old.connect()) as connection:
        connection.execute(
            "INSERT INTO relay_sends (account, message_id, vendor, feedback, requested_at, at, due_at, until,"
            " status, attempts, code, reason)"
            " VALUES (1, 'a', 1, 'received', 1, 2, 3, 4, 'waiting', 0, '', '')"
        )
        assert connection.execute("SELECT vendor_message_id FROM relay_sends").fetchall() == [("",)]
