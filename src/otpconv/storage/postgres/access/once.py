"""The links and calls that were used once among all nodes, in PostgreSQL."""

import hashlib
from typing import Final

from otpconv.errors import Unavailable
from otpconv.storage.postgres.database import Database, execute, statements
from otpconv.storage.postgres.shared import SharedConnection

#: How long it is remembered, ms. A link works for an hour and a signed request for half an hour, and the
#: clocks of two nodes may differ by up to an hour.
KEPT_MS: Final = 2 * 3_600_000
#: How much of an account is remembered.
MAX_USED: Final = 100_000

_SQL = statements("access/schema.sql")


class PostgresOnce:
    """See `OnceGuard`.

    Args:
        database: has the tables.
    """

    def __init__(self, database: Database) -> None:
        self._shared = SharedConnection(database)

    def use(self, account: int, name: str, *, bounded: bool = True) -> bool:
        """See `OnceGuard.use`."""
        hashed = hashlib.sha256(name.encode()).digest()
        counted = account if bounded else -account
        values = {"account": counted, "name": hashed, "kept_ms": KEPT_MS, "most": MAX_USED}
        with self._shared.open() as connection, connection.transaction():
            execute(connection, _SQL["forget_used"], values)
            if not bounded:
                return bool(execute(connection, _SQL["use_once_unbounded"], values).fetchall())
            if execute(connection, _SQL["use_once"], values).fetchall():
                return True
            ((used,),) = execute(connection, _SQL["was_used"], values).fetchall()
        if not used:
            raise Unavailable(
                f"The account has used {MAX_USED:,} sign-in links and requests of AssumeRole in the last two"
                " hours, the maximum. Use temporary credentials for as long as they are valid."
            )
        return False

    def close(self) -> None:
        """Close the connection."""
        self._shared.close()
