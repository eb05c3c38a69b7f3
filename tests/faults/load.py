"""Reports messages and conversions while faults happen, and remembers the acknowledged ones."""

import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress

import httpx

from ledger.recount import contents, recount
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.storage.contract import HOUR_MS
from otpconv.storage.postgres import PostgresEngine
from web.wire import NO_TLS, administrator, send, v3

#: An hour ago: the rollups by minute have it too.
NOW = wall_clock() - HOUR_MS
#: How long reports may be refused after a fault was healed, s: other tests run at the same time.
PATIENCE_S = 40.0
#: Between two batches, and between two attempts, s. The recount of many messages takes long.
PAUSE_S = 0.05
#: Messages of a batch.
BATCH = 4


class Load:
    """Reports messages and conversions until it is stopped, each batch until it is acknowledged.

    Attributes:
        requested: acknowledged messages.
        verified: messages whose conversions were acknowledged.
        refused: how many answers were 503.
        slowest_s: how long the slowest answer took, s.
    """

    def __init__(self, name: str = "", *, signed: bool = False) -> None:
        """Prepare the threads.

        Args:
            name: the message ids begin with it.
            signed: report in a third thread, by signed calls; two report by the native API.
        """
        self._name = name
        self._server: LocalServer | None = None
        self.requested: set[str] = set()
        self.verified: set[str] = set()
        self.refused = 0
        self.slowest_s = 0.0
        self._stopping = threading.Event()
        self._failures: list[BaseException] = []
        self._client = httpx.Client(verify=NO_TLS, timeout=PATIENCE_S)
        works = [lambda: self._report_batches(0), lambda: self._report_batches(1)]
        works += [self._report_signed] if signed else []
        self._threads = [threading.Thread(target=self._run, args=(work,), daemon=True) for work in works]

    def start(self, server: LocalServer) -> None:
        """Report to a server; call it again after a restart."""
        self._server = server
        if not self._threads[0].is_alive():
            for thread in self._threads:
                thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._client.close()
        assert not self._failures, self._failures[0]

    def wait_for_more(self, patience_s: float = PATIENCE_S) -> float:
        """Wait until a batch that is reported from now on is acknowledged; return how long it took, s."""
        began, before = time.monotonic(), len(self.requested)
        # Two threads report: one of three further batches began after this call.
        wait_until(lambda: len(self.requested) > before + 2 * BATCH or bool(self._failures), patience_s)
        assert not self._failures, self._failures[0]
        return time.monotonic() - began

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the test raises it
            self._failures.append(error)

    def _report_batches(self, number: int) -> None:
        batch = 0
        while not self._stopping.is_set():
            batch += 1
            ids = [f"{self._name}{number}-{batch}-{n}" for n in range(BATCH)]
            messages = [
                {
                    "message_id": id_,
                    "requested_at": NOW + n * 977,
                    "session_id": f"{self._name}{batch}",
                    "country": "DE",
                }
                for n, id_ in enumerate(ids)
            ]
            conversions = [
                {"message_id": id_, "delivered": True, "conversion_time": NOW + 600_000} for id_ in ids[::2]
            ]
            if self._repeat(lambda messages=messages: self._post("messages", messages)):  # type: ignore[misc]
                self.requested |= set(ids)
            if self._repeat(lambda items=conversions: self._post("conversions", items)):  # type: ignore[misc]
                self.verified |= set(ids[::2])
            self._stopping.wait(PAUSE_S)

    def _report_signed(self) -> None:
        while not self._stopping.is_set():
            for id_ in sorted(self.requested - self.verified)[:1]:
                if self._repeat(lambda id_=id_: self._call(id_)):  # type: ignore[misc]
                    self.verified.add(id_)
            self._stopping.wait(0.01)

    def _repeat(self, report: Callable[[], bool]) -> bool:
        """Report until it is acknowledged; False if the test ends before."""
        while not self._stopping.is_set():
            began = time.monotonic()
            # A server that is killed answers nothing.
            with suppress(httpx.TransportError, OSError):
                acknowledged = report()
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                if acknowledged:
                    return True
                self.refused += 1
            self._stopping.wait(PAUSE_S)
        return False

    def _post(self, kind: str, items: list[dict[str, object]]) -> bool:
        assert self._server is not None
        auth = (self._server.access_key_id, self._server.access_key_secret)
        url = f"{self._server.url}/v1/{kind}"
        reply = self._client.post(url, json={kind: items}, auth=auth)
        if reply.status_code == 200:
            assert reply.json()["rejected"] == [], reply.text
            return True
        assert (reply.status_code, reply.json()["code"]) == (503, "Unavailable"), reply.text
        assert int(reply.headers["retry-after"]) >= 1
        return False

    def _call(self, id_: str) -> bool:
        assert self._server is not None
        parameters = {"MessageId": id_, "Delivered": "true", "ConversionTime": str(NOW + 600_000)}
        reply = send(self._server.url, v3(administrator(self._server), parameters))
        if reply.status == 200:
            assert reply.json["ResponseCode"] == "OK", reply.json
            return True
        assert (reply.status, reply.json["Code"]) == (503, "ServiceUnavailable"), reply.json
        assert int(reply.headers["x-acs-retry-after"]) >= 1
        return False


def assert_recorded(engine: PostgresEngine, *loads: Load) -> None:
    """Check that all that was acknowledged is there once, and that the ledger equals a recount."""
    with closing(engine.journal()) as journal, closing(engine.ledger_reader()) as ledger:
        facts = [entry.report for entry in journal.read(0, 1_000_000)]
        with closing(engine.ledger_writer()) as writer:
            while writer.apply(1_000_000) < len(facts):
                pass
        held = contents(ledger, [1])
    known = [id_ for _, id_ in held.messages]
    assert len(known) == len(set(known))
    verified = {id_ for (_, id_), each in held.messages.items() if each.verified}
    for load in loads:
        assert load.requested <= set(known)
        assert load.verified <= verified
    assert held == recount(facts, [1])


def wait_until(happened: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)
