"""One side of a copy: the tables of a database."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from uuid import uuid4

import msgspec
import psycopg
from psycopg import sql

from otpconv.errors import Misconfigured
from otpconv.storage.buckets import buckets_of
from otpconv.storage.journal_rows import REPORTS
from otpconv.storage.postgres.database import Database, execute, statements
from otpconv.storage.postgres.ledger.contents import PostgresContents, one_state
from otpconv.storage.postgres.ledger.rebuild import empty
from otpconv.storage.postgres.ledger.writer import PostgresLedgerWriter
from otpconv.storage.transfer import STATE, State, StoredRow

_SQL = statements("transfer.sql") | {"begin_change": statements("access/schema.sql")["begin_change"]}
#: Tables whose rows get numbers, in their first column.
_NUMBERED = ("accounts", "users", "roles", "saved_views", "vendor_accounts", "alert_targets", "annotations")


class PostgresTransfer:
    """See `Transfer`.

    Args:
        database: has the tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection = database.connect()
        with database.mapped():
            self._connection.execute("SET statement_timeout = 0")
            self._connection.answer_s = None
            ((free,),) = execute(self._connection, _SQL["try_copy"]).fetchall()
        if not free:
            self._connection.close()
            raise Misconfigured(
                f"another copy uses PostgreSQL ({database.address}): wait until it has finished"
            )

    def head(self) -> int:
        """See `Transfer.head`."""
        with self._database.mapped():
            ((head,),) = execute(self._connection, _SQL["head"]).fetchall()
        return int(head)

    def rows(self, after: int, entries: int) -> list[StoredRow]:
        """See `Transfer.rows`."""
        with self._database.mapped():
            rows = execute(self._connection, _SQL["rows"], {"after": after, "entries": entries}).fetchall()
            # A crash must not take away what a copy has: other rows would get their positions.
            execute(self._connection, _SQL["confirm"])
        return [
            StoredRow(seq, at, before, minutes, _compact(reports), _compact(nonces), erased)
            for seq, at, before, minutes, reports, nonces, erased in rows
        ]

    def append(self, after: int, rows: Sequence[StoredRow]) -> None:
        """See `Transfer.append`."""
        connection = self._connection
        (add,) = _SQL["add"]
        token = str(uuid4())
        with self._database.mapped(), connection.transaction():
            ((head,),) = execute(connection, _SQL["lock_head"]).fetchall()
            if head != after:
                raise Misconfigured(
                    f"the journal in PostgreSQL ({self._database.address}) ends at position {head:,} and not"
                    f" at {after:,}: stop what else writes to it"
                )
            with connection.cursor() as cursor, cursor.copy(add) as copy:
                for row in rows:
                    copy.write_row((0, 1, *row[:4], *_columns(row), token, row.erased))
            execute(connection, _SQL["set_head"], {"last": rows[-1].seq})

    def rewrite(self, rows: Sequence[StoredRow]) -> None:
        """See `Transfer.rewrite`."""
        with self._database.mapped(), self._connection.transaction():
            for row in rows:
                reports, buckets, _ = _columns(row)
                values = {"seq": row.seq, "reports": reports, "buckets": buckets}
                execute(self._connection, _SQL["rewrite"], values)

    def ledger(self) -> AbstractContextManager[PostgresContents]:
        """See `Transfer.ledger`."""
        return one_state(self._database)

    def ledger_writer(self) -> PostgresLedgerWriter:
        """See `Transfer.ledger_writer`."""
        return PostgresLedgerWriter(self._database.for_copies())

    def discard_ledger(self) -> None:
        """See `Transfer.discard_ledger`."""
        empty(self._database)

    def state(self) -> State:
        """See `Transfer.state`."""
        connection = self._connection
        with self._database.mapped(), connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return {table: connection.execute(_select(table)).fetchall() for table in STATE}

    def replace_state(self, state: State) -> None:
        """See `Transfer.replace_state`."""
        connection = self._connection
        with self._database.mapped(), connection.transaction():
            execute(connection, _SQL["begin_change"])
            for table in reversed(list(STATE)):
                connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
            with connection.cursor() as cursor:
                for table, rows in state.items():
                    cursor.executemany(_insert(table), rows)
            for table in _NUMBERED:
                if last := max((row[0] for row in state[table]), default=0):
                    of = f"{self._database.schema}.{table}"
                    values = {"table": of, "column": STATE[table][0], "last": last}
                    execute(connection, _SQL["count_from"], values)

    def close(self) -> None:
        """Close the connection."""
        with suppress(psycopg.Error):  # it may be broken
            execute(self._connection, _SQL["end_copy"])
        self._connection.close()


def _compact(text: str | None) -> bytes | None:
    """Return JSON without the spaces that PostgreSQL adds."""
    return None if text is None else msgspec.json.format(text.encode(), indent=-1)


def _columns(row: StoredRow) -> tuple[str | None, list[int], str | None]:
    """Return the reports of a row, the buckets of them, and its nonces."""
    if row.reports is None:
        return None, [0], None
    facts = REPORTS.decode(row.reports)
    return row.reports.decode(), buckets_of(facts), row.nonces.decode() if row.nonces is not None else None


def _select(table: str) -> sql.Composed:
    columns = sql.SQL(", ").join(map(sql.Identifier, STATE[table]))
    return sql.SQL("SELECT {} FROM {}").format(columns, sql.Identifier(table))


def _insert(table: str) -> sql.Composed:
    columns = STATE[table]
    return sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(sql.Placeholder() for _ in columns),
    )
