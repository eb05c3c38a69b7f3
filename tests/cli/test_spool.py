"""`otpconv spool` and a spooled `otpconv report`, by the command line against a real server."""

import json
from pathlib import Path

import pytest

from cli.commands import Run, client_of, in_a_process
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.reporter import Reporter

DEAD = "http://127.0.0.1:9"


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


def test_a_spool_is_looked_into_drained_and_its_dead_letters_are_put_back(at: Run, spooled: Path) -> None:
    status = json.loads(at("spool", "status", spooled, "--json").stdout)
    assert (status["pending"], status["dead_letters"], status["delivered_to"]) == (6, {}, "")
    shown = at("spool", "status", spooled).stdout
    assert "pending: 6" in shown
    assert "oldest_at: 20" in shown
    drained = json.loads(at("spool", "drain", spooled, "--json").stdout)
    assert drained == {"delivered": 5, "rejected": 1}
    letters = json.loads(at("spool", "dead-letters", spooled, "--json").stdout)
    assert [(letter["code"], letter["report"]["message_id"]) for letter in letters] == [
        ("InvalidTime", "bad")
    ]
    shown = at("spool", "dead-letters", spooled).stdout
    assert "InvalidTime" in shown
    assert "99999999" not in shown
    assert at("spool", "requeue", spooled, "--code", "Other").stdout == "0 put back\n"
    assert json.loads(at("spool", "requeue", spooled, "--json").stdout) == {"requeued": 1}
    assert json.loads(at("spool", "status", spooled, "--json").stdout)["pending"] == 1


def test_draining_to_a_server_that_is_away_says_what_is_left_and_why(
    server: LocalServer, key: AccessKey, spooled: Path
) -> None:
    # A process shows what the reporter logs too.
    away = in_a_process(
        "spool", "drain", spooled, "--endpoint", DEAD, "--timeout", "0.5", **client_of(server, key)
    )
    assert (away.returncode, away.stderr.count("\n")) == (3, 1)
    assert "6 reports are left" in away.stderr
    assert "Unreachable" in away.stderr


def test_a_degraded_spool_is_not_drained(at: Run, spooled: Path) -> None:
    (spooled / "degraded").touch()
    assert "degraded: yes" in at("spool", "status", spooled).stdout
    left = at("spool", "drain", spooled, "--timeout", "0.5")
    assert left.returncode == 3
    assert "degraded" in left.stderr


@pytest.mark.parametrize("command", ["status", "drain", "dead-letters", "requeue"])
def test_a_folder_that_is_not_there_is_said_to_be_none(at: Run, command: str, tmp_path: Path) -> None:
    none = at("spool", command, tmp_path / "none")
    assert (none.returncode, none.stderr.count("\n")) == (2, 1)
    assert "there is no spool" in none.stderr


def test_a_spooled_report_is_safe_although_the_server_is_away(at: Run, tmp_path: Path) -> None:
    here = ("--spool", tmp_path / "spool")
    assert at("report", "m1", *here).stdout == "OK\n"
    later = at("report", "m2", *here, "--endpoint", DEAD)
    assert later.returncode == 0
    assert "delivered later" in later.stdout
    assert at("report", "m3", "--endpoint", DEAD).returncode == 3
    assert at("report", "not an id", *here).returncode == 1
    refused = at("report", "m4", *here, "--conversion-time", "2999-01-01")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "dead-letters" in refused.stderr
    assert json.loads(at("spool", "drain", tmp_path / "spool", "--json").stdout)["rejected"] == 0
