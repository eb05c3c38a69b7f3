"""One state of a ledger in PostgreSQL, row by row, to compare it with another ledger."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count

from psycopg import sql

from otpconv.storage.postgres.database import Connection, Database, execute, statements
from otpconv.storage.verification import Row, Table

_SQL = statements("ledger/contents.sql")
#: Rows fetched at once.
_FETCHED = 2_000
_cursors = count()


class PostgresContents:
    """See `LedgerContents`: what a transaction sees of a ledger.

    Args:
        connection: in a transaction that sees one state.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def position(self) -> int:
        """Return the position of the last journal entry in this state."""
        ((position,),) = execute(self.connection, _SQL["position"]).fetchall()
        return int(position)

    def rows(self, table: Table) -> Iterator[Row]:
        """See `LedgerContents.rows`."""
        (text,) = _SQL[table.source]
        order = ", ".join(map(str, range(1, len(table.key) + 1)))
        statement = sql.SQL(text + (f" ORDER BY {order}" if order else ""))
        with self.connection.cursor(f"contents_{next(_cursors)}") as cursor:
            cursor.itersize = _FETCHED
            yield from cursor.execute(statement)


@contextmanager
def one_state(database: Database) -> Iterator[PostgresContents]:
    """Give one state of the ledger of a database until the context ends.

    Raises:
        Misconfigured: the database can't be used.
        Unavailable: the database fails.
    """
    with database.mapped(), closing(database.connect()) as connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute("SET idle_in_transaction_session_timeout = 0")
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield PostgresContents(connection)
