"""A copy of a storage has what the relay has sent, and sends what waits."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from campaigns import rounds
from cli.commands import otpconv
from faults.bad_server import BadServer
from otpconv.cli.local_server import LocalServer
from otpconv.storage.relay import copying
from otpconv.storage.relay.contract import RelayStore, Settled, Status
from otpconv.storage.relay.copying import copy_relay
from otpconv.storage.relay.store import TableRelayStore
from otpconv.storage.sqlite.relay import relay_file
from relay.test_store import NOW, add, send

IDS = [f"m{number}" for number in range(12)]
STATUSES: list[Status] = ["sent", "dead", "unknown", "waiting"]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[TableRelayStore]:
    store = relay_file(tmp_path / "other.sqlite")
    yield store
    store.close()


def fill(store: RelayStore, chance: random.Random) -> None:
    """Plan feedbacks and settle some of them, in any order."""
    for _ in range(chance.randrange(1, 40)):
        feedback = chance.choice(["received", "failed"])
        until = NOW + chance.choice([-1, 10**9])
        add(store, send(chance.choice(IDS), feedback, vendor=chance.choice([1, 2]), until=until))  # type: ignore[arg-type]
        if chance.random() < 0.5:
            vendor = chance.choice([1, 2])
            due = store.due(vendor, NOW, chance.randrange(1, 5))
            settled = [Settled(each.id, chance.choice(STATUSES), "Code", "no") for each in due]
            store.settle(vendor, settled, NOW + 1, claimed=False)


def contents(store: RelayStore) -> tuple[object, ...]:
    """All that a store answers, but the ids of its rows."""
    due = [[each.message_id for each in store.due(vendor, NOW, 100)] for vendor in (1, 2)]
    counts = {
        vendor: {status: count for status, count in found.items() if count}
        for vendor, found in store.counts().items()
    }
    return store.cursor(), counts, due, [store.evidence(1, message_id) for message_id in IDS]


@pytest.mark.rounds
@pytest.mark.parametrize("back", [False, True], ids=["into SQLite", "from SQLite"])
def test_a_copy_of_a_relay_is_equal(
    relay_store: RelayStore,
    file: TableRelayStore,
    monkeypatch: pytest.MonkeyPatch,
    back: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(copying, "_AT_ONCE", 3)
    source, target = (file, relay_store) if back else (relay_store, file)
    for seed in range(rounds(50, at_least=5)):
        fill(source, random.Random(seed))
        if seed % 2:
            fill(target, random.Random(-seed))  # an earlier copy, or the relay of one
        assert copy_relay(source, target) == sum(len(source.evidence(1, name)) for name in IDS)
        assert contents(target) == contents(source)
        assert copy_relay(source, target) > 0
        assert contents(target) == contents(source)


@pytest.mark.campaign("that a copy is equal is in the test before")
def test_a_server_on_a_copy_sends_what_waits_and_nothing_twice(
    make_server: Callable[..., LocalServer], tmp_path: Path, eventually: Callable[..., None]
) -> None:
    with BadServer() as vendor:
        source = make_server()
        source.start()
        settings = {"endpoint": vendor.url, "access_key_id": "LTAI", "access_key_secret": "s3cret-Key"}
        auth = (source.access_key_id, source.access_key_secret)
        with httpx.Client(base_url=source.url, auth=auth) as client:
            body = {"name": "ali", "kind": "alibaba", "provider": "ali", "settings": settings}
            assert client.post("/v1/vendors", json=body).status_code == 201

            def report(*ids: str) -> None:
                for what, more in (("messages", {"provider": "ali"}), ("conversions", {"delivered": True})):
                    items = [{"message_id": name} | more for name in ids]
                    client.post(f"/v1/{what}", json={what: items}).raise_for_status()

            def counts() -> tuple[int, int]:
                (state,) = client.get("/v1/relay").json()["vendors"]
                return state["sent"], state["waiting"]

            report("a", "b")
            eventually(counts, (2, 0))
            client.post("/v1/relay/ali/pause").raise_for_status()
            report("c", "d")
            eventually(counts, (2, 2))
        source.stop()
        vendor.heard.clear()
        target = make_server(tmp_path / "copy")
        copied = otpconv("ledger", "copy", "--from", source.data, "--to", target.data)
        assert copied.returncode == 0, copied.stderr
        target.start()
        with httpx.Client(base_url=target.url, auth=auth) as client:
            eventually(counts, (2, 2))
            client.post("/v1/relay/ali/resume").raise_for_status()
            report("e")
            eventually(counts, (5, 0))
        assert sorted(heard.reports[0]["MessageId"] for heard in vendor.heard) == ["c", "d", "e"]
