"""On a PostgreSQL, one node relays for all, and another one goes on after a kill."""

import json
from collections.abc import Iterator
from itertools import count

import httpx
import psycopg
import pytest

from cluster import Cluster, client, cluster, port_of, wait_until
from faults.bad_server import BadServer, http, saying
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("relay")) as made:
        made.add()
        made.add()
        yield made


def report(node: LocalServer, key: AccessKey, *ids: str) -> None:
    with client(node, key) as opened:
        messages = [{"message_id": name, "provider": "ali"} for name in ids]
        opened.post("/v1/messages", json={"messages": messages}).raise_for_status()
        conversions = [{"message_id": name, "delivered": True} for name in ids]
        opened.post("/v1/conversions", json={"conversions": conversions}).raise_for_status()


def relaying(nodes: Cluster) -> list[LocalServer]:
    ports = [port for port, leases in nodes.running().items() if "relay" in leases]
    return [node for node in nodes.nodes if node.url and port_of(node) in ports]


@pytest.mark.campaign(
    "a takeover of a lease is in faults/test_nodes.py, a relay that is killed in test_otpconv_to_otpconv.py"
)
@pytest.mark.long("it starts the processes of two nodes and of their relays")
def test_another_node_relays_after_a_kill(nodes: Cluster) -> None:
    with BadServer() as vendor:
        wait_until(lambda: len(relaying(nodes)) == 1)
        (first,) = relaying(nodes)
        (second,) = (node for node in nodes.nodes if node is not first)
        settings = {"endpoint": vendor.url, "access_key_id": "LTAIvendor", "access_key_secret": "secret"}
        body = {"name": "ali", "kind": "alibaba", "provider": "ali", "settings": settings}
        with client(second, nodes.admin) as opened:
            assert opened.post("/v1/vendors", json=body).status_code == 201
        report(second, nodes.admin, "a", "b")
        wait_until(lambda: dict(vendor.taken) == {"a": 1, "b": 1})
        first.kill()
        report(second, nodes.admin, "c", "d")
        wait_until(lambda: set(vendor.taken) == {"a", "b", "c", "d"})

        def state() -> dict[str, object]:
            with client(second, nodes.admin) as opened:
                answer: httpx.Response = opened.get("/v1/relay")
            found: dict[str, object] = answer.json()["vendors"][0]
            return found

        wait_until(lambda: (state()["sent"], state()["waiting"]) == (4, 0))


@pytest.mark.campaign("one node seals them in test_prelude.py")
def test_each_node_seals_numbers_for_a_vendor_that_knows_messages_by_them(nodes: Cluster) -> None:
    """The vendor account is created at one node, and the messages are reported to another."""
    with BadServer() as vendor:
        vendor.answer = saying(http(200, {}))
        first, second = (node for node in nodes.nodes[:2])
        for node in (first, second):
            if node not in relaying(nodes):
                node.start()  # it was killed
        body = {"name": "watch", "kind": "prelude", "provider": "acme"}
        with client(second, nodes.admin) as opened:
            settings = {"endpoint": vendor.url, "api_token": "token"}
            assert opened.post("/v1/vendors", json=body | {"settings": settings}).status_code == 201
        number = "+4915112345678"
        names = count(1)

        def is_told() -> bool:
            """Report one more message: the node seals its number once it has seen the vendor account."""
            name = f"p{next(names)}"
            with client(first, nodes.admin) as opened:
                message = {"message_id": name, "to": number, "provider": "acme"}
                opened.post("/v1/messages", json={"messages": [message]}).raise_for_status()
                conversion = {"message_id": name, "delivered": True}
                opened.post("/v1/conversions", json={"conversions": [conversion]}).raise_for_status()
            return bool(vendor.heard)

        wait_until(is_told)
        told = [each for heard in vendor.heard for each in json.loads(heard.body)["feedbacks"]]
        assert {each["target"]["value"] for each in told} == {number}
        assert told[0]["type"] == "verification.started"
        with psycopg.connect(nodes.environment["OTPCONV_LEDGER"]) as database:
            for table in ("otpconv.relay_sends", "otpconv_ledger.messages", "otpconv.journal"):
                rows = database.execute(f"SELECT t::text FROM {table} AS t").fetchall()  # noqa: S608
                assert rows
                assert not any(number[1:] in row for (row,) in rows)
