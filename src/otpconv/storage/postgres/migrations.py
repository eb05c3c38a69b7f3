"""The versions of the tables: `otpconv ledger init` creates them, `otpconv ledger migrate` updates them.

A version only ever adds to what the one before it needs, so that nodes of the previous version go on while a
migration runs, and until they are restarted; see `upgrade.py`.
"""

from typing import Final, cast

from psycopg import sql

from otpconv.errors import Misconfigured
from otpconv.storage.postgres.database import Connection, Database, execute, script, statements
from otpconv.storage.postgres.distribution.tables import distribute

#: The version of the tables that this code reads and writes.
VERSION: Final = 4

_SQL = statements("versions.sql")
#: What a new database gets, as files and sections: first what can't be rebuilt, then the ledger.
STATE: Final = (
    ("versions.sql", "versions_schema"),
    ("journal/journal.sql", "journal_schema"),
    ("journal/journal.sql", "append_schema"),
    ("nodes.sql", "nodes_schema"),
    ("access/schema.sql", "access_schema"),
    ("access/alert_targets.sql", "alert_targets_schema"),
    ("annotations.sql", "annotations_schema"),
    ("relay.sql", "relay_schema"),
    ("alerts.sql", "alerts_schema"),
    ("notifications.sql", "notifications_schema"),
)
LEDGER: Final = (
    ("ledger/schema.sql", "ledger_schema"),
    ("ledger/merging.sql", "merging_schema"),
    ("ledger/numbers.sql", "numbers_schema"),
    ("ledger/unmatched.sql", "unmatched_schema"),
    ("ledger/receipts.sql", "receipts_schema"),
    ("ledger/costs.sql", "costs_schema"),
    ("ledger/dimensions.sql", "dimensions_schema"),
    ("ledger/ranges.sql", "ranges_schema"),
    ("ledger/changes.sql", "changes_schema"),
    ("ledger/triggers.sql", "triggers_schema"),
)


def require_version(database: Database, connection: Connection) -> None:
    """Check that the tables are those of this otpconv.

    Raises:
        Misconfigured: they are missing, older or newer.
        Unavailable: the database fails.
    """
    with database.mapped():
        found = version_to_migrate(database, connection)
    if found < VERSION:
        raise Misconfigured(
            f"The tables in PostgreSQL ({database.address}) are of version {found}, and this otpconv needs"
            f" version {VERSION}. Bring them up to date: otpconv ledger migrate"
        )


def version_to_migrate(database: Database, connection: Connection) -> int:
    """Return the version of the tables, which this otpconv has or can update.

    Raises:
        Misconfigured: they are missing or newer.
    """
    found = _version(database, connection)
    if found == 0:
        raise Misconfigured(
            f"PostgreSQL ({database.address}) has no tables of otpconv yet. Create them: otpconv ledger init"
        )
    _refuse_newer(database, found)
    return found


def create(database: Database, shards: int | None = None) -> bool:
    """Create the tables; return False if they were there already.

    Args:
        database: where to create them.
        shards: into how many shards of a Citus the messages are divided; None keeps them on one server.

    Raises:
        Misconfigured: a newer otpconv made them, the user may not create them, or they can't be distributed.
        Unavailable: the database fails.
    """
    with database.mapped(), database.connect() as connection, connection.transaction():
        execute(connection, _SQL["lock"])
        if found := _version(database, connection):
            _refuse_newer(database, found)
            return False
        for schema, files in ((database.schema, STATE), (database.ledger_schema, LEDGER)):
            create_schema(database, connection, schema, files)
        if shards is not None:
            distribute(database, connection, shards)
        execute(connection, _SQL["note_version"], {"version": VERSION})
    return True


def create_ledger(database: Database, connection: Connection, shards: int | None = None) -> None:
    """Create an empty ledger in the schema of the database's ledger, which must not exist.

    Args:
        database: names the schemas.
        connection: in a transaction.
        shards: into how many shards of a Citus the messages are divided; None keeps them on one server.
    """
    create_schema(database, connection, database.ledger_schema, LEDGER)
    if shards is not None:
        distribute(database, connection, shards)


def create_schema(
    database: Database, connection: Connection, schema: str, files: tuple[tuple[str, str], ...]
) -> None:
    """Create a schema and what some sections of `.sql` files create in it."""
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    path = f"{schema}, {database.schema}"
    connection.execute("SELECT set_config('search_path', %s, true)", (path,))
    for file, section in files:
        connection.execute(script(file, section=section))


def _version(database: Database, connection: Connection) -> int:
    """Return the version of the tables; 0 if there are none."""
    table = f"{database.schema}.versions"
    ((exists,),) = execute(connection, _SQL["exists"], {"table": table}).fetchall()
    if not exists:
        return 0
    ((version,),) = execute(connection, _SQL["version"]).fetchall()
    return cast("int", version)


def _refuse_newer(database: Database, found: int) -> None:
    if found > VERSION:
        raise Misconfigured(
            f"The tables in PostgreSQL ({database.address}) are of version {found}, and this otpconv knows"
            f" version {VERSION} at most: upgrade otpconv"
        )
