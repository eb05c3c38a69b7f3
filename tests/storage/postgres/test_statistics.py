"""A ledger that has grown fast has statistics that fit, so that questions about it are planned well."""

from contextlib import closing

from ledger.reports import DAY
from otpconv.model import Requested
from otpconv.storage.contract import Entry
from otpconv.storage.postgres.database import Database
from otpconv.storage.postgres.journal.journal import PostgresJournal
from otpconv.storage.postgres.ledger.writer import PostgresLedgerWriter
from storage.engines import NOW

BATCH = 2_000
KNOWN = "SELECT reltuples FROM pg_class WHERE relname = 'messages'"


def test_a_ledger_is_analyzed_each_time_it_has_doubled(database: Database) -> None:
    known = []
    with (
        closing(database.connect()) as connection,
        closing(PostgresJournal(database)) as journal,
        closing(PostgresLedgerWriter(database)) as writer,
    ):
        for start in range(0, 10 * BATCH, BATCH):
            new = [Requested(1, f"{n}", DAY + n) for n in range(start, start + BATCH)]
            journal.append([Entry(each) for each in new], NOW)
            writer.apply(BATCH)
            known += connection.execute(KNOWN).fetchall()
    # Not at first, since small tables don't matter; later a few times, and not after each batch.
    rows = [row for (row,) in known]
    assert rows[0] == -1
    assert 5 * BATCH <= rows[-1] <= 10 * BATCH
    assert len(set(rows) - {-1}) <= 3
