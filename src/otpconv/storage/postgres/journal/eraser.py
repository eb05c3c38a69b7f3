"""Erases the reports of deleted messages from the journal, in short transactions beside a running server.

PostgreSQL keeps the old rows for a while: in its files until vacuum reuses their space, and in its
write-ahead log until that is recycled.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from otpconv.errors import Unavailable
from otpconv.storage.buckets import buckets_of
from otpconv.storage.journal_eraser import Rewritten, StepwiseEraser
from otpconv.storage.journal_rows import ENCODER
from otpconv.storage.postgres.database import Connection, Database, Row, execute, script, statements
from otpconv.storage.postgres.distribution.tables import is_distributed
from otpconv.storage.statements import SqlValue

_SQL = statements("journal/eraser.sql") | {"row": statements("journal/journal.sql")["row"]}
_DISTRIBUTED = statements("distribution/distribution.sql")


def has_erasures(database: Database) -> bool:
    """Return whether reports of deleted messages may still be in the journal."""
    connection = database.connect()
    with database.mapped(), connection:
        return bool(execute(connection, _SQL["any_erasure"]).fetchall()[0][0])


class PostgresJournalEraser:
    """See `JournalEraser`; connects in the thread that first uses it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connected: Connection | None = None
        self._is_distributed = False
        self._eraser = StepwiseEraser(self)
        self._read: dict[int, str] = {}

    def begin(self) -> bool:
        """See `JournalEraser`."""
        with self._database.mapped():
            return self._eraser.begin()

    def step(self) -> bool:
        """See `JournalEraser`."""
        with self._database.mapped():
            return self._eraser.step()

    def finish(self) -> bool:
        """See `JournalEraser`: vacuum and checkpoints are the server's own work."""
        return True

    def close(self) -> None:
        """Close the connection."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    def run(self, name: str, values: Mapping[str, SqlValue]) -> list[Row]:
        """See `JournalFile`."""
        connection = self._connection()
        statement = _SQL[name]
        if name == "affected" and self._is_distributed:
            execute(connection, _DISTRIBUTED["find_mentioned"], values)
            statement = [part.replace("FROM messages", "FROM mentioned") for part in statement]
        cursor = execute(connection, statement, values)
        return cursor.fetchall() if cursor.description else []

    def reports(self, seq: int) -> bytes | str:
        """See `JournalFile`."""
        ((reports,),) = self.run("row", {"seq": seq})
        self._read[seq] = str(reports)
        return self._read[seq]

    def rewrite(self, rows: Sequence[Rewritten]) -> None:
        """See `JournalFile`.

        Raises:
            Unavailable: a row is not as it was read, since another process has rewritten it.
        """
        connection = self._connection()
        with connection.transaction():
            for row in rows:
                values: dict[str, Any] = {
                    "seq": row.seq,
                    "reports": ENCODER.encode(row.reports).decode(),
                    "buckets": buckets_of(row.reports),
                    "before": self._read.pop(row.seq),
                }
                if not execute(connection, _SQL["rewrite"], values).rowcount:
                    # This process was stopped for so long that another one took over.
                    raise Unavailable("Another deletion changes the journal. Run the command again.")

    def _connection(self) -> Connection:
        if self._connected is None or self._connected.closed:
            self._connected = self._database.connect()
            self._connected.execute(script("journal/eraser.sql", section="targets_schema"))
            self._is_distributed = is_distributed(self._database, self._connected)
            if self._is_distributed:
                execute(self._connected, _DISTRIBUTED["mentioned_schema"])
            # A process that hangs must not keep rows locked that another one is to erase.
            self._connected.execute("SET idle_in_transaction_session_timeout = '5s'")
        return self._connected
