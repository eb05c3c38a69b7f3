"""Erases the reports of deleted messages from the journal, in short transactions beside a running server.

A row keeps its position and its number of reports. Of a request stays what its day counts, of any other
report nothing. The row gets a new checksum and keeps the original one, so that the chain still verifies.
"""

from pathlib import Path
from typing import Any

import apsw
import msgspec

from otpconv.model import Conversion, Requested
from otpconv.storage.contract import DAY_MS
from otpconv.storage.erasure import Erased, ErasedRequest, Erasure
from otpconv.storage.sqlite.connection import BUSY_TIMEOUT_MS, connect_writer, mapped, reading, statements
from otpconv.storage.sqlite.journal.journal import JOURNAL_VERSION
from otpconv.storage.sqlite.journal.rows import REPORTS, JournalRow, checksum, read_rows
from otpconv.storage.sqlite.one_thread import OneThreadConnection

_SQL = statements("journal/eraser.sql")
#: Erasures whose messages are erased in one pass over the journal: the messages are kept in memory meanwhile.
MAX_ERASURES = 500
#: Positions of the journal that are searched in one step: some 10 ms of work.
_SEARCHED = 5_000
#: Bytes of rows that one transaction rewrites, at least one row. A report that comes meanwhile waits for it.
_WRITTEN_BYTES = 256 * 1024
#: Rewritten bytes after which the write-ahead log is moved into the file.
_CHECKPOINT_BYTES = 8 * 1024 * 1024
#: How long clearing a log may wait for those who use it, ms; then it is tried again later.
_FINISH_MS = 20

_ENCODER = msgspec.json.Encoder()


def has_erasures(journal: Path) -> bool:
    """Return whether reports of deleted messages may still be in the journal."""
    with reading(journal) as connection:
        return bool(connection.execute(_SQL["any_erasure"]).get)


class SqliteJournalEraser:
    """See `JournalEraser`; opens the files in the thread that first uses it."""

    def __init__(self, journal: Path, ledger: Path) -> None:
        self._journal = journal
        self._ledger = ledger
        self._opened: OneThreadConnection | None = None
        self._before: Any = 0
        self._head: Any = 0
        self._searched = self._scrubbed = 0
        self._to_rewrite: list[tuple[int, list[tuple[int, int]]]] = []
        self._written = 0

    def begin(self) -> bool:
        """See `JournalEraser`."""
        connection = self._connection()
        self._searched = self._scrubbed = 0
        self._to_rewrite = []
        with mapped(self._journal):
            for name, bindings in (("forget_targets", {}), ("find_erasures", {"most": MAX_ERASURES})):
                list(connection.execute(_SQL[name], bindings))
            list(connection.execute(_SQL["find_targets"]))
            self._before, self._head = connection.execute(_SQL["horizon"]).fetchall()[0]
        return bool(self._head)

    def step(self) -> bool:
        """See `JournalEraser`."""
        with mapped(self._journal):
            if self._to_rewrite:
                self._rewrite_some()
            elif self._searched < self._head:
                self._search()
            else:
                return self._scrub()
        return True

    def finish(self) -> bool:
        """See `JournalEraser`."""
        connection = self._connection()
        with mapped(self._journal):
            # A report that comes meanwhile waits as long as this does.
            connection.set_busy_timeout(_FINISH_MS)
            try:
                for schema in ("main", "ledger"):
                    connection.wal_checkpoint(schema, apsw.SQLITE_CHECKPOINT_PASSIVE)
                    connection.wal_checkpoint(schema, apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except apsw.BusyError:
                return False
            finally:
                connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        return True

    def close(self) -> None:
        """Close the files."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _connection(self) -> OneThreadConnection:
        if self._opened is None:
            self._opened = connect_writer(self._journal, version=JOURNAL_VERSION, durable=True)
            with mapped(self._journal):
                self._opened.wal_autocheckpoint(0)
                self._opened.execute(_SQL["attach_ledger"], (str(self._ledger),))
                list(self._opened.execute(_SQL["targets_schema"]))
        return self._opened

    def _search(self) -> None:
        """Find what must be erased in the next rows."""
        upto = min(self._searched + _SEARCHED, self._head)
        bounds = {"after": self._searched, "upto": upto, "before": self._before}
        found: dict[int, list[tuple[int, int]]] = {}
        for seq, place, what in self._connection().execute(_SQL["affected"], bounds):
            found.setdefault(seq, []).append((place, what))
        self._to_rewrite = sorted(found.items(), reverse=True)
        self._searched = upto

    def _rewrite_some(self) -> None:
        connection = self._connection()
        rows: list[dict[str, Any]] = []
        size = 0
        while self._to_rewrite and size < _WRITTEN_BYTES:
            seq, places = self._to_rewrite.pop()
            (row,) = read_rows(connection, seq, seq)
            reports: list[Any] = REPORTS.decode(row.reports or b"[]")
            for place, what in places:
                reports[place] = self._rest_of(reports[place], what, seq)
            size += len(row.reports or b"")
            rows.append(_rewritten(row, _compact(reports)))
        self._write(rows, size)

    def _rest_of(self, report: Any, what: int, seq: int) -> Any:  # noqa: ANN401 - any kind of report
        """Return what stays of a report in a row."""
        if isinstance(report, Erasure):
            left = tuple(name for name in report.detached if not self._is_deleted_after(seq, *name))
            return msgspec.structs.replace(report, detached=left)
        if isinstance(report, Conversion) and what == 2:  # noqa: PLR2004 - as the statement says
            return msgspec.structs.replace(report, number="")
        if isinstance(report, Requested):
            day = report.requested_at // DAY_MS * DAY_MS
            return ErasedRequest(report.account, "", day, report.dimensions)
        return Erased()

    def _is_deleted_after(self, seq: int, account: int, message_id: str) -> bool:
        bindings = {"account": account, "message_id": message_id, "seq": seq}
        return bool(self._connection().execute(_SQL["is_deleted_after"], bindings).get)

    def _scrub(self) -> bool:
        """Erase the names from some of the erasures themselves; return whether more are left."""
        connection = self._connection()
        found = {"after": self._scrubbed, "most": 10}
        positions = [int(seq) for (seq,) in connection.execute(_SQL["erasure_positions"], found)]
        if not positions:
            return False
        rows, size = [], 0
        for seq in positions:
            (row,) = read_rows(connection, seq, seq)
            (erasure,) = REPORTS.decode(row.reports or b"")
            left = msgspec.structs.replace(self._rest_of(erasure, 3, seq), messages=(), places=(), numbers=())
            size += len(row.reports or b"")
            rows.append(_rewritten(row, [left]))
        self._write(rows, size)
        self._scrubbed = positions[-1]
        return True

    def _write(self, rows: list[dict[str, Any]], size: int) -> None:
        connection = self._connection()
        with connection.transaction():
            connection.executemany(_SQL["rewrite"], rows)
        self._written += size
        if self._written >= _CHECKPOINT_BYTES:
            connection.wal_checkpoint("main")
            self._written = 0


def _compact(reports: list[Any]) -> list[Any]:
    """Keep the values of a day only once in a row."""
    known: set[ErasedRequest] = set()
    compact = []
    for report in reports:
        again = isinstance(report, ErasedRequest) and report in known
        compact.append(Erased() if again else report)
        if isinstance(report, ErasedRequest):
            known.add(report)
    return compact


def _rewritten(row: JournalRow, reports: list[Any]) -> dict[str, Any]:
    encoded = _ENCODER.encode(reports)
    checked = None
    if row.checksum is not None:
        checked = checksum((*row[:4], encoded, row.nonces))
    return {"seq": row.seq, "reports": encoded, "checksum": checked}
