"""`otpconv ledger backup` of a server under load, and the restored server."""

import itertools
import json
import os
import shutil
import stat
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from campaigns import rounds
from cli.commands import in_a_process, otpconv
from otpconv.cli.local_server import LocalServer
from otpconv.model import Requested
from otpconv.storage.contract import Entry
from otpconv.storage.sqlite import SqliteJournal, SqliteLedgerReader

DAY = 1_750_032_000_000
#: Of 500 messages: some size, so that reports come while it is copied.
PARTS = rounds(200, at_least=40)


class Load:
    """A client that reports all the time, and notes the acknowledged reports and how long each took."""

    def __init__(self, server: LocalServer, name: str) -> None:
        self.server = server
        self.name = name
        self.acknowledged: list[str] = []
        self.took_s: list[float] = []
        self.errors: list[str] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        auth = (self.server.access_key_id, self.server.access_key_secret)
        with httpx.Client(base_url=self.server.url, auth=auth, timeout=30) as client:
            for number in itertools.count():
                # Without a pause it would take the CPU from the backup.
                if self.stopping.wait(0.005):
                    return
                ids = [f"{self.name}{number}-{n}" for n in range(20)]
                began = time.perf_counter()
                answer = client.post("/v1/messages", json={"messages": [{"message_id": id_} for id_ in ids]})
                self.took_s.append(time.perf_counter() - began)
                if answer.status_code != 200 or answer.json()["recorded"] != len(ids):
                    self.errors.append(answer.text)
                    return
                self.acknowledged += ids


@contextmanager
def loaded(server: LocalServer, name: str = "") -> Iterator[Load]:
    load = Load(server, name)
    thread = threading.Thread(target=load.run)
    thread.start()
    try:
        yield load
    finally:
        load.stopping.set()
        thread.join()


def restored(file: Path, data: Path) -> None:
    data.mkdir(mode=0o700)
    tar = shutil.which("tar")
    assert tar is not None
    subprocess.run([tar, "-xf", file, "-C", data], check=True)  # noqa: S603 - as the manual says


@pytest.mark.rounds
def test_a_backup_under_load_has_all_that_was_acknowledged_before_it_began(
    make_server: Callable[..., LocalServer],
    eventually: Callable[[Callable[[], bool], bool], None],
    tmp_path: Path,
) -> None:
    server = make_server()
    server.start()
    server.stop()
    with closing(SqliteJournal(server.data / "journal.sqlite")) as journal:
        for part in range(PARTS):
            entries = [Entry(Requested(1, f"old {part}.{n}", DAY, session_id="s" * 100)) for n in range(500)]
            journal.append(entries, DAY)
    server.start()
    file = tmp_path / "backup.tar"
    with loaded(server) as load:
        eventually(lambda: len(load.acknowledged) > 200, True)
        before = set(load.acknowledged)
        done = in_a_process("ledger", "backup", file, "--data", server.data, "--json")
        during = len(load.acknowledged) - len(before)
        time.sleep(0.3)
    assert load.errors == []
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] == [
        "alerts.sqlite",
        "journal.sqlite",
        "access.sqlite",
        "annotations.sqlite",
        "sealing.key",
    ]
    assert before
    assert during
    server.kill()

    other = make_server(tmp_path / "restored")
    restored(file, other.data)
    assert {stat.S_IMODE(each.stat().st_mode) for each in other.data.iterdir()} == {0o600}
    other.start()
    # Keys and secrets are those of the backup.
    auth = (server.access_key_id, server.access_key_secret)
    answer = httpx.post(f"{other.url}/v1/messages", json={"messages": [{"message_id": "after"}]}, auth=auth)
    assert answer.json()["recorded"] == 1
    assert other.stop() == 0
    with closing(SqliteLedgerReader(other.data / "ledger.sqlite")) as ledger:
        known = {message.message_id for message in ledger.messages(1)}
    assert before | {"after"} <= known
    assert len([id_ for id_ in known if id_.startswith("old")]) == 500 * PARTS


def test_a_backup_is_private_complete_and_never_overwrites(server: LocalServer, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    file = folder / "backup.tar"
    mask = os.umask(0)
    try:
        done = otpconv("ledger", "backup", file, "--data", server.data)
    finally:
        os.umask(mask)
    assert done.returncode == 0, done.stderr
    assert "journal.sqlite, access.sqlite, annotations.sqlite, sealing.key" in done.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(folder.iterdir()) == [file]
    with tarfile.open(file) as tar:
        assert {member.mode for member in tar} == {0o600}
    before = file.read_bytes()
    again = otpconv("ledger", "backup", file, "--data", server.data)
    assert again.returncode == 2
    assert "already exists" in again.stderr
    assert file.read_bytes() == before


@pytest.mark.parametrize("place", ["missing/backup.tar", "file/backup.tar"])
def test_a_backup_that_can_not_be_written_says_so_and_leaves_nothing(
    server: LocalServer, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    done = otpconv("ledger", "backup", tmp_path / place, "--data", server.data)
    assert done.returncode == 2
    assert "can't be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*backup*"))


def test_there_is_no_backup_of_a_folder_without_a_journal(tmp_path: Path) -> None:
    done = otpconv("ledger", "backup", tmp_path / "backup.tar", "--data", tmp_path / "data")
    assert done.returncode == 2
    assert "there is no journal" in done.stderr
    assert not list(tmp_path.iterdir())
