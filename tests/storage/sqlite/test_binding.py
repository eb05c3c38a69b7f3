"""A ledger is continued only from the journal it was made from: restored, lost and exchanged files."""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import rounds
from otpconv.errors import Misconfigured
from otpconv.model import Requested
from otpconv.storage.contract import Entry
from otpconv.storage.sqlite import (
    SqliteJournal,
    SqliteLedgerReader,
    SqliteLedgerWriter,
    findings,
    prepare,
    rebuild,
)
from storage.engines import MEMORY

NOW = 1_800_000_000_000
DAY = 1_750_032_000_000


def report(name: object) -> Entry:
    return Entry(Requested(1, str(name), DAY))


class Folder:
    """A data folder, its backups, and a server that comes and goes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.journal, self.ledger = root / "journal", root / "ledger"
        self.backups: dict[str, list[Path]] = {"journal": [], "ledger": []}
        self.exchanged = False
        SqliteJournal(self.journal).close()

    def serve(self, ids: list[int], applied: int) -> None:
        """Start, record some reports, one a commit, apply some of them, and stop."""
        self.start()
        with (
            closing(SqliteJournal(self.journal)) as journal,
            closing(SqliteLedgerWriter(self.ledger, self.journal)) as writer,
        ):
            for id_ in ids:
                journal.append([report(id_)], NOW)
            for _ in range(applied):
                writer.apply(1)

    def start(self) -> None:
        """Start as the server does; where that is refused, as it says."""
        if self.exchanged and self.ledger.exists() and not self.fits():
            with pytest.raises(Misconfigured, match="ledger rebuild"):
                prepare(self.ledger, self.journal)
            rebuild(self.ledger, self.journal, lambda _done, _total: None)
        prepare(self.ledger, self.journal)
        self.exchanged = False

    def fits(self) -> bool:
        found = {
            each.check: each.ok for each in findings(self.journal, self.ledger, [], served=False, now=NOW)
        }
        return found["journal and ledger"]

    def back_up(self, which: str) -> None:
        path = self.root / which
        if path.exists():
            copy = self.root / f"{which}.{len(self.backups[which])}"
            shutil.copy(path, copy)
            self.backups[which].append(copy)

    def restore(self, which: str, number: int) -> None:
        if self.backups[which]:
            self.replace(which, self.backups[which][number % len(self.backups[which])])

    def replace(self, which: str, by: Path | None) -> None:
        for file in self.root.glob(f"{which}-*"):
            file.unlink()
        (self.root / which).unlink(missing_ok=True)
        if by is not None:
            shutil.copy(by, self.root / which)
        self.exchanged = True

    def lose_log(self, ids: list[int]) -> None:
        """Record and apply reports, and lose the journal's write-ahead log."""
        self.start()
        with (
            closing(SqliteJournal(self.journal)) as journal,
            closing(SqliteLedgerWriter(self.ledger, self.journal)) as writer,
        ):
            kept = self.root / "without-log"
            shutil.copy(self.journal, kept)
            for id_ in ids:
                journal.append([report(id_)], NOW)
            writer.apply(100)
        self.replace("journal", kept)

    def other_journal(self, ids: list[int]) -> None:
        other = self.root / "other"
        other.unlink(missing_ok=True)
        with closing(SqliteJournal(other)) as journal:
            for id_ in ids:
                journal.append([report(id_)], NOW)
        self.replace("journal", other)

    def recorded(self) -> set[str]:
        with closing(sqlite3.connect(self.journal)) as connection:
            rows = connection.execute(
                "SELECT DISTINCT value ->> 2 FROM batches, json_each(reports)"
            ).fetchall()
        return {id_ for (id_,) in rows}

    def counted(self) -> set[str]:
        with closing(SqliteLedgerWriter(self.ledger, self.journal)) as writer:
            writer.apply(1_000)
        with closing(SqliteLedgerReader(self.ledger)) as ledger:
            return {message.message_id for message in ledger.messages(1)}


# Few ids and one time of recording: rows of two histories are often the same.
IDS = st.lists(st.integers(0, 3), min_size=1, max_size=4)
WHICH = st.sampled_from(["journal", "ledger"])
STEPS = st.one_of(
    st.builds(lambda ids, n: lambda f: f.serve(ids, n), IDS, st.integers(0, 4)),
    st.builds(lambda which: lambda f: f.back_up(which), WHICH),
    st.builds(lambda which, n: lambda f: f.restore(which, n), WHICH, st.integers(0, 3)),
    st.builds(lambda: lambda f: f.replace("ledger", None)),
    st.builds(lambda ids: lambda f: f.lose_log(ids), IDS),
    st.builds(lambda ids: lambda f: f.other_journal(ids), IDS),
)


@given(history=st.lists(STEPS, max_size=10))
@settings(max_examples=rounds(60))
def test_after_every_start_the_ledger_has_exactly_what_is_in_the_journal(
    history: list[Callable[[Folder], None]],
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as root:
        folder = Folder(Path(root))
        for step in history:
            step(folder)
        folder.start()
        assert folder.counted() == folder.recorded()
        assert folder.fits()


def test_a_journal_restored_from_a_backup_that_grew_past_the_cursor_is_told_from_the_one_before(
    tmp_path: Path,
) -> None:
    folder = Folder(tmp_path)
    folder.serve([0, 1], 2)
    folder.back_up("journal")
    folder.serve([2, 3, 4], 3)
    folder.restore("journal", 0)
    with closing(SqliteJournal(folder.journal)) as journal:
        for id_ in (10, 11, 4, 12):
            journal.append([report(id_)], NOW)
    with pytest.raises(Misconfigured, match="other reports up to position 5"):
        prepare(folder.ledger, folder.journal)
    folder.start()
    assert folder.counted() == folder.recorded() == {"0", "1", "10", "11", "4", "12"}


def test_a_ledger_of_another_folder_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    ours, theirs = Folder(tmp_path / "ours"), Folder(tmp_path / "theirs")
    ours.serve([0, 1, 2], 3)
    theirs.serve([3, 4], 2)
    ours.replace("ledger", theirs.ledger)
    before = ours.ledger.read_bytes()
    with pytest.raises(Misconfigured, match="made from another journal"):
        prepare(ours.ledger, ours.journal)
    assert ours.ledger.read_bytes() == before
