"""What a server refuses for good is set aside; what it refuses for the caller's sake waits."""

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from faults.bad_server import Answer, BadServer, Heard, by_dialect, http, saying, unless, well
from faults.reporting import PATIENCE_S, eventually
from otpconv.clock import wall_clock
from otpconv.reporter import Credentials, Reporter
from otpconv.reporter.dead_letters import DeadLetters

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
        assert DeadLetters(spool).requeue(lambda _: True, wall_clock()) == 5
        server.answer = well
        eventually(lambda: set(server.taken), lambda taken: taken == ids)
    assert letters(spool) == {}
