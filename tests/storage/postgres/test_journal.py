"""The journal in PostgreSQL: a commit whose outcome is unknown, and writers beside one another."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import psycopg
import pytest

from ledger.recount import contents, recount
from ledger.reports import ACCOUNTS, DAY
from otpconv.errors import Unavailable
from otpconv.ledger.applier import BATCH
from otpconv.model import Conversion, Requested
from otpconv.storage.contract import Entry
from otpconv.storage.postgres.database import Database
from otpconv.storage.postgres.journal import journal as module
from otpconv.storage.postgres.journal.journal import PostgresJournal
from otpconv.storage.postgres.ledger.reader import PostgresLedgerReader
from otpconv.storage.postgres.ledger.writer import PostgresLedgerWriter
from storage.engines import ALL, NOW


def entries(first: int, last: int) -> list[Entry]:
    return [Entry(Requested(1, f"{n}", DAY + n), nonce=n, signed_at=NOW) for n in range(first, last)]


def fail(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next append fail: before its first commit, between its two commits, or after both."""
    append: Callable[..., int] = module._append  # noqa: SLF001

    def fail_once(used: psycopg.Connection[tuple[object, ...]], rows: list[dict[str, object]]) -> int:
        monkeypatch.setattr(module, "_append", append)
        if when == "after":
            append(used, rows)
        if when in {"between", "cancelled between"}:
            with used.transaction():
                module._insert(used, rows)  # type: ignore[arg-type] # noqa: SLF001
        if when == "cancelled between":
            raise psycopg.errors.QueryCanceled("canceling statement due to user request")
        used.close()
        raise psycopg.OperationalError("the connection was cut")

    monkeypatch.setattr(module, "_append", fail_once)


@pytest.mark.parametrize("when", ["before", "between", "cancelled between", "after"])
def test_an_append_that_fails_is_in_the_journal_once(
    database: Database, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(PostgresJournal(database)) as journal:
        journal.append(entries(0, 3), NOW)
        fail(when, monkeypatch)
        assert journal.append(entries(3, 5), NOW) == 5
        assert journal.append(entries(5, 6), NOW) == 6
        assert [entry.report for entry in journal.read(0, 100)] == [entry.report for entry in entries(0, 6)]
        assert [nonce for nonce, _ in journal.nonces(0, 100)] == [5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("position", [2**15, 2**31])
def test_positions_pass_every_size_of_an_integer(database: Database, position: int) -> None:
    with closing(database.connect()) as connection:
        connection.execute("UPDATE writers SET last = %s", (position - 3,))
        connection.execute("UPDATE cursors SET position = %s", (position - 3,))
    with (
        closing(PostgresJournal(database)) as journal,
        closing(PostgresLedgerWriter(database)) as writer,
        closing(PostgresLedgerReader(database)) as reader,
    ):
        for number in range(6):
            assert journal.append(entries(number, number + 1), NOW) == position - 2 + number
            assert len(list(journal.read(position - 3, ALL))) == number + 1
            assert writer.apply(BATCH) == position - 2 + number
        assert len(list(reader.messages(1))) == 6


def test_a_process_that_hangs_while_it_appends_again_does_not_keep_others_from_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HANGS_MS", 100)
    insert = module._insert  # noqa: SLF001
    with closing(PostgresJournal(database)) as hanging, closing(PostgresJournal(database)) as other:

        def hang(*given: object) -> int:
            assert other.append(entries(0, 3), NOW) == 3  # waits until the lock is free
            return insert(*given)  # type: ignore[arg-type]

        monkeypatch.setattr(module, "_insert", hang)
        fail("before", monkeypatch)
        with pytest.raises(Unavailable):
            hanging.append(entries(3, 5), NOW)
        assert other.head() == 3


def test_an_append_whose_outcome_stays_unknown_is_no_success(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(PostgresJournal(database)) as journal:
        journal.append(entries(0, 1), NOW)
        fail("after", monkeypatch)

        def unreachable() -> None:
            raise Unavailable("PostgreSQL can't be reached.")

        with monkeypatch.context() as without:
            without.setattr(journal._appending, "_connect", unreachable)  # noqa: SLF001
            with pytest.raises(Unavailable):
                journal.append(entries(1, 3), NOW)
        assert journal.append(entries(1, 3), NOW) == 5  # a repeat does no harm


def test_a_connection_that_the_server_has_ended_is_opened_again(database: Database) -> None:
    reader, writer = PostgresLedgerReader(database), PostgresLedgerWriter(database)
    admin = psycopg.connect(database.address.conninfo, autocommit=True)
    with closing(PostgresJournal(database)) as journal, closing(reader), closing(writer), admin:
        for n in range(3):
            assert journal.append(entries(n, n + 1), NOW) == n + 1
            with suppress(Unavailable):  # as the applier, which then tries again
                writer.apply(100)
            assert writer.apply(100) == n + 1
            assert len(list(reader.messages(1))) == n + 1
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


def test_positions_have_no_gap_however_many_append_and_apply_at_once(database: Database) -> None:
    together = threading.Barrier(4)

    def append(number: int) -> list[int]:
        with closing(PostgresJournal(database)) as journal:
            together.wait()
            return [
                journal.append(
                    [
                        *entries(20 * number + n, 20 * number + n + 2),
                        Entry(Conversion(1, True, DAY + 500, f"{20 * number + n}")),
                    ],
                    NOW,
                )
                for n in range(15)
            ]

    def apply(_: int) -> None:
        with closing(PostgresLedgerWriter(database)) as writer:
            together.wait()
            while writer.cursor() < 2 * 15 * 3:
                writer.apply(7)

    with ThreadPoolExecutor(4) as threads:
        appended = [threads.submit(append, number) for number in range(2)]
        applied = [threads.submit(apply, number) for number in range(2)]
        positions = sorted(position for each in appended for position in each.result())
        for each in applied:
            each.result()
    assert positions == list(range(3, 2 * 15 * 3 + 1, 3))
    with closing(PostgresJournal(database)) as journal, closing(PostgresLedgerReader(database)) as ledger:
        facts = [entry.report for entry in journal.read(0, 1_000)]
        assert contents(ledger, ACCOUNTS) == recount(facts, ACCOUNTS)
