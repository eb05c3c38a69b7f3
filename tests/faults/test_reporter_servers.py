"""Servers that misbehave: the caller never notices, nothing is lost, all is delivered once they are well."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from faults.bad_server import (
    Answer,
    BadServer,
    by_dialect,
    hang,
    http,
    reset,
    saying,
    trickle,
    unless,
    well,
    well_and_close,
)
from otpconv.delivery.dead_letters import DeadLetters
from otpconv.reporter import Reporter, Stats

Dialect = Literal["native", "alibaba"]

ACCESS = ("testid", "testsecret")
PATIENCE_S = 20.0
MANY = 20

HTML = b"<html><body><h1>It works!</h1></body></html>"
WRONG_COUNTS = {"recorded": 1_000_000, "unchanged": 0, "rejected": []}
WRONG_PLACES = {"recorded": -1, "unchanged": 0, "rejected": [{"index": -9, "code": "?", "message": "?"}] * 2}
INTERNAL = saying(http(500, {"Code": "InternalError", "code": "Internal"}))
FAR = "date: Mon, 01 Jan 2024 00:00:00 +99999999999999999999"

#: What a broken server does, and what the reporter then says of it.
BROKEN: dict[str, tuple[Answer, str]] = {
    "500": (INTERNAL, "Internal"),
    "500 without a word": (saying(http(500, b"")), "HTTP 500"),
    "503": (saying(http(503, b"", "retry-after: 0")), "HTTP 503"),
    "a gateway's page": (saying(http(502, HTML, "content-type: text/html")), "HTTP 502"),
    "hanging": (hang, "no answer in time"),
    "trickling": (trickle, "no answer in time"),
    "resetting": (reset, "closed without an answer"),
    "not HTTP": (saying(b"SSH-2.0-OpenSSH_9.2p1\r\n", stays=False), "not HTTP"),
    "binary": (saying(bytes(range(256)) * 4, stays=False), "not HTTP"),
    "a page": (saying(http(200, HTML, "content-type: text/html")), "Garbled"),
    "cut off": (saying(http(200, b'{"recorded": 1, "Respon', length=400), stays=False), "cut off"),
    "empty": (saying(http(200, b"")), "Garbled"),
    "nothing to say": (saying(http(204, b"")), "HTTP 204"),
    "not an object": (saying(http(200, [1, 2])), "Garbled"),
    "wrong counts": (by_dialect(saying(http(200, WRONG_COUNTS)), saying(http(200, {}))), "Garbled"),
    "wrong places": (by_dialect(saying(http(200, WRONG_PLACES)), saying(http(200, {}))), "Garbled"),
    "an impossible date": (saying(http(500, b"", FAR, f"retry-after:{FAR[5:]}")), "HTTP 500"),
    "an endless pause": (saying(http(500, b"", f"x-acs-retry-after: {'0' * 6000}")), "HTTP 500"),
}
THROTTLED = by_dialect(
    saying(http(429, {"code": "Throttled", "detail": "slower"}, "retry-after: 0")),
    saying(http(400, {"Code": "Throttling.User", "Message": "slower"}, "x-acs-retry-after: 20")),
)


@pytest.fixture
def server() -> Iterator[BadServer]:
    with BadServer() as running:
        yield running


@pytest.fixture(params=["native", "alibaba"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    chosen: Dialect = request.param
    return chosen


@pytest.fixture
def reporter(server: BadServer, dialect: Dialect, tmp_path: Path) -> Iterator[Reporter]:
    made = Reporter(
        server.url, *ACCESS, dialect=dialect, spool=tmp_path / "spool", timeout_ms=300, longest_pause_ms=100
    )
    yield made
    made.close(0.1)


def report(reporter: Reporter, first: int = 0, count: int = MANY) -> set[str]:
    """Report, which must be fast: nearly always, since this machine has other work too."""
    ids = [f"m{number}" for number in range(first, first + count)]
    took = []
    for id_ in ids:
        began = time.monotonic()
        reporter.report(id_)
        took.append(time.monotonic() - began)
    assert sorted(took)[len(took) * 9 // 10] < 0.05
    return set(ids)


def until(reporter: Reporter, seen: Callable[[Stats], bool]) -> Stats:
    deadline = time.monotonic() + PATIENCE_S
    while not seen(stats := reporter.stats()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert seen(stats), stats
    return stats


def told(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if record.name == "otpconv.reporter"]


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_server_costs_no_report_and_no_caller_a_moment(
    server: BadServer, reporter: Reporter, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer, why = BROKEN[how]
    ids = report(reporter)
    stats = until(reporter, lambda stats: stats.breaker != "closed")
    assert why in stats.last_error
    assert (stats.pending, stats.lost, stats.rejected) == (MANY, {}, 0)
    ids |= report(reporter, MANY)

    server.answer = well
    assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids
    stats = until(reporter, lambda stats: not stats.pending)
    assert (stats.breaker, stats.last_error) == ("closed", "")
    assert (stats.delivered, stats.lost, stats.rejected) == (2 * MANY, {}, 0)
    broke, again = told(caplog)
    assert broke.startswith("nothing is delivered to http://")
    assert why in broke
    assert again.endswith("again")


def test_a_server_that_is_down_for_a_while_gets_everything_afterwards(
    server: BadServer, reporter: Reporter, caplog: pytest.LogCaptureFixture
) -> None:
    ids = report(reporter)
    assert reporter.flush(PATIENCE_S)
    for round_ in range(1, 3):
        server.stop()
        ids |= report(reporter, round_ * MANY)
        stats = until(reporter, lambda stats: stats.breaker != "closed")
        assert "refused" in stats.last_error
        server.start()
        assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids
    assert [each.split()[0] for each in told(caplog)] == ["nothing", "reports"] * 2


def test_a_throttling_server_is_asked_less_often_and_loses_nothing(
    server: BadServer, reporter: Reporter, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = THROTTLED
    ids = report(reporter)
    stats = until(reporter, lambda stats: len(server.heard) > 1 and stats.last_error != "")
    assert "Thrott" in stats.last_error
    assert (stats.breaker, stats.rejected) == ("closed", 0)
    server.answer = well
    assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids
    assert told(caplog) == []


def test_a_server_that_says_how_long_to_wait_is_left_alone_for_so_long(
    server: BadServer, reporter: Reporter
) -> None:
    server.answer = saying(http(503, b"", "retry-after: 120"))
    ids = report(reporter, count=1)
    until(reporter, lambda stats: stats.last_error != "")
    time.sleep(0.5)
    assert len(server.heard) == 1
    server.answer = well
    assert reporter.flush(PATIENCE_S)  # somebody waits: that is worth a try
    assert set(server.taken) == ids


def test_a_redirect_is_not_followed(server: BadServer, reporter: Reporter) -> None:
    with BadServer() as elsewhere:
        server.answer = saying(http(302, b"", f"location: {elsewhere.url}/v1/conversions"))
        ids = report(reporter)
        assert "HTTP 302" in until(reporter, lambda stats: stats.breaker != "closed").last_error
        server.answer = well
        assert reporter.flush(PATIENCE_S)
        assert set(server.taken) == ids
        assert elsewhere.heard == []


def test_a_server_that_closes_each_connection_is_a_good_server(server: BadServer, reporter: Reporter) -> None:
    server.answer = well_and_close
    ids = report(reporter)
    assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids
    assert reporter.stats().last_error == ""


@pytest.mark.parametrize("count", [2, 3, 9, 300])
def test_one_report_that_a_server_always_fails_at_stops_no_other(
    server: BadServer, reporter: Reporter, count: int
) -> None:
    server.answer = unless("m1", INTERNAL)
    ids = report(reporter, count=count)
    until(reporter, lambda stats: stats.delivered == count - 1)
    ids |= report(reporter, count)
    until(reporter, lambda stats: stats.delivered == len(ids) - 1)
    assert set(server.taken) == ids - {"m1"}


def test_a_report_that_fails_again_and_again_while_others_are_taken_is_set_aside(
    server: BadServer, reporter: Reporter, tmp_path: Path
) -> None:
    server.answer = unless("m0", INTERNAL)
    ids = report(reporter)
    deadline = time.monotonic() + PATIENCE_S
    while not (stats := reporter.stats()).rejected and time.monotonic() < deadline:
        ids |= report(reporter, len(ids), 1)
        time.sleep(0.05)
    assert stats.rejected == 1
    assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids - {"m0"}
    (letter,) = DeadLetters(tmp_path / "spool")
    assert b'"m0"' in bytes(letter.report)
    assert letter.code.startswith("Internal")
    assert "while others were taken" in letter.reason


def test_a_report_that_fails_alone_is_not_blamed_for_it(server: BadServer, reporter: Reporter) -> None:
    server.answer = INTERNAL
    ids = report(reporter, count=1)
    until(reporter, lambda _: len(server.heard) > 8)
    server.answer = well
    assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids
