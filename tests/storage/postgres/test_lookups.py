"""The plans of lookups: made once, when the ledger is new."""

from contextlib import closing

from ledger.reports import DAY
from otpconv.model import Requested
from otpconv.storage.contract import Entry
from otpconv.storage.lookup import Lookup
from otpconv.storage.postgres.database import Database
from otpconv.storage.postgres.engine import PostgresEngine
from otpconv.storage.postgres.journal.journal import PostgresJournal
from otpconv.storage.postgres.ledger.writer import PostgresLedgerWriter
from storage.engines import NOW

BATCH = 200


def test_lookups_whose_plans_are_those_of_a_new_ledger_read_only_the_messages_they_name(
    database: Database,
) -> None:
    with (
        closing(PostgresEngine(database).ledger_reader()) as reader,
        closing(PostgresJournal(database)) as journal,
        closing(PostgresLedgerWriter(database)) as writer,
    ):
        for start in range(0, 12 * BATCH, BATCH):
            ids = [f"{n}" for n in range(start, start + BATCH)]
            journal.append([Entry(Requested(1, each, DAY)) for each in ids], NOW)
            writer.apply(BATCH)
            for lookup in (Lookup({1: ids}, {}, ()), Lookup({}, {1: ids}, ())):
                stored = reader.look_up(lookup)
                assert len({**stored.states, **stored.outlines}[1]) == BATCH
    with closing(database.connect()) as connection:
        ((read,),) = connection.execute(
            "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'messages'"
        ).fetchall()
    # The first few plans are made for the values, and may read all of a small ledger.
    assert read <= 12 * BATCH
