"""The embedded engine: two SQLite files, the journal and the ledger, each with one writer."""

from otpconv.storage.sqlite.annotations import SqliteAnnotations
from otpconv.storage.sqlite.engine import SqliteEngine
from otpconv.storage.sqlite.health import findings
from otpconv.storage.sqlite.journal.eraser import SqliteJournalEraser
from otpconv.storage.sqlite.journal.journal import SqliteJournal
from otpconv.storage.sqlite.ledger.reader import SqliteLedgerReader
from otpconv.storage.sqlite.ledger.rebuild import prepare, rebuild
from otpconv.storage.sqlite.ledger.writer import SqliteLedgerWriter

__all__ = [
    "SqliteAnnotations",
    "SqliteEngine",
    "SqliteJournal",
    "SqliteJournalEraser",
    "SqliteLedgerReader",
    "SqliteLedgerWriter",
    "findings",
    "prepare",
    "rebuild",
]
