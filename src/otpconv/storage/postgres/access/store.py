"""The access store in PostgreSQL, which all nodes and the command line share."""

import hmac
from contextlib import closing

from otpconv.access.sealing import Sealer
from otpconv.clock import Clock
from otpconv.errors import Misconfigured
from otpconv.storage.access.alert_targets import TableAlertTargets
from otpconv.storage.access.directory import TableDirectory
from otpconv.storage.access.keys import TableKeyStore
from otpconv.storage.access.prices import TablePrices
from otpconv.storage.access.saved_views import TableSavedViews
from otpconv.storage.access.sign_outs import TableSignOuts
from otpconv.storage.access.vendors import TableVendors
from otpconv.storage.postgres.access.once import PostgresOnce
from otpconv.storage.postgres.access.tables import PostgresTables
from otpconv.storage.postgres.database import Database, execute, statements

_SQL = statements("access/schema.sql")


class PostgresAccessStore:
    """An `AccessStore` in PostgreSQL.

    Args:
        database: has the tables.
        clock: gives the time of changes.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def adopt(self, sealer: Sealer) -> None:
        """See `AccessStore.adopt`."""
        with closing(self._database.connect()) as connection, self._database.mapped():
            execute(connection, _SQL["adopt"], {"fingerprint": _fingerprint(sealer)})
        self._require_key(sealer)

    def once(self) -> PostgresOnce:
        """See `AccessStore.once`."""
        return PostgresOnce(self._database)

    def keys(self, sealer: Sealer) -> TableKeyStore:
        """See `AccessStore.keys`."""
        self._require_key(sealer)
        return TableKeyStore(self._tables(), sealer, self._clock)

    def directory(self) -> TableDirectory:
        """See `AccessStore.directory`."""
        return TableDirectory(self._tables(), self._clock)

    def vendors(self, sealer: Sealer) -> TableVendors:
        """See `AccessStore.vendors`."""
        self._require_key(sealer)
        return TableVendors(self._tables(), sealer, self._clock)

    def alert_targets(self, sealer: Sealer) -> TableAlertTargets:
        """See `AccessStore.alert_targets`."""
        self._require_key(sealer)
        return TableAlertTargets(self._tables(), sealer, self._clock)

    def prices(self) -> TablePrices:
        """See `AccessStore.prices`."""
        return TablePrices(self._tables())

    def saved_views(self) -> TableSavedViews:
        """See `AccessStore.saved_views`."""
        return TableSavedViews(self._tables)

    def sign_outs(self) -> TableSignOuts:
        """See `AccessStore.sign_outs`."""
        return TableSignOuts(self._tables)

    def _require_key(self, sealer: Sealer) -> None:
        """Check that the sealing key is the one that the database was first used with."""
        with closing(self._database.connect()) as connection, self._database.mapped():
            found = execute(connection, _SQL["sealing_fingerprint"]).fetchall()
        if found and not hmac.compare_digest(found[0][0], _fingerprint(sealer)):
            raise Misconfigured(
                "The sealing key of this node is not the one that the database"
                f" ({self._database.address}) was first used with: it would open no secret, and find no phone"
                " number. Give this node the sealing key of the other nodes, in OTPCONV_SEALING_KEY or in the"
                " file sealing.key of its data folder"
            )

    def _tables(self) -> PostgresTables:
        return PostgresTables(self._database)


def _fingerprint(sealer: Sealer) -> str:
    """Return what tells a sealing key from others, and does not reveal it."""
    return sealer.derive("fingerprint")[:16].hex()
