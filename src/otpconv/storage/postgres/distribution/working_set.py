"""Merges a batch whose messages are on the workers of a Citus.

The messages that a batch concerns are brought to the coordinator, merged there as on a plain PostgreSQL, and
stored again, all in one transaction. Nobody else writes messages: the applier has locked the cursor.
"""

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Final, Protocol

from otpconv.errors import Unavailable
from otpconv.storage.buckets import BUCKETS
from otpconv.storage.merging import Statements
from otpconv.storage.postgres.database import Connection, Database, Row, execute, script, statements

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


class WriterStatements(Statements, Protocol):
    """The named statements of a ledger's writer in PostgreSQL."""

    def rows(self, name: str, values: Mapping[str, object]) -> list[Row]:
        """Return the rows that a statement gives."""


class WorkingSet:
    """The rows of the messages that a part of a batch concerns, on the coordinator.

    Args:
        run: the statements of the writer, in its transaction.
    """

    def __init__(self, run: WriterStatements) -> None:
        self._statements = run
        self._shards: Mapping[int, int] | None = None

    def load_batch(self, after: int, upto: int) -> None:
        """Bring the messages that the reports at the positions from after `after` concern."""
        ((by_number, receipts),) = self._rows("name_batch", after=after, upto=upto)
        self._load_named()
        if receipts:
            self._run("want_receipts")
            self._load_receivers()
        if by_number:
            self._run("want_places")
            self._load_near()
        self._finish()

    def load_unmatched(self, unmatched_before: int) -> None:
        """Bring the messages that an expiry concerns."""
        self._load_unmatched(unmatched_before)
        self._finish()

    def load_erased(self, seq: int, before: int) -> None:
        """Bring the messages that an erasure concerns."""
        self._run("name_erased", seq=seq)
        self._load_named()
        self._run("want_erased_receipts", seq=seq)
        self._load_receivers()
        self._run("want_places")
        self._load_unmatched(before)
        self._finish()

    def store(self) -> None:
        """Store what has changed on the workers, and forget the rows."""
        ((new, changed, gone, left, come),) = self._rows("differences")
        steps = {
            "store_left": left,
            "store_gone": gone,
            "store_new": new,
            "store_changed": changed,
            "store_come": come,
        }
        for name, rows in steps.items():
            if rows:
                self._run(name)
        self._run("forget_working_set")
        if self._statements.number("is_swollen", {}):
            self._run("empty_messages")

    def _load_named(self) -> None:
        """Bring the messages that a batch or an erasure names."""
        self._load("named_messages")
        self._run("find_movable")

    def _load(self, name: str) -> None:
        """Bring the messages that a statement names by their buckets: one statement reads one shard."""
        if self._shards is None:  # their number stays
            self._shards = dict(self._rows("shards_of_buckets", buckets=BUCKETS))
        by_shard: defaultdict[int, tuple[list[int], list[int], list[str]]] = defaultdict(lambda: ([], [], []))
        for bucket, accounts, message_ids in self._rows(name):
            wanted = by_shard[self._shards[bucket]]
            wanted[0].extend([bucket] * len(accounts))
            wanted[1].extend(accounts)
            wanted[2].extend(message_ids)
        for buckets, accounts, message_ids in by_shard.values():
            of_shard = sorted(set(buckets))  # by them, Citus finds the shard
            values = {"buckets": buckets, "accounts": accounts, "message_ids": message_ids}
            self._run("load_messages", of_shard=of_shard, **values)

    def _load_receivers(self) -> None:
        """Bring the messages that can have the wanted receipts."""
        self._load("messages_of_receipts")
        self._load_of("load_receivers", "receivers", "accounts", "ids", "most")

    def _load_near(self) -> None:
        """Bring the messages before and after the wanted places."""
        self._load_of("load_near", "places", "numbers", "times", "message_ids", "most")

    def _load_unmatched(self, unmatched_before: int) -> None:
        self._run("load_unmatched", unmatched_before=unmatched_before)
        self._run("want_unmatched_hours", unmatched_before=unmatched_before)
        self._load_near()

    def _finish(self) -> None:
        """Bring the first messages of the sessions."""
        self._load_of("load_firsts", "sessions", "accounts", "session_ids")
        self._load_of("load_next", "left_sessions", "accounts", "session_ids", "most")
        self._run("remember")

    def _load_of(self, load: str, wanted: str, *names: str) -> None:
        """Bring messages from all shards, by the keys that a statement gives as arrays, if it gives any."""
        (keys,) = self._rows(wanted)
        if keys[0]:
            self._run(load, **dict(zip(names, keys, strict=True)))

    def _rows(self, name: str, **values: object) -> list[Row]:
        return self._statements.rows(name, values)

    def _run(self, name: str, **values: object) -> None:
        self._statements.run(name, values)  # type: ignore[arg-type]
