"""Verifies a ledger, also beside servers: builds a second ledger from the journal and compares both."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial

from otpconv.errors import Misconfigured
from otpconv.storage.bounds import BOUNDS, Bounds
from otpconv.storage.check_result import CheckResult
from otpconv.storage.findings import of_ledger
from otpconv.storage.postgres.database import Connection, Database, execute, statements
from otpconv.storage.postgres.distribution.tables import shards_of
from otpconv.storage.postgres.health import recount
from otpconv.storage.postgres.ledger.contents import PostgresContents, one_state
from otpconv.storage.postgres.ledger.rebuild import apply_upto, drop_ledger
from otpconv.storage.postgres.ledger.writer import PostgresLedgerWriter
from otpconv.storage.postgres.migrations import create_ledger
from otpconv.storage.verification import REBUILD, TABLES, compare

_SQL = statements("ledger/contents.sql")

#: Called with the work done so far, and all of it.
_Done = Callable[[int, int], None]


def verify(database: Database, done: _Done, *, bounds: Bounds = BOUNDS) -> Iterator[CheckResult]:
    """Verify the ledger against its journal, and its rollups against its messages; change neither.

    Servers may run, but nobody may erase reports from the journal meanwhile. The second ledger is a schema
    beside the first one; it is removed at the end.

    Args:
        database: has the tables.
        done: called now and then with the work done so far, and all of it.
        bounds: those that the ledger was built with.

    Raises:
        Misconfigured: the database can't be used, or another verification runs on it.
        Unavailable: the database fails, or its disk gets full.
    """
    with ExitStack() as opened:
        draft = opened.enter_context(_draft(database))
        writer = opened.enter_context(closing(PostgresLedgerWriter(draft, bounds=bounds)))
        # Building takes longest. PostgreSQL keeps old rows while a transaction can see them, hence not yet.
        with one_state(database) as held:
            position, result = held.position(), _position(held)
        if not result.ok:
            yield result
            return
        apply_upto(writer, position, lambda part, whole: done(part, 2 * whole))
        held = opened.enter_context(one_state(database))
        position = held.position()
        if position < writer.cursor():
            text = f"the ledger was replaced meanwhile, and is at position {position:,} now"
            yield CheckResult("journal and ledger", ok=False, text=text, advice="run the command again")
            return
        apply_upto(writer, position, lambda *_: None)
        yield _position(held)
        built = opened.enter_context(one_state(draft))
        for step, table in enumerate(TABLES, start=1):
            yield compare(table, held, built)
            done(len(TABLES) + step, 2 * len(TABLES))
        for result in of_ledger(partial(_number, database, held.connection)):
            yield CheckResult(f"{result.check}, recounted", result.ok, result.text, result.advice)


def _position(held: PostgresContents) -> CheckResult:
    """Return up to where the ledger is compared; a problem if the journal does not go that far."""
    position = held.position()
    ((head,),) = execute(held.connection, _SQL["head"]).fetchall()
    text = f"compared at position {position:,} of the journal"
    if head > position:
        text += f"; {head - position:,} later entries are not in the ledger yet"
    if head < position:
        text = f"the ledger is {position - head:,} entries ahead of the journal"
        return CheckResult("journal and ledger", ok=False, text=text, advice=REBUILD)
    return CheckResult("journal and ledger", ok=True, text=text)


def _number(database: Database, connection: Connection, name: str, **bindings: int) -> int:
    ((number,),) = execute(connection, recount(database, connection, name), bindings).fetchall()
    return int(number)


@contextmanager
def _draft(database: Database) -> Iterator[Database]:
    """Give the database with an empty second ledger, which is removed at the end."""
    draft = database.with_ledger(f"{database.ledger_schema}_verify")
    with database.mapped(), closing(database.connect()) as connection:
        if not execute(connection, _SQL["try_verify"]).fetchall()[0][0]:
            raise Misconfigured(
                f"another verification runs on PostgreSQL ({database.address}): wait until it has finished"
            )
        with connection.transaction():
            drop_ledger(draft, connection)  # what a verification left that was killed
            create_ledger(draft, connection, shards_of(database, connection))
        try:
            yield draft
        finally:
            if not connection.closed:
                drop_ledger(draft, connection)
                execute(connection, _SQL["end_verify"])
