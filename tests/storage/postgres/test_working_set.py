"""The applier of a Citus: when it begins, and that a batch is merged with the rows that it concerns alone."""

from collections.abc import Iterator, Mapping
from contextlib import closing

import pytest
from hypothesis import given, settings

from campaigns import rounds
from ledger.recount import contents, recount
from ledger.reports import ACCOUNTS, DAY, hashed, some_entries
from otpconv.errors import Unavailable
from otpconv.model import Conversion, Dimensions, Expiry, Report, Requested
from otpconv.receipts import Receipt, ReceiptStatus
from otpconv.storage.postgres.database import Database
from otpconv.storage.postgres.distribution.working_set import require_settled
from otpconv.storage.postgres.ledger.writer import PostgresLedgerWriter
from otpconv.storage.statements import SqlValue
from storage.engines import MEMORY
from storage.postgres.undivided import WORKERS, UndividedEngine


def test_an_applier_waits_until_no_worker_has_an_open_commit(database: Database) -> None:
    with closing(database.connect()) as connection:
        connection.execute(WORKERS.format(success="true", result=1))  # type: ignore[arg-type] - ours
        with pytest.raises(Unavailable, match="has a commit that its coordinator has not finished"):
            require_settled(database, connection)
        connection.execute("DROP FUNCTION run_command_on_workers")
        connection.execute(WORKERS.format(success="true", result=0))  # type: ignore[arg-type] - ours
        require_settled(database, connection)


@pytest.fixture(scope="module")
def undivided() -> Iterator[UndividedEngine]:
    engine = UndividedEngine(MEMORY)
    yield engine
    engine.close()


@settings(deadline=None, max_examples=rounds(100))
@given(some_entries)
def test_the_rows_that_a_batch_concerns_are_enough_to_merge_it(
    undivided: UndividedEngine, entries: list[Report | Expiry]
) -> None:
    with undivided.open() as storage:
        for entry in entries:
            storage.append(entry)
            storage.writer.apply(1)
        assert contents(storage.ledger, ACCOUNTS) == recount(entries, ACCOUNTS)


NUMBER = hashed(1, "5")
#: Requested a second one after another: one session, one number, one id of a vendor.
MANY = [Requested(1, f"m{n}", DAY + 1_000 * n, Dimensions(), NUMBER, "", "s", 0, "v") for n in range(150)]
#: Reports that concern it, among them those that move or take away its first message.
CONCERNED: tuple[Report, ...] = (
    Requested(1, "last", DAY + 400_500, session_id="s"),
    Requested(1, "before", DAY - 1, session_id="s"),
    Requested(1, "m0", DAY - 2, session_id="s"),
    Requested(1, "m0", DAY - 3, session_id="another"),
    Requested(1, "between", DAY + 100_500, number=NUMBER),
    Requested(1, "m70", DAY - 4, number=NUMBER),
    Requested(1, "shared", DAY + 100_500, vendor_message_id="v"),
    Conversion(1, delivered=True, conversion_time=DAY + 400_000, message_id="m120"),
    Conversion(1, delivered=True, conversion_time=DAY + 90_500, number=NUMBER),
    Receipt(1, "v", ReceiptStatus.FAILED, DAY + 500_000),
)


def test_what_a_report_brings_does_not_grow_with_its_session_number_or_vendor_id(
    undivided: UndividedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought: list[int] = []
    run = PostgresLedgerWriter.run

    def count(writer: PostgresLedgerWriter, name: str, values: Mapping[str, SqlValue]) -> None:
        run(writer, name, values)
        if name == "remember":
            rows = writer._connection.execute("SELECT count(*) FROM loaded").fetchall()  # noqa: SLF001
            brought.append(rows[0][0])

    entries: list[Report] = [
        *MANY,
        Conversion(1, delivered=True, conversion_time=DAY + 100_700, number=NUMBER),
        Receipt(1, "v", ReceiptStatus.DELIVERED, DAY + 400_000),
    ]
    with undivided.open() as storage:
        storage.record(*entries)
        monkeypatch.setattr(PostgresLedgerWriter, "run", count)
        for report in CONCERNED:
            storage.record(report)
        assert contents(storage.ledger, ACCOUNTS) == recount([*entries, *CONCERNED], ACCOUNTS)
    assert len(brought) == len(CONCERNED)
    assert max(brought) < 30
