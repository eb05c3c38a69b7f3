"""A verification and a rebuild of the ledger, beside nodes that go on."""

import random
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from campaigns import parameters
from ledger.recount import contents
from otpconv.errors import Misconfigured
from otpconv.ledger.applier import Applier
from otpconv.ledger.erasing import Eraser
from otpconv.model import Conversion, Dimensions, Expiry, Report, Requested, SelfReportedRate
from otpconv.storage.check_result import CheckResult
from otpconv.storage.contract import DAY_MS, HOUR_MS, Entry
from otpconv.storage.erasure import Deletion
from otpconv.storage.postgres.database import Database
from otpconv.storage.postgres.journal.eraser import PostgresJournalEraser
from otpconv.storage.postgres.journal.journal import PostgresJournal
from otpconv.storage.postgres.ledger.reader import PostgresLedgerReader
from otpconv.storage.postgres.ledger.rebuild import rebuild
from otpconv.storage.postgres.ledger.verify import verify
from otpconv.storage.postgres.ledger.writer import PostgresLedgerWriter

DAY = 20_000 * DAY_MS
ACCOUNTS = (1, 2)
HOURS = "rollups by hour, recounted"


def quiet(*_: int) -> None:
    """Show no progress."""


def some_reports(chance: random.Random, count: int) -> list[Report]:
    """Reports about few messages, numbers and sessions."""
    reports: list[Report] = []
    for _ in range(count):
        account, at = chance.choice(ACCOUNTS), DAY + chance.randrange(30) * HOUR_MS // 7
        message_id, number = f"m{chance.randrange(40)}", f"{account}{chance.randrange(6):015}"
        of = Dimensions(chance.choice(("DE", "ES")), provider=chance.choice(("a", "b", "")))
        reports += [
            Requested(account, message_id, at, of, number, "+34", chance.choice(("", "s", "t")), 1),
            Conversion(account, chance.random() < 0.8, at + chance.randrange(HOUR_MS), message_id),
            Conversion(account, chance.random() < 0.8, at + chance.randrange(HOUR_MS), number=number),
            SelfReportedRate(account, at, chance.random()),
        ]
    return reports


class Node:
    """A journal and a ledger of a database, as a server has them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.journal = PostgresJournal(database)
        self.writer = PostgresLedgerWriter(database)
        self.reader = PostgresLedgerReader(database)

    def append(self, *reports: Report | Deletion) -> int:
        return self.journal.append([Entry(report) for report in reports], DAY)

    def record(self, *reports: Report | Deletion) -> None:
        self.append(*reports)
        while self.writer.cursor() < self.journal.head():
            self.writer.apply(7)

    def close(self) -> None:
        self.reader.close()
        self.writer.close()
        self.journal.close()


@pytest.fixture
def node(database: Database) -> Iterator[Node]:
    with closing(Node(database)) as opened:
        yield opened


@contextmanager
def applying(node: Node) -> Iterator[Applier]:
    """Apply the journal as another node does, while it goes on."""
    chance = random.Random(3)
    failures: list[str] = []
    other = Applier(lambda: PostgresLedgerWriter(node.database), 0, measured=lambda *_: None)
    other.moved = lambda: failures.append(other.failed) if other.failed else None
    stopping = threading.Event()

    def report() -> None:
        with closing(PostgresJournal(node.database)) as journal:
            while not stopping.is_set():
                journal.append([Entry(report) for report in some_reports(chance, 3)], DAY)
                stopping.wait(0.02)
                other.notify()

    thread = threading.Thread(target=report)
    other.start()
    thread.start()
    try:
        yield other
    finally:
        stopping.set()
        thread.join()
        other.stop()
    assert set(failures) <= {"A rebuild has replaced the ledger. Try again."}


def problems(database: Database) -> list[CheckResult]:
    return [result for result in verify(database, quiet) if not result.ok]


def schemas(database: Database) -> set[str]:
    with database.connect() as connection:
        rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'otpconv%'").fetchall()
    return {name for (name,) in rows}


def test_nothing_is_found_after_reports_expiries_and_deletions_beside_a_node(node: Node) -> None:
    chance = random.Random(1)
    with closing(PostgresJournalEraser(node.database)) as journal:
        eraser = Eraser(node.reader, journal, node.record, lambda _: None)
        for step in range(3):
            node.record(*some_reports(chance, 20), Expiry(DAY, DAY + step * HOUR_MS))
            eraser.prune(DAY + step * HOUR_MS)
            eraser.forget(1, f"1{step:015}")
            node.append(*some_reports(chance, 5))
            assert problems(node.database) == []
    with applying(node):
        assert problems(node.database) == []
    results = {result.check: result.text for result in verify(node.database, quiet)}
    assert int(results["messages"].split()[0]) > 20
    assert schemas(node.database) == {"otpconv", "otpconv_ledger"}


RANGES = "rollups by range, recounted"
DAMAGES: list[tuple[str, set[str]]] = [
    ("UPDATE rollups SET requested = requested + 1 WHERE grain = 3600000", {"rollups", HOURS}),
    ("UPDATE messages SET number_range = 'x' WHERE message_id = 'm1'", {"messages", RANGES}),
    ("DELETE FROM self_reported_rates WHERE rate < 0.5", {"self-reported rates"}),
    ("UPDATE unmatched SET numbers = numbers + 1", {"unmatched", "unmatched, recounted"}),
    ("UPDATE horizons SET messages_from = 5", {"progress"}),
]


@pytest.mark.parametrize(
    ("damage", "checks"), parameters(DAMAGES, DAMAGES[:2], "damage to other tables, found alike")
)
def test_each_difference_is_found_and_a_rebuild_removes_it(node: Node, damage: str, checks: set[str]) -> None:
    node.record(Conversion(1, delivered=True, conversion_time=9, message_id="none"))
    node.record(*some_reports(random.Random(2), 30))
    with node.database.connect() as connection:
        connection.execute("SET session_replication_role = replica")  # so that no trigger fires
        assert connection.execute(damage).rowcount  # type: ignore[arg-type] - of the test
    assert {result.check for result in problems(node.database)} == checks
    assert rebuild(node.database, quiet) == node.journal.head()
    assert problems(node.database) == []


def test_a_ledger_of_a_restored_older_journal_is_a_difference(node: Node) -> None:
    node.record(Requested(1, "a", DAY), Requested(1, "b", DAY))
    with node.database.connect() as connection:
        connection.execute("DELETE FROM journal WHERE seq = 2")
        connection.execute("UPDATE writers SET last = 1")
    (problem,) = problems(node.database)
    assert problem.text == "the ledger is 1 entries ahead of the journal"


def test_a_rebuild_beside_nodes_loses_and_doubles_nothing(node: Node) -> None:
    node.record(*some_reports(random.Random(4), 60))
    with applying(node):
        for _ in range(3):
            rebuild(node.database, quiet)
    while node.writer.cursor() < node.journal.head():
        node.writer.apply(1_000)
    assert problems(node.database) == []
    assert contents(node.reader, ACCOUNTS).messages
    assert schemas(node.database) == {"otpconv", "otpconv_ledger"}
    # A ledger that is gone is rebuilt too.
    with node.database.connect() as connection:
        connection.execute("DROP SCHEMA otpconv_ledger CASCADE")
    rebuild(node.database, quiet)
    assert problems(node.database) == []


def test_an_interrupted_verification_leaves_nothing_and_two_at_once_are_refused(node: Node) -> None:
    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    node.record(*some_reports(random.Random(5), 5))
    with pytest.raises(KeyboardInterrupt):
        list(verify(node.database, interrupt))
    assert schemas(node.database) == {"otpconv", "otpconv_ledger"}

    def second(*_: int) -> None:
        with pytest.raises(Misconfigured, match="another verification"):
            list(verify(node.database, quiet))

    assert all(result.ok for result in verify(node.database, second))
    with closing(psycopg.connect(node.database.address.conninfo)) as connection:
        connection.execute("CREATE SCHEMA otpconv_ledger_verify")
        connection.commit()
    assert problems(node.database) == []
