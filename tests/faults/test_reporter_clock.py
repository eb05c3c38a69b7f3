"""Clocks that are wrong, or step, on the reporting machine; against a real server."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import httpx
import pytest

from faults.bad_server import BadServer
from faults.reporting import PATIENCE_S
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.reporter import Reporter

Dialect = Literal["native", "alibaba"]
MINUTE_MS = 60_000
TOLERATED_MS = 5_000


class Clock:
    """The time now, and so much wrong."""

    def __init__(self, wrong_ms: int) -> None:
        self.wrong_ms = wrong_ms

    def __call__(self) -> int:
        return wall_clock() + self.wrong_ms


@pytest.fixture(params=["native", "alibaba"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    chosen: Dialect = request.param
    return chosen


@pytest.fixture
def clock() -> Clock:
    return Clock(0)


@pytest.fixture
def reporter(
    server: LocalServer, key: AccessKey, dialect: Dialect, clock: Clock, tmp_path: Path
) -> Iterator[Reporter]:
    with Reporter(
        server.url, key.access_key_id, key.secret, dialect=dialect, spool=tmp_path / "spool", clock=clock
    ) as made:
        yield made


def request_messages(own: httpx.Client, ids: list[str], requested_at: int) -> None:
    messages = [{"message_id": id_, "requested_at": requested_at} for id_ in ids]
    assert own.post("/v1/messages", json={"messages": messages}).json()["recorded"] == len(ids)


def converted_at(own: httpx.Client, id_: str) -> int:
    return int(own.get(f"/v1/messages/{id_}").json()["delivered_true_first"])


@pytest.mark.parametrize("minutes", [10, -10, 600, -600])
def test_times_by_a_wrong_clock_are_corrected_by_the_servers(
    reporter: Reporter, clock: Clock, own: httpx.Client, minutes: int
) -> None:
    ids = [f"m{number}" for number in range(60)]
    before = wall_clock()
    request_messages(own, ids, before - MINUTE_MS)
    clock.wrong_ms = minutes * MINUTE_MS
    for id_ in ids:
        reporter.report(id_)
    assert reporter.flush(PATIENCE_S)
    stats = reporter.stats()
    assert (stats.delivered, stats.rejected, stats.lost) == (60, 0, {})
    for id_ in ids[::7]:
        assert before - TOLERATED_MS <= converted_at(own, id_) <= wall_clock() + TOLERATED_MS


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_time_that_the_caller_gave_stays_as_it_is(
    reporter: Reporter, clock: Clock, own: httpx.Client, minutes: int
) -> None:
    given = wall_clock() - 30_000
    request_messages(own, ["m0", "m1"], given - MINUTE_MS)
    clock.wrong_ms = minutes * MINUTE_MS
    reporter.report("m0", conversion_time=given)
    assert reporter.flush(PATIENCE_S)
    reporter.report("m1", conversion_time=given + 7)
    assert reporter.flush(PATIENCE_S)
    assert converted_at(own, "m0") == given
    assert converted_at(own, "m1") == given + 7


def test_a_clock_that_steps_to_and_fro_loses_nothing(
    reporter: Reporter, clock: Clock, own: httpx.Client, eventually: Callable[[Callable[[], int], int], None]
) -> None:
    steps = (0, 60, -60, 100_000, -100_000, 0)
    for round_, minutes in enumerate(steps):
        clock.wrong_ms = minutes * MINUTE_MS
        for number in range(50):
            reporter.report(f"r{round_}-{number}", conversion_time=wall_clock() - 1000)
        assert reporter.flush(PATIENCE_S)
    stats = reporter.stats()
    assert (stats.delivered, stats.rejected, stats.lost, stats.pending) == (300, 0, {}, 0)
    assert all(converted_at(own, f"r{round_}-49") for round_ in range(len(steps)))
    eventually(lambda: reporter.stats().pending, 0)


@pytest.mark.parametrize("days", [-30_000, -400, -8, 8, 400])
def test_reports_spooled_by_a_wrong_clock_are_delivered_once_it_is_right_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, days: int
) -> None:
    wrong = Reporter(
        "http://127.0.0.1:9", "id", "secret", spool=tmp_path / "spool", clock=Clock(days * 1440 * MINUTE_MS)
    )
    for number in range(500):
        wrong.report(f"m{number}", conversion_time=wall_clock())
    wrong.close(0)
    with BadServer() as server:
        reporter = Reporter(server.url, "id", "secret", spool=tmp_path / "spool")
        reporter.start()
        deadline = time.monotonic() + PATIENCE_S
        while len(server.taken) < 500 and time.monotonic() < deadline:
            time.sleep(0.02)
        stats = reporter.stats()
        reporter.close()
        assert len(server.taken) == 500
    assert (stats.lost, stats.clock_set) == ({}, 1)
    assert [record.message for record in caplog.records if "clock of this host" in record.message]
