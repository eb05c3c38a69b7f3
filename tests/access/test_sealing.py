import base64
import subprocess
import sys
from pathlib import Path

import pytest

from otpconv.access.sealing import Sealer, load_key
from otpconv.errors import Misconfigured

KEY = bytes(range(32))


def test_what_is_sealed_opens_again_in_its_context() -> None:
    assert Sealer(KEY).open(Sealer(KEY).seal(b"secret", b"here"), b"here") == b"secret"


def test_the_same_secret_sealed_twice_does_not_look_the_same() -> None:
    assert Sealer(KEY).seal(b"secret", b"here") != Sealer(KEY).seal(b"secret", b"here")


def test_another_context_another_key_and_any_damage_are_refused() -> None:
    sealed = Sealer(KEY).seal(b"secret", b"here")
    with pytest.raises(Misconfigured):
        Sealer(KEY).open(sealed, b"there")
    with pytest.raises(Misconfigured, match="give the key that was in use"):
        Sealer(bytes(32)).open(sealed, b"here")
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        with pytest.raises(Misconfigured):
            Sealer(KEY).open(bytes(changed), b"here")
        with pytest.raises(Misconfigured):
            Sealer(KEY).open(sealed[:index], b"here")


def test_derived_keys_differ_by_purpose_and_by_key_and_stay_the_same() -> None:
    derived = Sealer(KEY).derive("numbers")
    assert len(derived) == 32
    assert Sealer(KEY).derive("numbers") == derived
    assert len({derived, Sealer(KEY).derive("other"), Sealer(bytes(32)).derive("numbers"), KEY}) == 4


def test_a_sealer_takes_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(b"short")


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(bytes(range(200, 232))).decode(),
        base64.urlsafe_b64encode(bytes(range(200, 232))).decode().rstrip("="),
        bytes(range(200, 232)).hex(),
        bytes(range(200, 232)).hex().upper() + "\n",
    ],
)
def test_a_given_key_is_taken_in_base64_and_hexadecimal_without_a_file(tmp_path: Path, text: str) -> None:
    assert load_key(tmp_path / "sealing.key", text) == bytes(range(200, 232))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "hunter2hunter2", "zz" * 32, KEY.hex()[:-2], "ä" * 43])
def test_a_malformed_given_key_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(Misconfigured) as refusal:
        load_key(tmp_path / "sealing.key", text)
    assert "openssl rand -base64 32" in refusal.value.text
    assert not text or text not in refusal.value.text


def test_the_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "sealing.key"
    key = load_key(path, None)
    assert len(key) == 32
    assert load_key(path, None) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["sealing.key"]


def test_processes_that_start_at_once_end_with_the_same_key(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from otpconv.access.sealing import load_key;"
        "sys.stdin.read(); print(load_key(Path(sys.argv[1]), None).hex())"
    )
    starters = [
        subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", program, str(tmp_path / "sealing.key")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.close()
        starter.stdin = None
    keys = {starter.communicate(timeout=60)[0] for starter in starters}
    assert len(keys) == 1
    assert len(bytes.fromhex(keys.pop())) == 32
    assert [file.name for file in tmp_path.iterdir()] == ["sealing.key"]


def test_a_file_that_others_may_read_is_refused_with_the_command_to_run(tmp_path: Path) -> None:
    path = tmp_path / "sealing.key"
    load_key(path, None)
    path.chmod(0o640)
    with pytest.raises(Misconfigured, match=f"chmod 600 {path}"):
        load_key(path, None)


def test_a_file_that_holds_no_key_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "sealing.key"
    path.write_text("not a key")
    path.chmod(0o600)
    with pytest.raises(Misconfigured, match="restore it from a backup"):
        load_key(path, None)
    assert path.read_text() == "not a key"


def test_a_directory_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="No such file or directory"):
        load_key(tmp_path / "missing" / "sealing.key", None)
