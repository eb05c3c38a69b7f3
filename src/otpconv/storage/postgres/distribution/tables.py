"""Distributes the messages of a ledger over the workers of a Citus."""

from typing import Final

from psycopg import sql

from otpconv.errors import Misconfigured
from otpconv.storage.buckets import BUCKETS
from otpconv.storage.postgres.database import Connection, Database, execute, script, statements

_SQL = statements("distribution/distribution.sql")
_FILE: Final = "distribution/distribution.sql"


def over(part: str, statement: list[str]) -> list[str]:
    """Return a statement that takes its messages from a part of them, which is brought to the coordinator.

    Args:
        part: name of the statement that selects the messages.
        statement: one about `messages`, which Citus could not divide.
    """
    (text,), (whole,) = _SQL[part], statement
    with_more = whole.removeprefix("WITH ")
    return [f"WITH messages AS MATERIALIZED ({text}){',' if with_more != whole else ''} {with_more}"]


def is_distributed(database: Database, connection: Connection) -> bool:
    """Return whether the messages of the ledger are on the workers of a Citus."""
    ((found,),) = execute(connection, _SQL["is_distributed"], {"schema": database.ledger_schema}).fetchall()
    return bool(found)


def shards_of(database: Database, connection: Connection) -> int | None:
    """Return how many shards the messages of the ledger have; None if they are not distributed."""
    if not is_distributed(database, connection):
        return None
    table = f"{database.ledger_schema}.stored_messages"
    ((shards,),) = execute(connection, _SQL["shards"], {"table": table}).fetchall()
    return int(shards)


def distribute(database: Database, connection: Connection, shards: int) -> None:
    """Distribute the messages of an empty ledger by their bucket.

    Args:
        database: has the ledger.
        connection: in a transaction.
        shards: how many parts the messages get.

    Raises:
        Misconfigured: the database has no Citus, or there are fewer or more shards than possible.
    """
    if not 1 <= shards <= BUCKETS:
        raise Misconfigured(
            f"{shards} shards are not possible, because the messages are in {BUCKETS} buckets. Use 1 to"
            f" {BUCKETS}."
        )
    if not execute(connection, _SQL["extension"]).fetchall():
        raise Misconfigured(
            f"PostgreSQL ({database.address}) has no Citus, so it can't distribute tables. Run CREATE"
            " EXTENSION citus on all nodes and add the workers, or leave out --distribute."
        )
    _set_path(connection, f"{database.ledger_schema}, {database.schema}")
    connection.execute(script(_FILE, section="tables_schema"))
    execute(connection, _SQL["distribute"], {"shards": shards})
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(database.stored_schema)))
    _set_path(connection, f"{database.stored_schema}, {database.ledger_schema}, {database.schema}")
    connection.execute(script(_FILE, section="views_schema"))


def _set_path(connection: Connection, path: str) -> None:
    connection.execute("SELECT set_config('search_path', %s, true)", (path,))
