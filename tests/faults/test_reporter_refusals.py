"""What a server refuses for good is set aside; what it refuses for the caller's sake waits."""

import base64
import json
import logging
import re
import socket
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, strategies as st

from faults.bad_server import Answer, BadServer, Heard, by_dialect, http, saying, unless, well
from faults.reporting import PATIENCE_S, eventually
from otpconv.clock import wall_clock
from otpconv.delivery import rounds
from otpconv.delivery.dead_letters import DeadLetters
from otpconv.reporter import MEMORY, Credentials, Reporter, backlog
from otpconv.reporter.requeue import put_back

Dialect = Literal["native", "alibaba"]

WRONG, RIGHT = Credentials("testid", "wrong"), Credentials("testid", "testsecret")


def problem(status: int, code: str) -> Answer:
    body = {"code": code, "detail": f"{code}, it says"}
    return saying(http(status, body, "content-type: application/problem+json"))


def gateway(status: int, code: str) -> Answer:
    return saying(http(status, {"Code": code, "Message": f"{code}, it says", "RequestId": "1"}))


def product(code: str) -> Answer:
    return saying(http(200, {"ResponseCode": code, "ResponseDescription": f"{code}, it says"}))


#: About the caller: everything waits.
CALLER: dict[str, tuple[Dialect, Answer]] = {
    "native BadCredentials": ("native", problem(401, "BadCredentials")),
    "native AccessDenied": ("native", problem(403, "AccessDenied")),
    "native a proxy's 403": ("native", saying(http(403, b"<html>Forbidden</html>"))),
    "native a wrong path": ("native", saying(http(404, b"not here"))),
    "InvalidAccessKeyId.NotFound": ("alibaba", gateway(404, "InvalidAccessKeyId.NotFound")),
    "InvalidAccessKeyId.Inactive": ("alibaba", gateway(400, "InvalidAccessKeyId.Inactive")),
    "SignatureDoesNotMatch": ("alibaba", gateway(400, "SignatureDoesNotMatch")),
    "InvalidSecurityToken.Expired": ("alibaba", gateway(400, "InvalidSecurityToken.Expired")),
    "NoPermission": ("alibaba", gateway(403, "NoPermission")),
    "isp.RAM_PERMISSION_DENY": ("alibaba", product("isp.RAM_PERMISSION_DENY")),
    "OUT_OF_SERVICE": ("alibaba", product("OUT_OF_SERVICE")),
}
#: About a report: it is set aside.
REPORT: dict[str, tuple[Dialect, Answer]] = {
    "INVALID_PARAMETERS": ("alibaba", product("INVALID_PARAMETERS")),
    "MOBILE_NUMBER_ILLEGAL": ("alibaba", product("MOBILE_NUMBER_ILLEGAL")),
    "InvalidMessageId": ("alibaba", gateway(400, "InvalidMessageId")),
    "MissingMessageId": ("alibaba", gateway(400, "MissingMessageId")),
    "InvalidRequest": ("native", problem(400, "InvalidRequest")),
    "BodyTooLarge": ("native", problem(413, "BodyTooLarge")),
}


@pytest.fixture
def server() -> Iterator[BadServer]:
    with BadServer() as running:
        yield running


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def make(server: BadServer, spool: Path, dialect: Dialect) -> Reporter:
    return Reporter(
        server.url,
        RIGHT.access_key_id,
        RIGHT.access_key_secret,
        dialect=dialect,
        spool=spool,
        longest_pause_ms=100,
    )


def report(reporter: Reporter, count: int) -> set[str]:
    ids = [f"m{number}" for number in range(count)]
    for id_ in ids:
        reporter.report(id_)
    return set(ids)


def letters(spool: Path) -> dict[str, tuple[str, str]]:
    return {
        json.loads(bytes(letter.report))["message_id"]: (letter.code, letter.reason)
        for letter in DeadLetters(spool)
    }


@pytest.mark.parametrize("case", CALLER)
def test_a_refusal_of_the_caller_keeps_everything_until_it_is_mended(
    server: BadServer, spool: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    dialect, server.answer = CALLER[case]
    with make(server, spool, dialect) as reporter:
        ids = report(reporter, 20)
        stats = eventually(reporter.stats, lambda stats: stats.breaker != "closed")
        assert (stats.pending, stats.rejected, stats.lost) == (20, 0, {})
        assert stats.last_error
        assert sum("nothing is delivered" in each.getMessage() for each in caplog.records) == 1
        server.answer = well
        assert reporter.flush(PATIENCE_S)
        assert set(server.taken) == ids
        assert reporter.stats().last_error == ""


@pytest.mark.parametrize("case", REPORT)
def test_a_report_that_is_refused_for_good_is_set_aside_and_the_others_are_delivered(
    server: BadServer, spool: Path, case: str
) -> None:
    dialect, error = REPORT[case]
    server.answer = unless("m7", error)
    with make(server, spool, dialect) as reporter:
        ids = report(reporter, 40)
        assert reporter.flush(PATIENCE_S)
        stats = reporter.stats()
    assert set(server.taken) == ids - {"m7"}
    assert letters(spool) == {"m7": (case, f"{case}, it says")}
    assert (stats.delivered, stats.rejected, stats.lost, stats.breaker) == (39, 1, {}, "closed")


def test_items_that_are_rejected_in_a_batch_are_set_aside_alone(server: BadServer, spool: Path) -> None:
    def answer(server: BadServer, heard: Heard, connection: socket.socket) -> bool:
        bad = [place for place, id_ in enumerate(heard.ids) if id_ in {"m3", "m11"}]
        server.take([id_ for id_ in heard.ids if id_ not in {"m3", "m11"}])
        rejected = [{"index": place, "code": "NumberMismatch", "message": "another's"} for place in bad]
        recorded = {"recorded": len(heard.ids) - len(bad), "unchanged": 0, "rejected": rejected}
        connection.sendall(http(200, recorded))
        return True

    server.answer = answer
    with make(server, spool, "native") as reporter:
        ids = report(reporter, 20)
        assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids - {"m3", "m11"}
    assert letters(spool) == dict.fromkeys(("m3", "m11"), ("NumberMismatch", "another's"))


def test_credentials_that_are_renewed_deliver_what_the_old_ones_could_not(
    server: BadServer, spool: Path
) -> None:
    login = base64.b64encode(b"testid:testsecret").decode()

    def answer(server: BadServer, heard: Heard, connection: socket.socket) -> bool:
        known = ("authorization", f"Basic {login}") in [
            (name.lower(), value) for name, value in heard.headers
        ]
        return (well if known else problem(401, "BadCredentials"))(server, heard, connection)

    server.answer = answer
    held = [WRONG]
    with Reporter(server.url, credentials=lambda: held[0], spool=spool, longest_pause_ms=100) as reporter:
        ids = report(reporter, 20)
        eventually(reporter.stats, lambda stats: stats.breaker != "closed")
        held[0] = RIGHT
        assert reporter.flush(PATIENCE_S)
        assert set(server.taken) == ids


def test_what_both_dialects_refuse_ends_as_dead_letters_that_can_be_put_back(
    server: BadServer, spool: Path
) -> None:
    server.answer = by_dialect(problem(400, "InvalidRequest"), product("INVALID_PARAMETERS"))
    with make(server, spool, "alibaba") as reporter:
        ids = report(reporter, 5)
        assert reporter.flush(PATIENCE_S)
        assert put_back(spool, lambda _: True, wall_clock()) == 5
        server.answer = well
        eventually(lambda: set(server.taken), lambda taken: taken == ids)
    assert letters(spool) == {}


def only_messages(server: BadServer, heard: Heard, connection: socket.socket) -> bool:
    """A key that may report messages, and no conversions."""
    allowed = heard.target.startswith("/v1/messages")
    return (well if allowed else problem(403, "AccessDenied"))(server, heard, connection)


REFUSED = r"delivered to http://127\.0\.0\.1:\d+ \((\w+): .*\): (\d+) reports wait, (.*)"


def refusals(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    """The lines at ERROR: the code, how many reports wait, and for how long."""
    errors = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    return [found.group(1, 2, 3) for text in errors if (found := re.search(REFUSED, text))]


def test_a_standing_refusal_is_logged_again_and_again_with_the_time_left_and_its_end_once(
    server: BadServer, spool: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "REPEAT_S", 0.3)
    server.answer = problem(401, "BadCredentials")
    began = time.monotonic()
    with make(server, spool, "native") as reporter:
        reporter.degrade()  # so that all wait at the first refusal
        report(reporter, 20)
        reporter.restore()
        eventually(lambda: len(refusals(caplog)), lambda count: count >= 3)
        took = time.monotonic() - began
        assert took >= 0.6
        # Not for each report, nor for each try.
        assert len(refusals(caplog)) <= 1 + took / 0.3
        # Six days and some hours, since reports are given up by whole segments, an hour more or less.
        assert all(
            (code, count) == ("BadCredentials", "20")
            and re.fullmatch(r"the oldest are given up in [67] days \d+ h", left)
            for code, count, left in refusals(caplog)
        )
        server.answer = well
        assert reporter.flush(PATIENCE_S)
        time.sleep(0.5)
        assert reporter.stats().last_error == ""
    assert sum("are delivered to" in each.getMessage() for each in caplog.records) == 1
    assert RIGHT.access_key_secret not in caplog.text


def test_another_refusal_is_logged_at_once(
    server: BadServer, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = problem(401, "BadCredentials")
    with make(server, spool, "native") as reporter:
        report(reporter, 3)
        eventually(lambda: len(refusals(caplog)), lambda count: count == 1)
        server.answer = problem(403, "AccessDenied")
        eventually(lambda: [code for code, *_ in refusals(caplog)], lambda codes: "AccessDenied" in codes)
        assert len(refusals(caplog)) == 2


def test_a_server_that_invents_error_codes_does_not_fill_the_log(
    server: BadServer, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = count(1)

    def answer(server: BadServer, heard: Heard, connection: socket.socket) -> bool:
        return problem(403, f"Code{next(numbers)}")(server, heard, connection)

    server.answer = answer
    with make(server, spool, "native") as reporter:
        report(reporter, 3)
        eventually(lambda: next(numbers), lambda number: number > 40)
    assert len(refusals(caplog)) == 17


def test_a_refusal_of_conversions_alone_is_logged_although_messages_are_taken(
    server: BadServer, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = only_messages
    with make(server, spool, "native") as reporter:
        reporter.degrade()  # so that both are sent in one round
        reporter.requested("a")
        reporter.report("a")
        reporter.restore()
        eventually(lambda: refusals(caplog), lambda found: len(found) == 1)
        assert "AccessDenied" in reporter.stats().last_error
        assert "some reports are not delivered" in caplog.text
        assert "reports are delivered to" not in caplog.text
        server.answer = well
        assert reporter.flush(PATIENCE_S)
        eventually(lambda: caplog.text, lambda text: "reports are delivered to" in text)


def test_what_waits_in_memory_is_said_to_be_lost_with_the_process(
    server: BadServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = problem(401, "BadCredentials")
    with Reporter(server.url, "id", "secret", spool=MEMORY) as reporter:
        reporter.degrade()  # so that all wait at the first refusal
        report(reporter, 3)
        reporter.restore()
        eventually(lambda: refusals(caplog), bool)
        reporter.close(0)
    assert refusals(caplog)[0] == ("BadCredentials", "3", "in memory, until this process ends")


@given(st.integers(1, 10**10))
def test_a_time_that_is_left_is_said_in_at_most_two_units(left_ms: int) -> None:
    said = backlog._span(left_ms)  # noqa: SLF001 - what the log shows
    numbers = [int(word) for word in said.split() if word.isdecimal()]
    units = [word for word in said.split() if not word.isdecimal()]
    minutes = {"days": 1440, "h": 60, "min": 1}
    total = sum(number * minutes[unit] for number, unit in zip(numbers, units, strict=True))
    assert 0 <= left_ms / 60_000 - total < (60 if "days" in units else 1)
