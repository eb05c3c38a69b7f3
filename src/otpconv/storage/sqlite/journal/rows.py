"""The rows of a journal: checksums that show damaged and missing rows.

Each row has a checksum of its columns, and a chain value of all checksums up to it. The checksum shows damage
in the row. The chain value shows whether the rows before it are the same as when it was written.

When the reports of deleted messages are erased from a row, it gets a new checksum, and keeps the original one
in a column of its own. The chain values stay, and are verified with the original checksums.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias
from zlib import crc32

import apsw
import msgspec

from otpconv.errors import Misconfigured
from otpconv.storage.journal import JournalEntry
from otpconv.storage.journal_rows import NONCES, REPORTS, entries_in
from otpconv.storage.sqlite.connection import statements

_SQL = statements("journal/journal.sql")

ADVICE = (
    "restore the journal from a backup, or go on without the damaged rows: stop the server and run "
    "`otpconv ledger rebuild --set-aside`"
)

#: The columns that a checksum covers: from `seq` to `nonces`.
Columns: TypeAlias = tuple[int, int, int | None, int | None, bytes | None, bytes | None]
#: The kind of a problem: the row itself is damaged, or rows before it are missing.
Kind: TypeAlias = Literal["row", "gap"]


class JournalRow(NamedTuple):
    """A row as it is in the file. It may be damaged, so any column can hold anything."""

    seq: int
    recorded_at: int
    unmatched_before: int | None
    minutes_from: int | None
    reports: bytes | None
    nonces: bytes | None
    checksum: int | None = None
    chain: int | None = None
    reports_type: str = "text"
    nonces_type: str = "text"
    original: int | None = None

    @property
    def checksum_in_chain(self) -> int:
        """The checksum of the row when it was written."""
        return self.original if self.original is not None else self.checksum or 0


class RowProblem(NamedTuple):
    """A problem with a row, or before it."""

    seq: int
    kind: Kind
    text: str

    # typing.override is not in Python 3.11.
    def __str__(self) -> str:  # type: ignore[explicit-override]
        where = "is damaged" if self.kind == "row" else "does not follow the row before it"
        return f"the row at position {self.seq:,} {where} ({self.text})"


class About(NamedTuple):
    """What a journal says about itself.

    Attributes:
        identity: differs from that of all journals but its own copies.
        unchecked: rows up to this position were written by an otpconv without checksums.
        had_keys: whether a server with access keys has used the folder.
        set_aside: the problems that an operator has acknowledged, as position and kind.
    """

    identity: bytes
    unchecked: int
    had_keys: bool
    set_aside: frozenset[tuple[int, Kind]]

    @property
    def rows_set_aside(self) -> list[int]:
        """The positions of the rows that are skipped, in their order."""
        return sorted(seq for seq, kind in self.set_aside if kind == "row")

    @property
    def origin(self) -> int:
        """The chain value before the first row."""
        return crc32(self.identity)


def checksum(columns: Columns) -> int:
    """Return the CRC-32 of a row's columns, its position included."""
    seq, recorded_at, unmatched_before, minutes_from, reports, nonces = columns
    head = f"{seq} {recorded_at} {unmatched_before} {minutes_from}".encode()
    # JSON has no line break of its own, so the parts can't run into each other.
    return crc32(b"%b\n%b\n%b" % (head, reports or b"", nonces or b""))


def chained(previous: int, of_row: int) -> int:
    """Return the chain value of a row.

    Args:
        previous: the chain value of the row before it.
        of_row: the row's own checksum.
    """
    return crc32(of_row.to_bytes(4, "big"), previous)


def about(connection: apsw.Connection) -> About:
    """Read what a journal says about itself; it may be an attached database.

    Raises:
        Misconfigured: the journal has no identity, or a damaged one.
    """
    row = connection.execute(_SQL["about"]).fetchone()
    if row is None:
        raise Misconfigured("the journal has no identity, so it may be damaged: restore it from a backup")
    identity, unchecked, had_keys = row
    if not isinstance(identity, bytes) or not isinstance(unchecked, int):
        raise Misconfigured("the identity of the journal is damaged: restore the journal from a backup")
    known = frozenset(connection.execute(_SQL["known_problems"]))
    return About(identity, unchecked, bool(had_keys), known)


class Inspector:
    """Checks rows one after the other, in their order.

    Args:
        of: what the journal says about itself.
        decode: whether to decode even rows whose checksum is right.
    """

    def __init__(self, of: About, *, decode: bool) -> None:
        self._about = of
        self._decode = decode
        self._previous: JournalRow | None = None
        # Whether the row before is undamaged, so that the next one can be compared with it.
        self._known = True

    def begin_after(self, row: JournalRow) -> None:
        """Start with the row after this one."""
        self._previous = row
        self._known = not self.is_set_aside(row)

    def is_set_aside(self, row: JournalRow) -> bool:
        """Return whether an operator has set the row aside."""
        return (row.seq, "row") in self._about.set_aside

    def problem(self, row: JournalRow) -> RowProblem | None:
        """Return the problem with the next row; None if there is none, or an operator has set it aside."""
        checked = row.checksum is not None or not 0 < row.seq <= self._about.unchecked
        text, count = self._damage(row, checked=checked)
        found: RowProblem | None = None
        if text:
            found = RowProblem(row.seq, "row", text)
        elif self._known and (text := self._gap(row, count, checked=checked)):
            found = RowProblem(row.seq, "gap", text)
        self._previous, self._known = row, found is None or found.kind == "gap"
        return None if found is None or (found.seq, found.kind) in self._about.set_aside else found

    def unreadable(self, seq: int) -> RowProblem | None:
        """Return the problem that the next row can't be read at all; None if it was set aside."""
        self._known = False
        return None if (seq, "row") in self._about.set_aside else RowProblem(seq, "row", "it can't be read")

    def _damage(self, row: JournalRow, *, checked: bool) -> tuple[str, int | None]:
        """Return the problem with the row itself, and its number of entries if they were counted."""
        if not _is_typed(row):
            return "a column has a wrong type", None
        if checked and checksum(row[:6]) != row.checksum:
            return "its checksum differs", None
        if checked and not self._decode:
            return "", None
        try:
            if row.nonces is not None:
                NONCES.decode(row.nonces)
            return "", 1 if row.reports is None else len(REPORTS.decode(row.reports))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return f"it can't be decoded: {error}", None

    def _gap(self, row: JournalRow, count: int | None, *, checked: bool) -> str:
        """Return the problem between this row and the one before; empty if there is none."""
        previous = self._previous
        position = 0 if previous is None else previous.seq
        if count is not None and (missing := row.seq - count - position):
            return f"{missing:,} entries before it are missing" if missing > 0 else "it overlaps that row"
        if checked:
            before = previous.chain if previous is not None and previous.checksum is not None else None
            start = before if isinstance(before, int) else self._about.origin
            if chained(start, row.checksum_in_chain) != row.chain:
                return "other rows were before it when it was written"
        return ""


def inspected(connection: apsw.Connection) -> Iterator[RowProblem]:
    """Decode every row of a journal and yield the problems that no operator has set aside.

    Rows that SQLite can't read are included, as long as the list of positions can be read.
    """
    of = about(connection)
    inspector = Inspector(of, decode=True)
    after = 0
    while positions := [int(seq) for (seq,) in connection.execute(_SQL["positions"], {"after": after})]:
        for seq in positions:
            try:
                problem = inspector.problem(read_rows(connection, seq, seq)[0])
            except (apsw.CorruptError, IndexError, UnicodeDecodeError):
                problem = inspector.unreadable(seq)
            if problem is not None:
                yield problem
        after = positions[-1]


def read_rows(connection: apsw.Connection, first: int, last: int) -> list[JournalRow]:
    """Return the rows at the positions from `first` to `last`, in their order."""
    found = connection.execute(_SQL["rows"], {"first": first, "last": last})
    return [JournalRow(*row) for row in found]


def rows_from(connection: apsw.Connection, after: int) -> Iterator[JournalRow]:
    """Return the rows after a position, with the one that holds it or ends before it first."""
    return (JournalRow(*row) for row in connection.execute(_SQL["rows_from"], {"after": after}))


def entries_of(row: JournalRow) -> list[JournalEntry]:
    """Return the entries of an undamaged row, in their order."""
    return entries_in(*row[:5])


def _is_typed(row: JournalRow) -> bool:
    numbers = (row.seq, row.recorded_at)
    pair = (row.unmatched_before, row.minutes_from)
    if row.reports is None:
        numbers += pair  # type: ignore[assignment]
    elif pair not in {(None, None), (0, 0)}:
        return False
    types = row.reports_type, row.nonces_type
    return all(isinstance(number, int) for number in numbers) and set(types) <= {"text", "null"}
