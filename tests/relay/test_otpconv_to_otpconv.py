"""One otpconv relays to a second one: both ledgers agree in all that the wire carries, after kills too."""

import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from campaigns import rounds
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.relay.kind import Kind
from relay.credentials import OURS, values_of

PATIENCE_S = 60
#: Messages of one kind between two kills, and those of each kind that no kill disturbs.
BETWEEN_KILLS, UNDISTURBED = 30, 12
#: The conversions of a message, reported in any order: whether the code was typed, and ms after the request.
#: A time before the request is not valid.
OUTCOMES: tuple[tuple[tuple[bool, int], ...], ...] = (
    (),
    ((True, 4_321),),
    ((True, 7_654), (True, 4_321)),
    ((False, 5_678),),
    ((False, 5_678), (True, 9_876)),
    ((True, -1),),
)

Row = dict[str, Any]
Ends = tuple[LocalServer, LocalServer]
#: An outcome, and its time, ms; None if the wire has none.
Carried = tuple[str | None, int | None]


class World:
    """Messages of some kinds of vendors, reported to one server; the other is the vendor of all of them."""

    def __init__(self, source: LocalServer, vendor: LocalServer, kinds: Iterable[Kind], seed: int) -> None:
        self.source, self.vendor = source, vendor
        self.kinds = {kind.name: kind for kind in kinds}
        self.chance = random.Random(seed)
        self.kind_of: dict[str, Kind] = {}
        self.began = wall_clock()
        for kind in self.kinds.values():
            values = values_of(kind, vendor.url, vendor.access_key_id, vendor.access_key_secret)
            body = {"name": kind.name, "kind": kind.name, "provider": kind.name, "settings": values}
            with client(source) as opened:
                answer = opened.post("/v1/vendors", json=body)
            assert answer.status_code == 201, answer.text

    def report(self, messages: int) -> None:
        """Report some messages of each kind, with their conversions, in any order."""
        requested: list[Row] = []
        conversions: list[Row] = []
        for kind in self.kinds.values():
            # So long ago that a failure may be sent too.
            at = wall_clock() - kind.negative_after_ms - 60_000
            for _ in range(messages):
                message_id = f"m-{next(NUMBERS)}"
                self.kind_of[message_id] = kind
                message = {"message_id": message_id, "requested_at": at, "provider": kind.name}
                requested.append(message | {"to": f"+49151{next(NUMBERS):08}"})
                conversions += [
                    {"message_id": message_id, "delivered": delivered, "conversion_time": at + after}
                    for delivered, after in self.chance.choice(OUTCOMES)
                ]
        # The relay sends the earliest valid conversion that it knows: it comes first.
        conversions.sort(key=lambda each: each["conversion_time"])
        post(self.vendor, "messages", requested)
        for what, items in self.chance.sample([("messages", requested), ("conversions", conversions)], 2):
            post(self.source, what, items)

    def states(self) -> list[Row]:
        """How the relay is doing."""
        with client(self.source) as opened:
            found: list[Row] = opened.get("/v1/relay").json()["vendors"]
        return found

    def check(self) -> None:
        """Check that both ledgers agree, once all is sent."""
        wanted = expected_of(self, rows_of(self.source, self.kind_of))
        wait_for(lambda: not any(state["waiting"] for state in self.states()))
        with suppress(TimeoutError):
            wait_for(lambda: self.found() == wanted)
        assert self.found() == wanted
        totals = [rates_of(end, self.began) for end in (self.source, self.vendor)]
        assert totals[0] == totals[1]
        for state in self.states():
            assert (state["dead"], state["unknown"], state["expired"], state["error"]) == (0, 0, 0, "")

    def found(self) -> dict[str, Carried]:
        """What the vendor's ledger has of each message: the outcome, and its time if the wire has one."""
        rows = rows_of(self.vendor, self.kind_of)
        return {message_id: self.as_carried(message_id, row) for message_id, row in rows.items()}

    def as_carried(self, message_id: str, row: Row) -> Carried:
        kind, outcome = self.kind_of[message_id], outcome_of(row)
        if kind.time_unit_ms:
            return outcome, row["verified_at"] if outcome == "received" else row["delivered_false_last"]
        if outcome == "received":
            assert row["verified_at"] >= self.began - 1_000  # when the call arrived
        return outcome, None


#: Numbers of messages, unique among the tests.
NUMBERS = count(1)


def expected_of(world: World, rows: dict[str, Row]) -> dict[str, Carried]:
    """What the vendor's ledger must have of each message: all that its wire carries."""
    expected = {}
    for message_id, row in rows.items():
        kind, outcome, time_of = world.kind_of[message_id], outcome_of(row), row["verified_at"]
        if outcome is None and kind.silence == "failed":
            outcome = "failed"
        if outcome == "failed":
            outcome = "failed" if "failed" in kind.feedbacks else None
            # A failure that is sent later has the time at which it could be sent.
            time_of = max(row["delivered_false_last"] or 0, row["requested_at"] + kind.negative_after_ms)
        unit = kind.time_unit_ms
        expected[message_id] = (outcome, time_of - time_of % unit if outcome and unit else None)
    return expected


def outcome_of(row: Row) -> str | None:
    if row["verified"]:
        return "received"
    return "failed" if row["delivered_false_last"] or row["delivered_without_time"] else None


def rows_of(server: LocalServer, ids: Iterable[str]) -> dict[str, Row]:
    with client(server) as opened:
        return {message_id: opened.get(f"/v1/messages/{message_id}").json() for message_id in ids}


def rates_of(server: LocalServer, since: int) -> list[tuple[str, int, int]]:
    window = {"start": since - 2 * 3_600_000, "end": wall_clock() + 60_000, "by": "provider"}
    with client(server) as opened:
        rows = opened.get("/v1/rates", params=window).json()["rows"]
    return sorted((row["provider"], row["requested"], row["verified"]) for row in rows)


def client(server: LocalServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, auth=(server.access_key_id, server.access_key_secret))


def post(server: LocalServer, what: str, items: list[Row]) -> None:
    with client(server) as opened:
        answer = opened.post(f"/v1/{what}", json={what: items})
    rejected = answer.json()["rejected"]
    # A conversion from before its message, if that is known.
    assert {each["code"] for each in rejected} <= {"InvalidTime"}, answer.text


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


def relay_of(server: LocalServer) -> list[int]:
    """The processes that a server has started."""
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{server.pid}/task").iterdir():
            found += [int(word) for word in (task / "children").read_text().split()]
    return found


def kill(world: World, end: LocalServer) -> None:
    """Kill a server or, of the server that relays, the process of its relay alone."""
    if end is world.source and world.chance.random() < 0.5:
        wait_for(lambda: bool(relay_of(end)))
        os.kill(relay_of(end)[0], signal.SIGKILL)
        return
    end.kill()
    end.start()


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    with LocalServer(tmp_path / "source") as source, LocalServer(tmp_path / "vendor", port=port) as vendor:
        yield source, vendor


def test_both_ledgers_agree_in_all_that_each_wire_carries(ends: Ends) -> None:
    world = World(*ends, OURS.values(), seed=1)
    world.report(UNDISTURBED)
    world.check()


@pytest.mark.rounds
@pytest.mark.long("it starts servers again and again, and waits for breakers")
def test_both_ledgers_agree_exactly_after_kills_of_either_end(ends: Ends) -> None:
    """By Alibaba's dialect and by the webhook, whose wires carry outcomes and times to the millisecond."""
    world = World(*ends, (OURS["alibaba"], OURS["webhook"]), seed=7)
    assert {kind.time_unit_ms for kind in world.kinds.values()} == {1}
    kills = list(ends) * rounds(20, at_least=1)
    world.chance.shuffle(kills)
    for end in kills:
        world.report(BETWEEN_KILLS)
        time.sleep(world.chance.random() * 0.3)  # a kill comes at any time
        kill(world, end)
    world.check()
