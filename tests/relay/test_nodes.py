"""On a PostgreSQL, one node relays for all, and another one goes on after a kill."""

from collections.abc import Iterator

import httpx
import pytest

from cluster import Cluster, client, cluster, port_of, wait_until
from faults.bad_server import BadServer
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
