"""Verifies a ledger, also beside a server: builds a second ledger from the journal and compares both."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from otpconv.errors import Misconfigured
from otpconv.storage.bounds import BOUNDS, Bounds
from otpconv.storage.check_result import CheckResult
from otpconv.storage.sqlite.connection import connect_reader, mapped, reading, statements, version_of
from otpconv.storage.sqlite.journal.journal import JOURNAL_VERSION
from otpconv.storage.sqlite.ledger.binding import Bound, misfit_of, read_bound
from otpconv.storage.sqlite.ledger.rebuild import apply_upto, remove
from otpconv.storage.sqlite.ledger.recount import RECOUNTS, count_wrong
from otpconv.storage.sqlite.ledger.writer import SqliteLedgerWriter
from otpconv.storage.verification import REBUILD, TABLES, LedgerContents, Row, Table, compare

_SQL = statements("ledger/contents.sql")
_HEAD = statements("journal/journal.sql")["head"]
#: Free space, bytes, that stays on the disk beside the second ledger: a running server needs some.
_SPARE_BYTES = 1_000_000_000
_REPORT = "report it as a bug of otpconv; a rebuild gives the same counts"

#: Called with the work done so far, and all of it.
_Done = Callable[[int, int], None]


class SqliteContents:
    """See `LedgerContents`: what a transaction sees of a ledger's file."""

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self._path = path
        self._connection = connection

    def position(self) -> int:
        """See `OneState.position`."""
        with mapped(self._path):
            bound = read_bound(self._connection)
        return 0 if bound is None else bound.cursor

    def rows(self, table: Table) -> Iterator[Row]:
        """See `LedgerContents.rows`."""
        order = ", ".join(map(str, range(1, len(table.key) + 1)))
        statement = _SQL[table.source].removesuffix(";") + (f" ORDER BY {order}" if order else "")
        with mapped(self._path):
            yield from self._connection.execute(statement)


@contextmanager
def one_state(ledger: Path) -> Iterator[SqliteContents]:
    """Show one state of a ledger until the context ends; its write-ahead log grows meanwhile.

    Raises:
        Misconfigured: the file is missing or damaged.
        Unavailable: the disk fails.
    """
    with reading(ledger) as connection:
        connection.execute("BEGIN")
        yield SqliteContents(ledger, connection)


def verify(ledger: Path, journal: Path, done: _Done, *, bounds: Bounds = BOUNDS) -> Iterator[CheckResult]:
    """Verify the ledger against its journal, and its rollups against its messages; change neither.

    A server may run on the files, but nobody may erase reports from the journal meanwhile. The second ledger
    is a file beside the first; it is removed at the end.

    Args:
        ledger: the ledger's file.
        journal: the journal's file, which exists.
        done: called now and then with the work done so far, and all of it.
        bounds: those that the ledger was built with.

    Raises:
        Misconfigured: a file is missing or damaged, or an older otpconv wrote it, or the disk has no room for
            a second ledger.
        Unavailable: the disk fails or gets full.
    """
    draft = ledger.with_name(f"{ledger.name}.verify")
    remove(draft)  # what a verification left that was killed
    require_room(ledger, shutil.disk_usage(ledger.parent).free)
    if version_of(journal) < JOURNAL_VERSION:
        raise Misconfigured(
            f"{journal} was written by an older otpconv: start the server once, which upgrades it"
        )
    with reading(ledger) as held:
        bound = read_bound(held)
        if (why := misfit_of(bound, journal)) is not None or bound is None:
            yield _unfit(why)
            return
        try:
            with closing(SqliteLedgerWriter(draft, journal, bounds=bounds)) as writer:
                # Building takes longest. The ledger's log grows while a transaction reads it, hence not yet.
                apply_upto(writer, bound.cursor, lambda part, whole: done(part, 2 * whole))
                held.execute("BEGIN")
                bound = read_bound(held)
                if (why := misfit_of(bound, journal)) is not None or bound is None:
                    yield _unfit(why)
                    return
                apply_upto(writer, bound.cursor, lambda *_: None)
            yield _position(bound, journal)
            with closing(connect_reader(draft)) as built:
                yield from checks(SqliteContents(ledger, held), SqliteContents(draft, built), held, done)
        finally:
            remove(draft)


def require_room(ledger: Path, free: int) -> None:
    """Refuse to fill the disk.

    Args:
        ledger: the ledger's file; the second one gets about as large.
        free: the free space of the disk, bytes.

    Raises:
        Misconfigured: there is too little.
    """
    needed = ledger.stat().st_size + _SPARE_BYTES
    if free < needed:
        raise Misconfigured(
            f"the disk of {ledger.parent} has {free / 1e9:,.1f} GB free, but a second ledger needs"
            f" {needed / 1e9:,.1f} GB: free some space, then run the command again"
        )


def checks(
    held: LedgerContents, built: LedgerContents, connection: apsw.Connection, done: _Done
) -> Iterator[CheckResult]:
    """Compare two ledgers, and the first one with a recount of itself.

    Args:
        held: the ledger in use.
        built: the one built from the journal.
        connection: to `held`.
        done: called with the work done so far, and all of it; the second half of it is done here.
    """
    steps = len(TABLES) + len(RECOUNTS)
    wrong = set()
    for step, table in enumerate(TABLES, start=1):
        result = compare(table, held, built)
        if not result.ok:
            wrong.add(table.name)
        yield result
        done(steps + step, 2 * steps)
    for step, recount in enumerate(RECOUNTS, start=len(TABLES) + 1):
        count = count_wrong(connection, recount)
        text = f"{count:,} rows differ from {recount.equal}" if count else f"equal to {recount.equal}"
        advice = (REBUILD if wrong else _REPORT) if count else ""
        yield CheckResult(f"{recount.name}, recounted", ok=not count, text=text, advice=advice)
        done(steps + step, 2 * steps)


def _unfit(why: str | None) -> CheckResult:
    return CheckResult("journal and ledger", ok=False, text=why or "", advice=REBUILD)


def _position(bound: Bound, journal: Path) -> CheckResult:
    with reading(journal) as connection:
        head: int = connection.execute(_HEAD).fetchall()[0][0]  # type: ignore[assignment]
    text = f"compared at position {bound.cursor:,} of the journal"
    if head > bound.cursor:
        text += f"; {head - bound.cursor:,} later entries are not in the ledger yet"
    return CheckResult("journal and ledger", ok=True, text=text)
