"""The embedded engine: two SQLite files, the journal and the ledger, each with one writer."""

from otpconv.ledger.sqlite.backup import copy
from otpconv.ledger.sqlite.binding import require_fit
from otpconv.ledger.sqlite.connection import open_on_a_full_disk
from otpconv.ledger.sqlite.follower import SqliteFollower
from otpconv.ledger.sqlite.health import findings, lag
from otpconv.ledger.sqlite.journal import SqliteJournal
from otpconv.ledger.sqlite.ledger import SqliteLedger
from otpconv.ledger.sqlite.rebuild import is_outdated, prepare, rebuild

__all__ = [
    "SqliteFollower",
    "SqliteJournal",
    "SqliteLedger",
    "copy",
    "findings",
    "is_outdated",
    "lag",
    "open_on_a_full_disk",
    "prepare",
    "rebuild",
    "require_fit",
]
