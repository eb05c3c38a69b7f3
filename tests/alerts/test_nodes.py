"""Of two nodes on a PostgreSQL, one looks for alerts, and the other one goes on after a kill."""

from pathlib import Path

import psycopg
import pytest

from cluster import Cluster, client, cluster, port_of, wait_until
from otpconv.cli.local_server import LocalServer
from otpconv.service.alerting import START_S

#: A look each minute, and the time for it.
LOOK_S = 75.0


def _checkpoint(nodes: Cluster) -> int:
    with psycopg.connect(nodes.environment["OTPCONV_LEDGER"]) as connection:
        rows = connection.execute("SELECT max(at) FROM alert_checkpoints").fetchall()
    return int(rows[0][0] or 0)


def _holders(nodes: Cluster) -> list[LocalServer]:
    ports = [port for port, leases in nodes.running().items() if "alerts" in leases]
    return [node for node in nodes.nodes if node.url and port_of(node) in ports]


@pytest.mark.campaign(
    "a take-over of a lease is in faults/test_nodes.py, one of detectors in test_follower.py"
)
@pytest.mark.long("the detectors begin a minute after a server, and look once a minute")
def test_another_node_looks_within_5_seconds_of_a_kill(tmp_path: Path) -> None:
    with cluster(tmp_path) as nodes:
        nodes.add()
        nodes.add()
        with client(nodes.nodes[0], nodes.admin) as opened:
            body = {"messages": [{"message_id": "one", "provider": "acme"}]}
            opened.post("/v1/messages", json=body).raise_for_status()
        wait_until(lambda: _checkpoint(nodes) > 0, START_S + LOOK_S)
        (first,) = _holders(nodes)
        (second,) = (node for node in nodes.nodes if node is not first)
        before = _checkpoint(nodes)
        first.kill()
        wait_until(lambda: _holders(nodes) == [second], 5.0)
        wait_until(lambda: _checkpoint(nodes) > before, LOOK_S)
        with client(second, nodes.admin) as opened:
            # A node reads how far the detectors are now and then.
            wait_until(lambda: "otpconv_alerts_behind_seconds" in opened.get("/metrics").text, LOOK_S)
