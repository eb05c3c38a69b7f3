"""SQLite's files: who may read them, reported damage, full disks, and reading while a server runs."""

import os
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import apsw
import pytest

from otpconv.errors import Misconfigured, Unavailable
from otpconv.model import Conversion, Dimensions, Requested
from otpconv.storage.bounds import BOUNDS
from otpconv.storage.check_result import CheckResult
from otpconv.storage.contract import HOUR_MS, Entry, Window
from otpconv.storage.sqlite import (
    SqliteJournal,
    SqliteLedgerReader,
    SqliteLedgerWriter,
    findings,
    prepare,
)
from otpconv.storage.sqlite.ledger import writer as writer_module
from otpconv.storage.sqlite.ledger.rebuild import renew

NOW = 1_800_000_000_000
DAY = 1_750_032_000_000


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def ledger_path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def messages(count: int, name: str = "m") -> list[Entry]:
    return [Entry(Requested(1, f"{name}{n}", DAY + n)) for n in range(count)]


def filled(journal_path: Path, ledger_path: Path, count: int = 3) -> None:
    """Make both files, with some messages, as a process that ended well leaves them."""
    with (
        closing(SqliteJournal(journal_path)) as journal,
        closing(SqliteLedgerWriter(ledger_path, journal_path)) as writer,
    ):
        journal.append(messages(count), NOW)
        writer.apply(count)


def sql(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def requested_in(ledger: SqliteLedgerReader) -> int:
    return sum(
        each.tally.requested for each in ledger.counts(1, Window(days=((DAY, DAY + 24 * HOUR_MS),)), [], {})
    )


def test_nobody_else_may_read_the_files(journal_path: Path, ledger_path: Path) -> None:
    mask = os.umask(0)
    try:
        with (
            closing(SqliteJournal(journal_path)) as journal,
            closing(SqliteLedgerWriter(ledger_path, journal_path)) as writer,
        ):
            journal.append(messages(3), NOW)
            writer.apply(3)
            modes = {path.name: stat.filemode(path.stat().st_mode) for path in journal_path.parent.iterdir()}
    finally:
        os.umask(mask)
    assert {"journal.db", "journal.db-wal", "ledger.db", "ledger.db-wal"} <= set(modes)
    assert set(modes.values()) == {"-rw-------"}


@pytest.fixture(params=["journal", "ledger"])
def broken(request: pytest.FixtureRequest, journal_path: Path, ledger_path: Path) -> Path:
    """The path of one of two good files; opening it afterwards has to find the damage."""
    filled(journal_path, ledger_path, 200)
    return journal_path if request.param == "journal" else ledger_path


def opened(path: Path, journal_path: Path) -> SqliteJournal | SqliteLedgerWriter:
    return SqliteJournal(path) if path == journal_path else SqliteLedgerWriter(path, journal_path)


def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(broken: Path, journal_path: Path) -> None:
    sql(broken, "PRAGMA user_version = 99")
    with pytest.raises(Misconfigured, match="newer otpconv: upgrade otpconv") as caught:
        opened(broken, journal_path)
    assert str(broken) in caught.value.text
    assert sql(broken, "PRAGMA user_version") == [(99,)]


def outdated(ledger_path: Path) -> None:
    """What an otpconv left whose rollups were three tables."""
    sql(ledger_path, "DROP TABLE rollups")
    sql(ledger_path, "CREATE TABLE rollups_hour (account, start, dimensions, requested, verified)")
    sql(ledger_path, "PRAGMA user_version = 1")


def test_a_ledger_of_an_older_version_is_not_written_to(journal_path: Path, ledger_path: Path) -> None:
    filled(journal_path, ledger_path)
    outdated(ledger_path)
    before = ledger_path.read_bytes()
    with pytest.raises(Misconfigured, match="ledger rebuild"):
        SqliteLedgerWriter(ledger_path, journal_path)
    assert ledger_path.read_bytes() == before


def test_a_ledger_of_an_older_version_is_made_anew_and_one_of_this_version_left(
    journal_path: Path, ledger_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    renew(ledger_path, journal_path)
    assert not ledger_path.exists()
    filled(journal_path, ledger_path, 30)
    before = ledger_path.stat()
    renew(ledger_path, journal_path)
    assert (ledger_path.stat().st_ino, caplog.messages) == (before.st_ino, [])
    outdated(ledger_path)
    renew(ledger_path, journal_path)
    assert "rebuilt from 30 journal entries" in caplog.messages[-1]
    with closing(SqliteLedgerReader(ledger_path)) as ledger:
        assert requested_in(ledger) == 30
    with closing(SqliteLedgerWriter(ledger_path, journal_path)) as writer:
        assert writer.cursor() == 30


def journal_of_version_1(path: Path) -> None:
    """What an otpconv left that wrote no checksums."""
    sql(
        path,
        "CREATE TABLE batches (seq INTEGER PRIMARY KEY, recorded_at INTEGER NOT NULL,"
        " unmatched_before INTEGER, minutes_from INTEGER, reports TEXT, nonces TEXT) STRICT",
    )
    sql(path, "PRAGMA user_version = 1")
    path.chmod(0o600)


def test_reports_of_before_there_were_access_keys_still_count(journal_path: Path, ledger_path: Path) -> None:
    old = f'[[1,1,"old",{DAY},["ES","","acme","","","sms"],"","","",1],[2,1,true,{DAY + 5},"old",""]]'
    new = f'[[1,1,"new",{DAY},["ES","","acme","","","sms","LTAI5t"],"","","",1]]'
    journal_of_version_1(journal_path)
    for seq, reports in ((2, old), (3, new)):
        sql(journal_path, f"INSERT INTO batches VALUES ({seq}, {NOW}, NULL, NULL, '{reports}', NULL)")  # noqa: S608
    sql(
        ledger_path,
        "CREATE TABLE dimensions (id, account, country, carrier, provider, template, sender, channel)",
    )
    sql(ledger_path, "PRAGMA user_version = 2")
    renew(ledger_path, journal_path)
    with closing(SqliteLedgerReader(ledger_path)) as ledger:
        found = ledger.counts(1, Window(days=((DAY, DAY + 24 * HOUR_MS),)), ["access_key", "provider"], {})
        message = ledger.message(1, "old")
    assert {each.group: (each.tally.requested, each.tally.verified) for each in found} == {
        ("", "acme"): (1, 1),
        ("LTAI5t", "acme"): (1, 0),
    }
    assert message is not None
    assert message.state.requested == Requested(1, "old", DAY, Dimensions("ES", provider="acme"), attempt=1)


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(broken: Path, journal_path: Path) -> None:
    broken.write_text("Dear operator, these are my notes.\n" * 100)
    with pytest.raises(Misconfigured, match="damaged") as caught:
        opened(broken, journal_path)
    assert str(broken) in caught.value.text
    assert broken.read_text().startswith("Dear operator")


def test_a_damaged_file_is_told_when_it_is_opened_or_used(broken: Path, journal_path: Path) -> None:
    content = bytearray(broken.read_bytes())
    content[100:] = b"\xa5" * (len(content) - 100)
    broken.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"damaged.*otpconv doctor") as caught:
        opened(broken, journal_path)
    assert str(broken) in caught.value.text


def test_a_journal_damaged_in_its_middle_is_told_by_what_reads_it(
    journal_path: Path, ledger_path: Path
) -> None:
    filled(journal_path, ledger_path, 2_000)
    content = bytearray(journal_path.read_bytes())
    content[8192:-4096] = bytes(len(content) - 8192 - 4096)
    journal_path.write_bytes(content)
    ledger_path.unlink()
    with closing(SqliteLedgerWriter(ledger_path, journal_path)) as writer:
        with pytest.raises(Misconfigured, match="damaged"):
            writer.apply(10_000)
        assert writer.cursor() == 0


def test_a_path_that_can_not_be_a_file_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere" / "journal.db"):
        with pytest.raises(Misconfigured, match="can't be opened") as caught:
            SqliteJournal(path)
        assert str(path) in caught.value.text


def test_a_ledger_that_is_not_there_is_told_to_the_reader(ledger_path: Path) -> None:
    with pytest.raises(Misconfigured, match="can't be opened"):
        SqliteLedgerReader(ledger_path).message(1, "m0")
    assert not ledger_path.exists()


def test_a_file_whose_transaction_was_cut_short_opens_as_before_it(
    journal_path: Path, tmp_path: Path
) -> None:
    with closing(SqliteJournal(journal_path)) as journal:
        journal.append(messages(3), NOW)
        journal.append(messages(3), NOW)
        # What a crash leaves: the files as they are now, with the last bytes of the log missing.
        crashed = tmp_path / "crashed.db"
        shutil.copy(journal_path, crashed)
        log = Path(f"{journal_path}-wal").read_bytes()
    Path(f"{crashed}-wal").write_bytes(log.rstrip(b"\0")[:-100])
    with closing(SqliteJournal(crashed)) as journal:
        assert journal.head() == 3
        assert journal.append(messages(1), NOW) == 4


@contextmanager
def small_tmpfs(folder: Path) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """A file system of 512 KiB, and what fills it to its last byte and frees it again."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None or os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    made = subprocess.run(  # noqa: S603
        [mount, "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")

    @contextmanager
    def full() -> Iterator[None]:
        ballast = folder / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        yield
        ballast.unlink()

    try:
        yield full
    finally:
        subprocess.run([umount, "--lazy", folder], check=True)  # noqa: S603


@contextmanager
def limited_files(folder: Path) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """A limit on the size of the files this process writes, and what brings it down and up again."""

    @contextmanager
    def full() -> Iterator[None]:
        # The journal's log is laid out beforehand: what counts is where it is written.
        largest = max(len(file.read_bytes().rstrip(b"\0")) for file in folder.iterdir())
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        # Python ignores the signal that comes with it: the write fails.
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 4096, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    yield full


@pytest.fixture(params=[small_tmpfs, limited_files], ids=lambda kind: kind.__name__)
def small_disk(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Path, Callable[[], AbstractContextManager[None]]]]:
    """A folder, and a context in which there is no room in it."""
    folder = tmp_path / "small"
    folder.mkdir()
    with request.param(folder) as full:
        yield folder, full


def test_a_full_disk_takes_nothing_and_loses_nothing(
    small_disk: tuple[Path, Callable[[], AbstractContextManager[None]]],
) -> None:
    folder, full = small_disk
    path = folder / "journal.db"
    with closing(SqliteJournal(path)) as journal:
        assert journal.append(messages(50), NOW) == 50
        with full():
            for _ in range(3):
                with pytest.raises(Unavailable, match="nothing was recorded"):
                    journal.append(messages(500, "lost"), NOW)
            assert journal.head() == 50
        assert journal.append(messages(10, "later"), NOW) == 60
    with closing(SqliteJournal(path)) as journal:
        assert journal.head() == 60
    assert sql(path, "PRAGMA integrity_check") == [("ok",)]
    assert sql(path, "SELECT count(*) FROM batches WHERE reports LIKE '%lost%'") == [(0,)]
    assert sql(path, "SELECT max(seq) FROM batches") == [(60,)]


def test_a_disk_that_stays_full_until_the_end_has_lost_nothing(
    small_disk: tuple[Path, Callable[[], AbstractContextManager[None]]],
) -> None:
    folder, full = small_disk
    path = folder / "journal.db"
    with closing(SqliteJournal(path)) as journal:
        journal.append(messages(50), NOW)
        with full():
            with pytest.raises(Unavailable):
                journal.append(messages(500, "lost"), NOW)
            journal.close()
    with closing(SqliteJournal(path)) as journal:
        assert journal.head() == 50
        assert journal.append(messages(1), NOW) == 51
    assert sql(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_full_disk_stops_the_ledger_only_until_there_is_room(
    small_disk: tuple[Path, Callable[[], AbstractContextManager[None]]], journal_path: Path
) -> None:
    folder, full = small_disk
    path = folder / "ledger.db"
    with (
        closing(SqliteJournal(journal_path)) as journal,
        closing(SqliteLedgerWriter(path, journal_path)) as writer,
        closing(SqliteLedgerReader(path)) as ledger,
    ):
        journal.append(messages(50), NOW)
        assert writer.apply(50) == 50
        journal.append(messages(700, "more"), NOW)
        with full():
            for _ in range(3):
                with pytest.raises(Unavailable):
                    writer.apply(700)
            assert writer.cursor() == 50
            assert requested_in(ledger) == 50
        assert writer.apply(700) == 750
        assert requested_in(ledger) == 750
    assert sql(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_reader_of_the_journal_is_not_in_the_way_of_the_writer(journal_path: Path) -> None:
    heads: list[int] = []
    ready, stop = threading.Event(), threading.Event()

    def read() -> None:
        with closing(SqliteJournal(journal_path)) as reader:
            while not stop.is_set():
                heads.append(reader.head())
                ready.set()

    with closing(SqliteJournal(journal_path)) as journal:
        thread = threading.Thread(target=read)
        thread.start()
        assert ready.wait(20)
        for _ in range(30):
            journal.append(messages(10), NOW)
        stop.set()
        thread.join(20)
        assert journal.head() == 300
    assert heads == sorted(heads)
    assert all(head % 10 == 0 for head in heads)


def test_a_question_that_is_half_read_does_not_stop_the_follower(
    journal_path: Path, ledger_path: Path
) -> None:
    with (
        closing(SqliteJournal(journal_path)) as journal,
        closing(SqliteLedgerWriter(ledger_path, journal_path)) as writer,
        closing(SqliteLedgerReader(ledger_path)) as ledger,
    ):
        for entry in messages(200):
            journal.append([entry], NOW)
        writer.apply(100)
        export = ledger.messages(1)
        assert next(export).message_id == "m0"
        assert writer.apply(100) == 200
        # The export continues with the rows that were there when it began.
        assert len(list(export)) == 99
        assert len(list(ledger.messages(1))) == 200


def test_every_thread_reads_with_a_connection_of_its_own(journal_path: Path, ledger_path: Path) -> None:
    filled(journal_path, ledger_path, 20)
    ledger = SqliteLedgerReader(ledger_path)
    found: list[int] = []

    def read() -> None:
        found.extend(len(list(ledger.messages(1))) for _ in range(20))
        ledger.close()

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [20] * 80
    ledger.close()


WRITER = """
import sys
from pathlib import Path
from otpconv.storage.contract import Entry
from otpconv.storage.sqlite import SqliteJournal
from otpconv.model import Conversion, Dimensions, Requested

journal = SqliteJournal(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for n in range(40):
    journal.append([Entry(Requested(1, f"{sys.argv[2]}{n}", 1_750_032_000_000))] * 3, 1_800_000_000_000)
print(journal.head(), flush=True)
sys.stdin.readline()  # killed here, the file still open
"""


def writer(path: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", WRITER, path, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def told(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_all_who_make_a_file_at_once_succeed(tmp_path: Path) -> None:
    def make(path: Path, together: threading.Barrier) -> None:
        together.wait()
        with closing(SqliteJournal(path)) as journal:
            journal.head()

    for number in range(20):
        path, together = tmp_path / f"journal{number}", threading.Barrier(6)
        with ThreadPoolExecutor(6) as pool:
            for done in [pool.submit(make, path, together) for _ in range(6)]:
                done.result()


def test_two_processes_share_a_journal_and_a_kill_takes_nothing_with_it(
    journal_path: Path, ledger_path: Path
) -> None:
    with writer(journal_path, "a") as a, writer(journal_path, "b") as b:
        try:
            for process in (a, b):
                assert told(process) == "ready"
            for process in (a, b):
                tell(process)
            assert max(int(told(process)) for process in (a, b)) == 240
        finally:
            a.kill()
            b.kill()
    with (
        closing(SqliteJournal(journal_path)) as journal,
        closing(SqliteLedgerWriter(ledger_path, journal_path)) as ledger_writer,
        closing(SqliteLedgerReader(ledger_path)) as ledger,
    ):
        assert journal.head() == 240 == ledger_writer.apply(1_000)
        assert requested_in(ledger) == 80
    assert sql(journal_path, "PRAGMA integrity_check") == [("ok",)]


def test_another_process_reads_the_ledger_while_it_is_written(journal_path: Path, ledger_path: Path) -> None:
    reader = (
        "import sys; from pathlib import Path; from otpconv.storage.sqlite import SqliteLedgerReader;"
        "print(len(list(SqliteLedgerReader(Path(sys.argv[1])).messages(1))))"
    )
    with (
        closing(SqliteJournal(journal_path)) as journal,
        closing(SqliteLedgerWriter(ledger_path, journal_path)) as writer,
    ):
        for entry in messages(20):
            journal.append([entry], NOW)
        writer.apply(15)
        seen = subprocess.run(  # noqa: S603
            [sys.executable, "-c", reader, ledger_path], capture_output=True, text=True, check=True
        )
    assert seen.stdout.strip() == "15"


def test_a_batch_is_applied_while_another_connection_moves_the_journals_log(
    journal_path: Path, ledger_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_CHECKPOINT_ENTRIES", 1)
    filled(journal_path, ledger_path, 30)
    with (
        closing(SqliteJournal(journal_path)) as journal,
        closing(SqliteLedgerWriter(ledger_path, journal_path)) as writer,
        closing(apsw.Connection(str(journal_path))) as reader,
        closing(apsw.Connection(str(journal_path))) as mover,
    ):
        journal.append([Entry(Requested(1, "old", NOW))], NOW)
        reader.execute("BEGIN; SELECT count(*) FROM batches").fetchall()
        head = journal.append([Entry(Requested(1, "new", NOW))], NOW)
        applied: list[int] = []

        def busy(_: int) -> bool:
            # The log is being moved, and waits for the reader.
            applied.append(writer.apply(100))
            return False

        mover.execute("SELECT count(*) FROM batches").fetchall()
        mover.set_busy_handler(busy)
        with pytest.raises(apsw.BusyError):
            mover.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        assert applied == [head] == [writer.cursor()]


def test_a_ledger_that_is_ahead_of_the_journal_is_not_served(journal_path: Path, ledger_path: Path) -> None:
    filled(journal_path, ledger_path, 30)
    assert prepare(ledger_path, journal_path) == 30
    for file in journal_path.parent.glob(f"{journal_path.name}*"):
        file.unlink()
    with closing(SqliteJournal(journal_path)) as journal:
        journal.append([Entry(Requested(1, "new", NOW))], NOW)
    with pytest.raises(Misconfigured, match="29 reports ahead"):
        prepare(ledger_path, journal_path)


def test_a_count_of_the_unmatched_that_was_changed_is_found(journal_path: Path, ledger_path: Path) -> None:
    with (
        closing(SqliteJournal(journal_path)) as journal,
        closing(SqliteLedgerWriter(ledger_path, journal_path)) as writer,
    ):
        known = Conversion(1, delivered=True, conversion_time=DAY, message_id="unknown")
        by_number = Conversion(2, delivered=True, conversion_time=DAY, number="00" * 8)
        journal.append([Entry(known), Entry(by_number)], NOW)
        writer.apply(9)

    def unmatched() -> CheckResult:
        found = findings(journal_path, ledger_path, [], served=False, now=NOW)
        return next(each for each in found if each.check == "unmatched")

    assert unmatched() == CheckResult("unmatched", ok=True, text="2 messages and numbers")
    for statement in (
        "UPDATE unmatched SET messages = messages + 1 WHERE account = 1",
        "UPDATE unmatched SET numbers = numbers - 1 WHERE account = 2",
    ):
        sql(ledger_path, statement)
        assert not unmatched().ok


def test_a_route_that_was_changed_is_found(journal_path: Path, ledger_path: Path) -> None:
    filled(journal_path, ledger_path)
    sql(ledger_path, "UPDATE routes SET requested = requested + 1")
    found = {each.check: each.ok for each in findings(journal_path, ledger_path, [], served=False, now=NOW)}
    assert [check for check in found if not found[check]] == ["routes"]


def test_messages_that_are_counted_as_other_are_told_by_the_doctor(
    journal_path: Path, ledger_path: Path
) -> None:
    with (
        closing(SqliteJournal(journal_path)) as journal,
        closing(SqliteLedgerWriter(ledger_path, journal_path)) as writer,
    ):
        told = [Dimensions("DE", template=f"code {n}") for n in range(BOUNDS.values + 7)]
        journal.append([Entry(Requested(1, f"m{n}", DAY, each)) for n, each in enumerate(told)], NOW)
        writer.apply(1_000)
    found = {each.check: each for each in findings(journal_path, ledger_path, [], served=False, now=NOW)}
    assert found["dimensions"].text == "7 messages are counted as (other) in a dimension"
    assert all(each.ok for each in found.values())
