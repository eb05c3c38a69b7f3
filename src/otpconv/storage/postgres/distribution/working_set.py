"""Merges a batch whose messages are on the workers of a Citus.

The messages that a batch concerns are brought to the coordinator, merged there as on a plain PostgreSQL, and
stored again, all in one transaction. Nobody else writes messages: the applier has locked the cursor.
"""

import time
from typing import Final

from otpconv.errors import Unavailable
from otpconv.storage.merging import Statements
from otpconv.storage.postgres.database import Connection, Database, execute, script, statements

_FILE: Final = "distribution/working_set.sql"
#: How often a new applier looks for open commits: those of others end soon.
_ATTEMPTS: Final = 10
#: The pause between two looks, s.
_PAUSE_S: Final = 0.1
#: The statements of this module, by their names.
STATEMENTS: Final = statements(_FILE)


def prepare(database: Database, connection: Connection) -> None:
    """Make a connection of the applier see the rows of its batch as `messages`."""
    path = f"{database.ledger_schema}, {database.schema}"
    connection.execute("SELECT set_config('search_path', %s, false)", (path,))
    connection.execute(script(_FILE, section="working_set_schema"))


def require_settled(database: Database, connection: Connection) -> None:
    """Wait a moment until no worker has a commit whose end is open: its rows can't be read yet.

    Raises:
        Unavailable: the coordinator or a worker crashed during a commit. Citus finishes it within a minute.
    """
    for _ in range(_ATTEMPTS):
        ((unsettled,),) = execute(connection, STATEMENTS["unsettled"]).fetchall()
        if not unsettled:
            return
        time.sleep(_PAUSE_S)
    raise Unavailable(
        f"A worker of PostgreSQL ({database.address}) does not answer, or has a commit that its coordinator"
        " has not finished. Citus finishes it within a minute once all nodes run."
    )


class WorkingSet:
    """The rows of the messages that a part of a batch concerns, on the coordinator.

    Args:
        run: the statements of the writer, in its transaction.
    """

    def __init__(self, run: Statements) -> None:
        self._statements = run

    def has_numbers(self, after: int, upto: int) -> bool:
        """Return whether conversions by number concern the reports at the positions from after `after`."""
        return bool(self._statements.number("any_number", {"after": after, "upto": upto}))

    def load_batch(self, after: int, upto: int, *, by_number: bool) -> None:
        """Bring the messages that reports concern."""
        positions = {"after": after, "upto": upto}
        self._run("want_batch", positions)
        self._run("load_messages")
        if self._statements.number("any_receipt", positions):
            self._run("want_receipts", positions)
            self._load_receivers()
        if by_number:
            self._run("want_numbers", positions)
            self._run("load_numbers")
        self._finish()

    def load_unmatched(self, unmatched_before: int) -> None:
        """Bring the messages that an expiry concerns."""
        self._load_unmatched(unmatched_before)
        self._finish()

    def load_erased(self, seq: int, before: int) -> None:
        """Bring the messages that an erasure concerns."""
        self._run("want_erased", {"seq": seq})
        self._run("load_messages")
        self._run("want_erased_receipts", {"seq": seq})
        self._load_receivers()
        self._run("want_near_numbers")
        self._load_unmatched(before)
        self._finish()

    def store(self) -> None:
        """Store what has changed on the workers, and forget the rows."""
        self._run("store")
        self._run("forget_working_set")

    def _load_receivers(self) -> None:
        """Bring the messages that can have the wanted receipts."""
        self._run("want_receivers")
        self._run("load_messages")

    def _load_unmatched(self, unmatched_before: int) -> None:
        before = {"unmatched_before": unmatched_before}
        self._run("load_unmatched", before)
        self._run("want_unmatched_numbers", before)
        self._run("load_numbers")

    def _finish(self) -> None:
        self._run("load_sessions")
        self._run("remember")

    def _run(self, name: str, values: dict[str, int] | None = None) -> None:
        self._statements.run(name, values or {})
