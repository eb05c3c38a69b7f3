"""The journal in PostgreSQL. An append makes two commits: one of its rows, and one that makes them durable.

The first one waits for nothing, so the commits of others can follow at once. The second one waits for the
disk and the standbys; then the append is acknowledged.

An append whose outcome is unknown is never reported as a success: the connection broke, or no standby has
confirmed a commit. The journal connects again, looks whether the rows are there, and appends them if they are
not. Rows that are there may not be durable, so it makes one more commit that waits.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

import psycopg
from psycopg import errors

from otpconv.storage import deadline
from otpconv.storage.buckets import buckets_of
from otpconv.storage.contract import Entry
from otpconv.storage.journal import JournalEntry
from otpconv.storage.journal_rows import NewRow, entries_in, new_rows, newest_nonces
from otpconv.storage.postgres.database import Connection, Database, Row, execute, statements
from otpconv.storage.postgres.pool import Pool
from otpconv.storage.postgres.shared import SharedConnection

_SQL = statements("journal/journal.sql")
#: Rows of the journal fetched at once, at most.
_FETCHED = 100
#: The server ends a transaction whose process has sent nothing for this time, ms.
_HANGS_MS: Final = 5_000


class PostgresJournal:
    """The record in one table. Every method waits for the server.

    Args:
        database: has the tables.
        connections: how many threads may append at once.

    Raises:
        Misconfigured: the database can't be used.
        Unavailable: the database can't be reached.
    """

    def __init__(self, database: Database, connections: int = 1) -> None:
        self._database = database.for_reports()
        self._reading = SharedConnection(self._database)
        self._appending = Pool(self._database.connect, connections, self._database.limits.report_s)
        self._last = 0
        with self._reading.open():
            pass

    def append(self, entries: Sequence[Entry], recorded_at: int) -> int:
        """Make `entries` durable in one transaction and return the position of the last one."""
        token = str(uuid4())
        rows = [_columns(row, token) for row in new_rows(entries, recorded_at)]
        after = self._last
        with self._database.mapped():
            with self._appending.connection() as connection:
                try:
                    position = _append(connection, rows)
                except psycopg.OperationalError as error:
                    # The server has rolled everything else back. A cancel may come after the first commit.
                    if not (connection.closed or isinstance(error, errors.QueryCanceled)):
                        raise
                    position = None
            if position is None:
                position = self._repeated(rows, token, after)
        self._last = position
        return position

    def confirm(self) -> None:
        """Make sure that everything that can be read is durable.

        The rows of another append can be read before they are durable. After a crash of the primary, or a
        cancelled wait, commits can be read that no standby has confirmed.
        """
        with self._database.mapped(), self._appending.connection() as connection:
            execute(connection, _SQL["confirm"])

    def newest_report_time(self) -> int | None:
        """Return when the newest report was recorded, ms; None when there is none."""
        return self._value("newest_report_time")

    def oldest_time(self) -> int | None:
        """Return when the first entry was recorded, ms; None when there is none."""
        return self._value("oldest_time")

    def read(self, after: int, limit: int) -> list[JournalEntry]:
        """Return the entries after the position `after`, in their order; at most `limit`."""
        entries: list[JournalEntry] = []
        seen, fetched = after, 1
        while len(entries) < limit:
            # Few rows at first: one can have thousands of entries, or a single one.
            rows = self._rows("rows", {"after": seen, "most": min(limit, fetched)})
            if not rows:
                break
            fetched = min(_FETCHED, 4 * fetched)
            for row in rows:
                entries += [entry for entry in entries_in(*row) if entry.position > after]
                seen = row[0]
        return entries[:limit]

    def head(self) -> int:
        """Return the position of the newest entry; 0 when there is none."""
        return self._value("head") or 0

    def nonces(self, since: int, limit: int) -> list[tuple[int, int]]:
        """Return the newest `limit` (fingerprint, signed_at) of entries recorded at or after `since` (ms)."""
        (text,) = _SQL["newest_nonces"]
        with (
            self._reading.open() as connection,
            connection.transaction(),
            connection.cursor("nonces") as cursor,
        ):
            cursor.itersize = _FETCHED
            return newest_nonces(cursor.execute(text), since, limit)

    def had_keys(self) -> bool:
        """Return whether a server with access keys has used this database."""
        return bool(self._value("had_keys"))

    def note_keys(self) -> None:
        """Record that a server with access keys uses this database."""
        with self._reading.open() as connection:
            execute(connection, _SQL["note_keys"])

    def close(self) -> None:
        """Close the connections; none may be in use."""
        self._appending.close()
        self._reading.close()

    def _repeated(self, rows: list[dict[str, Any]], token: str, after: int) -> int:
        """Append again, unless the failed append has made its first commit; return the position.

        Raises:
            psycopg.Error: the outcome stays unknown; the caller must not acknowledge anything.
        """
        with self._appending.connection() as connection:
            deadline.check()
            with connection.transaction():
                # A process that hangs must not keep the row locked: no other node could append.
                connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = {_HANGS_MS}")
                # Waits for the old transaction, which holds this row until it has committed.
                execute(connection, _SQL["touch_writer"])
                values = {"after": after, "token": token}
                ((found,),) = execute(connection, _SQL["appended"], values).fetchall()
                position = _insert(connection, rows) if found is None else int(found)
            execute(connection, _SQL["confirm"])
        return position

    def _value(self, name: str) -> int | None:
        rows = self._rows(name, {})
        return rows[0][0] if rows else None

    def _rows(self, name: str, values: dict[str, int]) -> list[Row]:
        with self._reading.open() as connection:
            try:
                return execute(connection, _SQL[name], values).fetchall()
            except psycopg.OperationalError:
                if not connection.closed:
                    raise
        with self._reading.open() as connection:
            return execute(connection, _SQL[name], values).fetchall()


def try_commit(database: Database) -> None:
    """Commit a small change as an append does.

    Raises:
        Misconfigured: the database can't be used.
        Unavailable: the database fails, or takes no writes.
    """
    hurried = database.for_reports()
    with hurried.mapped(), deadline.within(database.limits.report_s), hurried.connect() as connection:
        execute(connection, _SQL["touch_writer"])
        execute(connection, _SQL["confirm"])


def was_used(database: Database) -> bool:
    """Return whether a server has used this database: it has reports, or had access keys."""
    connection = database.connect()
    with database.mapped(), connection:
        return bool(execute(connection, _SQL["was_used"]).fetchall()[0][0])


def _append(connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
    """Make rows durable, all or none, and return the position of the last one."""
    if len(rows) == 1:
        ((position,),) = execute(connection, _SQL["append"], rows[0] | {"alone": True}).fetchall()
        return int(position)
    with connection.transaction():
        position = _insert(connection, rows)
    execute(connection, _SQL["confirm"])
    return position


def _insert(connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
    """Insert rows in the transaction of the connection, and return the position of the last one."""
    position = 0
    for row in rows:
        ((position,),) = execute(connection, _SQL["append"], row | {"alone": False}).fetchall()
    return int(position)


def _columns(row: NewRow, token: str) -> dict[str, Any]:
    return {
        "count": row.length,
        "recorded_at": row.recorded_at,
        "unmatched_before": row.unmatched_before,
        "minutes_from": row.minutes_from,
        "reports": row.reports.decode() if row.reports is not None else None,
        "buckets": buckets_of(row.facts),
        "nonces": row.nonces.decode() if row.nonces is not None else None,
        "token": token,
    }
