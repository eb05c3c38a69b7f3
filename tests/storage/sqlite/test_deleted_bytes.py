"""Nothing about deleted messages stays in the bytes of the files, whatever was reported before."""

import random
import re
from contextlib import closing
from pathlib import Path

from campaigns import rounds
from otpconv.ledger.erasing import Eraser
from otpconv.model import Conversion, Dimensions, Expiry, Report, Requested
from otpconv.receipts import Receipt, ReceiptStatus
from otpconv.storage.contract import DAY_MS, HOUR_MS, Entry
from otpconv.storage.erasure import Deletion
from otpconv.storage.sqlite import (
    SqliteEngine,
    SqliteJournal,
    SqliteJournalEraser,
    SqliteLedgerReader,
    SqliteLedgerWriter,
)

NOW = 1_800_000_000_000
_IDS = re.compile(rb"m(\d{7})x")
#: Hashes of numbers, as text in the journal and as bytes in the ledger.
_HASHES = re.compile(rb"feed([0-9a-f]{8})beef")
_BLOBS = re.compile(rb"\xfe\xed(.{4})\xbe\xef", re.DOTALL)


class World:
    """A journal and a ledger with random reports, some of which move messages, and deletions."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.chance = root, random.Random(seed)
        self.ids = self.chance.choice([50, 400, 1_000])
        self.numbers = self.chance.choice([5, 100, 1_500])
        #: When the newest report about each message was, ms.
        self.newest: dict[int, int] = {}
        journal, ledger = root / "journal.sqlite", root / "ledger.sqlite"
        self.journal = SqliteJournal(journal)
        self.writer = SqliteLedgerWriter(ledger, journal)
        self.reader = SqliteLedgerReader(ledger)
        self.eraser = Eraser(self.reader, SqliteJournalEraser(journal, ledger), self.record, lambda _: None)

    def record(self, *reports: Report | Deletion) -> None:
        self.journal.append([Entry(report) for report in reports], NOW)
        while self.writer.cursor() < self.journal.head():
            self.writer.apply(self.chance.choice([50, 500, 5_000]))

    def report(self) -> None:
        size = self.chance.choice([10, 200])
        for _ in range(self.chance.randrange(1, 8)):
            self.record(*[self._any_report() for _ in range(self.chance.randrange(1, size))])

    def expire(self) -> None:
        minutes_from = (NOW - self.chance.randrange(3, 20) * DAY_MS) // HOUR_MS * HOUR_MS
        self.record(Expiry(NOW - self.chance.randrange(20) * DAY_MS, minutes_from))

    def forget(self) -> tuple[set[int], set[int]]:
        """Forget a number, and return the deleted messages and numbers."""
        number, before = self.chance.randrange(self.numbers), self.known()
        self.eraser.forget(1, _hash(number))
        return before - self.known(), {number}

    def prune(self) -> tuple[set[int], set[int]]:
        """Prune, and return the deleted messages about which there was no later report."""
        time, before = NOW - self.chance.randrange(30) * DAY_MS, self.known()
        self.eraser.prune(time)
        return {each for each in before - self.known() if self.newest[each] < time}, set()

    def known(self) -> set[int]:
        return {int(message.message_id[1:-1]) for message in self.reader.messages(1)}

    def left(self, ids: set[int], numbers: set[int]) -> int:
        """Return how many of the messages and numbers are in the bytes of the files."""
        content = b"".join(file.read_bytes() for file in self.root.iterdir())
        found = {int(each) for each in _IDS.findall(content)}
        hashes = {int(each, 16) for each in _HASHES.findall(content)}
        hashes |= {int.from_bytes(each) for each in _BLOBS.findall(content)}
        return len(found & ids) + len(hashes & numbers)

    def close(self) -> None:
        self.eraser.close()
        self.reader.close()
        self.writer.close()
        self.journal.close()

    def _any_report(self) -> Report:
        message, at = self.chance.randrange(self.ids), NOW - self.chance.randrange(30 * DAY_MS)
        number = _hash(self.chance.choice([message % self.numbers, self.chance.randrange(self.numbers)]))
        if (kind := self.chance.random()) < 0.15:
            return Conversion(1, self.chance.random() < 0.7, at, number=number)
        self.newest[message] = max(at, self.newest.get(message, 0))
        message_id = f"m{message:07}x"
        if kind < 0.4:
            known = self.chance.choice(["", number])
            return Conversion(1, self.chance.random() < 0.7, at, message_id, known)
        if kind < 0.5:
            return Receipt(1, message_id, self.chance.choice([*ReceiptStatus]), at, "", 7_000, "EUR")
        session = self.chance.choice(["", f"s{message % 37}"])
        values = Dimensions("ES", provider=f"p{message % 5}")
        return Requested(1, message_id, at, values, number, session_id=session)


def _hash(number: int) -> str:
    return f"feed{number:08x}beef"


def deleted_and_left(root: Path, seed: int) -> tuple[int, int]:
    """Run a world; return how many names were deleted, and how many stayed in unused space of the files."""
    deleted = left = 0
    with closing(World(root, seed)) as world:
        world.report()
        for _ in range(world.chance.randrange(4, 10)):
            if (step := world.chance.random()) < 0.5:
                world.report()
            elif step < 0.6:
                world.expire()
            else:
                names = world.forget() if step < 0.8 else world.prune()
                deleted += len(names[0]) + len(names[1])
                left += world.left(*names)
                if world.chance.random() < 0.5:
                    SqliteEngine(root).compact()
                    assert world.left(*names) == 0
    return deleted, left


def test_a_compaction_leaves_no_byte_of_the_deleted_and_a_server_hardly_any(tmp_path: Path) -> None:
    deleted = left = 0
    for seed in range(rounds(40, at_least=10)):
        (root := tmp_path / f"{seed}").mkdir()
        of, stay = deleted_and_left(root, seed)
        deleted, left = deleted + of, left + stay
    assert deleted > 500
    # SQLite leaves a few copies in a page when it moves rows to another one. Without secure_delete nearly all
    # of them would stay.
    assert left <= deleted / 50
