"""Erases the reports of deleted messages from a journal, step by step; the same in every engine.

A row keeps its position and its number of reports. Of a request stays what its day counts, of any other
report nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from otpconv.model import Conversion, Requested
from otpconv.storage.contract import DAY_MS
from otpconv.storage.erasure import Erased, ErasedRequest, Erasure
from otpconv.storage.journal_rows import REPORTS
from otpconv.storage.statements import SqlValue

#: Erasures whose messages are erased in one pass over the journal: the messages are kept in memory meanwhile.
MAX_ERASURES = 500
#: Positions of the journal that are searched in one step: some 10 ms of work.
_SEARCHED = 5_000
#: Bytes of rows that one transaction rewrites, at least one row. A report that comes meanwhile waits for it.
_WRITTEN_BYTES = 256 * 1024


class Rewritten(msgspec.Struct, frozen=True):
    """A row without the reports of deleted messages.

    Attributes:
        seq: its position.
        reports: the rest of its reports.
        bytes: how large the reports were.
    """

    seq: int
    reports: list[Any]
    bytes: int


class JournalFile(Protocol):
    """What an engine does for a `StepwiseEraser`, on one connection."""

    def run(self, name: str, values: Mapping[str, SqlValue]) -> list[tuple[Any, ...]]:
        """Run a named statement of the engine's `journal/eraser.sql`, and return its rows."""

    def reports(self, seq: int) -> bytes | str:
        """Return the reports of a row."""

    def rewrite(self, rows: Sequence[Rewritten]) -> None:
        """Rewrite rows in one transaction."""


class StepwiseEraser:
    """Does the steps of a `JournalEraser`.

    Args:
        file: the journal of the engine.
    """

    def __init__(self, file: JournalFile) -> None:
        self._file = file
        self._before: Any = 0
        self._head: Any = 0
        self._searched = self._scrubbed = 0
        self._to_rewrite: list[tuple[int, list[tuple[int, int]]]] = []

    def begin(self) -> bool:
        """See `JournalEraser.begin`."""
        self._searched = self._scrubbed = 0
        self._to_rewrite = []
        self._file.run("forget_targets", {})
        self._file.run("find_erasures", {"most": MAX_ERASURES})
        self._file.run("find_targets", {})
        ((self._before, self._head, any_named),) = self._file.run("horizon", {})
        if not self._before and not any_named:
            self._searched = self._head  # they only shorten ranges
        return bool(self._head)

    def step(self) -> bool:
        """See `JournalEraser.step`."""
        if self._to_rewrite:
            self._rewrite_some()
        elif self._searched < self._head:
            self._search()
        else:
            return self._scrub()
        return True

    def _search(self) -> None:
        """Find what must be erased in the next rows."""
        upto = min(self._searched + _SEARCHED, self._head)
        bounds: dict[str, SqlValue] = {"after": self._searched, "upto": upto, "before": self._before}
        found: dict[int, list[tuple[int, int]]] = {}
        for seq, place, what in self._file.run("affected", bounds):
            found.setdefault(seq, []).append((place, what))
        self._to_rewrite = sorted(found.items(), reverse=True)
        self._searched = upto

    def _rewrite_some(self) -> None:
        rows: list[Rewritten] = []
        size = 0
        while self._to_rewrite and size < _WRITTEN_BYTES:
            seq, places = self._to_rewrite.pop()
            encoded = self._file.reports(seq)
            reports: list[Any] = REPORTS.decode(encoded)
            for place, what in places:
                reports[place] = self._rest_of(reports[place], what, seq)
            size += len(encoded)
            rows.append(Rewritten(seq, _compact(reports), len(encoded)))
        self._file.rewrite(rows)

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
        bindings: dict[str, SqlValue] = {"account": account, "message_id": message_id, "seq": seq}
        return bool(self._file.run("is_deleted_after", bindings)[0][0])

    def _scrub(self) -> bool:
        """Erase the names from some of the erasures themselves; return whether more are left."""
        found = {"after": self._scrubbed, "most": 10}
        positions = [int(seq) for (seq,) in self._file.run("erasure_positions", found)]
        if not positions:
            return False
        rows = []
        for seq in positions:
            encoded = self._file.reports(seq)
            (erasure,) = REPORTS.decode(encoded)
            left = msgspec.structs.replace(
                self._rest_of(erasure, 3, seq), messages=(), places=(), numbers=(), receipts=()
            )
            rows.append(Rewritten(seq, [left], len(encoded)))
        self._file.rewrite(rows)
        self._scrubbed = positions[-1]
        return True


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
