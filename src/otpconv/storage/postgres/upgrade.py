"""Brings the tables of an older version up to date, beside servers of that version.

What can't be rebuilt is changed in place. The ledger is built again from the journal, beside the old one.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Final

from otpconv.errors import Unavailable
from otpconv.storage.postgres.database import Database, execute, script, statements
from otpconv.storage.postgres.ledger.rebuild import rebuild
from otpconv.storage.postgres.migrations import VERSION, version_to_migrate
from otpconv.storage.postgres.nodes import PostgresNodes

_SQL = statements("versions.sql")
#: What a version changes in what can't be rebuilt, as files and sections; each may run again.
_CHANGES: Final[Mapping[int, tuple[tuple[str, str], ...]]] = {
    2: (("relay.sql", "relay_upgrade_to_2"),),
    3: (
        ("access/alert_targets.sql", "alert_targets_schema"),
        ("alerts.sql", "alerts_schema"),
        ("notifications.sql", "notifications_schema"),
    ),
    4: (("journal/journal.sql", "append_schema"),),
}


def migrate(database: Database, done: Callable[[int, int], None]) -> tuple[int, int]:
    """Bring the tables up to date, and return their versions before and after.

    An interrupted migration leaves the ledger as it was; the next one begins again.

    Args:
        database: has the tables.
        done: called now and then with the entries applied, and how many there are.

    Raises:
        Misconfigured: there are no tables, or a newer otpconv made them.
        Unavailable: the database fails, or a deletion runs.
    """
    with database.mapped(), closing(database.connect()) as connection:
        # Another migration takes as long as it takes; then this one finds nothing to do.
        connection.execute(
            "SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false)"
        )
        connection.answer_s = None
        execute(connection, _SQL["lock_session"])
        before = version_to_migrate(database, connection)
        if before < VERSION:
            # New tables belong beside the others that can't be rebuilt.
            path = f"{database.schema}, {database.ledger_schema}"
            connection.execute("SELECT set_config('search_path', %s, false)", (path,))
            for version in range(before + 1, VERSION + 1):
                for file, section in _CHANGES[version]:
                    connection.execute(script(file, section=section))
            _rebuild(database, done)
            execute(connection, _SQL["note_version"], {"version": VERSION})
    return before, VERSION


def _rebuild(database: Database, done: Callable[[int, int], None]) -> None:
    """Build the ledger again while nobody erases reports from the journal."""
    try:
        with closing(PostgresNodes(database)) as nodes, nodes.alone():
            rebuild(database, done)
    except BlockingIOError:
        raise Unavailable(
            f"A deletion runs on PostgreSQL ({database.address}), so the ledger can't be built again from the"
            " journal now. Run the command again when it has finished."
        ) from None
