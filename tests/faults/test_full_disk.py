"""A disk that fills up: an error answer, no corruption, and work again as soon as there is room."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from campaigns import parameters
from otpconv.cli.local_server import LocalServer
from otpconv.errors import Misconfigured
from otpconv.storage.sqlite import SqliteLedgerReader
from web.wire import administrator, send, v3

#: Room for the server and some thousand reports.
DISK_BYTES = 6 * 1024 * 1024


class SmallDisk:
    """A folder with little room: a small tmpfs where we may mount one, a limit on file sizes elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        mount = shutil.which("mount")
        self.mounted = bool(mount) and os.geteuid() == 0 and self._mount(str(mount))

    def start(self, make_server: Callable[..., LocalServer]) -> LocalServer:
        """Start a server on the disk, whose log is elsewhere; skip the test if we may not mount one."""
        if not self.mounted:
            pytest.skip("needs a small disk to mount")
        server = make_server(self.folder / "data")
        server.log = self.folder.with_name("server.log")
        server.start()
        return server

    def make_room(self, server: LocalServer) -> None:
        if self.mounted:
            self._mount(str(shutil.which("mount")), "remount,")
        else:
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)

    def limit(self, server: LocalServer) -> None:
        if not self.mounted:
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (DISK_BYTES // 4, resource.RLIM_INFINITY))

    def remove(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", self.folder], check=True)  # noqa: S603, S607

    def _mount(self, mount: str, more: str = "") -> bool:
        size = f"{more}size={DISK_BYTES * (16 if more else 1)}"
        done = subprocess.run(  # noqa: S603
            [mount, "-t", "tmpfs", "-o", size, "tmpfs", self.folder], capture_output=True, check=False
        )
        return done.returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "small"
    folder.mkdir()
    small = SmallDisk(folder)
    yield small
    small.remove()


def test_a_full_disk_refuses_reports_loses_none_and_recovers_without_a_restart(
    disk: SmallDisk, make_server: Callable[..., LocalServer]
) -> None:
    server = make_server(disk.folder / "data")
    server.start()
    disk.limit(server)
    auth = (server.access_key_id, server.access_key_secret)
    key = administrator(server)
    acknowledged: set[str] = set()
    with httpx.Client(base_url=server.url, auth=auth, timeout=30) as client:

        def report(first: int, count: int = 200) -> httpx.Response:
            ids = [f"m{first + n}" for n in range(count)]
            messages = [{"message_id": id_, "session_id": "s" * 100} for id_ in ids]
            answer = client.post("/v1/messages", json={"messages": messages})
            if answer.status_code == 200:
                acknowledged.update(ids)
            return answer

        first = 0
        while (answer := report(first)).status_code == 200:
            first += 200
            assert first < 500_000, "the disk never filled up"
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "Unavailable"
        refused = send(server.url, v3(key, {"MessageId": "c" * 60, "Delivered": "true"}))
        assert (refused.status, refused.json.get("Code")) in {(503, "ServiceUnavailable"), (200, None)}
        if refused.status == 200:  # a single report may still fit where two hundred do not
            acknowledged.add("c" * 60)
        assert client.get("/healthz").text == "ok\n"
        assert client.get("/v1/rates").status_code == 200
        assert client.get("/v1/annotations").json() == {"annotations": []}
        assert client.post("/v1/annotations", json={"text": "x" * 200}).status_code in {201, 503}

        disk.make_room(server)
        assert report(first).status_code == 200
        assert report(1_000_000).json()["recorded"] == 200
    assert server.signal(signal.SIGTERM) == 0
    server.start()
    server.stop()
    with closing(SqliteLedgerReader(server.data / "ledger.sqlite")) as ledger:
        known = [message.message_id for message in ledger.messages(1)]
    assert len(known) == len(set(known))
    assert acknowledged <= set(known)
    for name in ("journal", "ledger"):
        with closing(sqlite3.connect(server.data / f"{name}.sqlite")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("end", parameters(["stop", "kill"], ["kill"], "a stop writes more than a kill"))
def test_a_server_that_starts_on_a_full_disk_answers_questions_and_takes_reports_when_there_is_room(
    disk: SmallDisk, make_server: Callable[..., LocalServer], end: str
) -> None:
    server = disk.start(make_server)
    auth = (server.access_key_id, server.access_key_secret)
    messages = {"messages": [{"message_id": str(n)} for n in range(10)]}
    assert httpx.post(f"{server.url}/v1/messages", json=messages, auth=auth).json()["recorded"] == 10
    while httpx.get(f"{server.url}/v1/rates", auth=auth).json()["rows"][0]["requested"] < 10:
        pass
    if end == "kill":
        server.kill()
    else:
        assert server.stop() == 0
    fill = disk.folder / "fill"
    with suppress(OSError), fill.open("wb", buffering=0) as stream:
        while stream.write(bytes(1024)):
            pass
    assert shutil.disk_usage(disk.folder).free < 4096
    server.start()
    assert httpx.get(f"{server.url}/healthz").status_code == 200
    assert httpx.get(f"{server.url}/v1/rates", auth=auth).json()["rows"][0]["requested"] == 10
    assert httpx.get(f"{server.url}/v1/messages/3", auth=auth).status_code == 200
    assert httpx.get(f"{server.url}/v1/annotations", auth=auth).json() == {"annotations": []}
    more = {"messages": [{"message_id": f"more-{n}", "session_id": "s" * 100} for n in range(500)]}
    assert httpx.post(f"{server.url}/v1/messages", json=more, auth=auth).status_code == 503
    assert "Traceback" not in server.log.read_text()
    assert "is full: questions are answered" in server.log.read_text()
    fill.unlink()
    assert httpx.post(f"{server.url}/v1/messages", json=more, auth=auth).json()["recorded"] == 500
    while httpx.get(f"{server.url}/v1/rates", auth=auth).json()["rows"][0]["requested"] < 510:
        pass
    key = administrator(server)
    assert send(server.url, v3(key, {"MessageId": "3", "Delivered": "true"})).json["ResponseCode"] == "OK"
    assert server.stop() == 0


def test_a_folder_that_cant_be_written_is_told_in_one_line(
    disk: SmallDisk, make_server: Callable[..., LocalServer]
) -> None:
    server = disk.start(make_server)
    server.stop()
    subprocess.run(["mount", "-o", "remount,ro", disk.folder], check=True)  # noqa: S603, S607
    with pytest.raises(Misconfigured, match=r"can\'t be written \(Read-only file system\)"):
        server.start()
    assert "Traceback" not in server.log.read_text()
