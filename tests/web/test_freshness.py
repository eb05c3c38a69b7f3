"""Read your own write over a socket; what a server says that is behind; its metrics after a restart."""

import json
import re
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as text_format

from campaigns import parameters, rounds
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.model import Dimensions, Requested
from otpconv.storage.contract import Entry
from otpconv.storage.sqlite import SqliteJournal

#: How long a question waits for the ledger, and what a slow machine may add, s.
BOUND_S, SLOW_S = 2.0, 2.0
MakeServer = Callable[..., LocalServer]
#: How often the first calls are pasted, and the reports of a large journal.
PASTES, LARGE = rounds(40), rounds(300_000, at_least=150_000)


def client(server: LocalServer) -> httpx.Client:
    auth = (server.access_key_id, server.access_key_secret)
    return httpx.Client(base_url=server.url, auth=auth, timeout=30)


@contextmanager
def held_back(server: LocalServer) -> Iterator[None]:
    """Keep the applier from writing: it waits 5 s for the lock, and fails then."""
    with closing(sqlite3.connect(server.data / "ledger.sqlite", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def metric(browser: httpx.Client, name: str) -> float:
    families = text_format(browser.get("/metrics").raise_for_status().text)
    return next(each.value for family in families for each in family.samples if each.name == name)


@pytest.mark.rounds
def test_the_first_calls_pasted_together_show_the_conversion_every_time(make_server: MakeServer) -> None:
    server = make_server()
    server.start()
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```console\n(curl .*?)```", readme, re.DOTALL)
    assert block is not None
    calls = block[1].replace("otpconv-data/first-key", str(server.data / "first-key"))
    calls = calls.replace("http://127.0.0.1:8080", server.url).replace("curl ", "curl -sS ")
    for n in range(PASTES):
        pasted = calls.replace("1008030300", f"10080303{n:02}").replace("acme", f"acme{n}")
        done = subprocess.run(["bash", "-c", pasted], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603, S607
        answer = json.loads(done.stdout[done.stdout.index('{"start"') :])
        assert answer["lag"] == 0
        rows = {row["provider"]: (row["requested"], row["verified"]) for row in answer["rows"]}
        assert rows == {f"acme{m}": (1, 1) for m in range(n + 1)}


def test_every_way_to_read_shows_what_was_acknowledged_before(own: httpx.Client) -> None:
    for n in range(10):
        new = {"message_id": f"m{n}", "to": "+4915112345678", "provider": "acme"}
        own.post("/v1/messages", json={"messages": [new]}).raise_for_status()
        # By its number alone, which only the ledger can bring together with its message.
        came = {"to": new["to"], "delivered": True, "conversion_time": wall_clock() + 1000}
        own.post("/v1/conversions", json={"conversions": [came]}).raise_for_status()
        message = own.get(f"/v1/messages/m{n}")
        assert message.json()["verified"]
        assert message.headers["x-otpconv-lag"] == "0"
        own.post("/v1/messages", json={"messages": [{"message_id": f"n{n}", "provider": f"json{n}"}]})
        rates = own.get("/v1/rates", params={"provider": f"json{n}"})
        assert rates.json()["rows"][0]["requested"] == 1
        own.post("/v1/messages", json={"messages": [{"message_id": f"o{n}", "provider": f"csv{n}"}]})
        csv = own.get("/v1/rates", params={"format": "csv", "provider": f"csv{n}"})
        assert csv.text.splitlines()[1].startswith("1,0,")
        own.post("/v1/messages", json={"messages": [{"message_id": f"p{n}", "provider": f"metrics{n}"}]})
        assert f'provider="metrics{n}"' in own.get("/metrics").text
        assert rates.headers["x-otpconv-lag"] == csv.headers["x-otpconv-lag"] == "0"


def test_the_pages_show_what_was_acknowledged_before(
    server: LocalServer, key: AccessKey, own: httpx.Client
) -> None:
    form = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
    with httpx.Client(base_url=server.url, headers={"origin": server.url, "accept": "text/html"}) as browser:
        browser.post("/sign-in", data=form)
        for n in range(10):
            # The page leaves out small groups.
            new = [{"message_id": f"d{n}-{m}", "provider": f"page{n}"} for m in range(50)]
            own.post("/v1/messages", json={"messages": new}).raise_for_status()
            path = ("/dashboard?by=provider", "/dashboard/rates.csv?by=provider")[n % 2]
            assert f"page{n}" in browser.get(path).raise_for_status().text
        assert browser.get("/dashboard/rates.csv?by=provider").headers["x-otpconv-lag"] == "0"
        assert browser.get("/dashboard/chart.svg").headers["x-otpconv-lag"] == "0"


@pytest.mark.parametrize("known", parameters([0, 50], [50], "of a ledger that is empty"))
def test_a_dashboard_of_a_ledger_that_is_behind_gives_no_verdict(make_server: MakeServer, known: int) -> None:
    server = make_server()
    server.start()
    form = {"access_key_id": server.access_key_id, "access_key_secret": server.access_key_secret}
    with (
        client(server) as reporter,
        httpx.Client(base_url=server.url, headers={"origin": server.url, "accept": "text/html"}) as browser,
    ):
        browser.post("/sign-in", data=form)
        if known:
            messages = [{"message_id": f"known{n}", "provider": "acme"} for n in range(known)]
            reporter.post("/v1/messages", json={"messages": messages}).raise_for_status()
        assert 'id="behind"' not in browser.get("/dashboard").raise_for_status().text
        with held_back(server):
            messages = [{"message_id": f"late{n}", "provider": "acme"} for n in range(70)]
            reporter.post("/v1/messages", json={"messages": messages}).raise_for_status()
            page = browser.get("/dashboard").raise_for_status().text
        assert "Catching up: 70 reports to go." in page
        assert not re.search(r'id="(empty|fine|broken|silence|uncompared|unclear)"', page)


FORMATS = ["/v1/rates", "/v1/rates?format=csv", "/v1/rates?format=parquet"]


def test_an_answer_that_can_not_wait_any_longer_says_what_it_lacks(make_server: MakeServer) -> None:
    server = make_server()
    server.start()
    with client(server) as browser:
        browser.post("/v1/messages", json={"messages": [{"message_id": "before"}]}).raise_for_status()
        assert browser.get("/v1/rates").json()["rows"][0]["requested"] == 1
        with held_back(server):
            new = [{"message_id": f"{n}"} for n in range(7)]
            browser.post("/v1/messages", json={"messages": new}).raise_for_status()
            assert metric(browser, "otpconv_journal_lag_reports") == 7
            for path in FORMATS:
                began = time.monotonic()
                answer = browser.get(path).raise_for_status()
                took = time.monotonic() - began
                # Once applying has failed, there is nothing to wait for.
                failed = "applying stands still" in server.log.read_text()
                assert took < BOUND_S + SLOW_S
                assert failed or took > BOUND_S
                assert answer.headers["x-otpconv-lag"] == "7"
            assert browser.get("/v1/rates").json()["lag"] == 7
            unknown = browser.get("/v1/messages/unknown")
            assert (unknown.status_code, "7 reports to go" in unknown.json()["detail"]) == (404, True)
            # A report on its way is known by its id all the same.
            assert browser.get("/v1/messages/3").json()["requested_at"]
        deadline = time.monotonic() + 20
        while (found := browser.get("/v1/rates").json())["lag"] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (found["lag"], found["rows"][0]["requested"]) == (0, 8)


def test_questions_that_wait_hold_up_neither_reports_nor_a_stop(make_server: MakeServer) -> None:
    server = make_server()
    server.start()
    with client(server) as browser, ThreadPoolExecutor(20) as pool, held_back(server):
        browser.post("/v1/messages", json={"messages": [{"message_id": "a"}]}).raise_for_status()
        asked = [pool.submit(browser.get, "/v1/rates") for _ in range(20)]
        began = time.monotonic()
        for n in range(20):
            browser.post("/v1/messages", json={"messages": [{"message_id": f"b{n}"}]}).raise_for_status()
        assert time.monotonic() - began < BOUND_S
        for each in asked:
            assert each.result().json()["lag"] >= 1
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 10


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> LocalServer:
    """A server that was started and stopped once: its data folder is copied."""
    with LocalServer(tmp_path_factory.mktemp("stopped") / "data") as server:
        return server


@pytest.fixture
def used(stopped: LocalServer, make_server: MakeServer) -> LocalServer:
    """A server, not started, on a data folder without reports."""
    server = make_server()
    shutil.copytree(stopped.data, server.data)
    return server


def journal_of(server: LocalServer, first: int, count: int) -> None:
    """Append messages while no server runs: what one left that was killed."""
    now = wall_clock()
    with closing(SqliteJournal(server.data / "journal.sqlite")) as journal:
        for start in range(first, first + count, 5_000):
            journal.append(
                [
                    Entry(Requested(1, f"j{n}", now - 60_000, Dimensions(provider=f"p{n % 7}")))
                    for n in range(start, min(start + 5_000, first + count))
                ],
                now,
            )


@pytest.mark.parametrize(
    ("applied", "left"),
    parameters([(0, 0), (6_000, 0), (0, 6_000), (6_000, 3_000)], [(6_000, 3_000)], "none of some"),
)
def test_after_a_restart_metrics_tell_what_was_done_since(used: LocalServer, applied: int, left: int) -> None:
    server = used
    journal_of(server, 0, applied)
    server.start()
    with client(server) as browser:
        assert browser.get("/v1/rates").json()["rows"][0]["requested"] == applied
    server.stop()
    journal_of(server, applied, left)
    server.start()
    with client(server) as browser:
        assert metric(browser, "otpconv_journal_lag_reports") <= left
        assert browser.get("/readyz").text == "ready\n"
        found = browser.get("/v1/rates").json()
        assert (found["lag"], found["rows"][0]["requested"]) == (0, applied + left)
        assert metric(browser, "otpconv_journal_lag_reports") == 0
        # Beside them the one entry that each start makes: from when on rollups by minute are kept.
        assert left <= metric(browser, "otpconv_apply_reports_sum") <= left + 1
        assert metric(browser, "otpconv_commit_reports_sum") == 0


@pytest.mark.rounds
def test_while_a_large_journal_is_read_every_answer_comes_in_time_and_says_how_far_it_is(
    used: LocalServer,
) -> None:
    server, count = used, LARGE
    journal_of(server, 0, count)
    server.start()
    lags = []
    with client(server) as browser:
        first = metric(browser, "otpconv_journal_lag_reports")
        assert 0 < first <= count
        while not lags or lags[-1]:
            began = time.monotonic()
            found = browser.get("/v1/rates").json()
            assert time.monotonic() - began < BOUND_S + SLOW_S
            assert found["rows"][0]["requested"] == count - found["lag"]
            lags.append(found["lag"])
        assert lags == sorted(lags, reverse=True)
        assert metric(browser, "otpconv_journal_lag_reports") == 0
        assert count <= metric(browser, "otpconv_apply_reports_sum") <= count + 1
