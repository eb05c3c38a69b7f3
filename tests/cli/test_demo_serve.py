"""`otpconv demo --serve`: it leaves nothing behind, however it is stopped, and goes on while it runs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from campaigns import parameters
from cli.commands import in_a_process
from constants import smaller, with_constants
from otpconv.cli.demo.weeks import HISTORY_MS
from otpconv.config import environment

DAY_MS = 86_400_000
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(scope="module")
def short_history(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings of a demo that makes up two days, because two weeks take 12 s of CPU."""
    days = {"otpconv.cli.demo.weeks.HISTORY_MS": smaller(HISTORY_MS, 2 * DAY_MS)}
    return with_constants(tmp_path_factory.mktemp("constants"), days)


def start(folder: Path, settings: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "otpconv", "demo", "--serve", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment() | {"TMPDIR": str(folder)} | settings,
    )


@pytest.mark.long("makes up two days of traffic, and waits for more")
def test_it_signs_in_goes_on_and_leaves_nothing_behind(tmp_path: Path, short_history: dict[str, str]) -> None:
    # The settings of another server in this folder do not matter.
    (tmp_path / "otpconv.toml").write_text("require_tls = true\n")
    with start(tmp_path, short_history | {"OTPCONV_SEALING_KEY": "00" * 32}) as demo:
        assert demo.stdout is not None
        started = json.loads(demo.stdout.readline())
        with httpx.Client(headers={"accept": "text/html"}, timeout=60) as browser:
            assert browser.get(started["link"]).status_code == 303
            csv = f"{started['url']}/dashboard/rates.csv?by=country&min_requested=1"

            def requested() -> int:
                rows = browser.get(csv).text.splitlines()
                place = rows[0].split(",").index("requested")
                return sum(int(row.split(",")[place]) for row in rows[1:])

            before, deadline = requested(), time.monotonic() + 60
            while requested() <= before:
                assert time.monotonic() < deadline
                time.sleep(0.5)
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 0, errors
    assert "files are removed" in errors
    assert os.listdir(tmp_path) == ["otpconv.toml"]  # noqa: PTH208
    with pytest.raises(httpx.ConnectError):
        httpx.get(started["url"])


@pytest.mark.parametrize("number", parameters(STOPS, [signal.SIGINT], "another signal"))
def test_it_can_be_stopped_while_it_fills(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path, {}) as demo:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("otpconv-demo-*/data/journal.sqlite")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        demo.send_signal(number)
        _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 0, errors
    assert os.listdir(tmp_path) == []  # noqa: PTH208


@pytest.mark.parametrize("options", [(), ("--serve", "--check")])
def test_it_asks_which_of_the_two_demos_is_meant(options: tuple[str, ...]) -> None:
    done = in_a_process("demo", *options)
    assert done.returncode == 2
    assert "--serve" in done.stderr
    assert "--check" in done.stderr
