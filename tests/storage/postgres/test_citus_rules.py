"""No statement before an acknowledgement takes several shards of a Citus, or a two-phase commit."""

import asyncio
import math
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, TypeAlias

import psycopg
import pytest
from pglast import ast, parse_plpgsql, parse_sql, split
from pglast.visitors import Visitor
from psycopg import sql

from ledger.reports import DAY, hashed
from otpconv.ledger import journal_writer
from otpconv.ledger.intake import Intake
from otpconv.ledger.journal_writer import JournalWriter
from otpconv.ledger.recent import Recent
from otpconv.model import Conversion, Dimensions, Report, Requested, SelfReportedRate
from otpconv.receipts import Receipt, ReceiptStatus
from otpconv.storage.contract import Entry
from otpconv.storage.postgres.database import script, statements
from otpconv.storage.postgres.ledger.distributed_reader import DistributedLedgerReader
from otpconv.storage.postgres.ledger.reader import PostgresLedgerReader
from otpconv.storage.postgres.migrations import LEDGER, STATE
from storage.engines import MEMORY, NOW
from storage.postgres.citus_rules import Rules
from storage.postgres.undivided import UndividedEngine

_DISTRIBUTION = "distribution/distribution.sql"


class _Tables(Visitor):  # type: ignore[misc] - of pglast, which has no types
    """The tables and views that a script creates, those that it reads, and all that it names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.created: set[str] = set()
        self.read: set[str] = set()
        self.all: set[str] = set()
        self(parse_sql(text))

    def visit_RangeVar(self, _: object, node: ast.RangeVar) -> None:  # noqa: N802
        self.all.add(node.relname)

    def visit_CreateStmt(self, _: object, node: ast.CreateStmt) -> None:  # noqa: N802
        self.created.add(node.relation.relname)

    def visit_ViewStmt(self, _: object, node: ast.ViewStmt) -> None:  # noqa: N802
        self.created.add(node.view.relname)

    def visit_SelectStmt(self, _: object, node: ast.SelectStmt) -> None:  # noqa: N802
        self.read |= {each.relname for each in node.fromClause or () if isinstance(each, ast.RangeVar)}


TABLES = _Tables(script(_DISTRIBUTION, section="tables_schema"))
VIEWS = _Tables(script(_DISTRIBUTION, section="views_schema"))
DISTRIBUTED = TABLES.created | VIEWS.created
LOCAL = set[str]().union(
    *(_Tables(script(file, section=section)).created for file, section in (*STATE, *LEDGER))
)
RULES = Rules(DISTRIBUTED, LOCAL - DISTRIBUTED)


_Cursor: TypeAlias = psycopg.Cursor[Any]
NUMBER = hashed(1, "5")
A = Requested(1, "a", DAY, Dimensions("DE"), NUMBER, "+4915", "s", 1, "v")
#: Reports of all kinds, whose lookups ask everything that a lookup can ask. The ledger has the first of them.
REPORTS: tuple[Report, ...] = (
    A,
    Requested(1, "b", DAY + 1, Dimensions("FR")),
    Conversion(1, delivered=True, conversion_time=DAY + 2, message_id="a"),
    Conversion(1, delivered=True, conversion_time=DAY + 3, message_id="a", number=NUMBER),
    Conversion(1, delivered=False, conversion_time=DAY + 4, message_id="b"),
    Conversion(1, delivered=True, conversion_time=DAY + 5, number=NUMBER),
    Conversion(1, delivered=True, conversion_time=DAY + 6, number=hashed(1, "6")),
    SelfReportedRate(1, DAY + 7, 0.5),
    Receipt(1, "v", ReceiptStatus.DELIVERED, DAY + 8, price=7_000, currency="EUR"),
)


def _numbered(text: str) -> str:
    """Write parameters as PostgreSQL does: `$1` for the first name, also where it comes again."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", text)))
    return re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", text.replace("%s", "$1"))


def _of_procedure(text: str) -> list[str]:
    """The statements of a procedure; the names of its parameters and variables stay as they are."""
    queries: list[str] = []

    def find(part: object) -> None:
        if isinstance(part, Mapping):
            queries.extend([part["query"]] if isinstance(part.get("query"), str) else [])
        for inner in part.values() if isinstance(part, Mapping) else part if isinstance(part, list) else ():
            find(inner)

    find(parse_plpgsql(text))
    return [query for query in queries if re.match("SELECT|UPDATE|INSERT", query)]


@pytest.fixture(scope="module")
def acknowledging() -> set[str]:
    """What real reports run on tables before they are acknowledged, written as PostgreSQL does.

    Among them are those of reports that the ledger has, and of an append whose connection breaks.
    """
    ran: set[str] = set()
    execute = psycopg.Cursor.execute
    with (
        closing(UndividedEngine(MEMORY)) as engine,
        engine.open() as storage,
        pytest.MonkeyPatch.context() as patch,
    ):
        storage.record(A)
        with closing(storage.new_journal()) as journal, closing(storage.new_ledger()) as ledger:

            def note(cursor: _Cursor, query: str | sql.Composed, *rest: object, **options: object) -> object:
                text = query if isinstance(query, str) else query.as_string(cursor)
                ran.add(_numbered(text))
                return execute(cursor, text, *rest, **options)  # type: ignore[arg-type] - what it got

            patch.setattr(psycopg.Cursor, "execute", note)
            patch.setattr(journal_writer, "SLOW_S", math.inf)
            intake = Intake(
                JournalWriter(journal, storage.new_journal),
                ledger,
                Recent(storage.writer.cursor),
                lambda: NOW,
                recorded=lambda *_: None,
                strict=True,
            )
            asyncio.run(_record(intake))
            ledger.messages_from()
            ledger.minutes_from()
            patch.setattr(psycopg.Cursor, "execute", _breaking(note))
            journal.append([Entry(A)], NOW)
    assert any(each.startswith("CALL append(") for each in ran)
    procedure = _of_procedure(script("journal/journal.sql", section="append_schema"))
    parts = {part for each in (*ran, *procedure) for part in split(each)}
    return {part for part in parts if _Tables(part).all}


async def _record(intake: Intake) -> None:
    """Report each alone, then twice all of them: those that are there already are confirmed."""
    for reports in (*((each,) for each in REPORTS), REPORTS, REPORTS):
        await intake.record(reports)


def _breaking(execute: Callable[..., object]) -> Callable[..., object]:
    """Break the connection of the first append, after it was sent."""
    breaks = [True]

    def run(cursor: _Cursor, query: str | sql.Composed, *rest: object, **options: object) -> object:
        found = execute(cursor, query, *rest, **options)
        if breaks and "CALL append" in str(query):
            breaks.clear()
            psycopg.Connection.close(cursor.connection)
            raise psycopg.OperationalError("the connection is lost")
        return found

    return run


def _named(text: str) -> str:
    """The name of a statement of the lookups or of the journal; the text of another one."""
    known = DistributedLedgerReader.statements | statements("journal/journal.sql")
    return next((name for name, parts in known.items() if text in map(_numbered, parts)), text)


def test_the_reports_look_up_and_append_all_there_is(acknowledging: set[str]) -> None:
    """So that a statement which is left out here is noticed: add a report to `REPORTS` that needs it."""
    names = {_named(each) for each in acknowledging}
    assert names >= {"states", "outlines", "message_of_number", "known_conversions", "receipts", "cursor"}
    assert names >= {"touch_writer", "appended", "confirm"}
    assert any("INSERT INTO journal" in each for each in acknowledging)


def test_each_goes_to_one_shard_or_to_the_coordinator_alone(acknowledging: set[str]) -> None:
    assert {_named(each): found for each in acknowledging if (found := RULES.violations(each))} == {}


def test_views_of_the_messages_read_distributed_tables_alone() -> None:
    assert VIEWS.read == {"stored_messages"}


def test_without_its_bucket_none_on_messages_passes(acknowledging: set[str]) -> None:
    bare = {_named(each): re.sub(r"\bm\.bucket = \$\d+ AND ", "", each) for each in acknowledging}
    changed = {name: text for name, text in bare.items() if text not in acknowledging}
    assert changed.keys() == {"states", "outlines", "message_of_number"}
    for text in changed.values():
        assert any("is not a constant" in each for each in RULES.violations(text))


BAD = {
    "no bucket": ("SELECT * FROM messages WHERE account = $1", "is not a constant"),
    "a bucket among others": ("SELECT * FROM messages WHERE bucket = ANY ($1)", "is not a constant"),
    "a list of buckets": ("SELECT * FROM messages WHERE bucket IN (1, 2)", "is not a constant"),
    "a bucket from a row": (
        "SELECT * FROM unnest($1::smallint[]) AS i (b) JOIN messages AS m ON m.bucket = i.b",
        "is not a constant",
    ),
    "a computed bucket": ("SELECT * FROM messages WHERE bucket = $1 % 64", "is not a constant"),
    "either bucket": ("SELECT * FROM messages WHERE bucket = 1 OR account = 2", "is not a constant"),
    "another comparison": ("SELECT * FROM messages WHERE bucket >= $1", "is not a constant"),
    "the bucket of another table": (
        "SELECT * FROM messages AS m JOIN number_messages AS n ON n.bucket = $1",
        "the bucket of messages is not a constant",
    ),
    "two buckets": (
        "SELECT * FROM messages AS m JOIN number_messages AS n ON n.bucket = $1 AND m.bucket = $2",
        "several buckets",
    ),
    "two buckets in subqueries": (
        "SELECT (SELECT id FROM messages WHERE bucket = 1) + (SELECT id FROM messages WHERE bucket = 2)",
        "several buckets",
    ),
    "no bucket in a subquery": (
        "SELECT 1 FROM messages WHERE bucket = $1 AND EXISTS (SELECT 1 FROM number_messages)",
        "the bucket of number_messages is not a constant",
    ),
    "no bucket in a part": (
        "WITH all_of AS (SELECT * FROM stored_messages) SELECT * FROM all_of",
        "is not a constant",
    ),
    "a table of the coordinator": (
        "SELECT * FROM messages AS m JOIN dimensions AS d ON d.id = m.dimensions WHERE m.bucket = $1",
        "dimensions is only on the coordinator",
    ),
    "a write to both": (
        "WITH w AS (UPDATE writers SET last = 1) UPDATE stored_messages SET attempt = 1 WHERE bucket = $1",
        "writers is only on the coordinator",
    ),
    "an update of all": ("UPDATE stored_messages SET attempt = 1", "is not a constant"),
    "a deletion of all": ("DELETE FROM number_messages WHERE account = $1", "is not a constant"),
    "a volatile function": (
        "SELECT * FROM messages WHERE bucket = $1 AND requested_at < now_ms()",
        "now_ms may be volatile",
    ),
    "the time of each node": (
        "UPDATE stored_messages SET number_range = CURRENT_TIMESTAMP::text WHERE bucket = $1",
        "may be volatile",
    ),
    "an insert without its bucket": ("INSERT INTO number_messages SELECT $1, 2", "does not list the bucket"),
    "an insert of several buckets": (
        "INSERT INTO number_messages (bucket, account) VALUES ($1, 1), ($2, 1)",
        "several buckets",
    ),
    "an insert of a computed bucket": (
        "INSERT INTO number_messages (bucket, account) SELECT b, 1 FROM generate_series(1, 2) AS b",
        "is not a constant",
    ),
    "an unknown table": ("SELECT * FROM nowhere", "nowhere is no known table"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_statement_is_noticed(case: str) -> None:
    statement, problem = BAD[case]
    assert any(problem in each for each in RULES.violations(statement)), RULES.violations(statement)


@pytest.mark.parametrize("name", ["states", "outlines", "by_number"])
def test_the_lookups_of_one_server_would_not_pass(name: str) -> None:
    """What a plain PostgreSQL answers by one statement for all buckets takes several shards."""
    (text,) = PostgresLedgerReader.statements[name]
    assert RULES.violations(_numbered(text))
