"""`otpconv ledger verify` and `rebuild`, beside a server and without one."""

import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from cli.commands import in_a_process, otpconv
from otpconv import folder
from otpconv.cli.local_server import LocalServer
from otpconv.storage.verification import TABLES

OLD, NUMBER = 1_780_000_000_000, "+34600000001"


def report(server: LocalServer, *message_ids: str) -> None:
    messages = [{"message_id": each, "to": NUMBER, "requested_at": OLD} for each in message_ids]
    conversions = [{"message_id": each, "delivered": True} for each in message_ids[::2]]
    auth = (server.access_key_id, server.access_key_secret)
    for path, body in (("messages", messages), ("conversions", conversions)):
        answer = httpx.post(f"{server.url}/v1/{path}", json={path: body}, auth=auth, timeout=60)
        assert answer.json()["recorded"] == len(body)


def damage(data: Path, statement: str) -> None:
    with closing(sqlite3.connect(data / "ledger.sqlite")) as connection, connection:
        assert connection.execute(statement).rowcount > 0


@pytest.fixture
def server(make_server: Callable[..., LocalServer]) -> LocalServer:
    server = make_server()
    server.start()
    return server


def test_differences_are_found_beside_a_server_and_a_rebuild_removes_them(server: LocalServer) -> None:
    data = ("--data", server.data)
    report(server, *(f"m{number}" for number in range(10)))
    stop = threading.Event()

    def keep_reporting() -> None:
        number = 0
        while not stop.is_set():
            report(server, f"more-{number}", f"even-more-{number}")
            number += 1

    reporting = threading.Thread(target=keep_reporting)
    reporting.start()
    try:
        for _ in range(3):
            sound = otpconv("ledger", "verify", *data)
            assert (sound.returncode, "problem" in sound.stdout) == (0, False), sound.stdout
        damage(server.data, "UPDATE rollups SET verified = verified - 1 WHERE grain = 3600000")
        damage(server.data, "UPDATE messages SET attempt = 2 WHERE message_id = 'm3'")
        found = json.loads(otpconv("ledger", "verify", "--json", *data).stdout)
    finally:
        stop.set()
        reporting.join()
    wrong = {check["check"]: check for check in found["checks"] if not check["ok"]}
    assert not found["ok"]
    assert {"messages", "rollups", "rollups by hour, recounted"} <= set(wrong)
    assert wrong["messages"]["examples"] == ["account 1, message_id m3: attempt is 2, must be 0"]
    assert "grain hour, account 1, start 2026-05-28T20:00:00Z" in wrong["rollups"]["examples"][0]
    refused = otpconv("ledger", "rebuild", *data)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"a server runs on {server.data} and writes its ledger: stop it" in refused.stderr

    server.stop()
    sick = otpconv("ledger", "verify", *data)
    assert sick.returncode == 1
    assert "to do: stop the server and run `otpconv ledger rebuild`" in sick.stdout
    assert "        account 1, message_id m3: attempt is 2, must be 0\n" in sick.stdout
    assert json.loads(otpconv("ledger", "rebuild", "--json", *data).stdout)["set_aside"] == []
    sound = otpconv("ledger", "verify", *data)
    assert sound.returncode == 0
    assert all(f"{table.name}:" in sound.stdout for table in TABLES)
    assert not [*server.data.glob("*.verify*")]


def test_deletions_and_verifications_exclude_each_other(server: LocalServer) -> None:
    data = ("--data", server.data)
    report(server, "a", "b")
    with folder.lock_file(server.data / "deleting"):
        refused = otpconv("ledger", "verify", *data)
    assert refused.returncode == 2
    assert "a deletion or another verification runs on" in refused.stderr
    assert otpconv("forget", "--number", NUMBER, *data).returncode == 0
    assert otpconv("ledger", "prune", "--before", OLD + 1, *data).returncode == 0
    sound = otpconv("ledger", "verify", *data)
    assert sound.returncode == 0, sound.stdout


def test_a_folder_without_a_ledger_is_named(tmp_path: Path, server: LocalServer) -> None:
    nowhere = otpconv("ledger", "verify", "--data", tmp_path / "nowhere")
    assert (nowhere.returncode, "there is no journal in" in nowhere.stderr) == (2, True)
    server.stop()
    (server.data / "ledger.sqlite").unlink()
    missing = in_a_process("ledger", "verify", "--data", server.data)
    assert missing.returncode == 2
    assert missing.stderr == (
        f"otpconv: there is no ledger in {server.data}: give the server's folder with --data DIR\n"
    )
