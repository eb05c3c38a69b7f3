"""The audit trail: what it holds, what it never holds, and that nobody can flood it."""

import logging
import stat
from pathlib import Path

import pytest

from audited import audited
from otpconv import audit
from otpconv.audit import LINES_A_SOURCE, LINES_ALTOGETHER, AuditLog, record

START = 1_700_000_000_123


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def trail(tmp_path: Path, clock: Time) -> AuditLog:
    return AuditLog(tmp_path, clock)


def refuse(trail: AuditLog, source_ip: str = "192.0.2.1", who: str = "LTAIabc123") -> None:
    trail.refused(who=who, what="dysms:SmsConversion", outcome="UnknownAccessKey", source_ip=source_ip)


def test_a_refusal_is_one_line_of_json_in_the_file_and_fields_of_a_line_in_the_log(
    trail: AuditLog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "otpconv.audit"):
        trail.refused(
            who="LTAIabc123",
            what="dysms:SmsConversion",
            outcome="AccessDenied",
            source_ip="192.0.2.1",
            user="alice",
            account=7,
            request_id="REQ-1",
        )
    expected = {
        "at": "2023-11-14T22:13:20.123Z",
        "who": "LTAIabc123",
        "what": "dysms:SmsConversion",
        "outcome": "AccessDenied",
        "user": "alice",
        "account": 7,
        "from": "192.0.2.1",
        "request_id": "REQ-1",
    }
    assert audited(tmp_path) == [expected]
    assert [record.__dict__["fields"] for record in caplog.records] == [expected]
    assert [record.message for record in caplog.records] == ["dysms:SmsConversion: AccessDenied"]
    assert stat.S_IMODE((tmp_path / audit.FILE).stat().st_mode) == 0o600


def test_a_change_by_the_command_line_is_recorded(tmp_path: Path) -> None:
    record(tmp_path, who="cli:root", what="CreateUser", subject="alice")
    record(tmp_path, who="cli:root", what="DeleteUser", subject="bob", outcome="NotFound")
    first, second = audited(tmp_path)
    assert (first["who"], first["what"], first["subject"], first["outcome"]) == (
        "cli:root",
        "CreateUser",
        "alice",
        "done",
    )
    assert second["outcome"] == "NotFound"


@pytest.mark.parametrize(
    "who",
    ["", "+4915112345678", "4915112345678", "hunter2", "LTAIabc\n", "LTAI" + "a" * 60, "x LTAIabc"],
)
def test_what_does_not_look_like_an_access_key_id_is_not_shown(
    trail: AuditLog, tmp_path: Path, who: str
) -> None:
    refuse(trail, who=who)
    assert audited(tmp_path)[0]["who"] == ""


def test_a_flood_of_one_source_is_summarized(trail: AuditLog, tmp_path: Path, clock: Time) -> None:
    for _ in range(1_000):
        refuse(trail)
    refuse(trail, "192.0.2.2")
    assert len(audited(tmp_path)) == LINES_A_SOURCE + 1
    clock.now += 1_000
    trail.settle()
    summary = audited(tmp_path)[-1]
    assert (summary["from"], summary["more"]) == ("192.0.2.1", 1_000 - LINES_A_SOURCE)
    trail.settle()
    assert len(audited(tmp_path)) == LINES_A_SOURCE + 2


def test_a_flood_of_many_sources_takes_bounded_memory_and_lines(
    trail: AuditLog, tmp_path: Path, clock: Time
) -> None:
    for second in range(3):
        clock.now = START + 1_000 * second
        for number in range(5_000):
            refuse(trail, f"2001:db8::{number:x}")
        assert len(trail._came) <= LINES_ALTOGETHER  # noqa: SLF001
        assert len(trail._more) <= LINES_ALTOGETHER + 1  # noqa: SLF001
    trail.settle()
    found = audited(tmp_path)
    assert len(found) == 3 * (LINES_ALTOGETHER + 1)
    assert sum(line.get("more", 1) for line in found) == 15_000


def test_a_summary_comes_also_with_the_next_refusal(trail: AuditLog, tmp_path: Path, clock: Time) -> None:
    for _ in range(LINES_A_SOURCE + 2):
        refuse(trail)
    clock.now += 60_000
    refuse(trail)
    assert [line.get("more") for line in audited(tmp_path)[-2:]] == [2, None]


def test_a_large_file_takes_changes_only(
    trail: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MAX_REFUSALS_BYTES", 10)
    refuse(trail)
    refuse(trail)
    record(tmp_path, who="cli:root", what="CreateUser", subject="alice")
    assert [line["what"] for line in audited(tmp_path)] == ["dysms:SmsConversion", "CreateUser"]


def test_a_file_that_cant_be_written_harms_nobody(
    tmp_path: Path, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(AuditLog(tmp_path / "nowhere", clock))
    assert "the audit trail can't be written" in caplog.text


def test_a_file_that_was_moved_away_is_made_anew(trail: AuditLog, tmp_path: Path) -> None:
    refuse(trail)
    (tmp_path / audit.FILE).rename(tmp_path / "old")
    refuse(trail)
    assert len(audited(tmp_path)) == 1
