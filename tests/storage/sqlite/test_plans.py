"""Every statement, on a large site: none reads all of what grows with the messages, unless it is named here.

The statements are explained on empty files with made-up statistics, since a plan depends
on nothing else.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import apsw
import pytest

from otpconv.storage.sqlite import SqliteJournal, SqliteLedgerReader, SqliteLedgerWriter
from otpconv.storage.statements import write_out

#: Tables that grow with reports; all others are bounded by a batch, or by the number of keys and routes.
GROWING = {
    "messages",
    "number_conversions",
    "unmatched_hours",
    "dimensions",
    "dimension_values",
    "self_reported_rates",
    "rollups",
    "receipts",
    "cost_rollups",
    "batches",
}
#: Columns that divide little: a busy site may have a single account, and all of it in a day (the expression).
COARSE = {"account", "grain", "delivered", None}

#: Statements that may read all of a table, or all of an account, and why.
READ_ALL = {
    "merge/any_number_conversion": "stops at the first row",
    "receipts/any_receipt": "stops at the first row",
    "queries/all_messages": "an export, row by row",
    "journal/newest_nonces": "its reader stops at the first row that is too old",
    "journal/last": "stops at the first row",
    "journal/oldest_time": "stops at the first row",
    "journal/newest_report_time": "stops at the first row that is no expiry",
    "eraser/any_erasure": "stops at the first row",
    "health/rows": "the doctor counts",
    "recount/wrong_rollups": "the doctor counts",
    "recount/wrong_routes": "the doctor counts",
    "recount/wrong_costs": "the doctor counts",
    "recount/wrong_ranges": "the doctor counts",
    "recount/wrong_cost_sums": "the doctor counts",
    "recount/wrong_receipts": "the doctor counts",
    "recount/wrong_unmatched": "the doctor counts",
    "recount/wrong_sums": "the doctor counts",
    "health/folded": "the doctor counts",
    "contents/messages": "two ledgers are compared row by row",
    "contents/number_conversions": "two ledgers are compared row by row",
    "contents/self_reported_rates": "two ledgers are compared row by row",
    "contents/dimensions": "two ledgers are compared row by row",
    "contents/dimension_values": "two ledgers are compared row by row",
    "contents/receipts": "two ledgers are compared row by row",
    "contents/cost_rollups": "two ledgers are compared row by row",
    "contents/rollups": "two ledgers are compared row by row",
    "contents/unmatched_hours": "two ledgers are compared row by row",
}

#: By how much an account divides a million rows, and any column that is not coarse; None for no statistics.
STATISTICS = {
    "none": None,
    "one account": (1, 100_000),
    "a thousand accounts": (1_000, 100_000),
    "busy numbers and sessions": (1, 30),
    "busy everything": (2, 2),
}
_ROWS = 1_000_000

SQL = files("otpconv")


def named(folder: str) -> dict[str, str]:
    """Every statement of the .sql files of a folder, by file and name, without what prepares a connection."""
    found = {}
    for file in sorted(SQL.joinpath(folder).iterdir(), key=lambda each: each.name):
        if file.name.endswith(".sql"):
            parts = re.split(r"^-- name: (\w+)$", write_out(file.read_text()), flags=re.MULTILINE)
            for name, text in zip(parts[1::2], parts[2::2], strict=True):
                found[f"{file.name.removesuffix('.sql')}/{name}"] = re.sub("--.*", "", text)
    return found


LEDGER = named("storage/sqlite") | named("storage/sqlite/journal") | named("storage/sqlite/ledger")
ACCESS = named("storage/sqlite/access") | named("storage/access")
ASKED = {
    name: text.replace("ledger.", "main.")  # the eraser of the journal attaches the ledger
    for name, text in (LEDGER | ACCESS).items()
    if not name.endswith(("schema", "upgrade")) and "ATTACH" not in text
}


@pytest.fixture(scope="module", params=STATISTICS)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[apsw.Connection]:
    """Everything that the statements name, on one connection, of a site with the statistics."""
    root: Path = tmp_path_factory.mktemp("site")
    SqliteJournal(root / "journal").close()
    SqliteLedgerWriter(root / "ledger", root / "journal").close()
    with closing(apsw.Connection(str(root / "ledger"))) as connection:
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        connection.execute("ATTACH ? AS journal", (str(root / "journal"),))
        connection.execute("ATTACH ':memory:' AS access")
        for name in ("schema", "saved_views", "vendors", "price_lists", "alert_targets"):
            access = SQL.joinpath(f"storage/sqlite/access/{name}.sql").read_text()
            created = re.sub("CREATE (TABLE|INDEX) (IF NOT EXISTS )?", r"CREATE \1 access.", access)
            list(connection.execute(created.split("PRAGMA")[0]))
        for name, text in LEDGER.items():
            if name.endswith("_schema"):
                list(connection.execute(text))
        divided = STATISTICS[request.param]
        for schema in ("main", "journal", "access"):
            describe(connection, schema, divided)
        yield connection


def describe(connection: apsw.Connection, schema: str, divided: tuple[int, int] | None) -> None:
    """Give every index the statistics of a million rows."""
    if divided is None:
        return
    connection.execute(f"ANALYZE {schema}")
    tables = connection.execute(f"SELECT name FROM {schema}.sqlite_schema WHERE type = 'table'").fetchall()  # noqa: S608
    for (table,) in tables:
        found = connection.execute(
            "SELECT name, [unique] FROM pragma_index_list(?, ?)", (table, schema)
        ).fetchall()
        for index, unique in found or [(None, 0)]:
            columns = connection.execute(
                "SELECT name FROM pragma_index_info(?, ?)", (index, schema)
            ).fetchall()
            left = [_ROWS]
            for (column,) in columns:
                by = divided[0] if column == "account" else 2 if column in COARSE else divided[1]
                left.append(max(1, left[-1] // by))
            if unique:
                left[-1] = 1
            row = table, index, " ".join(map(str, left))
            connection.execute(f"INSERT INTO {schema}.sqlite_stat1 VALUES (?, ?, ?)", row)  # noqa: S608
    connection.execute(f"ANALYZE {schema}.sqlite_schema")


def plan(connection: apsw.Connection, text: str) -> Iterator[str]:
    """The steps that SQLite means to take for all of a statement's parts."""
    for part in filter(str.strip, text.split(";")):
        bindings = dict.fromkeys(re.findall(r":(\w+)", part))
        explained = connection.execute(f"EXPLAIN QUERY PLAN {part}", bindings or (None,) * part.count("?"))
        yield from (str(row[3]) for row in explained)


def read_all(connection: apsw.Connection, text: str) -> list[str]:
    """The steps that read all of a table that grows, or all of an account in one."""
    views = "".join(row[0] for row in connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'view'"))
    aliases = {alias: table for table, alias in re.findall(r"(\w+) AS (\w+)", views + text)}
    found = []
    for step in plan(connection, text):
        words = step.split()
        table = words[1].rpartition(".")[2] if len(words) > 1 else ""
        if aliases.get(table, table) not in GROWING:
            continue
        # A search without a condition is for the least or greatest of an index.
        conditions = re.search(r"\((.*)\)$", step)
        terms = set(conditions[1].split(" AND ")) if conditions else set()
        coarse = {f"{column or '<expr>'}=?" for column in COARSE}
        if words[0] == "SCAN" or (terms and terms <= coarse):
            found.append(step)
    return found


def test_no_statement_reads_all_of_what_grows_with_the_messages(site: apsw.Connection) -> None:
    assert len(ASKED) > 200
    assert {
        name: steps
        for name, text in ASKED.items()
        if name not in READ_ALL and (steps := read_all(site, text))
    } == {}


def test_a_statement_that_may_read_all_does(site: apsw.Connection) -> None:
    assert [name for name in READ_ALL if not read_all(site, ASKED[name])] == []


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 FROM messages WHERE account = 1 AND requested_at > 5",
        "SELECT 1 FROM messages AS m WHERE m.requested_at = 5",
        "SELECT count(*) FROM number_conversions WHERE account = 1 AND delivered = 1",
        "SELECT 1 FROM journal.batches WHERE recorded_at = 5",
        "UPDATE rollups SET requested = 0 WHERE grain = 60000 AND account = 1 AND reported = 5",
    ],
)
def test_a_statement_that_reads_all_is_noticed(site: apsw.Connection, text: str) -> None:
    assert read_all(site, text)


def test_no_bound_value_changes_a_plan(tmp_path: Path) -> None:
    opened: list[apsw.Connection] = []
    apsw.connection_hooks.append(opened.append)
    try:
        with (
            closing(SqliteJournal(tmp_path / "journal")),
            closing(SqliteLedgerWriter(tmp_path / "ledger", tmp_path / "journal")),
            closing(SqliteLedgerReader(tmp_path / "ledger")) as ledger,
        ):
            ledger.minutes_from()
            assert [each.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, -1) for each in opened] == [1, 1, 1]
    finally:
        apsw.connection_hooks.remove(opened.append)
