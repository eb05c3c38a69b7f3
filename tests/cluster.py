"""Several servers on one PostgreSQL, each a process with a data folder of its own."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx

import postgresql
from cli.commands import otpconv
from otpconv.access.keys import AccessKey, KeyStore
from otpconv.cli.local_server import LocalServer
from otpconv.config import Settings, load
from otpconv.service.engines import postgres_engine
from otpconv.service.opening import open_key_store
from otpconv.service.running import nodes_of
from web.wire import NO_TLS

#: How long to wait for an event that is sure to come, s: other tests run at the same time.
PATIENCE_S = 30.0


class Cluster:
    """Servers on a database of their own.

    Attributes:
        settings: of a command that uses the database.
        nodes: the servers.
        keys: the access keys of the database.
        admin: the key of an administrator of the account 1.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        sealing_key = secrets.token_hex(32)
        self.environment = {
            "OTPCONV_LEDGER": url,
            "OTPCONV_SEALING_KEY": sealing_key,
            "OTPCONV_LIMIT_FAILED_LOGINS": "off",
        }
        self.settings: Settings = load(data=folder / "command", ledger=url, sealing_key=sealing_key)
        self.engine = postgres_engine(self.settings)
        assert self.engine.create()
        self.keys: KeyStore = open_key_store(self.settings)
        self.admin = self.keys.create("default", "admin", "AdministratorAccess")
        self.nodes: list[LocalServer] = []

    def add(self, settings: dict[str, str] | None = None) -> LocalServer:
        """Start one more node."""
        node = LocalServer(self.folder / f"node{len(self.nodes)}", self.environment | (settings or {}))
        self.nodes.append(node)
        node.start()
        return node

    def command(self, *words: object) -> Any:  # noqa: ANN401 - of JSON
        """Return what a command prints as JSON."""
        done = otpconv(
            *(*words, "--json", "--data", self.folder / "command"),
            ledger=self.environment["OTPCONV_LEDGER"],
            sealing_key=self.environment["OTPCONV_SEALING_KEY"],
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def running(self) -> dict[str, tuple[str, ...]]:
        """Return the leases of the nodes that run, by the port of the node."""
        listed = nodes_of(self.settings) or []
        return {node.name.rpartition(":")[2]: node.leases for node in listed if node.running}

    def holder(self) -> LocalServer:
        """Return the node that applies the journal, once there is one."""
        found: list[LocalServer] = []

        def is_there() -> bool:
            ports = [port for port, leases in self.running().items() if "ledger" in leases]
            found[:] = [node for node in self.nodes if port_of(node) in ports]
            return bool(found)

        wait_until(is_there)
        return found[0]

    def close(self) -> None:
        self.keys.close()
        for node in self.nodes:
            node.stop()


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Make a cluster without nodes; its nodes are stopped at the end."""
    with postgresql.new_database(postgresql.shared()) as url, closing(Cluster(folder, url)) as made:
        yield made


def port_of(node: LocalServer) -> str:
    return node.url.rpartition(":")[2]


def client(node: LocalServer, key: AccessKey) -> httpx.Client:
    return httpx.Client(
        base_url=node.url, auth=(key.access_key_id, key.secret), verify=NO_TLS, timeout=PATIENCE_S
    )


def wait_until(happened: Callable[[], bool], within_s: float = PATIENCE_S) -> float:
    """Wait for an event, and return how long it took, s."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() < began + within_s, f"not within {within_s} s"
        time.sleep(0.02)
    return time.monotonic() - began
