"""An applier of a Citus begins when all workers have finished the commits before it."""

from contextlib import closing

import pytest

from otpconv.errors import Unavailable
from otpconv.storage.postgres.database import Database
from otpconv.storage.postgres.distribution.working_set import require_settled

#: Answers as Citus does, for one worker.
_WORKERS = """
CREATE FUNCTION run_command_on_workers(
    text, OUT nodename text, OUT nodeport integer, OUT success boolean, OUT result text
) RETURNS SETOF record LANGUAGE sql AS $$ SELECT 'worker', 5432, {success}, '{result}' $$
"""


def test_an_applier_waits_until_no_worker_has_an_open_commit(database: Database) -> None:
    with closing(database.connect()) as connection:
        connection.execute(_WORKERS.format(success="true", result=1))  # type: ignore[arg-type] - ours
        with pytest.raises(Unavailable, match="has a commit that its coordinator has not finished"):
            require_settled(database, connection)
        connection.execute("DROP FUNCTION run_command_on_workers")
        connection.execute(_WORKERS.format(success="true", result=0))  # type: ignore[arg-type] - ours
        require_settled(database, connection)
