"""The applier of a Citus: when it begins, and that a batch is merged with the rows that it concerns alone."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from psycopg import sql
from typing_extensions import override

from campaigns import rounds
from ledger.recount import contents, recount
from ledger.reports import ACCOUNTS, some_entries
from otpconv.errors import Unavailable
from otpconv.model import Expiry, Report
from otpconv.storage.postgres.database import Database, script
from otpconv.storage.postgres.distribution.working_set import require_settled
from otpconv.storage.postgres.ledger.distributed_reader import DistributedLedgerReader
from otpconv.storage.postgres.migrations import LEDGER
from storage.engines import MEMORY, Files, PostgresEngine

#: Answers as Citus does, for one worker.
_WORKERS = """
CREATE FUNCTION run_command_on_workers(
    text, OUT nodename text, OUT nodeport integer, OUT success boolean, OUT result text
) RETURNS SETOF record LANGUAGE sql AS $$ SELECT 'worker', 5432, {success}, '{result}' $$
"""
#: Answers as Citus does, for one shard.
_SHARDS = """
CREATE FUNCTION get_shard_id_for_distribution_column(regclass, smallint) RETURNS bigint LANGUAGE sql AS 'SELECT 1'
"""
_FILE = "distribution/distribution.sql"


def test_an_applier_waits_until_no_worker_has_an_open_commit(database: Database) -> None:
    with closing(database.connect()) as connection:
        connection.execute(_WORKERS.format(success="true", result=1))  # type: ignore[arg-type] - ours
        with pytest.raises(Unavailable, match="has a commit that its coordinator has not finished"):
            require_settled(database, connection)
        connection.execute("DROP FUNCTION run_command_on_workers")
        connection.execute(_WORKERS.format(success="true", result=0))  # type: ignore[arg-type] - ours
        require_settled(database, connection)


class UndividedEngine(PostgresEngine):
    """The tables of a Citus in one PostgreSQL, where no worker has a part of them."""

    reader = DistributedLedgerReader

    @override
    def _create(self, database: Database, schema: str, files: Files) -> None:
        super()._create(database, schema, files)
        if files is LEDGER:
            self._admin.execute(_WORKERS.format(success="true", result=0))  # type: ignore[arg-type] - ours
            self._admin.execute(_SHARDS)
            self._admin.execute(script(_FILE, section="tables_schema"))
            self._admin.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(database.stored_schema)))
            path = f"{database.stored_schema}, {database.ledger_schema}, {database.schema}"
            self._admin.execute("SELECT set_config('search_path', %s, true)", (path,))
            self._admin.execute(script(_FILE, section="views_schema"))


@pytest.fixture(scope="module")
def undivided() -> Iterator[UndividedEngine]:
    engine = UndividedEngine(MEMORY)
    yield engine
    engine.close()


@settings(deadline=None, max_examples=rounds(100))
@given(some_entries)
def test_the_rows_that_a_batch_concerns_are_enough_to_merge_it(
    undivided: UndividedEngine, entries: list[Report | Expiry]
) -> None:
    with undivided.open() as storage:
        for entry in entries:
            storage.append(entry)
            storage.writer.apply(1)
        assert contents(storage.ledger, ACCOUNTS) == recount(entries, ACCOUNTS)
