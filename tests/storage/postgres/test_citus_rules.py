"""No statement before an acknowledgement takes several shards of a Citus, or a two-phase commit."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from pglast import ast, parse_plpgsql, parse_sql
from pglast.visitors import Visitor
from typing_extensions import override

from otpconv.model import Conversion
from otpconv.storage.lookup import Lookup
from otpconv.storage.postgres.address import Address
from otpconv.storage.postgres.database import Database, Row, script, statements
from otpconv.storage.postgres.ledger.distributed_reader import DistributedLedgerReader
from otpconv.storage.postgres.migrations import LEDGER, STATE
from storage.postgres.citus_rules import Rules

_JOURNAL = statements("journal/journal.sql")
#: An append, an append after a COMMIT whose outcome is unknown, and the confirmation of earlier ones.
_APPENDING = ("append", "touch_writer", "appended", "confirm")
_DISTRIBUTION = "distribution/distribution.sql"


class _Tables(Visitor):  # type: ignore[misc] - of pglast, which has no types
    """The tables and views that a script creates, and those that it reads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.created: set[str] = set()
        self.read: set[str] = set()
        self(parse_sql(text))

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


class _Recorder(DistributedLedgerReader):
    """Answers nothing, and keeps the names of the statements that it would run."""

    def __init__(self) -> None:
        super().__init__(Database(Address("postgresql://nowhere.invalid/none")))
        self.names: set[str] = set()

    @override
    def look_up(self, lookup: Lookup) -> Any:
        self._threads.connection = object()  # so that no snapshot connects
        return super().look_up(lookup)

    @override
    def _rows(self, name: str, values: Mapping[str, Any]) -> list[Row]:
        self.names.add(name)
        answers: dict[str, Row] = {
            "states": ("{}",),
            "outlines": ("c", *[None] * 8),
            "receipts": ("v", [None] * 7, "", None, "", 0),
            "message_of_number": ("m",),
        }
        return [answers.get(name, (0,))]


def _looked_up() -> set[str]:
    """The statements of everything that a lookup of reports can ask."""
    reader = _Recorder()
    by_number = Conversion(1, delivered=True, conversion_time=1, number="00ff")
    reader.look_up(Lookup({1: ["a", "b"]}, {1: ["c"]}, [by_number], {1: ["v"]}))
    reader.messages_from()
    reader.minutes_from()
    return reader.names


def _numbered(part: str) -> str:
    """Write parameters as PostgreSQL does: `$1` for the first name, also where it comes again."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", part)))
    return re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", part)


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


ACKNOWLEDGING = {
    f"{name} {number}": _numbered(part)
    for name, parts in [
        *((name, _JOURNAL[name]) for name in _APPENDING),
        ("append_schema", _of_procedure(script("journal/journal.sql", section="append_schema"))),
        *((name, DistributedLedgerReader.statements[name]) for name in sorted(_looked_up())),
    ]
    for number, part in enumerate(parts, start=1)
}


def test_the_statements_of_the_append_are_checked_here() -> None:
    written = [text.split()[:3] for name, text in ACKNOWLEDGING.items() if name.startswith("append_schema")]
    assert written[1:3] == [["UPDATE", "writers", "SET"], ["INSERT", "INTO", "journal"]]
    assert len(written) == 4


def test_lookups_ask_what_is_checked_here() -> None:
    assert _looked_up() == {
        "cursor",
        "states",
        "outlines",
        "message_of_number",
        "is_known",
        "receipts",
        "messages_from",
        "minutes_from",
    }


@pytest.mark.parametrize("name", ACKNOWLEDGING)
def test_a_statement_goes_to_one_shard_or_to_the_coordinator_alone(name: str) -> None:
    assert RULES.violations(ACKNOWLEDGING[name]) == []


def test_views_of_the_messages_read_distributed_tables_alone() -> None:
    assert VIEWS.read == {"stored_messages"}


@pytest.mark.parametrize("name", ACKNOWLEDGING)
def test_without_its_bucket_no_statement_on_messages_passes(name: str) -> None:
    without = re.sub(r"\bm\.bucket = \$\d+ AND ", "", ACKNOWLEDGING[name])
    if without != ACKNOWLEDGING[name]:
        assert any("is not a constant" in each for each in RULES.violations(without))


def test_the_rules_concern_every_lookup_of_messages() -> None:
    changed = {
        name.split()[0] for name, text in ACKNOWLEDGING.items() if re.search(r"\bm\.bucket = \$\d", text)
    }
    assert changed == {"states", "outlines", "message_of_number"}


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
    (text,) = statements("ledger/queries.sql")[name]
    assert RULES.violations(_numbered(text))
