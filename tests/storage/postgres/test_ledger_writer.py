"""The plans of the ledger's writer: made once, when the tables are empty."""

from contextlib import closing

from ledger.reports import DAY
from otpconv.model import Conversion, Requested
from otpconv.receipts import Receipt, ReceiptStatus
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


def test_plans_for_receipts_too_read_only_rows_of_the_batch(database: Database) -> None:
    with closing(PostgresJournal(database)) as journal, closing(PostgresLedgerWriter(database)) as writer:
        for start in range(0, 5 * BATCH, BATCH):
            numbers = range(start, start + BATCH)
            new = [Requested(1, f"{n}", DAY + n, vendor_message_id=f"v{n}") for n in numbers]
            told = [Receipt(1, f"v{n}", ReceiptStatus.DELIVERED, DAY + n + 9) for n in numbers]
            journal.append([Entry(each) for each in (*new, *told)], NOW)
            writer.apply(2 * BATCH)
    with closing(database.connect()) as connection:
        read = dict(
            connection.execute(
                "SELECT indexrelname, idx_tup_read FROM pg_stat_user_indexes"
                " WHERE relname IN ('messages', 'receipts')"
            ).fetchall()
        )
        ((scans,),) = connection.execute(
            "SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname IN ('messages', 'receipts')"
        ).fetchall()
    # A message by its key, and by the id of its vendor; its receipts when they join and when they come to it.
    assert read["messages_by_id"] == 0
    assert read["messages_pkey"] <= 3 * 5 * BATCH
    assert read["messages_by_vendor_id"] <= 2 * 5 * BATCH
    assert read["receipts_pkey"] <= 2 * 5 * BATCH
    assert scans <= 5
