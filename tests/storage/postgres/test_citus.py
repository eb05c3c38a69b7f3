"""On a real Citus: what `ledger init --distribute` makes, and where the statements of a report run."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from random import Random
from typing import Any

import psycopg
import pytest
from psycopg import sql

import postgresql
from otpconv.errors import Misconfigured
from otpconv.model import Conversion, Dimensions, Report, Requested
from otpconv.receipts import Receipt, ReceiptStatus
from otpconv.storage.contract import Entry, Message
from otpconv.storage.postgres import PostgresEngine, migrations
from otpconv.storage.postgres.address import Address
from otpconv.storage.postgres.database import Database, execute
from otpconv.storage.postgres.journal.journal import PostgresJournal
from otpconv.storage.postgres.ledger.distributed_reader import DistributedLedgerReader
from otpconv.storage.postgres.ledger.writer import PostgresLedgerWriter

pytestmark = pytest.mark.citus

#: Other processes use the Citus too.
_OURS = f"otpconv_test_{os.getpid()}"
AT = 1_750_000_000_000
NUMBER = "0a" * 16
#: Values of all parameters of the lookups.
VALUES = {
    "bucket": 3,
    "account": 1,
    "message_ids": ["a", "b"],
    "number": bytes.fromhex(NUMBER),
    "at": AT,
    "accounts": [1],
    "numbers": [bytes.fromhex(NUMBER)],
    "times": [AT],
    "delivered": [True],
    "ids": ["v"],
}


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    made = Database(Address(postgresql.citus()), schema=_OURS, ledger_schema=f"{_OURS}_ledger")
    _drop(made)
    assert migrations.create(made, 8)
    yield made
    _drop(made)


def _drop(database: Database) -> None:
    with closing(database.connect()) as connection:
        for suffix in ("", "_new", "_old", "_verify"):
            ledger = database.with_ledger(database.ledger_schema + suffix)
            for name in (ledger.stored_schema, ledger.ledger_schema):
                drop = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name))
                connection.execute(drop)
        connection.execute(
            sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(database.schema))
        )


def test_the_doctor_finds_the_messages_on_the_workers(database: Database) -> None:
    results = [*PostgresEngine(database).findings(served=False, now=AT)]
    (placement,) = [result for result in results if result.check == "placement"]
    assert placement.ok, placement
    assert placement.text.startswith("8 shards: ")
    assert all(result.ok for result in results), results


@pytest.mark.long("verifies and rebuilds, and each creates the shards of a second ledger")
def test_what_is_applied_is_verified_and_built_again(database: Database) -> None:
    journal, writer = PostgresJournal(database), PostgresLedgerWriter(database)
    with closing(journal), closing(writer):
        requests = [
            Requested(1, f"m{n}", AT + n, Dimensions("DE"), NUMBER if n % 3 else "", "", f"s{n // 4}")
            for n in range(40)
        ]
        conversions = [
            Conversion(1, delivered=True, conversion_time=AT + 9_000, message_id=f"m{n}")
            for n in range(0, 50, 2)
        ]
        by_number = Conversion(1, delivered=True, conversion_time=AT + 8_000, number=NUMBER)
        receipts = [
            Receipt(1, f"m{n}", ReceiptStatus.DELIVERED, AT + 9_500, price=7_000, currency="EUR")
            for n in range(0, 45, 3)
        ]
        for reports in (requests[:30], conversions, [by_number], receipts, requests[30:]):
            journal.append([Entry(report) for report in reports], AT)
            while writer.cursor() < journal.head():
                writer.apply(25)
    engine = PostgresEngine(database)
    assert [result for result in engine.verify_ledger(lambda *_: None) if not result.ok] == []
    head = engine.rebuild_ledger(lambda *_: None)
    assert head == 81
    assert [result for result in engine.findings(served=False, now=AT) if not result.ok] == []


@pytest.mark.parametrize("name", ["states", "outlines", "message_of_number"])
def test_a_lookup_reads_one_shard(database: Database, name: str) -> None:
    (text,) = DistributedLedgerReader.statements[name]
    with closing(database.connect()) as connection:
        plan = execute(connection, [f"EXPLAIN (VERBOSE) {text}"], VALUES, prepare=False).fetchall()
    lines = [line for (line,) in plan]
    assert any("Custom Scan (Citus Adaptive)" in line for line in lines), lines
    assert any("Task Count: 1" in line for line in lines), lines


@pytest.mark.parametrize("name", ["cursor", "known_conversions", "receipts", "messages_from", "minutes_from"])
def test_other_lookups_stay_on_the_coordinator(database: Database, name: str) -> None:
    (text,) = DistributedLedgerReader.statements[name]
    with closing(database.connect()) as connection:
        plan = execute(connection, [f"EXPLAIN {text}"], VALUES, prepare=False).fetchall()
    assert not any("Citus" in line for (line,) in plan), plan


def test_an_append_commits_on_the_coordinator_alone(database: Database) -> None:
    with closing(PostgresJournal(database)) as journal, closing(database.connect()) as connection:
        before = _prepared(connection)
        journal.append([Entry(Requested(1, "alone", AT, Dimensions()))], AT)
        assert _prepared(connection) <= before


@pytest.mark.long("applies the same reports to two ledgers, and makes the tables of the second")
def test_an_export_is_that_of_one_server(database: Database) -> None:
    random = Random(7)
    reports: list[Requested | Conversion] = [
        Requested(
            2,
            f"m{n}",
            AT + n,
            Dimensions("DE", provider=f"p{n % 3}"),
            NUMBER if n % 3 else "",
            "",
            f"s{n // 4}",
        )
        for n in range(120)
    ]
    reports += [
        Conversion(2, delivered=n % 5 > 0, conversion_time=AT + 9_000 + n, message_id=f"m{n}")
        for n in range(140)
    ]
    reports += [
        Conversion(2, delivered=True, conversion_time=AT + 8_000 + n, number=NUMBER) for n in range(9)
    ]
    reports += random.choices(reports, k=60)
    random.shuffle(reports)
    batches = [reports[first : first + 23] for first in range(0, len(reports), 23)]
    plain = Database(database.address, schema=f"{_OURS}_one", ledger_schema=f"{_OURS}_one_ledger")
    _drop(plain)
    assert migrations.create(plain)
    try:
        one, spread = _exported(plain, batches, 1_000), _exported(database, batches, 50)
    finally:
        _drop(plain)
    assert len(one) == 140
    assert spread == one


def _exported(
    database: Database, batches: Sequence[Sequence[Report]], limit: int
) -> list[tuple[int, Message]]:
    """Append and apply reports; return the messages as an export has them, with their places."""
    engine = PostgresEngine(database)
    journal, reader = PostgresJournal(database), engine.ledger_reader()
    with closing(journal), closing(reader), closing(PostgresLedgerWriter(database)) as writer:
        before = journal.head()
        for reports in batches:
            journal.append([Entry(report) for report in reports], AT)
        while writer.cursor() < journal.head():
            writer.apply(limit)
        with closing(database.connect()) as connection:
            places = connection.execute("SELECT id FROM messages WHERE account = 2 ORDER BY id").fetchall()
        return [(place - before, each) for (place,), each in zip(places, reader.messages(2), strict=True)]


def test_more_shards_than_buckets_are_refused(database: Database) -> None:
    other = Database(database.address, schema=f"{_OURS}_more", ledger_schema=f"{_OURS}_more_ledger")
    with pytest.raises(Misconfigured, match=r"65 shards are not possible.* Use 1 to 64\."):
        migrations.create(other, 65)


def _prepared(connection: psycopg.Connection[tuple[Any, ...]]) -> set[str]:
    """The commits in two phases that the coordinator has recorded, and not forgotten yet."""
    return {gid for (gid,) in connection.execute("SELECT gid FROM pg_dist_transaction").fetchall()}
