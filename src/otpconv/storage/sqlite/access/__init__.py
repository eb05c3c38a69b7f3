"""Keys, users, roles and policies in one SQLite file, which the server and the command line share."""

from otpconv.storage.sqlite.access.directory import SqliteDirectory
from otpconv.storage.sqlite.access.keys import SqliteKeyStore
from otpconv.storage.sqlite.access.sign_outs import SqliteSignOuts

__all__ = ["SqliteDirectory", "SqliteKeyStore", "SqliteSignOuts"]
