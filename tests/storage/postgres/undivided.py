"""The tables of a Citus in one PostgreSQL, where no worker has a part of them."""

from psycopg import sql
from typing_extensions import override

from otpconv.storage.postgres.database import Database, script
from otpconv.storage.postgres.ledger.distributed_reader import DistributedLedgerReader
from otpconv.storage.postgres.migrations import LEDGER
from storage.engines import Files, PostgresEngine

#: Answers as Citus does, for one worker.
WORKERS = """
CREATE FUNCTION run_command_on_workers(
    text, OUT nodename text, OUT nodeport integer, OUT success boolean, OUT result text
) RETURNS SETOF record LANGUAGE sql AS $$ SELECT 'worker', 5432, {success}, '{result}' $$
"""
#: Answers as Citus does, for one shard.
_SHARDS = """
CREATE FUNCTION get_shard_id_for_distribution_column(regclass, smallint) RETURNS bigint
LANGUAGE sql AS 'SELECT 1'
"""
_FILE = "distribution/distribution.sql"


class UndividedEngine(PostgresEngine):
    """The tables of a Citus in one PostgreSQL, where no worker has a part of them."""

    reader = DistributedLedgerReader

    @override
    def _create(self, database: Database, schema: str, files: Files) -> None:
        super()._create(database, schema, files)
        if files is LEDGER:
            self._admin.execute(WORKERS.format(success="true", result=0))  # type: ignore[arg-type] - ours
            self._admin.execute(_SHARDS)
            self._admin.execute(script(_FILE, section="tables_schema"))
            self._admin.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(database.stored_schema)))
            path = f"{database.stored_schema}, {database.ledger_schema}, {database.schema}"
            self._admin.execute("SELECT set_config('search_path', %s, true)", (path,))
            self._admin.execute(script(_FILE, section="views_schema"))
