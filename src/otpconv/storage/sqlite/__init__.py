"""The embedded engine: two SQLite files, the journal and the ledger, each with one writer."""

from otpconv.storage.sqlite.backup import copy
from otpconv.storage.sqlite.binding import require_fit
from otpconv.storage.sqlite.connection import open_on_a_full_disk
from otpconv.storage.sqlite.follower import SqliteLedgerWriter
from otpconv.storage.sqlite.health import findings, lag
from otpconv.storage.sqlite.journal import SqliteJournal
from otpconv.storage.sqlite.journal_erasing import SqliteJournalEraser, has_erasures
from otpconv.storage.sqlite.ledger import SqliteLedgerReader
from otpconv.storage.sqlite.rebuild import is_outdated, prepare, rebuild

__all__ = [
    "SqliteJournal",
    "SqliteJournalEraser",
    "SqliteLedgerReader",
    "SqliteLedgerWriter",
    "copy",
    "findings",
    "has_erasures",
    "is_outdated",
    "lag",
    "open_on_a_full_disk",
    "prepare",
    "rebuild",
    "require_fit",
]
