"""Rebuilds the ledger from the journal in a schema beside the old one, and then swaps the two."""

from collections.abc import Callable
from contextlib import closing

from psycopg import sql

from otpconv.storage.postgres.database import Database
from otpconv.storage.postgres.ledger.writer import PostgresLedgerWriter
from otpconv.storage.postgres.migrations import create_ledger

#: Journal entries of one transaction.
_BATCH = 5_000


def rebuild(database: Database, done: Callable[[int, int], None]) -> int:
    """Build a new ledger from the whole journal, replace the old one with it, and return its cursor.

    No server may run. If this is interrupted, the old ledger stays.

    Args:
        database: has the tables.
        done: called with the number of journal entries applied so far, and of all.

    Raises:
        Misconfigured: the database can't be used.
        Unavailable: the database fails; the old ledger stays.
    """
    draft = database.with_ledger(f"{database.ledger_schema}_new")
    new, old = sql.Identifier(draft.ledger_schema), sql.Identifier(database.ledger_schema)
    with database.mapped(), closing(database.connect()) as connection:
        with connection.transaction():
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(new))
            create_ledger(draft, connection)
        with closing(PostgresLedgerWriter(draft)) as writer:
            ((head,),) = connection.execute("SELECT max(last) FROM writers").fetchall()
            cursor = 0
            while cursor < head:
                cursor = writer.apply(_BATCH)
                done(cursor, head)
        with connection.transaction():
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(old))
            connection.execute(sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(new, old))
    return cursor
