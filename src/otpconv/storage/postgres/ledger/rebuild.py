"""Rebuilds the ledger from the journal in a schema beside the old one, and then swaps the two."""

from collections.abc import Callable
from contextlib import closing

from psycopg import sql

from otpconv.storage.postgres.database import Connection, Database, execute, statements
from otpconv.storage.postgres.distribution.tables import shards_of
from otpconv.storage.postgres.ledger.writer import PostgresLedgerWriter
from otpconv.storage.postgres.migrations import create_ledger

_SQL = statements("ledger/steps.sql") | statements("ledger/contents.sql")
#: Journal entries of one transaction.
_BATCH = 5_000


def rebuild(database: Database, done: Callable[[int, int], None]) -> int:
    """Build a new ledger from the whole journal, replace the old one with it, and return its cursor.

    If this is interrupted, the old ledger stays. A server of another data folder may run: its applier waits
    for the swap, and then goes on in the new ledger.

    Args:
        database: has the tables.
        done: called with the number of journal entries applied so far, and of all.

    Raises:
        Misconfigured: the database can't be used.
        Unavailable: the database fails; the old ledger stays.
    """
    draft = database.with_ledger(f"{database.ledger_schema}_new")
    gone = database.with_ledger(f"{database.ledger_schema}_old")
    with database.mapped(), closing(database.connect()) as connection:
        with connection.transaction():
            drop_ledger(draft, connection)
            drop_ledger(gone, connection)
            create_ledger(draft, connection, shards_of(database, connection))
        with closing(PostgresLedgerWriter(draft)) as writer:
            cursor = apply_upto(writer, _head(connection), done)
            with connection.transaction():
                _stop_appliers(database, connection)
                cursor = apply_upto(writer, _head(connection), done)
                # To rename takes no lock on a table, so it does not wait for questions.
                _rename(database, gone, connection)
                _rename(draft, database, connection)
        drop_ledger(gone, connection)
    return cursor


def drop_ledger(database: Database, connection: Connection) -> None:
    """Drop the schemas of a ledger, if they exist."""
    for schema in (database.stored_schema, database.ledger_schema):
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def _rename(old: Database, new: Database, connection: Connection) -> None:
    for name, becomes in ((old.ledger_schema, new.ledger_schema), (old.stored_schema, new.stored_schema)):
        if _exists(connection, name):
            rename = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
            connection.execute(rename.format(sql.Identifier(name), sql.Identifier(becomes)))


def apply_upto(writer: PostgresLedgerWriter, position: int, done: Callable[[int, int], None]) -> int:
    """Apply the journal up to a position, which is the end of an append, and return the cursor.

    Args:
        writer: of a ledger that is not beyond the position.
        position: of a journal entry.
        done: called with the number of journal entries applied so far, and `position`.

    Raises:
        Misconfigured: the database can't be used.
        Unavailable: the database fails.
    """
    cursor = writer.cursor()
    while cursor < position:
        cursor = writer.apply(min(_BATCH, position - cursor))
        done(cursor, position)
    return cursor


def empty(database: Database) -> None:
    """Replace the ledger by an empty one; nothing else may use it.

    Raises:
        Misconfigured: the database can't be used.
        Unavailable: the database fails.
    """
    with database.mapped(), closing(database.connect()) as connection, connection.transaction():
        shards = shards_of(database, connection)
        drop_ledger(database, connection)
        create_ledger(database, connection, shards)


def _exists(connection: Connection, schema: str) -> bool:
    found = connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", (schema,)).fetchall()
    return bool(found[0][0])


def _head(connection: Connection) -> int:
    ((head,),) = execute(connection, _SQL["head"]).fetchall()
    return int(head)


def _stop_appliers(database: Database, connection: Connection) -> None:
    """Keep other appliers out until the swap: one that waits finds no cursor, and begins again after it."""
    if not _exists(connection, database.ledger_schema):
        return
    path = f"{database.ledger_schema}, {database.schema}"
    connection.execute("SELECT set_config('search_path', %s, true)", (path,))
    if execute(connection, _SQL["lock_cursor"]).fetchall():
        connection.execute("DELETE FROM cursors")
