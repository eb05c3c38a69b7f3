"""The ledger's writer in PostgreSQL: a chain of statements for each batch of the journal, in one transaction.

The statements read the journal themselves, so no report passes through Python. A second writer waits for the
first one's transaction and then continues where it stopped, so several nodes may have one each.
"""

from collections.abc import Mapping
from contextlib import suppress

import psycopg

from otpconv.errors import Unavailable
from otpconv.storage.contract import BOUNDS, Bounds
from otpconv.storage.merging import Merging
from otpconv.storage.postgres.database import Connection, Database, execute, script, statements
from otpconv.storage.postgres.pool import is_alive
from otpconv.storage.statements import SqlValue

_SQL = (
    statements("ledger/merge.sql")
    | statements("ledger/dimensions.sql")
    | statements("ledger/unmatched.sql")
    | statements("ledger/changes.sql")
    | statements("ledger/erasure.sql")
)


class PostgresLedgerWriter:
    """Writes the ledger from the journal; used by one thread at a time.

    Args:
        database: has the tables.
        bounds: how many dimensions are counted separately; the same for all writers of a database.

    Raises:
        Misconfigured: the database can't be used.
        Unavailable: the database can't be reached.
    """

    def __init__(self, database: Database, *, bounds: Bounds = BOUNDS) -> None:
        self._database = database
        self._merging = Merging(self, bounds)
        self._connection = self._connect()

    def apply(self, limit: int) -> int:
        """Apply some `limit` further journal entries in one transaction and return the cursor after it."""
        with self._database.mapped():
            self._revive()
            # A pipeline sends the statements without waiting for the answer of each.
            with self._connection.pipeline(), self._connection.transaction():
                # What a crash undoes is applied again: the cursor is in the same transaction.
                self._connection.execute("SET LOCAL synchronous_commit = off")
                cursor = self.number("lock_cursor", {})
                upto = self.number("batch_end", {"cursor": cursor, "limit": limit})
                while cursor < upto:
                    cursor = self._apply_part(cursor, upto)
                    self.run("advance", {"cursor": cursor})
        return cursor

    def cursor(self) -> int:
        """Return the position of the last journal entry that is in the ledger."""
        with self._database.mapped():
            self._revive()
            return self.number("cursor", {})

    def close(self) -> None:
        """Close the connection."""
        with suppress(psycopg.Error):
            self._connection.close()

    def run(self, name: str, values: Mapping[str, SqlValue]) -> None:
        """See `merging.Statements`."""
        execute(self._connection, _SQL[name], values)

    def number(self, name: str, values: Mapping[str, SqlValue]) -> int:
        """See `merging.Statements`."""
        rows = execute(self._connection, _SQL[name], values).fetchall()
        if not rows:  # it has waited for the cursor of a ledger that is gone now
            raise Unavailable("A rebuild has replaced the ledger. Try again.")
        return int(rows[0][0])

    def _apply_part(self, cursor: int, upto: int) -> int:
        """Merge the reports before the next expiry or erasure, then apply that; return its position."""
        deletion = self.number("first_deletion", {"after": cursor, "upto": upto})
        end = deletion - 1 if deletion else upto
        if end > cursor:
            self._merging.merge(cursor, end)
        if not deletion:
            return upto
        if self.number("is_erasure", {"seq": deletion}):
            self._merging.erase(deletion)
        elif self.number("is_believed", {"seq": deletion}):
            ((unmatched_before, minutes_from),) = execute(
                self._connection, _SQL["expiry"], {"seq": deletion}
            ).fetchall()
            self._merging.expire(unmatched_before, minutes_from)
        return deletion

    def _revive(self) -> None:
        """Connect again if the connection broke."""
        if not is_alive(self._connection):
            self._connection.close()
            self._connection = self._connect()

    def _connect(self) -> Connection:
        connection = self._database.connect()
        with self._database.mapped():
            connection.execute(script("ledger/batch.sql", section="batch_schema"))
        return connection
