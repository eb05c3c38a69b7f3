"""The unit: valid, hardened, and the server and its charts work below its filter of system calls."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from debian import program
from deploy.confined import confined
from deploy.files import DEPLOY, SPARE_S, STOP_S, documented, system_calls, unit, unknown_settings
from otpconv.cli.main import _MISCONFIGURED
from otpconv.config import load
from otpconv.web.front.server import _CONNECTIONS, _OTHER_FILES
from otpconv.web.front.tls import is_exposed

#: The exposure that systemd-analyze computes, in tenths; services without a sandbox have 96.
MAX_EXPOSURE = 15
#: Draws a chart in a process of its own, like the server.
DRAW = """
import asyncio
from otpconv.charts.drawing import _OURSELVES, _SMALLEST, Drawer

async def main():
    drawer = Drawer()
    print((await drawer.draw(_SMALLEST, _OURSELVES))[:4].decode())
    await drawer.stop()

asyncio.run(main())
"""


def analyze(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - Debian's own program
        [program("systemd-analyze", "systemd"), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def confined_like_the_unit(command: list[str], folder: Path) -> "subprocess.Popen[str]":
    """Start a command with the unit's system calls, /proc and folders, and without capabilities."""
    settings = unit()
    assert settings["ProtectSystem"] == ["strict"]
    assert settings["ProcSubset"] == ["pid"]
    assert settings["CapabilityBoundingSet"] == [""]
    with (folder / "log").open("a") as log:
        return confined(
            command,
            writable=folder,
            environment={
                "PATH": "/usr/bin:/bin",
                "TMPDIR": str(folder),
                "OTPCONV_DATA": str(folder / "data"),
            },
            log=log,
            calls=system_calls(settings["SystemCallFilter"]),
            own_processes_only=True,
        )


def test_the_unit_is_valid_and_hardened(tmp_path: Path) -> None:
    # The program is not installed here, and systemd looks whether it is there.
    file = tmp_path / "otpconv.service"
    file.write_text(
        (DEPLOY / "otpconv.service").read_text().replace("/opt/otpconv/bin/otpconv", sys.executable)
    )
    verified = analyze("verify", "--man=no", file)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    rated = analyze("security", "--offline=yes", "--no-pager", f"--threshold={MAX_EXPOSURE}", file)
    assert rated.returncode == 0, rated.stdout + rated.stderr


def test_the_unit_agrees_with_the_server() -> None:
    settings = unit()
    assert int(settings["TimeoutStopSec"][0]) >= STOP_S + SPARE_S
    assert int(settings["LimitNOFILE"][0]) >= 2 * _CONNECTIONS + _OTHER_FILES
    assert settings["RestartPreventExitStatus"] == [str(_MISCONFIGURED)]
    environment = dict(pair.split("=", 1) for pair in settings["Environment"])
    assert unknown_settings(environment) == []
    (state,) = settings["StateDirectory"]
    (credential,) = settings["LoadCredential"]
    assert environment == {
        "OTPCONV_DATA": f"%S/{state}",
        "OTPCONV_CONFIG": f"%d/{credential.partition(':')[0]}",
    }


def test_the_how_to_installs_what_the_unit_needs() -> None:
    settings, commands = unit(), documented("systemctl enable")
    assert (
        f"install -D --mode=600 deploy/otpconv.toml {settings['LoadCredential'][0].partition(':')[2]}"
        in commands
    )
    (start,) = settings["ExecStart"]
    assert f"python3 -m venv {start.removesuffix('/bin/otpconv serve')}\n" in commands
    assert re.search(rf"^useradd --system .* {settings['User'][0]}$", commands, re.MULTILINE)


def test_the_server_accepts_the_settings_to_start_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (DEPLOY / "otpconv.toml").read_text(encoding="utf-8")
    for key in ("", "0123456789abcdef" * 4):
        file = tmp_path / "otpconv.toml"
        file.write_text(text.replace('# sealing_key = ""', f'sealing_key = "{key}"') if key else text)
        monkeypatch.setenv("OTPCONV_CONFIG", str(file))
        settings = load()
        assert not is_exposed(settings)
        assert settings.require_tls
        assert (settings.sealing_key is not None) == bool(key)


def test_the_server_works_with_the_rights_of_the_unit(tmp_path: Path) -> None:
    words = ["-m", "otpconv", "serve", "--json", "--port", "0"]
    process = confined_like_the_unit([sys.executable, *words], tmp_path)
    assert process.stdout
    with process.stdout:
        try:
            started = process.stdout.readline()
            assert started, (tmp_path / "log").read_text()
            key = (tmp_path / "data/first-key").read_text(encoding="ascii").strip()
            with httpx.Client(base_url=json.loads(started)["url"], auth=tuple(key.split(":"))) as client:
                messages = {"messages": [{"message_id": "1", "to": "+4915112345678"}]}
                assert client.post("/v1/messages", json=messages).json()["recorded"] == 1
                assert client.get("/v1/rates").json()["rows"][0]["requested"] == 1
                assert client.get("/readyz").text == "ready\n"
        finally:
            process.terminate()
        assert process.wait(STOP_S) == 0


def test_charts_are_drawn_with_the_rights_of_the_unit(tmp_path: Path) -> None:
    process = confined_like_the_unit([sys.executable, "-c", DRAW], tmp_path)
    output, _ = process.communicate(timeout=60)
    assert output == "<svg\n", (tmp_path / "log").read_text()


def test_the_filter_of_system_calls_is_in_force(tmp_path: Path) -> None:
    # Every process may ask to be traced by its parent, unless a filter forbids it.
    call = "import ctypes; raise SystemExit(ctypes.CDLL(None).ptrace(0, 0, 0, 0) != 0)"
    process = confined_like_the_unit([sys.executable, "-c", call], tmp_path)
    output, _ = process.communicate(timeout=30)
    assert (process.returncode, output) == (1, "")
    assert subprocess.run([sys.executable, "-c", call], check=False, timeout=30).returncode == 0  # noqa: S603
