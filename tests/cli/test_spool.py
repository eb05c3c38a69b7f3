"""`otpconv spool` and a spooled `otpconv report`, by the command line against a real server."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.config import environment
from otpconv.reporter import Reporter

DEAD = "http://127.0.0.1:9"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(server: LocalServer, key: AccessKey) -> Run:
    """Runs a command of otpconv with the test's own access key."""
    variables = {
        **environment(),
        "OTPCONV_ENDPOINT": server.url,
        "OTPCONV_ACCESS_KEY_ID": key.access_key_id,
        "OTPCONV_ACCESS_KEY_SECRET": key.secret,
    }

    def otpconv(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "otpconv", *map(str, words)],
            capture_output=True,
            text=True,
            env=variables,
            timeout=60,
            check=False,
        )

    return otpconv


@pytest.fixture
def spooled(tmp_path: Path) -> Path:
    """A spool with five conversions and a message that no server takes, left by a process."""
    reporter = Reporter(DEAD, "id", "secret", spool=tmp_path / "spool")
    reporter.degrade()
    for number in range(5):
        reporter.report(f"m{number}", to="+4915112345678")
    reporter.requested("bad", to="+99999999", requested_at=200_000_000_000_000)
    reporter.close(0)
    return tmp_path / "spool"


def test_a_spool_is_looked_into_drained_and_its_dead_letters_are_put_back(run: Run, spooled: Path) -> None:
    status = json.loads(run("spool", "status", spooled, "--json").stdout)
    assert (status["pending"], status["dead_letters"], status["delivered_to"]) == (6, {}, "")
    shown = run("spool", "status", spooled).stdout
    assert "pending: 6" in shown
    assert "oldest_at: 20" in shown
    drained = json.loads(run("spool", "drain", spooled, "--json").stdout)
    assert drained == {"delivered": 5, "rejected": 1}
    letters = json.loads(run("spool", "dead-letters", spooled, "--json").stdout)
    assert [(letter["code"], letter["report"]["message_id"]) for letter in letters] == [
        ("InvalidTime", "bad")
    ]
    shown = run("spool", "dead-letters", spooled).stdout
    assert "InvalidTime" in shown
    assert "99999999" not in shown
    assert run("spool", "requeue", spooled, "--code", "Other").stdout == "0 put back\n"
    assert json.loads(run("spool", "requeue", spooled, "--json").stdout) == {"requeued": 1}
    assert json.loads(run("spool", "status", spooled, "--json").stdout)["pending"] == 1


def test_draining_to_a_server_that_is_away_says_what_is_left_and_why(run: Run, spooled: Path) -> None:
    away = run("spool", "drain", spooled, "--endpoint", DEAD, "--timeout", "0.5")
    assert (away.returncode, away.stderr.count("\n")) == (3, 1)
    assert "6 reports are left" in away.stderr
    assert "Unreachable" in away.stderr


def test_a_degraded_spool_is_not_drained(run: Run, spooled: Path) -> None:
    (spooled / "degraded").touch()
    assert "degraded: yes" in run("spool", "status", spooled).stdout
    left = run("spool", "drain", spooled, "--timeout", "0.5")
    assert left.returncode == 3
    assert "degraded" in left.stderr


@pytest.mark.parametrize("command", ["status", "drain", "dead-letters", "requeue"])
def test_a_folder_that_is_not_there_is_said_to_be_none(run: Run, command: str, tmp_path: Path) -> None:
    none = run("spool", command, tmp_path / "none")
    assert (none.returncode, none.stderr.count("\n")) == (2, 1)
    assert "there is no spool" in none.stderr


def test_a_spooled_report_is_safe_although_the_server_is_away(run: Run, tmp_path: Path) -> None:
    here = ("--spool", tmp_path / "spool")
    assert run("report", "m1", *here).stdout == "OK\n"
    later = run("report", "m2", *here, "--endpoint", DEAD)
    assert later.returncode == 0
    assert "delivered later" in later.stdout
    assert run("report", "m3", "--endpoint", DEAD).returncode == 3
    assert run("report", "not an id", *here).returncode == 1
    refused = run("report", "m4", *here, "--conversion-time", "2999-01-01")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "dead-letters" in refused.stderr
    assert json.loads(run("spool", "drain", tmp_path / "spool", "--json").stdout)["rejected"] == 0
