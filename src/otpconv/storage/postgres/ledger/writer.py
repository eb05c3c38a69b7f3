"""The ledger's writer in PostgreSQL: one call, in one transaction, for each batch of the journal.

The call reads the journal itself, so no report passes through Python. A batch with deletions takes a chain of
steps. A second writer waits for the first one's transaction
and then continues where it stopped, so several nodes may have one each.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import psycopg
from psycopg import errors

from otpconv.errors import Unavailable
from otpconv.storage.bounds import BOUNDS, Bounds
from otpconv.storage.contract import HOUR_MS
from otpconv.storage.merging import FORGETTING, Merging
from otpconv.storage.postgres.database import Connection, Database, Row, execute, script, statements
from otpconv.storage.postgres.distribution.tables import is_distributed
from otpconv.storage.postgres.distribution.working_set import (
    STATEMENTS,
    WorkingSet,
    WriterStatements,
    prepare,
    require_settled,
)
from otpconv.storage.postgres.pool import is_alive
from otpconv.storage.statements import SqlValue

_SQL = (
    statements("ledger/merging.sql")
    | statements("ledger/steps.sql")
    | statements("ledger/numbers.sql")
    | statements("ledger/unmatched.sql")
    | statements("ledger/changes.sql")
    | statements("ledger/receipts.sql")
    | statements("ledger/costs.sql")
    | statements("ledger/ranges.sql")
    | statements("ledger/erasure.sql")
    | STATEMENTS
)


#: Entries after which the writer looks whether the statistics are those of a much smaller ledger: first, and
#: at most. In between, after twice as many each time. A few entries can have many rollups.
_LOOK_FIRST: Final = 1_000
_LOOK_AFTER: Final = 50_000


class _Merging(Merging):
    """Merges the reports before a deletion by one call, and settles by another."""

    # typing.override is not in Python 3.11.
    def merge(self, after: int, upto: int) -> None:  # type: ignore[explicit-override]
        """See `Merging`."""
        self.run("merge_reports", after=after, upto=upto, **_most(self._bounds))

    def expire(self, unmatched_before: int, minutes_from: int) -> None:  # type: ignore[explicit-override]
        """See `Merging`. A statement may take only so long, and after an import there are months to fold."""
        self.run(*FORGETTING, unmatched_before=unmatched_before)
        first = self._statements.number("first_minute", {"minutes_from": minutes_from})
        for hour in range(first // HOUR_MS * HOUR_MS, minutes_from, HOUR_MS):
            self.run("fold_hour", "fold_cost_hour", hour=hour, minutes_from=minutes_from)
        self.settle()
        self.run("keep_minutes_from", minutes_from=minutes_from)
        self.run("drop_ranges")

    def resolve_receipts(self) -> None:  # type: ignore[explicit-override]
        """See `Merging`."""
        self.run("resolve_receipts")

    def settle(  # type: ignore[explicit-override]
        self,
        summing: str = "",  # noqa: ARG002
        *,
        costs: bool = True,  # noqa: ARG002
    ) -> None:
        """See `Merging`."""
        self.run("settle", "forget_changes")


class _DistributedMerging(_Merging):
    """The same where the messages are on the workers of a Citus."""

    def __init__(self, statements: WriterStatements, bounds: Bounds) -> None:
        super().__init__(statements, bounds)
        self._messages = WorkingSet(statements)

    # typing.override is not in Python 3.11.
    def merge(self, after: int, upto: int) -> None:  # type: ignore[explicit-override]
        """See `Merging`."""
        self._messages.load_batch(after, upto)
        super().merge(after, upto)
        self._messages.store()

    def expire(self, unmatched_before: int, minutes_from: int) -> None:  # type: ignore[explicit-override]
        """See `Merging`."""
        self._messages.load_unmatched(unmatched_before)
        super().expire(unmatched_before, minutes_from)
        self._messages.store()

    def erase(self, seq: int) -> None:  # type: ignore[explicit-override]
        """See `Merging`."""
        self._messages.load_erased(seq, self._statements.number("before", {"seq": seq}))
        super().erase(seq)
        self._messages.store()


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
        self._most = _most(bounds)
        self._is_settled = False
        self._connection = self._connect()
        with database.mapped():
            self._is_distributed = is_distributed(database, self._connection)
        self._merging = (_DistributedMerging if self._is_distributed else _Merging)(self, bounds)
        self._looked_at: int | None = None
        self._look_after = _LOOK_FIRST

    def apply(self, limit: int) -> int:
        """Apply some `limit` further journal entries in one transaction and return the cursor after it."""
        with self._database.mapped():
            self._revive()
            applied = self._apply_distributed(limit) if self._is_distributed else self._apply_at_once(limit)
            self._analyze(applied)
        return applied

    def cursor(self) -> int:
        """Return the position of the last journal entry that is in the ledger."""
        with self._database.mapped():
            self._revive()
            return self.number("stored_cursor" if self._is_distributed else "cursor", {})

    def close(self) -> None:
        """Close the connection."""
        with suppress(psycopg.Error):
            self._connection.close()

    def run(self, name: str, values: Mapping[str, SqlValue]) -> None:
        """See `merging.Statements`."""
        execute(self._connection, _SQL[name], values)

    def rows(self, name: str, values: Mapping[str, object]) -> list[Row]:
        """See `working_set.WriterStatements`."""
        return execute(self._connection, _SQL[name], values).fetchall()

    def number(self, name: str, values: Mapping[str, SqlValue]) -> int:
        """See `merging.Statements`."""
        rows = self.rows(name, values)
        if not rows:  # it has waited for the cursor of a ledger that is gone now
            raise Unavailable("A rebuild has replaced the ledger. Try again.")
        return int(rows[0][0])

    def _analyze(self, cursor: int) -> None:
        """Renew the statistics of a ledger that grows fast; autovacuum does so a minute later or more.

        Until then, PostgreSQL plans questions as for an empty ledger, and they take seconds.
        """
        if self._looked_at is None:
            self._looked_at = cursor
        if cursor - self._looked_at < self._look_after:
            return
        self._looked_at = cursor
        self._look_after = min(2 * self._look_after, _LOOK_AFTER)
        # On a slow disk it may take too long; the entries are applied nonetheless.
        with suppress(errors.QueryCanceled, errors.LockNotAvailable):
            if self.number("is_outgrown", {}):
                self.run("analyze", {})

    def _apply_at_once(self, limit: int) -> int:
        """Apply further entries by one call if possible."""
        ((cursor,),) = execute(self._connection, _SQL["apply_reports"], {"limit": limit} | self._most)
        return self._apply_by_steps(limit) if cursor is None else int(cursor)

    def _apply_distributed(self, limit: int) -> int:
        """Apply further entries to messages on the workers of a Citus."""
        if not self._is_settled:
            require_settled(self._database, self._connection)
            self._is_settled = True
        cursor = self._apply_by_steps(limit)
        self.run("show_stored", {"cursor": cursor})
        return cursor

    def _apply_by_steps(self, limit: int) -> int:
        """Apply further entries among which there are deletions, or all those of a Citus."""
        # A pipeline sends the statements without waiting for the answer of each.
        with self._connection.pipeline(), self._connection.transaction():
            cursor = self.number("lock_cursor", {})
            upto = self.number("batch_end", {"cursor": cursor, "limit": limit})
            while cursor < upto:
                cursor = self._apply_part(cursor, upto)
                self.run("advance", {"cursor": cursor})
        return cursor

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
            self._is_settled = False
            self._connection = self._connect()

    def _connect(self) -> Connection:
        connection = self._database.connect()
        with self._database.mapped():
            connection.execute(script("ledger/batch.sql", section="batch_schema"))
            if is_distributed(self._database, connection):
                prepare(self._database, connection)
        return connection


def _most(bounds: Bounds) -> dict[str, int]:
    return {name: getattr(bounds, name) for name in bounds.__struct_fields__}
