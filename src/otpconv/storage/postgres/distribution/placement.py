"""Checks where a Citus has the tables of otpconv, for `otpconv doctor`."""

from otpconv.storage.check_result import CheckResult
from otpconv.storage.postgres.database import Connection, Database, execute, statements

_SQL = statements("distribution/distribution.sql")
_TABLES = {"stored_messages", "number_messages"}


def placement(database: Database, connection: Connection) -> CheckResult:
    """Check that the messages are distributed by their bucket, together, over workers that are there."""
    schemas = {
        "schema": database.schema,
        "ledger": database.ledger_schema,
        "stored": database.stored_schema,
    }
    tables = execute(connection, _SQL["tables"], schemas).fetchall()
    if problem := _problem_of_tables(tables):
        text, advice = problem
        return CheckResult("placement", ok=False, text=text, advice=advice)
    table = f"{database.ledger_schema}.stored_messages"
    nodes = execute(connection, _SQL["workers"], {"table": table}).fetchall()
    gone = [name for (name,) in execute(connection, _SQL["unreachable"]).fetchall()]
    gone += [name for name, is_active, _, shards in nodes if shards and not is_active and name not in gone]
    if gone:
        text = f"{', '.join(gone)} can't be reached or is disabled"
        return CheckResult("placement", ok=False, text=text, advice="start the worker, and enable it")
    empty = [name for name, _, may_have, shards in nodes if may_have and not shards]
    counts = {name: shards for name, _, _, shards in nodes if shards}
    whole = sum(counts.values())
    text = f"{whole} shards: {', '.join(f'{shards} on {name}' for name, shards in counts.items())}"
    if empty and whole > len(counts):
        advice = "move some there: SELECT citus_rebalance_start()"
        return CheckResult("placement", ok=False, text=f"{text}; none on {', '.join(empty)}", advice=advice)
    return CheckResult("placement", ok=True, text=text)


def _problem_of_tables(tables: list[tuple[str, str, int]]) -> tuple[str, str] | None:
    """Return a problem of the distribution of the tables, and the advice; None if there is none."""
    columns = {name.rsplit(".", 1)[-1]: column for name, column, _ in tables}
    if missing := sorted(_TABLES - columns.keys()):
        return f"{', '.join(missing)} is not distributed", "run `otpconv ledger rebuild`"
    if more := sorted(columns.keys() - _TABLES):
        text = f"{', '.join(more)} is distributed, and otpconv needs it on the coordinator"
        return text, f"run SELECT undistribute_table('{more[0]}')"
    if wrong := sorted(name for name, column in columns.items() if column != "bucket"):
        text = f"{', '.join(wrong)} is not distributed by bucket"
        return text, "distribute it by bucket, or run `otpconv ledger rebuild`"
    if len({colocation for _, _, colocation in tables}) > 1:
        text = "the messages and their numbers are not colocated"
        return text, "run SELECT update_distributed_table_colocation('number_messages', 'stored_messages')"
    return None
