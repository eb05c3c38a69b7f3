"""The access store of the embedded engine: one file, which the server and the command line share."""

from pathlib import Path

from otpconv.access.sealing import Sealer
from otpconv.clock import Clock
from otpconv.storage.sqlite.access.directory import SqliteDirectory
from otpconv.storage.sqlite.access.keys import SqliteKeyStore
from otpconv.storage.sqlite.access.saved_views import SqliteSavedViews
from otpconv.storage.sqlite.access.sign_outs import SqliteSignOuts


class SqliteAccessStore:
    """An `AccessStore` in a SQLite file.

    Args:
        path: the file; created if it does not exist.
        clock: gives the time of changes.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def keys(self, sealer: Sealer) -> SqliteKeyStore:
        """See `AccessStore.keys`."""
        return SqliteKeyStore(self._path, sealer, self._clock)

    def directory(self) -> SqliteDirectory:
        """See `AccessStore.directory`."""
        return SqliteDirectory(self._path, self._clock)

    def saved_views(self) -> SqliteSavedViews:
        """See `AccessStore.saved_views`."""
        return SqliteSavedViews(self._path)

    def sign_outs(self) -> SqliteSignOuts:
        """See `AccessStore.sign_outs`."""
        return SqliteSignOuts(self._path)
