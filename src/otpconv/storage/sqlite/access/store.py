"""The access store of the embedded engine: one file, which the server and the command line share."""

from pathlib import Path

from otpconv.access.sealing import Sealer
from otpconv.clock import Clock
from otpconv.storage.access.alert_targets import TableAlertTargets
from otpconv.storage.access.directory import TableDirectory
from otpconv.storage.access.keys import TableKeyStore
from otpconv.storage.access.prices import TablePrices
from otpconv.storage.access.saved_views import TableSavedViews
from otpconv.storage.access.sign_outs import TableSignOuts
from otpconv.storage.access.vendors import TableVendors
from otpconv.storage.sqlite.access.access_file import AccessFile


class SqliteAccessStore:
    """An `AccessStore` in a SQLite file.

    Args:
        path: the file; created if it does not exist.
        clock: gives the time of changes.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def adopt(self, sealer: Sealer) -> None:
        """See `AccessStore.adopt`: the secrets in the file show whether it is the right key."""

    def once(self) -> None:
        """See `AccessStore.once`: one process holds the file."""

    def keys(self, sealer: Sealer) -> TableKeyStore:
        """See `AccessStore.keys`."""
        return TableKeyStore(AccessFile(self._path), sealer, self._clock)

    def directory(self) -> TableDirectory:
        """See `AccessStore.directory`."""
        return TableDirectory(AccessFile(self._path), self._clock)

    def vendors(self, sealer: Sealer) -> TableVendors:
        """See `AccessStore.vendors`."""
        return TableVendors(AccessFile(self._path), sealer, self._clock)

    def alert_targets(self, sealer: Sealer) -> TableAlertTargets:
        """See `AccessStore.alert_targets`."""
        return TableAlertTargets(AccessFile(self._path), sealer, self._clock)

    def prices(self) -> TablePrices:
        """See `AccessStore.prices`."""
        return TablePrices(AccessFile(self._path))

    def saved_views(self) -> TableSavedViews:
        """See `AccessStore.saved_views`."""
        return TableSavedViews(lambda: AccessFile(self._path))

    def sign_outs(self) -> TableSignOuts:
        """See `AccessStore.sign_outs`."""
        return TableSignOuts(lambda: AccessFile(self._path))
