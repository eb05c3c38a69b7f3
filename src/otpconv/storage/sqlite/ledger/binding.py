"""Checks at every start, and for `otpconv doctor`, that a ledger was built from its journal."""

from pathlib import Path
from typing import NamedTuple

import apsw

from otpconv.errors import Misconfigured
from otpconv.storage.sqlite.connection import reading, statements
from otpconv.storage.sqlite.journal.rows import about

_SQL = statements("ledger/binding.sql") | {"head": statements("journal/journal.sql")["head"]}

SCHEMA = _SQL["schema"]


class Bound(NamedTuple):
    """Up to where a ledger contains which journal.

    Attributes:
        cursor: the position of the last journal entry that is in the ledger.
        identity: of the journal; None if the ledger contains nothing yet.
        chain: the chain value of the row at the cursor.
    """

    cursor: int
    identity: bytes | None
    chain: object


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
            " `otpconv ledger rebuild`, which counts its reports again; otherwise restore the journal"
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
        bound = read_bound(connection)
    return misfit_of(bound, journal)


def read_bound(connection: apsw.Connection) -> Bound | None:
    """Return up to which row of which journal a ledger was built; None if it does not say so."""
    rows = [Bound(*row) for row in connection.execute(_SQL["bound"])]
    return rows[0] if len(rows) == 1 else None


def misfit_of(bound: Bound | None, journal: Path) -> str | None:
    """Like `misfit`, for a ledger from which `bound` was read already."""
    if bound is None:
        return "the ledger does not say up to where it contains the journal"
    cursor, identity, chain = bound
    if cursor == 0 and identity is None:
        return None
    with reading(journal) as connection:
        of = about(connection)
        head: int = connection.execute(_SQL["head"]).fetchall()[0][0]  # type: ignore[assignment]
        rows = connection.execute(_SQL["row_at"], {"cursor": cursor}).fetchall()
    if cursor > head:
        return f"the ledger is {cursor - head:,} reports ahead of the journal"
    if identity != of.identity:
        return "the ledger was made from another journal"
    if rows != [(chain,)]:
        return f"the journal holds other reports up to position {cursor:,} than the ledger has counted"
    return None
