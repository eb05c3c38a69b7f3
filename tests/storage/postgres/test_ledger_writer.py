"""The plans of the ledger's writer: made once, when the tables are empty."""

from contextlib import closing

from ledger.reports import DAY
from otpconv.model import Conversion, Requested
from otpconv.storage.contract import Entry
from otpconv.storage.postgres.database import Database
from otpconv.storage.postgres.journal.journal import PostgresJournal
from otpconv.storage.postgres.ledger.writer import PostgresLedgerWriter
from storage.engines import NOW

BATCH = 200


def test_plans_made_for_an_empty_ledger_read_only_rows_of_the_batch(database: Database) -> None:
    first = Conversion(1, delivered=True, conversion_time=DAY, number="ab" * 16)
    with closing(PostgresJournal(database)) as journal, closing(PostgresLedgerWriter(database)) as writer:
        journal.append([Entry(first)], NOW)
        writer.apply(1)
        for start in range(0, 5 * BATCH, BATCH):
            new = [Requested(1, f"{n}", DAY + n, number=f"{n:032x}") for n in range(start, start + BATCH)]
            journal.append([Entry(each) for each in new], NOW)
            writer.apply(BATCH)
    with closing(database.connect()) as connection:
        read = dict(
            connection.execute(
                "SELECT indexrelname, idx_tup_read FROM pg_stat_user_indexes WHERE relname = 'messages'"
            ).fetchall()
        )
    # No message is read by its id, and each at most once by its key, after it was written.
    assert read["messages_by_id"] == 0
    assert read["messages_pkey"] <= 5 * BATCH
