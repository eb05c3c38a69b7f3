"""Who may what in one SQLite file, which the server and the command line use at the same time."""

from otpconv.access.sqlite.directory import SqliteDirectory
from otpconv.access.sqlite.keys import SqliteKeyStore
from otpconv.access.sqlite.sign_outs import SqliteSignOuts

__all__ = ["SqliteDirectory", "SqliteKeyStore", "SqliteSignOuts"]
