"""What deletions leave in the files: nothing about the deleted, and rows that still verify."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from otpconv.ledger.erasing import Eraser
from otpconv.model import Conversion, Dimensions, Report, Requested
from otpconv.receipts import Receipt, ReceiptStatus
from otpconv.storage.contract import DAY_MS, Entry
from otpconv.storage.erasure import Erasure
from otpconv.storage.sqlite import (
    SqliteEngine,
    SqliteJournal,
    SqliteJournalEraser,
    SqliteLedgerReader,
    SqliteLedgerWriter,
    findings,
    rebuild,
)
from otpconv.storage.sqlite.journal import eraser
from otpconv.storage.sqlite.journal.rows import JournalRow

NOW = 1_800_000_000_000
MESSAGES = 6_000
PERSON = "feedfacefeedface"


def hash_of(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15 % (1 << 64):016x}"


class Files:
    """A journal and a ledger with some traffic, and a server's connections to them."""

    def __init__(self, root: Path) -> None:
        self.journal_path, self.ledger_path = root / "journal.sqlite", root / "ledger.sqlite"
        self.journal = SqliteJournal(self.journal_path)
        self.writer = SqliteLedgerWriter(self.ledger_path, self.journal_path)
        self.reader = SqliteLedgerReader(self.ledger_path)
        self.eraser = Eraser(
            self.reader, SqliteJournalEraser(self.journal_path, self.ledger_path), self.record, lambda _: None
        )

    def record(self, erasure: Erasure) -> None:
        self.journal.append([Entry(erasure)], NOW)
        self.apply()

    def apply(self) -> None:
        while self.writer.cursor() < self.journal.head():
            self.writer.apply(5_000)

    def report(self) -> None:
        for begin in range(0, MESSAGES, 100):
            reports: list[Report] = []
            for number in range(begin, begin + 100):
                at = NOW - 40 * DAY_MS + number * (40 * DAY_MS // MESSAGES)
                person = number % 37 == 0
                hashed = PERSON if person else hash_of(number)
                message_id = f"secret-{number}" if person else f"message-{number}"
                named = f"vendor's {message_id}" if number % 2 else ""
                dimensions = Dimensions("ES", provider=f"p{number % 5}")
                reports += [
                    Requested(1, message_id, at, dimensions, hashed, vendor_message_id=named),
                    Conversion(1, number % 3 > 0, at + 9_000, message_id, hashed),
                ]
                if number % 7 == 0:
                    named = named or message_id
                    reports.append(Receipt(1, named, ReceiptStatus.DELIVERED, at + 5_000, "", 7_000, "EUR"))
                if person:
                    reports.append(Conversion(1, True, at + 8_000, number=hashed))
            self.journal.append([Entry(report) for report in reports], NOW)
        self.apply()

    def bytes(self) -> bytes:
        folder = self.journal_path.parent
        return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))

    def close(self) -> None:
        self.eraser.close()
        self.reader.close()
        self.writer.close()
        self.journal.close()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def problems(files: Files) -> list[str]:
    found = findings(files.journal_path, files.ledger_path, [], served=False, now=NOW)
    return [f"{each.check}: {each.text}" for each in found if not each.ok]


def test_nothing_about_a_forgotten_number_stays_in_the_files(files: Files) -> None:
    with closing(files):
        files.report()
        assert b"secret-37" in files.bytes()
        messages = len([*files.reader.messages(1)])
        assert files.eraser.forget(1, PERSON) == len(range(0, MESSAGES, 37))
        assert len([*files.reader.messages(1)]) == messages - len(range(0, MESSAGES, 37))
        # A receipt makes the row of its message longer, and SQLite leaves copies of rows that it moves.
        SqliteEngine(files.journal_path.parent).compact()
        left = files.bytes()
        assert PERSON.encode() not in left
        assert bytes.fromhex(PERSON) not in left
        assert b"secret-" not in left
        assert b"message-38" in left
        assert problems(files) == []


def test_reports_that_come_between_the_reads_of_a_deletion_do_not_stop_it(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = eraser.read_rows

    def recorded(connection: apsw.Connection, first: int, last: int) -> Iterator[JournalRow]:
        files.journal.append([Entry(Requested(1, "new", NOW))], NOW)
        return read(connection, first, last)

    with closing(files):
        reports = [Requested(1, f"{n}", NOW, Dimensions("ES"), PERSON) for n in range(3)]
        files.journal.append([Entry(report) for report in reports], NOW)
        files.apply()
        monkeypatch.setattr(eraser, "read_rows", recorded)
        assert files.eraser.forget(1, PERSON) == 3
        assert PERSON.encode() not in files.bytes()


def test_nothing_before_the_time_of_a_prune_stays_in_the_files(files: Files) -> None:
    with closing(files):
        files.report()
        before = NOW - 10 * DAY_MS
        size = journal_size(files)
        states = {each.message_id: each.state.requested for each in files.reader.messages(1)}
        kept = [name for name, of in states.items() if of is not None and of.requested_at >= before]
        assert files.eraser.prune(before) == MESSAGES - len(kept)
        assert [each.message_id for each in files.reader.messages(1)] == kept
        left = files.bytes()
        assert b'message-100"' not in left
        assert hash_of(100).encode() not in left
        assert bytes.fromhex(hash_of(100)) not in left
        assert problems(files) == []
        assert journal_size(files) < 0.8 * size
        assert files.reader.messages_from() == before


def test_a_rebuild_after_deletions_is_undamaged(files: Files) -> None:
    with closing(files):
        files.report()
        files.eraser.prune(NOW - 20 * DAY_MS)
        files.eraser.forget(1, PERSON)
        known = [*files.reader.messages(1)]
    rebuild(files.ledger_path, files.journal_path, lambda *_: None)
    with closing(Files(files.journal_path.parent)) as again:
        assert [*again.reader.messages(1)] == known
        assert problems(again) == []


def journal_size(files: Files) -> int:
    with closing(apsw.Connection(str(files.journal_path))) as connection:
        size: int = connection.execute("SELECT sum(length(reports)) FROM batches").get
    return size
