"""What the shell completes: real completions of a real server and a real data folder, and no error ever."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from cli.commands import client_of
from otpconv.access.keys import AccessKey
from otpconv.access.policies.cautions import ACTIONS
from otpconv.cli import completion
from otpconv.cli.local_server import LocalServer
from otpconv.cli.main import app
from otpconv.storage.contract import DIMENSIONS


def completed(words: str, monkeypatch: pytest.MonkeyPatch, **settings: str) -> list[str]:
    """Return what bash would offer for a line."""
    for name, value in settings.items():
        monkeypatch.setenv(f"OTPCONV_{name.upper()}", value)
    variables = {
        "_OTPCONV_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = CliRunner().invoke(app, [], env=variables, prog_name="otpconv")
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("otpconv rates --by cou", ["country"]),
        ("otpconv rates --by country,pro", ["country,provider"]),
        ("otpconv rates --by country,cou", []),
        ("otpconv rates --interval 1", ["1m", "15m", "1h", "1d"]),
        ("otpconv rates --level s", ["session"]),
        ("otpconv rates --compare w", ["week"]),
        ("otpconv rates --order ch", ["change", "change_same_mix"]),
        ("otpconv rates --tz Europe/Berl", ["Europe/Berlin"]),
        ("otpconv rates --where cou", ["country="]),
        ("otpconv import --tz Europe/Berl", ["Europe/Berlin"]),
        ("otpconv spool drain --dialect n", ["native"]),
        ("otpconv access explain --action otpconv:Q", [a for a in ACTIONS if a.startswith("otpconv:Q")]),
    ],
)
def test_values_that_are_always_the_same(
    words: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert completed(words, monkeypatch) == expected


def test_all_dimensions_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed("otpconv rates --by ", monkeypatch) == [*DIMENSIONS]


def test_names_come_from_the_data_folder(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    data = str(server.data)
    assert "OtpconvReportOnly" in completed("otpconv policies show Otpconv", monkeypatch, data=data)
    assert completed("otpconv users show adm", monkeypatch) == ["admin"]
    assert server.access_key_id in completed("otpconv keys disable LTAI", monkeypatch)
    assert "default" in completed("otpconv users list --account def", monkeypatch)


def test_values_of_filters_come_from_the_server(
    server: LocalServer, own: httpx.Client, key: AccessKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = [{"message_id": f"m{n}", "provider": f"acme-{n % 2}"} for n in range(4)]
    own.post("/v1/messages", json={"messages": messages}).raise_for_status()
    found = completed("otpconv rates --where provider=ac", monkeypatch, **client_of(server, key))
    assert sorted(found) == ["provider=acme-0", "provider=acme-1"]


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ("otpconv rates --where provider=", {"endpoint": "http://127.0.0.1:9"}),
        ("otpconv rates --where provider=", {"key_file": "/nowhere"}),
        ("otpconv rates --where nonsense=", {}),
        ("otpconv users show ", {"data": "/nowhere"}),
        ("otpconv users show ", {"port": "nonsense"}),
        ("otpconv keys delete ", {"config": "/nowhere.toml"}),
    ],
)
def test_whatever_goes_wrong_nothing_is_printed(
    words: str, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert completed(words, monkeypatch, **settings) == []
    assert list(tmp_path.iterdir()) == []


def test_slow_values_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "DEADLINE_S", 0.05)
    waiting = completion.completion(lambda _, __: time.sleep(60) or ["late"])
    started = time.monotonic()
    assert waiting(None, "") == []  # type: ignore[arg-type] # the values are not reached
    assert time.monotonic() - started < 10


def test_a_shell_gets_completions_of_the_installed_command() -> None:
    variables = {"_OTPCONV_COMPLETE": "complete_bash", "COMP_WORDS": "otpconv rates --lev", "COMP_CWORD": "2"}
    done = subprocess.run(  # noqa: S603 - our own command
        [str(Path(sys.executable).with_name("otpconv"))],
        env=os.environ | variables,  # noqa: TID251
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["--level"], "")
