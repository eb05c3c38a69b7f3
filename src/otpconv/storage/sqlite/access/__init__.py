"""Who may what in one SQLite file, which the server and the command line use at the same time."""

from otpconv.storage.sqlite.access.directory import SqliteDirectory
from otpconv.storage.sqlite.access.keys import SqliteKeyStore
from otpconv.storage.sqlite.access.sign_outs import SqliteSignOuts

__all__ = ["SqliteDirectory", "SqliteKeyStore", "SqliteSignOuts"]
