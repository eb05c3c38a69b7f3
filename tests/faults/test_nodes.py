"""Several servers on one PostgreSQL: each sees what the others change, and one takes over from another."""

import os
import random
import re
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg
import pytest

from campaigns import parameters
from cli.commands import client_of, otpconv
from cluster import Cluster, client, cluster, port_of, wait_until
from constants import with_constants
from otpconv.access.sealing import Sealer
from otpconv.access.sign_in_links import SignInLinks
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.errors import Misconfigured
from otpconv.model import Expiry, Requested
from otpconv.service.opening import open_directory
from otpconv.service.running import stopped
from otpconv.storage.contract import DAY_MS
from otpconv.storage.nodes import LEASES
from web.shop import GLOBE, HONG_KONG, Shop
from web.wire import Reply, Request, send, v3

#: How long a change may take to reach the other nodes, and another node to take over, s.
FRESH_S, TAKEOVER_S = 1.0, 5.0
#: As a load balancer in front of the nodes sends it.
BALANCED = {"host": "otp.example"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
ENDS = [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM]
STS = {"x-acs-action": "AssumeRole", "x-acs-version": "2015-04-01"}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes; a test that ends one of them starts it again."""
    with cluster(tmp_path_factory.mktemp("nodes")) as made:
        made.add()
        made.add()
        yield made


def other(nodes: Cluster, node: LocalServer) -> LocalServer:
    return next(each for each in nodes.nodes if each is not node)


def test_the_nodes_are_listed_with_their_leases(nodes: Cluster) -> None:
    wait_until(lambda: sum(map(len, nodes.running().values())) == len(LEASES))
    listed = nodes.command("nodes")
    assert {node["name"].rpartition(":")[2] for node in listed} == {port_of(node) for node in nodes.nodes}
    assert all(node["name"].partition(":")[0] for node in listed)
    assert sorted(lease for node in listed for lease in node["leases"]) == sorted(LEASES)
    assert all(node["started_at"] <= node["seen_at"] for node in listed)
    for node in nodes.nodes:
        with client(node, nodes.admin) as calling:
            metrics = calling.get("/metrics").text
        holds = node is nodes.holder()
        assert f'otpconv_lease_held{{lease="ledger"}} {float(holds)}' in metrics
        assert 'otpconv_follower_lag_reports{follower="ledger"} 0.0' in metrics


def test_people_get_a_table_of_the_nodes_and_a_reason_where_there_are_none(nodes: Cluster) -> None:
    table = otpconv("nodes", "--tz", "Europe/Berlin", ledger=nodes.environment["OTPCONV_LEDGER"])
    assert "started (Europe/Berlin)" in " ".join(table.stdout.split())
    for node in nodes.nodes:
        assert f":{port_of(node)}" in table.stdout
    refused = otpconv("nodes", "--data", nodes.folder / "sqlite")
    assert refused.returncode == 2
    assert "Several nodes need PostgreSQL" in refused.stderr


def test_a_node_counts_its_own_reports_at_once_and_those_of_others_soon(nodes: Cluster) -> None:
    for number in range(20):
        reporting = nodes.nodes[number % 2]
        body = {"messages": [{"message_id": f"own-{number}", "requested_at": wall_clock() - 60_000}]}
        with client(reporting, nodes.admin) as calling:
            assert calling.post("/v1/messages", json=body).json()["recorded"] == 1
            assert calling.get(f"/v1/messages/own-{number}").status_code == 200
        with client(other(nodes, reporting), nodes.admin) as calling:
            known = lambda calling=calling, number=number: (  # noqa: E731
                calling.get(f"/v1/messages/own-{number}").status_code == 200
            )
            wait_until(known, FRESH_S)


@pytest.mark.parametrize("seed", parameters(range(2), [0], "another seed"))
def test_a_change_at_one_node_is_in_force_at_the_other_within_a_second(nodes: Cluster, seed: int) -> None:
    chance = random.Random(seed)
    key = nodes.keys.create("fresh", f"user-{seed}", None)
    policies = open_directory(nodes.settings)
    change: dict[str, tuple[Callable[[], None], Callable[[], None], int]] = {
        "policy": (
            lambda: policies.attach("user", "fresh", key.user, "OtpconvReadOnly"),
            lambda: policies.detach("user", "fresh", key.user, "OtpconvReadOnly"),
            403,
        ),
        "key": (
            lambda: nodes.keys.set_active(key.access_key_id, active=True),
            lambda: nodes.keys.set_active(key.access_key_id, active=False),
            401,
        ),
    }
    with closing(policies), client(nodes.nodes[0], key) as first, client(nodes.nodes[1], key) as second:
        change["policy"][0]()
        for name in [*change, *chance.choices([*change], k=2)]:
            allow, deny, refused = change[name]
            for work, status in ((deny, refused), (allow, 200)):
                work()
                began = time.monotonic()
                for calling in (first, second):
                    wait_until(lambda c=calling, s=status: c.get("/v1/rates").status_code == s)  # type: ignore[misc]
                assert time.monotonic() - began < FRESH_S


def test_a_key_disabled_through_one_node_is_refused_by_the_other(nodes: Cluster) -> None:
    key = nodes.keys.create("default", "leaver", "AdministratorAccess")
    with client(nodes.nodes[1], key) as calling:
        wait_until(lambda: calling.get("/v1/rates").status_code == 200)
        nodes.command("keys", "disable", key.access_key_id)
        wait_until(lambda: calling.get("/v1/rates").status_code == 401, FRESH_S)


def test_a_sign_in_link_works_once_among_all_nodes(nodes: Cluster) -> None:
    links = SignInLinks(Sealer(bytes.fromhex(nodes.environment["OTPCONV_SEALING_KEY"])))
    for _ in range(5):
        path = f"/sign-in?token={links.issue(nodes.admin.access_key_id, wall_clock())}"
        replies = at_once(nodes, Request("GET", path, BALANCED))
        assert sorted(reply.status for reply in replies) == [303, 401, 401, 401]
        (cookie,) = [cookie_of(reply) for reply in replies if reply.status == 303]
        headers = BALANCED | {"cookie": cookie}
        for node in nodes.nodes:
            assert send(node.url, Request("GET", "/dashboard", headers)).status == 200


def test_who_signs_out_at_one_node_is_out_at_the_other(nodes: Cluster) -> None:
    links = SignInLinks(Sealer(bytes.fromhex(nodes.environment["OTPCONV_SEALING_KEY"])))
    first, second = nodes.nodes
    token = links.issue(nodes.admin.access_key_id, wall_clock())
    signed_in = send(first.url, Request("GET", f"/sign-in?token={token}", BALANCED))
    cookie = BALANCED | {"cookie": cookie_of(signed_in)}
    page = send(second.url, Request("GET", "/dashboard", cookie)).body.decode()
    (form_token,) = set(re.findall(r'name="form_token" value="([^"]+)"', page))
    form = Request("POST", "/sign-out", cookie | FORM, f"form_token={form_token}".encode())
    assert send(second.url, form).status == 303
    wait_until(lambda: send(first.url, Request("GET", "/dashboard", cookie)).status != 200, FRESH_S)


def test_a_signed_assume_role_is_answered_once_among_all_nodes(nodes: Cluster) -> None:
    with closing(open_directory(nodes.settings)) as directory:
        directory.create_role("default", "Reporter", 3_600)
    asked = {"RoleArn": "acs:ram::1:role/Reporter", "RoleSessionName": "alice"}
    for node in nodes.nodes:
        known = lambda node=node: (  # noqa: E731
            "Credentials" in send(node.url, v3(nodes.admin, asked, headers=STS)).json
        )
        wait_until(known, FRESH_S)
    for _ in range(5):
        request = v3(nodes.admin, asked, headers=STS)
        codes = [reply.json.get("Code") for reply in at_once(nodes, request)]
        assert sorted(codes, key=str) == [None, *["SignatureNonceUsed"] * 3]
    # A new node remembers nothing itself.
    nodes.nodes[0].kill()
    nodes.nodes[0].start()
    assert [reply.json["Code"] for reply in at_once(nodes, request)] == ["SignatureNonceUsed"] * 4


def test_a_signed_message_is_sent_once_among_all_nodes(nodes: Cluster, tmp_path: Path) -> None:
    first, second = nodes.nodes
    at = partial(otpconv, **client_of(first, nodes.admin))
    with closing(Shop(at, first, nodes.admin, tmp_path)) as shop:
        shop.create("alibaba", send="off")
        assert shop.at("vendors", "send", "main", "on").returncode == 0
        headers = GLOBE | BALANCED
        for node in (first, second):
            known = lambda node=node: (  # noqa: E731
                send(node.url, v3(nodes.admin, {"To": HONG_KONG}, headers=headers)).status == 200
            )
            wait_until(known, FRESH_S + 0.5)
        for number in range(5):
            asked = {"To": HONG_KONG, "Message": f"m{number}"}
            replies = at_once(nodes, v3(nodes.admin, asked, headers=headers))
            assert sorted(reply.status for reply in replies) == [200, 400, 400, 400]
        assert [shop.vendor.messages[f"m{number}"] for number in range(5)] == [1] * 5
        assert shop.at("vendors", "delete", "main").returncode == 0


@pytest.mark.parametrize("how", parameters(ENDS, [signal.SIGKILL], "a node that hangs or stops"))
def test_another_node_takes_over(nodes: Cluster, how: signal.Signals) -> None:
    wait_until(lambda: len(nodes.running()) == 2)
    holder = nodes.holder()
    rest = other(nodes, holder)
    began = time.monotonic()
    if how is signal.SIGSTOP:
        os.kill(holder.pid, how)
    else:
        holder.signal(how)
    try:
        with psycopg.connect(nodes.settings.ledger.get_secret_value()) as stuck:  # type: ignore[union-attr]
            if how is signal.SIGSTOP:  # it may have been stopped in a transaction
                stuck.execute("SELECT position FROM otpconv_ledger.cursors FOR UPDATE")
            with client(rest, nodes.admin) as calling:
                body = {"messages": [{"message_id": f"after-{how}"}]}
                assert calling.post("/v1/messages", json=body).status_code == 200
                wait_until(lambda: "ledger" in nodes.running().get(port_of(rest), ()), TAKEOVER_S)
                wait_until(lambda: calling.get(f"/v1/messages/after-{how}").status_code == 200)
            assert time.monotonic() - began < TAKEOVER_S + FRESH_S
            if how is signal.SIGSTOP:
                with pytest.raises(psycopg.OperationalError):
                    stuck.execute("SELECT 1")
        assert sorted(nodes.running()[port_of(rest)]) == sorted(LEASES)
        wait_until(lambda: [*nodes.running()] == [port_of(rest)])
        listed = [node["name"].rpartition(":")[2] for node in nodes.command("nodes")]
        assert (port_of(holder) in listed) == (how is not signal.SIGTERM)
    finally:
        if how is signal.SIGSTOP:
            os.kill(holder.pid, signal.SIGCONT)
        else:
            holder.start()
    wait_until(lambda: len(nodes.running()) == 2)
    # It does not take its leases back.
    assert nodes.holder() is rest


def test_a_node_with_another_sealing_key_refuses_to_start(nodes: Cluster) -> None:
    environment = nodes.environment | {"OTPCONV_SEALING_KEY": secrets.token_hex(32)}
    with pytest.raises(Misconfigured, match=r"is not the one that the database .* was first used with"):
        LocalServer(nodes.folder / "wrong", environment).start()


def test_a_data_folder_holds_no_state(nodes: Cluster) -> None:
    for node in nodes.nodes:
        assert {file.name for file in node.data.iterdir()} <= {"lock", "relaying", "alerting", "audit.ndjson"}


def test_a_command_without_a_server_on_its_folder_asks_which_nodes_run(nodes: Cluster) -> None:
    settings = {
        "ledger": nodes.environment["OTPCONV_LEDGER"],
        "sealing_key": nodes.environment["OTPCONV_SEALING_KEY"],
    }
    folder = ("--data", nodes.folder / "elsewhere")
    refused = otpconv("ledger", "rebuild", *folder, **settings)
    assert refused.returncode == 2
    assert all(f":{port_of(node)}" in refused.stderr for node in nodes.nodes)
    assert "stop them" in refused.stderr
    with client(nodes.nodes[0], nodes.admin) as calling:
        body = {"messages": [{"message_id": "forgotten", "to": "+34600000009"}]}
        assert calling.post("/v1/messages", json=body).status_code == 200
    before = files(nodes)
    assert nodes.command("forget", "--number", "+34600000009") == {"deleted": 1}
    assert files(nodes) == before  # no table was rewritten
    with psycopg.connect(settings["ledger"]) as elsewhere:
        elsewhere.execute("SELECT pg_advisory_lock(7286474)")  # a deletion on another machine
        refused = otpconv("forget", "--number", "+34600000009", *folder, **settings)
        assert refused.returncode == 2
        assert "another deletion" in refused.stderr
    with client(nodes.nodes[1], nodes.admin) as calling:
        wait_until(lambda: calling.get("/v1/messages/forgotten").status_code == 404)


def test_connections_that_break_are_opened_again(nodes: Cluster) -> None:
    key = nodes.keys.create("default", "follower", "AdministratorAccess")
    with psycopg.connect(nodes.environment["OTPCONV_LEDGER"]) as admin:
        others = "pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        for _ in range(5):  # also in the middle of what they do
            admin.execute(f"SELECT pg_terminate_backend(pid, 1000) FROM {others}")  # noqa: S608 - our own
    for number, node in enumerate(nodes.nodes):
        with client(node, key) as calling:
            body = {"messages": [{"message_id": f"broken-{number}"}]}
            wait_until(lambda c=calling, b=body: c.post("/v1/messages", json=b).status_code == 200)  # type: ignore[misc]
            path = f"/v1/messages/broken-{number}"
            wait_until(lambda c=calling, p=path: c.get(p).status_code == 200)  # type: ignore[misc]
    wait_until(lambda: sum(map(len, nodes.running().values())) == len(LEASES))
    nodes.keys.set_active(key.access_key_id, active=False)
    for node in nodes.nodes:
        with client(node, key) as calling:
            wait_until(lambda c=calling: c.get("/v1/rates").status_code == 401, FRESH_S)  # type: ignore[misc]


def test_without_nodes_a_deletion_rewrites_the_tables_and_the_ledger_can_be_rebuilt(nodes: Cluster) -> None:
    with client(nodes.nodes[0], nodes.admin) as calling:
        body = {"messages": [{"message_id": "rewritten", "to": "+34600000008"}]}
        assert calling.post("/v1/messages", json=body).status_code == 200
    for node in nodes.nodes:
        assert node.stop() == 0
    assert nodes.running() == {}
    before = files(nodes)
    assert nodes.command("forget", "--number", "+34600000008") == {"deleted": 1}
    assert all(old != new for old, new in zip(before, files(nodes), strict=True))
    with stopped(nodes.settings), pytest.raises(Misconfigured, match="replaces the ledger"):
        nodes.nodes[0].start()
    assert nodes.command("ledger", "rebuild")["rebuilt"] > 0


@pytest.mark.campaign(
    "that another node takes over is in the tests before; expiry and deletion have tests of their own"
)
def test_the_node_that_takes_over_also_expires_and_deletes(tmp_path: Path) -> None:
    constants = {"otpconv.service.retention.EVERY_S": 0.1, "otpconv.service.compose._FORGET_EVERY_S": 0.1}
    settings = with_constants(tmp_path, constants) | {"OTPCONV_RETENTION_DAYS": "30"}
    with cluster(tmp_path) as made:
        first = made.add(settings)
        assert made.holder() is first
        second = made.add(settings)
        first.kill()
        with client(second, made.admin) as calling:
            messages = [
                {"message_id": "old", "requested_at": wall_clock() - 40 * DAY_MS},
                {"message_id": "new"},
            ]
            assert calling.post("/v1/messages", json={"messages": messages}).json()["recorded"] == 2
            # An expiry says that the clock is right, and nothing is deleted before.
            wait_until(lambda: calling.get("/v1/messages/old").status_code == 404)
            assert calling.get("/v1/messages/new").status_code == 200
            rows = calling.get("/v1/rates", params={"start": "60d", "end": "now"}).json()["rows"]
            assert sum(row["requested"] for row in rows) == 2
        wait_until(lambda: not made.engine.has_erasures())
        with closing(made.engine.journal()) as journal:
            facts = [entry.report for entry in journal.read(0, 100)]
        assert any(isinstance(fact, Expiry) for fact in facts)
        assert [fact.message_id for fact in facts if isinstance(fact, Requested)] == ["new"]


def files(nodes: Cluster) -> list[int]:
    """Return the files of some tables; they change when a table is rewritten."""
    names = ["otpconv.journal", "otpconv_ledger.messages"]
    with psycopg.connect(nodes.environment["OTPCONV_LEDGER"]) as reading:
        found = "SELECT pg_relation_filenode(name::regclass) FROM unnest(%s::text[]) AS t (name)"
        return [file for (file,) in reading.execute(found, (names,)).fetchall()]


def at_once(nodes: Cluster, request: Request) -> list[Reply]:
    """Send the same request to all nodes at the same moment, twice to each."""
    urls = [node.url for node in nodes.nodes] * 2
    with ThreadPoolExecutor(len(urls)) as threads:
        return [*threads.map(lambda url: send(url, request), urls)]


def cookie_of(reply: Reply) -> str:
    return (reply.headers["set-cookie"] or "").partition(";")[0]
