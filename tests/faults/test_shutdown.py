"""Stopping, starting beside another, and starting on damaged files."""

import os
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from campaigns import parameters
from cli.commands import in_a_process
from otpconv.cli.local_server import LocalServer
from otpconv.errors import Misconfigured
from otpconv.storage.sqlite import SqliteLedgerReader


def serve(data: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a server that is expected to end by itself."""
    return in_a_process("serve", "--data", data, *options)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> LocalServer:
    """A server that was started and stopped once: its data folder is copied."""
    with LocalServer(tmp_path_factory.mktemp("stopped") / "data") as server:
        return server


@pytest.fixture
def used(stopped: LocalServer, make_server: Callable[..., LocalServer]) -> LocalServer:
    """A server, not started, on a data folder without reports."""
    server = make_server()
    shutil.copytree(stopped.data, server.data)
    return server


@pytest.mark.parametrize(
    "number", parameters([signal.SIGTERM, signal.SIGINT], [signal.SIGTERM], "another signal")
)
def test_a_stop_under_load_keeps_what_was_answered_and_exits_with_0(
    make_server: Callable[..., LocalServer],
    eventually: Callable[[Callable[[], bool], bool], None],
    number: signal.Signals,
) -> None:
    server = make_server()
    server.start()
    acknowledged: set[str] = set()
    auth = (server.access_key_id, server.access_key_secret)

    def report(client_number: int) -> None:
        with httpx.Client(base_url=server.url, auth=auth) as client:
            for n in range(100_000):
                id_ = f"{client_number}-{n}"
                try:
                    answer = client.post("/v1/messages", json={"messages": [{"message_id": id_}]})
                except httpx.TransportError:
                    return
                if answer.status_code == 200:
                    acknowledged.add(id_)

    threads = [threading.Thread(target=report, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    idle = socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port))
    half = socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port))
    half.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
    time.sleep(0.7)
    eventually(lambda: bool(acknowledged), True)
    started = time.monotonic()
    assert server.signal(number) == 0
    assert time.monotonic() - started < 10
    for thread in threads:
        thread.join()
    idle.close()
    half.close()
    with closing(SqliteLedgerReader(server.data / "ledger.sqlite")) as ledger:
        assert acknowledged <= {message.message_id for message in ledger.messages(1)}
    assert acknowledged


def test_a_server_that_drains_is_not_ready_and_no_request_of_a_load_balancer_fails(
    make_server: Callable[..., LocalServer],
) -> None:
    server = make_server(settings={"OTPCONV_DRAIN_SECONDS": "2"})
    server.start()
    auth = (server.access_key_id, server.access_key_secret)
    not_ready, over = threading.Event(), threading.Event()
    acknowledged: list[str] = []
    failed: list[str] = []
    last_ones: list[str] = []

    def report(number: int) -> None:
        with httpx.Client(base_url=server.url, auth=auth) as client:
            count = 0
            while not over.wait(0.01):
                count += 1
                id_ = f"{number}-{count}"
                try:
                    answer = client.post("/v1/messages", json={"messages": [{"message_id": id_}]})
                except httpx.TransportError as error:
                    failed.append(repr(error))
                    return
                acknowledged.append(id_)
                assert answer.status_code == 200
                if not_ready.is_set():
                    last_ones.append(answer.headers.get("connection", ""))

    def balance() -> None:
        """Ask whether the server is ready, as a load balancer does; then send nothing more."""
        while httpx.get(f"{server.url}/readyz").status_code == 200:
            time.sleep(0.05)
        not_ready.set()
        time.sleep(0.5)  # it looks at each server now and then only
        over.set()

    threads = [threading.Thread(target=report, args=(n,)) for n in range(4)]
    threads.append(threading.Thread(target=balance))
    for thread in threads:
        thread.start()
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started > 2
    for thread in threads:
        thread.join()
    assert failed == []
    assert last_ones[-1] == "close"
    with closing(SqliteLedgerReader(server.data / "ledger.sqlite")) as ledger:
        assert {message.message_id for message in ledger.messages(1)} == set(acknowledged)


@pytest.mark.parametrize("numbers", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
def test_a_drain_is_skipped_by_ctrl_c_and_ended_by_another_signal(
    make_server: Callable[..., LocalServer],
    eventually: Callable[[Callable[[], int], int], None],
    numbers: list[signal.Signals],
) -> None:
    server = make_server(settings={"OTPCONV_DRAIN_SECONDS": "300"})
    server.start()
    *first, last = numbers
    for number in first:
        os.kill(server.pid, number)
        eventually(lambda: httpx.get(f"{server.url}/readyz").status_code, 503)
        assert "The server is stopping" in httpx.get(f"{server.url}/readyz").text
        assert httpx.get(f"{server.url}/healthz").status_code == 200
    assert server.signal(last) == 0
    assert ("draining for 300 s" in server.log.read_text()) == bool(first)


def test_a_second_server_on_the_same_folder_is_refused(server: LocalServer) -> None:
    second = serve(server.data, "--port", "0")
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert "another otpconv server uses" in second.stderr


def test_every_file_in_the_data_folder_is_for_its_owner_alone_whatever_the_umask(
    make_server: Callable[..., LocalServer],
) -> None:
    server = make_server()
    server.data.mkdir(mode=0o700)
    (server.data / "lock").touch(0o666)
    (server.data / "lock").chmod(0o666)  # as an older version made it
    mask = os.umask(0)
    try:
        server.start()
    finally:
        os.umask(mask)
    auth = (server.access_key_id, server.access_key_secret)
    httpx.post(f"{server.url}/v1/messages", json={"messages": [{"message_id": "1"}]}, auth=auth)
    httpx.get(f"{server.url}/v1/rates", auth=("LTAInobody", "x"))  # a line for the audit trail
    server.stop()
    modes = {file.name: stat.filemode(file.stat().st_mode) for file in server.data.iterdir()}
    assert set(modes.values()) == {"-rw-------"}, modes
    assert {"lock", "audit.ndjson", "journal.sqlite", "sealing.key"} <= set(modes)


def test_a_port_in_use_is_refused_and_named(server: LocalServer, tmp_path: Path) -> None:
    port = urlsplit(server.url).port
    second = serve(tmp_path / "data", "--port", str(port))
    assert second.returncode == 2
    assert str(port) in second.stderr


@pytest.mark.parametrize("name", ["journal.sqlite", "ledger.sqlite", "access.sqlite"])
@pytest.mark.parametrize("harm", ["no database", "newer"])
def test_a_file_that_is_not_ours_to_read_is_named_and_left_as_it_is(
    used: LocalServer, name: str, harm: str
) -> None:
    file = used.data / name
    if harm == "newer":
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA user_version = 99")
    else:
        file.write_bytes(b"this is no database at all, but long enough to look like one" * 100)
    before = file.read_bytes()
    refused = serve(used.data, "--port", "0")
    assert refused.returncode == 2
    assert name in refused.stderr
    assert "Traceback" not in refused.stderr
    assert file.read_bytes() == before


def test_a_key_file_that_others_can_read_is_refused(used: LocalServer) -> None:
    (used.data / "sealing.key").chmod(0o644)
    with pytest.raises(Misconfigured, match="chmod"):
        used.start()


def test_a_lost_ledger_is_made_again_from_the_journal(make_server: Callable[..., LocalServer]) -> None:
    server = make_server()
    with server:
        basic = b64encode(f"{server.access_key_id}:{server.access_key_secret}".encode()).decode()
        headers = {"authorization": f"Basic {basic}"}
        messages = {"messages": [{"message_id": f"m{n}"} for n in range(500)]}
        assert (
            httpx.post(f"{server.url}/v1/messages", json=messages, headers=headers).json()["recorded"] == 500
        )
    for file in server.data.glob("ledger.sqlite*"):
        file.unlink()
    with server:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            answer = httpx.get(f"{server.url}/v1/rates", headers=headers).json()
            if answer["rows"][0]["requested"] == 500:
                break
        assert answer["rows"][0]["requested"] == 500
