"""The file of the access keys, or the sealing key, is lost or damaged: no start makes a new administrator."""

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from campaigns import rounds
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.errors import Misconfigured
from otpconv.service.compose import open_key_store


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


@pytest.fixture
def used(make_server: Callable[..., LocalServer]) -> LocalServer:
    """A server that has answered calls, and was killed."""
    server = make_server()
    server.start()
    auth = (server.access_key_id, server.access_key_secret)
    httpx.post(
        f"{server.url}/v1/messages", json={"messages": [{"message_id": "a"}]}, auth=auth
    ).raise_for_status()
    server.kill()
    return server


def refused(server: LocalServer) -> str:
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
        text = refused(used)
        assert "has no access key, although this folder had one" in text
        assert "Restore it from a backup" in text
        assert keys_of(used.data) == set()
        assert first.exists() is not without_file
    if not without_file:
        assert first.read_text() == before
    # What the refusal says to do.
    found = re.search(r"otpconv (keys create .*)$", text)
    assert found is not None
    made = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "otpconv", *found[1].split()], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    used.start()
    used.stop()
    assert len(keys_of(used.data)) == 1


def test_keys_that_were_restored_are_served_again(used: LocalServer, tmp_path: Path) -> None:
    copies = [shutil.copy(file, tmp_path / file.name) for file in files_of_keys(used.data)]
    remove(used.data)
    refused(used)
    remove(used.data)
    for copy in copies:
        shutil.copy(copy, used.data)
    used.start()
    auth = (used.access_key_id, used.access_key_secret)
    assert httpx.get(f"{used.url}/v1/rates", auth=auth).status_code == 200


@pytest.mark.campaign
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
    used.start()
    used.stop()
    assert keys_of(used.data) == kept
    assert len(kept) == 4


def test_a_sealing_key_that_is_gone_is_not_replaced_by_a_new_one(used: LocalServer) -> None:
    key = used.data / "sealing.key"
    before = key.read_bytes()
    key.unlink()
    assert "sealing key" in refused(used)
    assert not key.exists()
    listed = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "otpconv", "keys", "list", "--data", used.data],
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 2
    assert "Restore it from a backup" in listed.stderr
    assert not key.exists()
    key.write_bytes(before)
    key.chmod(0o600)
    used.start()


def test_a_first_start_that_was_cut_short_still_makes_the_first_key(
    make_server: Callable[..., LocalServer],
) -> None:
    server = make_server()
    with closing(open_key_store(load(data=server.data))):
        pass  # the sealing key and an empty file of keys are there
    server.start()
    assert keys_of(server.data) == {server.access_key_id}
