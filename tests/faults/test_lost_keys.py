"""The file of the access keys, or the sealing key, is lost or damaged: no start makes a new administrator."""

import asyncio
import random
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from campaigns import rounds
from cli.commands import otpconv
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.errors import Misconfigured
from otpconv.service.compose import Service
from otpconv.service.opening import open_key_store


def keys_of(data: Path) -> set[str]:
    with closing(open_key_store(load(data=data))) as store:
        return {key.access_key_id for key in store.list()}


def files_of_keys(data: Path) -> list[Path]:
    return sorted(data.glob("access.sqlite*"))


def remove(data: Path) -> None:
    for file in files_of_keys(data):
        file.unlink()


def empty(data: Path) -> None:
    remove(data)
    (data / "access.sqlite").touch(mode=0o600)


def schema_alone(data: Path) -> None:
    """What SQLite makes of a file whose write-ahead log was its only content."""
    remove(data)
    with closing(open_key_store(load(data=data))):
        pass


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a server that has answered calls, and was killed."""
    server = LocalServer(tmp_path_factory.mktemp("killed") / "data")
    server.start()
    auth = (server.access_key_id, server.access_key_secret)
    httpx.post(
        f"{server.url}/v1/messages", json={"messages": [{"message_id": "a"}]}, auth=auth
    ).raise_for_status()
    server.kill()
    return server.data


@pytest.fixture
def used(killed: Path, make_server: Callable[..., LocalServer]) -> LocalServer:
    """A server, not started, on a copy of the folder of the one that was killed."""
    server = make_server()
    shutil.copytree(killed, server.data)
    return server


async def start_and_stop(data: Path) -> None:
    """Do what `otpconv serve` does, but without a socket."""
    service = Service(load(data=data))
    try:
        service.first_key_file()
    finally:
        await service.start()  # a service that was not started can't be stopped
        await service.stop()


def refused(server: LocalServer) -> str:
    """Start a process that is expected to end; return its last words."""
    with pytest.raises(Misconfigured) as caught:
        server.start()
    return caught.value.text


@pytest.mark.parametrize("harm", [remove, empty, schema_alone])
@pytest.mark.parametrize("without_file", [False, True])
def test_a_folder_that_lost_its_keys_is_not_served_and_gets_no_new_ones(
    used: LocalServer,
    harm: Callable[[Path], None],
    without_file: bool,  # noqa: FBT001
) -> None:
    first = used.data / "first-key"
    before = first.read_text()
    if without_file:
        first.unlink()
    harm(used.data)
    for _ in range(2):
        with pytest.raises(Misconfigured) as caught:
            asyncio.run(start_and_stop(used.data))
        text = caught.value.text
        assert "has no access key, although this folder had one" in text
        assert "Restore it from a backup" in text
        assert keys_of(used.data) == set()
        assert first.exists() is not without_file
    if not without_file:
        assert first.read_text() == before
    # What the refusal says to do.
    found = re.search(r"otpconv (keys create .*)$", text)
    assert found is not None
    made = otpconv(*found[1].split())
    assert made.returncode == 0, made.stderr
    asyncio.run(start_and_stop(used.data))
    assert len(keys_of(used.data)) == 1


def test_keys_that_were_restored_are_served_again(used: LocalServer, tmp_path: Path) -> None:
    copies = [shutil.copy(file, tmp_path / file.name) for file in files_of_keys(used.data)]
    remove(used.data)
    assert "has no access key, although this folder had one" in refused(used)
    remove(used.data)
    for copy in copies:
        shutil.copy(copy, used.data)
    used.start()
    auth = (used.access_key_id, used.access_key_secret)
    assert httpx.get(f"{used.url}/v1/rates", auth=auth).status_code == 200


@pytest.mark.rounds
@pytest.mark.parametrize("seed", range(rounds(6, at_least=2)))
def test_a_damaged_write_ahead_log_takes_no_key_with_it(used: LocalServer, seed: int) -> None:
    chance = random.Random(seed)
    with closing(open_key_store(load(data=used.data))) as store:
        used.start()
        made = {store.create("default", f"user-{n}", "OtpconvReadOnly").access_key_id for n in range(5)}
        for access_key_id in sorted(made)[:2]:
            store.set_active(access_key_id, active=False)
            store.delete(access_key_id)
        used.kill()
        kept = keys_of(used.data)
        copies = {file.name: file.read_bytes() for file in files_of_keys(used.data)}
    # As a crash leaves the files: the last connection did not tidy up.
    for name, content in copies.items():
        (used.data / name).write_bytes(content)
    log = used.data / "access.sqlite-wal"
    content = bytearray(log.read_bytes()) if log.exists() else bytearray()
    if seed % 2 and content:
        for _ in range(20):
            content[chance.randrange(len(content))] ^= chance.randrange(1, 256)
        log.write_bytes(content)
    else:
        log.unlink(missing_ok=True)
    asyncio.run(start_and_stop(used.data))
    assert keys_of(used.data) == kept
    assert len(kept) == 4


def test_a_sealing_key_that_is_gone_is_not_replaced_by_a_new_one(used: LocalServer) -> None:
    key = used.data / "sealing.key"
    before = key.read_bytes()
    key.unlink()
    assert "sealing key" in refused(used)
    assert not key.exists()
    listed = otpconv("keys", "list", "--data", used.data)
    assert listed.returncode == 2
    assert "Restore it from a backup" in listed.stderr
    assert not key.exists()
    key.write_bytes(before)
    key.chmod(0o600)
    used.start()


def test_a_first_start_that_was_cut_short_still_makes_the_first_key(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with closing(open_key_store(load(data=data))):
        pass  # the sealing key and an empty file of keys are there
    asyncio.run(start_and_stop(data))
    assert keys_of(data) == {(data / "first-key").read_text().partition(":")[0]}
