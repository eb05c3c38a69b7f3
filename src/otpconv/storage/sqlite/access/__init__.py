"""Keys, users, roles and policies in one SQLite file, which the server and the command line share."""

from otpconv.storage.sqlite.access.store import SqliteAccessStore

__all__ = ["SqliteAccessStore"]
