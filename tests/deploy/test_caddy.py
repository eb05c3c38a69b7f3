"""The proxy of the compose files, run in front of two servers."""

import itertools
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest

from audited import audited
from deploy.files import BIN, DEPLOY
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.web.front.body import MAX_BODY_BYTES, MAX_UNKNOWN_BYTES
from otpconv.web.front.worker import _HEAD_S
from web.wire import administrator, v3

CADDYFILE = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
SETTINGS = {"OTPCONV_REQUIRE_TLS": "true", "OTPCONV_TRUSTED_PROXIES": "127.0.0.1"}
#: From where the tests call, so that their address is not the proxy's.
ADDRESS = "127.0.0.2"
#: Between two requests of a client, s.
PAUSE_S = 0.01


class Front(NamedTuple):
    """Caddy and two nodes with the same access keys."""

    port: int
    plain_port: int
    nodes: list[LocalServer]
    tls: ssl.SSLContext
    log: Path

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"https://localhost:{self.port}"

    def client(self) -> httpx.Client:
        """Return a client with the administrator's key."""
        node = self.nodes[0]
        return httpx.Client(
            base_url=self.url,
            auth=(node.access_key_id, node.access_key_secret),
            transport=httpx.HTTPTransport(verify=self.tls, local_address=ADDRESS),
        )

    def returns(self, node: LocalServer) -> int:
        """Return how often Caddy has seen that a node became healthy."""
        return self._count(node, "host is up")

    def failures(self, node: LocalServer) -> int:
        """Return how often Caddy has seen that a node does not answer."""
        return self._count(node, "HTTP request failed")

    def _count(self, node: LocalServer, text: str) -> int:
        events = map(json.loads, self.log.read_text(encoding="utf-8").splitlines())
        host = urlsplit(node.url).netloc
        return sum(event["msg"] == text and event["host"] == host for event in events)


def free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def front(
    tmp_path_factory: pytest.TempPathFactory, eventually: Callable[[Callable[[], bool], bool], None]
) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    port, plain, administration, *ports = free_ports(5)
    with LocalServer(folder / "first") as first:
        pass
    nodes = []
    for name, of_node in zip(("a", "b"), ports, strict=True):
        shutil.copytree(first.data, folder / name)
        nodes.append(LocalServer(folder / name, SETTINGS, of_node))
    file = folder / "Caddyfile"
    file.write_text(CADDYFILE.replace("{\n", f"{{\n\thttp_port {plain}\n\thttps_port {port}\n", 1))
    environment = {
        "CADDY_ADMIN": f"127.0.0.1:{administration}",
        "DOMAIN": "localhost",
        "HOME": str(folder),
        "NODES": " ".join(f"127.0.0.1:{of_node}" for of_node in ports),
        "XDG_DATA_HOME": str(folder / "caddy"),
    }
    authority = folder / "caddy/caddy/pki/authorities/local/root.crt"
    with nodes[0], nodes[1], (folder / "log").open("w") as log:
        words = ["run", "--config", str(file), "--adapter", "caddyfile"]
        caddy = subprocess.Popen([BIN / "caddy", *words], env=environment, stderr=log)  # noqa: S603
        try:
            eventually(authority.is_file, True)
            tls = ssl.create_default_context(cafile=authority)
            running = Front(port, plain, nodes, tls, folder / "log")
            eventually(lambda: answers(running), True)
            yield running
        finally:
            caddy.terminate()
            caddy.wait(30)


def answers(front: Front) -> bool:
    try:
        with front.client() as client:
            return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_a_signed_call_passes_with_every_header_that_it_signs(front: Front) -> None:
    headers = {"host": urlsplit(front.url).netloc, "user-agent": "an SDK", "accept": "application/json"}
    parameters = {"MessageId": "1", "Delivered": "true", "ConversionTime": str(wall_clock())}
    request = v3(administrator(front.nodes[0]), parameters, headers=headers)
    with front.client() as client:
        answer = client.post(request.target, headers=dict(request.headers), auth=None)
        assert (answer.status_code, answer.json()["ResponseCode"]) == (200, "OK"), answer.text
        changed = {**request.headers, "user-agent": "another SDK"}
        assert client.post(request.target, headers=changed, auth=None).status_code == 400


def test_the_node_sees_the_address_of_the_client_and_not_a_forged_one(front: Front) -> None:
    forged = {"x-forwarded-for": "192.0.2.66", "x-forwarded-proto": "http", "forwarded": "for=192.0.2.66"}
    with front.client() as client:
        for _ in front.nodes:
            refused = client.get("/v1/rates", auth=("nobody", "x"), headers=forged)
            assert refused.json()["code"] == "BadCredentials"
    refusals = [
        line for node in front.nodes for line in audited(node.data) if line["outcome"] == "BadCredentials"
    ]
    assert {line["from"] for line in refusals} == {ADDRESS}


def test_plain_http_reaches_no_api(front: Front) -> None:
    redirected = httpx.get(f"http://localhost:{front.plain_port}/v1/rates")
    assert (redirected.status_code, redirected.headers["location"]) == (308, "https://localhost/v1/rates")
    for node in front.nodes:
        assert httpx.get(f"{node.url}/v1/rates").json()["code"] == "NeedsTls"


def test_a_body_may_be_as_large_as_for_the_server(front: Front) -> None:
    (size,) = re.findall(r"max_size (\d+)MiB", CADDYFILE)
    assert int(size) * 1024**2 == MAX_BODY_BYTES
    with front.client() as client:
        content = b" " * MAX_BODY_BYTES
        answer = client.post("/v1/messages", content=content, headers={"content-type": "application/json"})
        assert answer.json()["code"] == "InvalidRequest"


def test_the_proxy_keeps_no_more_of_a_body_than_the_server_of_unknown_callers() -> None:
    (size,) = re.findall(r"request_buffers (\d+)KiB", CADDYFILE)
    assert int(size) * 1024 == MAX_UNKNOWN_BYTES


def test_the_proxy_closes_idle_connections_before_the_server_does() -> None:
    (keepalive,) = re.findall(r"keepalive (\d+)s", CADDYFILE)
    assert int(keepalive) < _HEAD_S


def test_no_request_fails_while_the_nodes_restart_one_after_the_other(
    front: Front, eventually: Callable[[Callable[[], bool], bool], None]
) -> None:
    asked: list[int] = []
    reported: list[int] = []
    ended = threading.Event()

    def ask() -> None:
        with front.client() as client:
            while not ended.wait(PAUSE_S):
                asked.append(client.get("/v1/rates").status_code)

    def report(writer: int) -> None:
        with front.client() as client:
            for number in itertools.count():
                if ended.wait(PAUSE_S):
                    break
                message = {"message_id": f"{writer}-{number}"}
                reported.append(client.post("/v1/messages", json={"messages": [message]}).status_code)

    threads = [threading.Thread(target=ask), *(threading.Thread(target=report, args=(n,)) for n in range(4))]
    for thread in threads:
        thread.start()
    try:
        for node in front.nodes:
            up, failures = front.returns(node), front.failures(node)
            assert node.stop() == 0
            eventually(lambda node=node, failures=failures: front.failures(node) > failures, True)
            before = len(reported) + 20
            eventually(lambda before=before: len(reported) > before, True)
            node.start()
            # The how-to waits as well: the proxy must have seen that the node is back.
            eventually(lambda node=node, up=up: front.returns(node) > up, True)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert {*asked} == {*reported} == {200}
