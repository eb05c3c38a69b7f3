"""`/readyz` says whether reports can be recorded and questions answered, and nothing else."""

import asyncio
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import pytest

from constants import smaller, with_constants
from faults.test_full_disk import SmallDisk, disk
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.ledger.journal_writer import JournalWriter
from otpconv.service.compose import Service
from otpconv.service.readiness import TRY_EVERY_S, ReadinessCheck
from otpconv.storage.contract import LedgerReader
from otpconv.storage.sqlite import SqliteJournal, SqliteLedgerReader
from otpconv.storage.sqlite.connection import try_write

__all__ = ["disk"]

PATIENCE_S = 40.0
#: How often it is tried whether the server can do its work, s.
TRY_S = smaller(TRY_EVERY_S, 0.5)


def readyz(server: LocalServer) -> tuple[int, str]:
    answer = httpx.get(f"{server.url}/readyz", timeout=30)
    return answer.status_code, answer.text


def until(server: LocalServer, status: int) -> str:
    """Ask until the answer has this status, and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while (answer := readyz(server))[0] != status:
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
    return answer[1]


def test_under_ingest_a_server_is_ready_at_every_moment(
    make_server: Callable[..., LocalServer], tmp_path: Path
) -> None:
    server = make_server(settings=with_constants(tmp_path, {"otpconv.service.readiness.TRY_EVERY_S": TRY_S}))
    server.start()
    auth = (server.access_key_id, server.access_key_secret)
    stop = threading.Event()

    def ingest(client_number: int) -> None:
        with httpx.Client(base_url=server.url, auth=auth, timeout=60) as client:
            number = 0
            while not stop.wait(0.02):
                messages = [{"message_id": f"{client_number}-{number + n}"} for n in range(200)]
                client.post("/v1/messages", json={"messages": messages}).raise_for_status()
                number += 200

    clients = [threading.Thread(target=ingest, args=(n,)) for n in range(2)]
    for client in clients:
        client.start()
    with httpx.Client(base_url=server.url, timeout=60) as prober:
        said: Counter[str] = Counter()
        until_s = time.monotonic() + TRY_S + 1
        while time.monotonic() < until_s:
            said[prober.get("/readyz").text] += 1
            time.sleep(0.003)
    stop.set()
    for client in clients:
        client.join()
    assert set(said) == {"ready\n"}


@pytest.mark.long("a full disk of its own, and the server looks every few seconds")
def test_a_server_on_a_full_disk_is_not_ready_and_is_again_once_there_is_room_though_nobody_reports(
    disk: SmallDisk,
    make_server: Callable[..., LocalServer],
) -> None:
    server = disk.start(make_server)
    assert readyz(server) == (200, "ready\n")
    fill = disk.folder / "fill"
    with suppress(OSError), fill.open("wb", buffering=0) as stream:
        while stream.write(bytes(1024)):
            pass
    assert "can't be written: No space left on device" in until(server, 503)
    assert httpx.get(f"{server.url}/healthz").status_code == 200
    fill.unlink()
    until(server, 200)
    # And where a report was refused, the disk is tried again too.
    auth = (server.access_key_id, server.access_key_secret)
    with suppress(OSError), fill.open("wb", buffering=0) as stream:
        while stream.write(bytes(1024)):
            pass
    more = {"messages": [{"message_id": f"more-{n}", "session_id": "s" * 100} for n in range(5_000)]}
    while httpx.post(f"{server.url}/v1/messages", json=more, auth=auth).status_code == 200:
        for message in more["messages"]:
            message["message_id"] += "x"
    assert "can't be" in until(server, 503)
    fill.unlink()
    until(server, 200)


def test_what_is_tried_says_what_is_wrong_with_a_read_only_disk_and_a_ledger_that_is_gone(
    disk: SmallDisk,
    tmp_path: Path,
) -> None:
    if not disk.mounted:
        pytest.skip("needs a small disk to mount")
    command = ["mount", "-o", "remount,ro", str(disk.folder)]
    subprocess.run(command, check=True)  # noqa: S603 - our own command
    service = Service(load(data=tmp_path / "data"))

    def check(folder: Path, ledger: LedgerReader) -> ReadinessCheck:
        return ReadinessCheck(
            f"the disk of {folder}",
            partial(try_write, folder),
            writer=JournalWriter(
                SqliteJournal(tmp_path / "other"), lambda: SqliteJournal(tmp_path / "other")
            ),
            intake=service.intake,
            applier=service._applier,  # noqa: SLF001
            ledger=ledger,
            housekeeping=service.housekeeping,
        )

    async def main() -> None:
        await service.start()
        assert (await service.readiness.check()).problems == []
        ledger = service._ledger  # noqa: SLF001
        read_only = check(disk.folder, ledger)
        assert (await read_only.check()).problems == [
            f"The disk of {disk.folder} can't be written: Read-only file system."
        ]
        gone = check(tmp_path, SqliteLedgerReader(tmp_path / "gone" / "ledger.sqlite"))
        (problem,) = (await gone.check()).problems
        assert problem.startswith("Questions can't be answered: ")
        for each in (read_only, gone):
            each.close()
        await service.stop()

    asyncio.run(main())
