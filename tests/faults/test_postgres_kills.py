"""PostgreSQL and the server are killed under load; nothing acknowledged is lost or counted twice."""

import random
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

import postgresql
from campaigns import rounds
from ledger.recount import contents, recount
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.service.engines import postgres_engine
from otpconv.storage.contract import HOUR_MS

ROUNDS = rounds(30, at_least=4)
#: An hour ago: the rollups by minute have it too.
NOW = wall_clock() - HOUR_MS
#: How long reports may be refused after PostgreSQL has started again, s: other tests run at the same time.
PATIENCE_S = 40.0


class Load:
    """Reports messages and conversions until it is stopped, each batch until it is acknowledged."""

    def __init__(self) -> None:
        self.url, self.auth = "", ("", "")
        self.requested: set[str] = set()  # acknowledged
        self.verified: set[str] = set()  # acknowledged
        self.refused = 0
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(2)]

    def start(self, server: LocalServer) -> None:
        self.url = server.url
        self.auth = self.auth if self.auth[0] else (server.access_key_id, server.access_key_secret)
        if not self.threads[0].is_alive():
            for thread in self.threads:
                thread.start()

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _run(self, number: int) -> None:
        batch = 0
        while not self.stopping.is_set():
            batch += 1
            ids = [f"{number}-{batch}-{n}" for n in range(10)]
            messages = [
                {"message_id": id_, "requested_at": NOW + n * 977, "session_id": f"{batch}", "country": "DE"}
                for n, id_ in enumerate(ids)
            ]
            conversions = [
                {"message_id": id_, "delivered": True, "conversion_time": NOW + 600_000} for id_ in ids[::2]
            ]
            if self._report("messages", messages):
                self.requested |= set(ids)
            if self._report("conversions", conversions):
                self.verified |= set(ids[::2])

    def _report(self, kind: str, items: list[dict[str, object]]) -> bool:
        """Report until it is acknowledged; False if the test ends before."""
        while not self.stopping.is_set():
            with suppress(httpx.TransportError):
                url = f"{self.url}/v1/{kind}"
                reply = httpx.post(url, json={kind: items}, auth=self.auth, timeout=PATIENCE_S)
                if reply.status_code == 200:
                    assert reply.json()["rejected"] == []
                    return True
                assert reply.status_code == 503, reply.text
                self.refused += 1
            time.sleep(0.01)
        return False


@pytest.mark.long("two servers start in every round")
@pytest.mark.campaign
def test_kills_of_the_database_and_of_the_server_lose_nothing_acknowledged(
    make_server: Callable[..., LocalServer],
) -> None:
    chance = random.Random(30)
    load_ = Load()
    with postgresql.running(Path(tempfile.gettempdir()), postgresql.DURABLE) as server:
        node = make_server(settings={"OTPCONV_LEDGER": server.url})
        settings = load(data=node.data, ledger=server.url)
        postgres_engine(settings).create()
        node.start()
        load_.start(node)
        for round_ in range(ROUNDS):
            before = len(load_.requested)
            wait_until(lambda before=before: len(load_.requested) > before)  # type: ignore[misc]
            time.sleep(chance.uniform(0.0, 0.2))
            if round_ % 2:
                node.kill()
                node.start()
                load_.start(node)
            else:
                server.kill()
                server.start()
        before = len(load_.requested)
        wait_until(lambda: len(load_.requested) > before)
        load_.stop()
        node.stop()
        node.start()
        node.stop()
        assert load_.refused
        engine = postgres_engine(settings)
        with closing(engine.journal()) as journal, closing(engine.ledger_reader()) as ledger:
            facts = [entry.report for entry in journal.read(0, 1_000_000)]
            with closing(engine.ledger_writer()) as writer:
                assert writer.apply(1_000_000) == len(facts)
            held = contents(ledger, [1])
        known = {id_ for _, id_ in held.messages}
        assert load_.requested <= known
        assert load_.verified <= {id_ for (_, id_), each in held.messages.items() if each.verified}
        assert held == recount(facts, [1])


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)
