"""Checks at every start, and for `otpconv doctor`, that a ledger was built from its journal."""

from pathlib import Path

import apsw

from otpconv.errors import Misconfigured
from otpconv.storage.sqlite.connection import reading, statements
from otpconv.storage.sqlite.journal.rows import about

_SQL = statements("ledger/binding.sql") | {"head": statements("journal/journal.sql")["head"]}

SCHEMA = _SQL["schema"]


def bind_to_journal(connection: apsw.Connection, identity: bytes, cursor: int) -> None:
    """Record which row of which journal the cursor is at, in the transaction that moves the cursor.

    Args:
        connection: to the ledger, with the journal attached.
        identity: of the journal.
        cursor: the position of the last entry that is in the ledger.
    """
    connection.execute(_SQL["bind"], {"identity": identity, "cursor": cursor})


def require_fit(ledger: Path, journal: Path) -> None:
    """Refuse a ledger that was not built from the journal.

    Raises:
        Misconfigured: the ledger does not match, or a file is damaged or not otpconv's. Both files stay
            unchanged, since each may hold reports that the other lacks.
        Unavailable: the disk fails.
    """
    if (why := misfit(ledger, journal)) is not None:
        raise Misconfigured(
            f"{ledger} and {journal.name} are not of one moment: {why}. If the journal is the right one, run"
            " `otpconv doctor --rebuild`, which counts again what is in it; otherwise restore the journal"
        )


def misfit(ledger: Path, journal: Path) -> str | None:
    """Return why the ledger does not match the journal; None if it does. A server may be running.

    A ledger that does not match would skip new reports, since they get positions that it has already passed.

    Raises:
        Misconfigured: a file is damaged or not otpconv's.
        Unavailable: the disk fails.
    """
    # The ledger is read first: otherwise it would look ahead once the server applies more in between.
    with reading(ledger) as connection:
        cursor, identity, chain = connection.execute(_SQL["bound"]).fetchall()[0]
    if not isinstance(cursor, int) or cursor == 0:
        return None
    with reading(journal) as connection:
        of = about(connection)
        (head,) = connection.execute(_SQL["head"]).fetchall()[0]
        rows = connection.execute(_SQL["row_at"], {"cursor": cursor}).fetchall()
    if isinstance(head, int) and cursor > head:
        return f"the ledger is {cursor - head:,} reports ahead of the journal"
    if identity != of.identity:
        return "the ledger was made from another journal"
    if rows != [(chain,)]:
        return f"the journal holds other reports up to position {cursor:,} than the ledger has counted"
    return None
