"""The access store in PostgreSQL, which all nodes and the command line share."""

from otpconv.access.sealing import Sealer
from otpconv.clock import Clock
from otpconv.storage.access.directory import TableDirectory
from otpconv.storage.access.keys import TableKeyStore
from otpconv.storage.access.saved_views import TableSavedViews
from otpconv.storage.access.sign_outs import TableSignOuts
from otpconv.storage.postgres.access.tables import PostgresTables
from otpconv.storage.postgres.database import Database


class PostgresAccessStore:
    """An `AccessStore` in PostgreSQL.

    Args:
        database: has the tables.
        clock: gives the time of changes.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def keys(self, sealer: Sealer) -> TableKeyStore:
        """See `AccessStore.keys`."""
        return TableKeyStore(self._tables(), sealer, self._clock)

    def directory(self) -> TableDirectory:
        """See `AccessStore.directory`."""
        return TableDirectory(self._tables(), self._clock)

    def saved_views(self) -> TableSavedViews:
        """See `AccessStore.saved_views`."""
        return TableSavedViews(self._tables)

    def sign_outs(self) -> TableSignOuts:
        """See `AccessStore.sign_outs`."""
        return TableSignOuts(self._tables)

    def _tables(self) -> PostgresTables:
        return PostgresTables(self._database)
