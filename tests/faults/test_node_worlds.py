"""Servers that take conflicting reports at the same time give the numbers of the pure model."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import cycle
from pathlib import Path

import httpx
import msgspec
import pytest

from campaigns import rounds
from cluster import PATIENCE_S, Cluster, client, cluster, wait_until
from ledger.recount import Recount, contents, recount
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.dialects.native.reports import ConversionIn, MessageIn
from otpconv.model import Expiry, Report
from otpconv.phone import NumberHash
from otpconv.service.numbers import open_number_hash
from otpconv.storage.contract import DAY_MS, DIMENSIONS, HOUR_MS, MINUTE_MS
from otpconv.web.v1.batches import conversion_of, requested_of
from web.wire import NO_TLS

WORLDS = rounds(200, at_least=10)
KILLS = rounds(10, at_least=1)
#: The clock of one node is off by this, s.
OFF_S = 600
#: A day and more ago: rollups by minute are kept for longer, and no clock makes it the future.
THEN = (wall_clock() - 30 * HOUR_MS) // DAY_MS * DAY_MS + DAY_MS - HOUR_MS
SHIFTS = (0, 1, 2, MINUTE_MS - 1, MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, HOUR_MS + 1, DAY_MS - 1, DAY_MS)
NUMBERS = ("+34600000001", "+34600000002", "+351911111111")
VALUES: tuple[dict[str, object], ...] = (
    {},
    {"provider": "p1", "template": "t"},
    {"provider": "p2", "country": "PT", "channel": "voice"},
    {"carrier": "Orange", "sender": "S"},
)
Item = dict[str, object]


class World:
    """Reports about few messages, numbers and sessions, from several callers of two accounts."""

    def __init__(self, seed: str, keys: tuple[AccessKey, AccessKey]) -> None:
        self.keys = keys
        self._chance = chance = random.Random(seed)
        self._ids = [f"m{number}" for number in range(chance.choice((2, 6, 15)))]
        self._times = [THEN + chance.choice(SHIFTS) for _ in range(chance.choice((2, 4, 8)))]
        self._numbers = chance.choices((*NUMBERS, None), k=3)
        self._sessions = chance.choice(([""], ["", "s"], ["s", "t"]))

    def batches(self) -> list[tuple[AccessKey, str, list[Item]]]:
        """Return batches in any order, some of them twice: of whom, of which kind, and the items."""
        chance = self._chance
        made: list[tuple[AccessKey, str, list[Item]]] = []
        for _ in range(chance.randint(6, 14)):
            kind = chance.choice(("messages", "conversions"))
            item = self._message if kind == "messages" else self._conversion
            items = [item() for _ in range(chance.randint(1, 12))]
            made.append((chance.choice(self.keys), kind, items))
        made += chance.choices(made, k=4)
        chance.shuffle(made)
        return made

    def _message(self) -> Item:
        chance = self._chance
        item: Item = {
            "message_id": chance.choice(self._ids),
            "requested_at": chance.choice(self._times),
            "session_id": chance.choice(self._sessions),
            "attempt": chance.randint(1, 2),
        }
        number = chance.choice(self._numbers)
        return item | chance.choice(VALUES) | ({"to": number} if number else {})

    def _conversion(self) -> Item:
        chance = self._chance
        item: Item = {
            "delivered": chance.random() < 0.6,
            "conversion_time": chance.choice(self._times) + chance.choice((1, 500, MINUTE_MS)),
        }
        if chance.random() < 0.3:
            return item | {"to": chance.choice(NUMBERS)}
        return item | {"message_id": chance.choice(self._ids)}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes, and a third one whose clock is 10 minutes ahead."""
    with cluster(tmp_path_factory.mktemp("nodes")) as made:
        made.add()
        made.add()
        made.add(clock_ahead(tmp_path_factory.mktemp("ahead"), OFF_S))
        yield made


def clock_ahead(folder: Path, seconds: int) -> dict[str, str]:
    """Return the settings of a server whose clock is ahead."""
    lines = [
        "import time",
        "right = time.time_ns",
        f"time.time_ns = lambda: right() + {seconds * 10**9}",
    ]
    (folder / "sitecustomize.py").write_text("\n".join(lines))
    return {"PYTHONPATH": str(folder)}


@pytest.mark.long("200 worlds in its long form")
@pytest.mark.campaign("the law is in tests/ledger/test_laws.py, and nodes are in test_nodes.py")
@pytest.mark.parametrize("servers", [2, 3])
def test_the_numbers_are_those_of_the_model(nodes: Cluster, servers: int) -> None:
    """Several worlds at the same time, each with accounts of its own."""
    worlds = new_worlds(nodes, f"{servers}")
    accounts = [key.account for world in worlds for key in world.keys]
    last = worlds[-1].keys
    serving = nodes.nodes[:servers]
    wait_until(lambda: all(knows(node, last[1]) for node in serving))
    recorded = report_all(serving, worlds, open_number_hash(nodes.settings))
    wait_until(lambda: nodes.engine.open_ledger()[1] == 0)
    of_account: dict[int, list[Report]] = {account: [] for account in accounts}
    for each in recorded:
        of_account[each.account].append(each)
    with closing(nodes.engine.ledger_reader()) as ledger:
        for account in accounts:
            with ledger.snapshot():  # an expiry may come meanwhile
                expiry, held = Expiry(0, ledger.minutes_from()), contents(ledger, [account])
            assert held == recount([*of_account[account], expiry], [account])
    for key in last:
        expected = counted(recount(of_account[key.account], [key.account]))
        assert [answered(node, key) for node in serving] == [expected] * servers


@pytest.mark.long("a server starts after every kill")
@pytest.mark.campaign("a node that is killed once is in test_nodes.py")
def test_kills_of_the_node_that_applies_lose_and_repeat_nothing(nodes: Cluster) -> None:
    worlds = new_worlds(nodes, "killed")
    accounts = [key.account for world in worlds for key in world.keys]
    two = nodes.nodes[:2]
    wait_until(lambda: all(knows(node, worlds[-1].keys[1]) for node in two))
    over = threading.Event()

    def kill() -> int:
        kills = 0
        while kills < KILLS or not over.is_set():
            holder = nodes.holder()
            holder.kill()
            kills += 1
            holder.start()
        return kills

    with ThreadPoolExecutor(1) as thread:
        killing = thread.submit(kill)
        try:
            accepted = report_all(two, worlds, open_number_hash(nodes.settings))
        finally:
            over.set()
        assert killing.result() >= KILLS
    wait_until(lambda: nodes.engine.open_ledger()[1] == 0)
    # The outcome of a call that was cut is unknown, and it was sent again: so the journal is compared.
    known: set[tuple[int, str]] = set()
    with closing(nodes.engine.journal()) as journal, closing(nodes.engine.ledger_reader()) as ledger:
        entries = journal.read(0, 10_000_000)
        for account in accounts:
            with ledger.snapshot():
                expiry, held = Expiry(0, ledger.minutes_from()), contents(ledger, [account])
            facts = [each.report for each in entries if getattr(each.report, "account", 0) == account]
            assert held == recount([*facts, expiry], [account])
            known |= held.messages.keys()
    assert {(each.account, each.message_id) for each in accepted if each.message_id} <= known


def new_worlds(nodes: Cluster, name: str) -> list[World]:
    worlds = []
    for number in range(WORLDS):
        names = (f"world-{name}-{number}-{each}" for each in "ab")
        first, second = (nodes.keys.create(each, "caller", "AdministratorAccess") for each in names)
        worlds.append(World(f"{name} {number}", (first, second)))
    return worlds


def knows(node: LocalServer, key: AccessKey) -> bool:
    with client(node, key) as calling:
        return calling.get("/v1/rates").status_code == 200


def report_all(serving: list[LocalServer], worlds: list[World], hashed: NumberHash) -> list[Report]:
    """Report all batches, by two callers of each node at once, and return the accepted ones."""
    chance = random.Random(len(serving))
    placed = [(place, batch) for place, world in enumerate(worlds) for batch in world.batches()]
    # The batches of a world stay close to each other, so that they meet.
    placed.sort(key=lambda each: each[0] + chance.random() * 4)
    senders = 2 * len(serving)

    def report(sender: int) -> list[Report]:
        accepted: list[Report] = []
        turned = serving[sender // 2 :] + serving[: sender // 2]
        with httpx.Client(timeout=PATIENCE_S, verify=NO_TLS) as calling:
            for _, (key, kind, items) in placed[sender::senders]:
                reply = post(calling, turned, key, f"/v1/{kind}", {kind: items})
                rejected = {each["index"] for each in reply["rejected"]}
                kept = [item for index, item in enumerate(items) if index not in rejected]
                accepted += [fact(kind, item, key, hashed) for item in kept]
        return accepted

    with ThreadPoolExecutor(senders) as threads:
        return [each for accepted in threads.map(report, range(senders)) for each in accepted]


def post(
    calling: httpx.Client, serving: list[LocalServer], key: AccessKey, path: str, body: object
) -> dict[str, list[dict[str, int]]]:
    """Send a batch to the first node, or to the next one if that was killed, until it is acknowledged."""
    auth = (key.access_key_id, key.secret)
    for node in cycle(serving):
        with suppress(httpx.TransportError):
            reply = calling.post(f"{node.url}{path}", json=body, auth=auth)
            assert reply.status_code == 200, reply.text
            answer: dict[str, list[dict[str, int]]] = reply.json()
            return answer
    raise AssertionError("There are no nodes.")


def fact(kind: str, item: Item, key: AccessKey, hashed: NumberHash) -> Report:
    if kind == "messages":
        return requested_of(msgspec.convert(item, MessageIn), key, 0, hashed)
    return conversion_of(msgspec.convert(item, ConversionIn), key, 0, hashed)


def answered(node: LocalServer, key: AccessKey) -> dict[tuple[int, str], tuple[int, int]]:
    """Return what a node answers: requested and verified by hour and provider."""
    asked = {"start": THEN - DAY_MS, "end": THEN + 2 * DAY_MS, "interval": "1h", "by": "provider"}
    with client(node, key) as calling:
        rows = calling.get("/v1/rates", params=asked).json()["rows"]
    return {
        (row["start"], row["provider"] or ""): (row["requested"], row["verified"])
        for row in rows
        if row["requested"]
    }


def counted(expected: Recount) -> dict[tuple[int, str], tuple[int, int]]:
    sums: dict[tuple[int, str], tuple[int, int]] = {}
    for (_, values, start), (tally, _) in expected.hours.items():
        place = start, values[DIMENSIONS.index("provider")]
        requested, verified = sums.get(place, (0, 0))
        sums[place] = requested + tally.requested, verified + tally.verified
    return sums
