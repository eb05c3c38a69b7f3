"""The server is killed at random moments under load; nothing acknowledged is lost or counted twice."""

import http.client
import json
import random
import sqlite3
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from campaigns import rounds
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.storage.contract import DIMENSIONS, HOUR_MS, MINUTE_MS, LedgerReader, Message, Window
from otpconv.storage.sqlite import SqliteJournal, SqliteLedgerReader, SqliteLedgerWriter
from web.wire import administrator, connect, exchange, v3

ROUNDS = rounds(20, at_least=5)
#: An hour ago: the rollups by minute have it too.
NOW = wall_clock() - HOUR_MS
FOREVER = (0, 1 << 52)


class Load:
    """Two clients, one of batches and one of signed calls, that note the acknowledged reports."""

    def __init__(self, server: LocalServer, round_: int) -> None:
        self.key = administrator(server)
        self.url = server.url
        self.round = round_
        self.requested: set[str] = set()  # acknowledged
        self.verified: set[str] = set()  # acknowledged
        self.stopping = threading.Event()
        self.threads = [
            threading.Thread(target=self._run, args=(work,)) for work in (self._batches, self._calls)
        ]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _run(self, work: Callable[[http.client.HTTPConnection], None]) -> None:
        # It was killed; what had no answer may be there or not.
        with closing(connect(self.url)) as connection, suppress(OSError, http.client.HTTPException):
            work(connection)

    def _batches(self, connection: http.client.HTTPConnection) -> None:
        basic = b64encode(f"{self.key.access_key_id}:{self.key.secret}".encode()).decode()
        headers = {"authorization": f"Basic {basic}", "content-type": "application/json"}
        number = 0
        while not self.stopping.is_set():
            ids = [f"{self.round}-{number + i}" for i in range(40)]
            number += 40
            messages = [
                {"message_id": id_, "requested_at": NOW + n * 977, "country": "DE" if n % 2 else "FR"}
                for n, id_ in enumerate(ids)
            ]
            connection.request("POST", "/v1/messages", json.dumps({"messages": messages}), headers)
            answer = json.loads(connection.getresponse().read())
            assert answer["recorded"] == 40
            self.requested |= set(ids)

    def _calls(self, connection: http.client.HTTPConnection) -> None:
        number = 0
        while not self.stopping.is_set():
            id_ = f"{self.round}-{number}"
            number += 1
            parameters = {"MessageId": id_, "Delivered": "True", "ConversionTime": str(NOW + 600_000)}
            reply = exchange(connection, v3(self.key, parameters))
            assert reply.json["ResponseCode"] == "OK"
            self.verified.add(id_)


@pytest.mark.long("a server starts in every round")
@pytest.mark.rounds
def test_twenty_kills_lose_nothing_acknowledged_and_count_nothing_twice(
    make_server: Callable[..., LocalServer], tmp_path: Path
) -> None:
    chance = random.Random(20)
    server = make_server()
    loads = []
    for round_ in range(ROUNDS):
        server.start()
        loads.append(Load(server, round_))
        time.sleep(chance.uniform(0.05, 0.4))
        server.kill()
        loads[-1].stop()
    server.start()
    server.stop()

    requested = {id_ for load in loads for id_ in load.requested}
    verified = {id_ for load in loads for id_ in load.verified}
    assert requested
    assert verified
    with closing(SqliteLedgerReader(server.data / "ledger.sqlite")) as ledger:
        messages = {message.message_id: message for message in ledger.messages(1)}
        assert requested <= {id_ for id_, message in messages.items() if message.state.requested}
        assert verified <= {id_ for id_, message in messages.items() if message.state.true_first}
        # Messages that are verified and known to be requested count as verified.
        both = requested & verified
        assert all(messages[id_].verified_at for id_ in both)
        held = contents(ledger)
    assert recount(messages) == held[1:3]
    assert rebuilt(server.data / "journal.sqlite", tmp_path) == held
    for name in ("journal", "ledger", "access"):
        with closing(sqlite3.connect(server.data / f"{name}.sqlite")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def contents(ledger: LedgerReader) -> tuple[object, ...]:
    """Everything the ledger holds, by its values."""
    windows = (Window(hours=(FOREVER,), step=HOUR_MS), Window(minutes=(FOREVER,), step=MINUTE_MS))
    messages = {message.message_id: message for message in ledger.messages(1)}
    rollups = [
        {
            (each.slot, each.group): (each.tally.requested, each.tally.verified)
            for each in ledger.counts(1, window, DIMENSIONS, {})
        }
        for window in windows
    ]
    return messages, rollups[0], rollups[1], ledger.minutes_from()


def recount(messages: dict[str, Message]) -> tuple[object, ...]:
    """The rollups as the messages come to."""
    found: dict[int, dict[tuple[int, tuple[str, ...]], tuple[int, int]]] = {HOUR_MS: {}, MINUTE_MS: {}}
    for message in messages.values():
        of = message.state.requested
        if of is None:
            continue
        group = tuple(getattr(of.dimensions, name) for name in DIMENSIONS)
        for grain, rollups in found.items():
            key = of.requested_at // grain * grain, group
            requested, verified = rollups.get(key, (0, 0))
            rollups[key] = requested + 1, verified + (message.verified_at is not None)
    return found[HOUR_MS], found[MINUTE_MS]


def rebuilt(journal: Path, folder: Path) -> tuple[object, ...]:
    """The contents of a ledger rebuilt from the journal."""
    with (
        closing(SqliteJournal(journal)) as source,
        closing(SqliteLedgerWriter(folder / "new", journal)) as writer,
    ):
        while writer.apply(5_000) < source.head():
            pass
        with closing(SqliteLedgerReader(folder / "new")) as ledger:
            return contents(ledger)
