"""Checks the database without changing it, for `otpconv doctor`."""

from collections.abc import Iterator
from typing import Any

import msgspec

from otpconv.errors import Misconfigured
from otpconv.storage.check_result import CheckResult
from otpconv.storage.findings import guarded, of_clock, of_lag, of_ledger
from otpconv.storage.journal_rows import REPORTS
from otpconv.storage.postgres.database import Connection, Database, Row, execute, statements
from otpconv.storage.postgres.distribution.placement import placement
from otpconv.storage.postgres.distribution.tables import is_distributed, over
from otpconv.storage.postgres.migrations import require_version
from otpconv.storage.postgres.shared import SharedConnection
from otpconv.storage.verification import REBUILD

_SQL = statements("journal/journal.sql") | statements("health.sql")
_RESTORE = "restore the database from a backup"
#: Rows of the journal fetched at once.
_FETCHED = 100


class Doctor:
    """Checks a database on one connection.

    Args:
        database: has the tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._shared = SharedConnection(database)

    def findings(self, *, served: bool, now: int) -> Iterator[CheckResult]:
        """Check one thing after another; a large ledger takes minutes.

        Args:
            served: whether a server runs on the data folder; it should be applying the journal.
            now: the time by the wall clock, ms.
        """
        try:
            server = guarded("postgresql", "check the setting `ledger`", self._server)
            yield server
            if not server.ok and not server.text.startswith("version"):
                return
            with self._shared.open() as connection:
                spread = is_distributed(self._database, connection)
            if spread:
                yield guarded("placement", "check the workers", self._placement)
            yield guarded("journal rows", _RESTORE, self._journal_rows)
            yield guarded("clock", _RESTORE, lambda: of_clock(self._newest(), now))
            yield guarded("journal and ledger", REBUILD, lambda: of_lag(self.lag, served=served))
            yield from of_ledger(self._number)
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection."""
        self._shared.close()

    def lag(self) -> int:
        """Return how many acknowledged reports are not in the ledger yet.

        Raises:
            Misconfigured: it has more than the journal, so it would pass over new reports.
        """
        lag = self._number("lag")
        if lag < 0:
            raise Misconfigured(
                f"The ledger in PostgreSQL ({self._database.address}) is {-lag:,} entries ahead of the"
                " journal, as after a restore of older reports: it would pass over new ones. Run `otpconv"
                " ledger rebuild`, which counts again the reports that are there"
            )
        return lag

    def _server(self) -> CheckResult:
        with self._shared.open() as connection:
            require_version(self._database, connection)
        ((version, fsync, full_page_writes, synchronous_commit),) = self._rows("server", {})
        text = f"version {version} at {self._database.address}"
        if fsync == full_page_writes == "on":
            return CheckResult("postgresql", ok=True, text=f"{text}, synchronous_commit {synchronous_commit}")
        text = f"{text}, fsync {fsync}, full_page_writes {full_page_writes}"
        advice = "set both to on: otherwise a power failure loses acknowledged reports"
        return CheckResult("postgresql", ok=False, text=text, advice=advice)

    def _placement(self) -> CheckResult:
        with self._shared.open() as connection:
            return placement(self._database, connection)

    def _journal_rows(self) -> CheckResult:
        seen = count = 0
        while rows := self._rows("rows", {"after": seen, "most": _FETCHED}):
            for seq, _, _, _, reports in rows:
                count += 1
                if (problem := _problem(seen, seq, reports)) is not None:
                    text = f"the row at position {seq:,} is damaged ({problem})"
                    return CheckResult("journal rows", ok=False, text=text, advice=_RESTORE)
                seen = seq
        return CheckResult("journal rows", ok=True, text=f"{count:,} decoded, none missing")

    def _newest(self) -> object:
        return next((at for (at,) in self._rows("newest_report_time", {})), None)

    def _number(self, name: str, **bindings: int) -> int:
        return int(self._rows(name, bindings)[0][0])

    def _rows(self, name: str, values: dict[str, Any]) -> list[Row]:
        # A recount of a large ledger takes longer than a statement of a server may.
        with self._shared.open() as connection, connection.transaction():
            connection.execute("SET LOCAL statement_timeout = 0")
            connection.answer_s = None
            return execute(connection, recount(self._database, connection, name), values).fetchall()


def recount(database: Database, connection: Connection, name: str) -> list[str]:
    """Return the named statement of a check, also where the messages are on the workers of a Citus."""
    if name == "wrong_unmatched" and is_distributed(database, connection):
        return over("explaining_messages", _SQL[name])
    return _SQL[name]


def _problem(before: int, seq: int, reports: str | None) -> str | None:
    """Return the problem of a row after the position `before`; None if there is none."""
    try:
        count = 1 if reports is None else len(REPORTS.decode(reports))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"it can't be decoded: {error}"
    missing = seq - count - before
    return f"{missing:,} entries before it are missing" if missing else None
