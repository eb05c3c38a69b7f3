"""The reporter against a real server: what it takes arrives, and what it says of itself is so."""

import asyncio
import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.reporter import MEMORY, AsyncReporter, Credentials, Reporter
from otpconv.reporter.backlog import Backlog, SpooledParcel

#: Nobody listens here.
DEAD = "http://127.0.0.1:9"
THEN = 1_700_000_000_000

Make = Callable[..., Reporter]


@pytest.fixture
def make(server: LocalServer, key: AccessKey, tmp_path: Path) -> Iterator[Make]:
    """Makes reporters with a spool in the test's folder, which deliver to the shared server."""
    made: list[Reporter] = []

    def new(endpoint: str | None = None, **options: object) -> Reporter:
        options.setdefault("spool", tmp_path / "spool")
        reporter = Reporter(endpoint or server.url, key.access_key_id, key.secret, **options)  # type: ignore[arg-type]
        made.append(reporter)
        return reporter

    yield new
    for each in made:
        each.close(0)


def verified(own: httpx.Client, message_id: str) -> bool | None:
    answer = own.get(f"/v1/messages/{message_id}")
    return None if answer.status_code == 404 else bool(answer.json()["verified"])


@pytest.mark.parametrize("dialect", ["native", "alibaba"])
@pytest.mark.parametrize("durable", [True, False])
def test_a_conversion_arrives(make: Make, own: httpx.Client, dialect: str, durable: bool) -> None:  # noqa: FBT001
    own.post("/v1/messages", json={"messages": [{"message_id": "m1", "requested_at": THEN}]})
    reporter = make(dialect=dialect, **({} if durable else {"spool": MEMORY}))
    reporter.report("m1")
    reporter.report("m2", delivered=False, conversion_time=THEN)
    assert reporter.flush(10)
    assert verified(own, "m1") is True
    assert own.get("/v1/messages/m2").json()["delivered_false_last"] == THEN
    stats = reporter.stats()
    assert (stats.reported, stats.delivered, stats.pending, stats.lost) == (2, 2, 0, {})
    assert (stats.durable, stats.breaker, stats.last_error) == (durable, "closed", "")


def test_messages_and_conversions_make_a_rate(make: Make, own: httpx.Client) -> None:
    reporter = make()
    for number in range(20):
        reporter.requested(
            f"m{number}",
            provider="acme",
            country="DE",
            session_id="s",
            attempt=1,
            requested_at=wall_clock() - 5000,
        )
        if number % 2:
            reporter.report(f"m{number}")
    assert reporter.close(10)

    def row() -> tuple[int, int]:
        found = own.get("/v1/rates").json()["rows"][0]
        return found["requested"], found["verified"]

    deadline = time.monotonic() + 5
    while row() != (20, 10) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert row() == (20, 10)


def test_a_conversion_in_the_millisecond_of_its_message_counts(make: Make, own: httpx.Client) -> None:
    reporter = make(clock=lambda: THEN)
    reporter.requested("m1")
    reporter.report("m1")
    assert reporter.flush(10)
    assert verified(own, "m1") is True


def test_a_dead_letter_is_told_in_the_log(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    reporter = make()
    for number in range(3):
        reporter.report(to=f"+9999999{number}")
    assert reporter.flush(10)
    assert reporter.stats().rejected == 3
    told = [record for record in caplog.records if "dead letters" in record.message]
    assert len(told) == 1


def test_a_message_whose_number_the_server_cannot_read_is_delivered_without_it(
    make: Make, own: httpx.Client
) -> None:
    reporter = make()
    reporter.requested("262900001111222233^0", country="XX", to="+99999999")
    assert reporter.flush(10)
    assert (reporter.stats().delivered, reporter.stats().rejected) == (1, 0)
    kept = own.get("/v1/messages/262900001111222233%5E0").json()
    assert (kept["country"], kept["number_range"]) == ("XX", None)


def test_a_number_arrives_although_it_is_sealed_on_the_way(
    make: Make, own: httpx.Client, tmp_path: Path
) -> None:
    reporter = make()
    reporter.degrade()
    reporter.requested("m1", to="+4915112345678", requested_at=THEN)
    reporter.report(to="+4915112345678", conversion_time=THEN + 5)
    assert b"15112345678" not in b"".join(path.read_bytes() for path in (tmp_path / "spool").iterdir())
    reporter.restore()
    assert reporter.flush(10)
    assert own.get("/v1/messages/m1").json()["country"] == "DE"


def test_degraded_it_spools_and_sends_nothing_until_it_is_restored(make: Make, own: httpx.Client) -> None:
    reporter = make()
    reporter.degrade()
    reporter.report("m1")
    assert not reporter.flush(0.3)
    assert (reporter.stats().degraded, reporter.stats().pending) == (True, 1)
    reporter.restore()
    assert reporter.flush(10)
    assert verified(own, "m1") is False


def test_what_is_reported_after_degrade_is_not_sent_by_a_round_that_has_begun(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter = make()
    read = Backlog.read

    def degrade_meanwhile(self: Backlog, most: int) -> list[SpooledParcel]:
        if reporter.stats().reported == 1:
            reporter.degrade()
            reporter.report("late")
        return read(self, most)

    monkeypatch.setattr(Backlog, "read", degrade_meanwhile)
    reporter.report("m1")
    assert not reporter.flush(0.3)
    assert (reporter.stats().delivered, reporter.stats().pending) == (0, 2)
    reporter.restore()
    assert reporter.flush(10)


def test_an_operator_degrades_it_with_a_file(make: Make, tmp_path: Path) -> None:
    reporter = make()
    reporter.report("m1")
    assert reporter.flush(10)
    (tmp_path / "spool" / "degraded").touch()
    deadline = time.monotonic() + 5
    while not reporter.stats().degraded and time.monotonic() < deadline:
        time.sleep(0.02)
    reporter.report("m2")
    assert not reporter.flush(0.3)
    (tmp_path / "spool" / "degraded").unlink()
    assert reporter.flush(10)


def test_degraded_it_drops_and_counts_if_that_is_chosen(make: Make) -> None:
    reporter = make(when_degraded="drop")
    reporter.degrade()
    reporter.report("m1")
    assert reporter.stats().lost == {"degraded": 1}
    assert reporter.flush(1)


def test_while_the_other_side_is_dead_reports_wait_and_the_next_reporter_delivers_them(
    make: Make, own: httpx.Client
) -> None:
    with make(DEAD) as reporter:
        reporter.report("m1")
        assert not reporter.flush(0.5)
        assert reporter.stats().last_error.startswith("Unreachable")
    later = make()
    later.start()
    deadline = time.monotonic() + 10
    while later.stats().pending and time.monotonic() < deadline:
        time.sleep(0.02)
    assert verified(own, "m1") is False


def test_the_vendors_cloud_is_not_told_of_requested_messages(make: Make) -> None:
    reporter = make(dialect="alibaba")
    reporter.requested("m1")
    assert reporter.stats().lost == {"the endpoint takes conversions only": 1}
    with pytest.raises(ValueError, match="country"):
        reporter.requested("m1", country="Germany")


def test_credentials_that_change_are_asked_for_anew(
    server: LocalServer, key: AccessKey, tmp_path: Path
) -> None:
    given = [Credentials("LTAIold", "wrong"), Credentials(key.access_key_id, key.secret)]
    with Reporter(server.url, credentials=lambda: given[0], spool=tmp_path) as reporter:
        reporter.report("m1")
        assert not reporter.flush(0.5)
        assert (
            "BadCredentials" in reporter.stats().last_error
            or "UnknownAccessKey" in reporter.stats().last_error
        )
        del given[0]
        assert reporter.flush(10)


def test_threads_report_at_once_and_nothing_is_lost(make: Make, own: httpx.Client) -> None:
    reporter = make()

    def work(name: str) -> None:
        for number in range(500):
            reporter.report(f"{name}-{number}")

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reporter.flush(20)
    assert (reporter.stats().reported, reporter.stats().delivered) == (4000, 4000)
    assert verified(own, "t7-499") is False


def test_the_same_for_asyncio(server: LocalServer, key: AccessKey, tmp_path: Path, own: httpx.Client) -> None:
    async def log_in() -> None:
        async with AsyncReporter(server.url, key.access_key_id, key.secret, spool=tmp_path) as reporter:
            await reporter.requested("m1", provider="acme", requested_at=THEN)
            await reporter.report("m1")
            assert await reporter.flush(10)
            assert reporter.stats().delivered == 2

    asyncio.run(log_in())
    assert verified(own, "m1") is True


def test_waiting_for_room_lets_the_event_loop_go_on(tmp_path: Path) -> None:
    async def fill() -> tuple[int, int]:
        reporter = AsyncReporter(
            DEAD, "id", "secret", spool=tmp_path, max_bytes=1 << 20, overflow="block", block_ms=300
        )
        reporter.degrade()
        ticks = number = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        # The first that waits in vain lets the other task run; no other does.
        while not ticks:
            await reporter.report(f"m{number}")
            number += 1
        ticking.cancel()
        lost = reporter.stats().lost["overflow"]
        await reporter.close(0)
        return ticks, lost

    ticks, lost = asyncio.run(asyncio.wait_for(fill(), 60))
    assert ticks >= 5
    assert lost == 1


def test_after_close_a_report_is_still_spooled(make: Make, own: httpx.Client) -> None:
    reporter = make()
    reporter.report("m1")
    assert reporter.close(10)
    reporter.report("m2")
    assert reporter.stats().pending == 1
    reporter.close(0)
    with make() as later:
        later.report("m3")
        deadline = time.monotonic() + 10
        while later.stats().pending and time.monotonic() < deadline:
            time.sleep(0.02)
    assert verified(own, "m2") is False


def test_a_reporter_that_nobody_holds_ends_its_thread(tmp_path: Path) -> None:
    reporter = Reporter(DEAD, "id", "secret", spool=tmp_path)
    reporter.report("m1")
    thread = next(each for each in threading.enumerate() if each.name == "otpconv-reporter")
    gone = weakref.ref(reporter)
    del reporter
    gc.collect()
    assert gone() is None
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "no endpoint"),
        ({"endpoint": "ftp://x"}, "no endpoint"),
        ({"endpoint": "http://x"}, "no access key"),
        (
            {"endpoint": "http://x", "access_key_id": "a", "access_key_secret": "b", "dialect": "soap"},
            "dialect",
        ),
        (
            {
                "endpoint": "http://x",
                "access_key_id": "a",
                "access_key_secret": "b",
                "security_token": "t",
            },
            "dialect='alibaba'",
        ),
    ],
)
def test_settings_that_cannot_be_meant_raise_at_once(
    arguments: dict[str, str], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ENDPOINT", "ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SPOOL"):
        monkeypatch.delenv(f"OTPCONV_{name}", raising=False)
    with pytest.raises(ValueError, match=text):
        Reporter(spool=MEMORY, **arguments)  # type: ignore[arg-type]


def test_the_environment_says_what_is_not_given(
    monkeypatch: pytest.MonkeyPatch, server: LocalServer, key: AccessKey, tmp_path: Path, own: httpx.Client
) -> None:
    monkeypatch.setenv("OTPCONV_ENDPOINT", server.url)
    monkeypatch.setenv("OTPCONV_ACCESS_KEY_ID", key.access_key_id)
    monkeypatch.setenv("OTPCONV_ACCESS_KEY_SECRET", key.secret)
    monkeypatch.setenv("OTPCONV_SPOOL", str(tmp_path / "here"))
    monkeypatch.setenv("OTPCONV_DEGRADED", "1")
    with Reporter() as reporter:
        reporter.report("m1")
        assert reporter.stats().degraded
        reporter.restore()
        assert reporter.flush(10)
    assert (tmp_path / "here").is_dir()
    assert verified(own, "m1") is False


def test_the_secret_is_in_no_text_that_a_reporter_shows(make: Make, key: AccessKey) -> None:
    reporter = make(DEAD)
    reporter.report("m1")
    reporter.flush(0.3)
    shown = (
        f"{reporter!r} {reporter.stats()} {Credentials('id', key.secret)!r} {Credentials('id', key.secret)}"
    )
    assert key.secret not in shown


SERVER_LIBRARIES = ("apsw", "granian", "phonenumbers", "pydantic_settings", "starlette", "uvloop")


def test_it_works_where_only_the_client_is_installed(tmp_path: Path) -> None:
    script = f"""
import sys
for name in {SERVER_LIBRARIES!r}:
    sys.modules[name] = None
from otpconv.reporter import Reporter
reporter = Reporter({DEAD!r}, "id", "secret", spool={str(tmp_path)!r})
reporter.report("m1", to="+4915112345678")
assert reporter.stats().pending == 1, reporter.stats()
reporter.close(0)
import otpconv.cli.main
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)  # noqa: S603 - our own words
