"""What callers see while PostgreSQL is cut off, locked, full or slow, and that nothing needs a restart."""

import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psycopg
import pytest

import postgresql
from campaigns import rounds
from faults import namespaces
from faults.load import Load, assert_recorded, wait_until
from faults.proxy import Proxy
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.service.engines import postgres_engine
from otpconv.storage.postgres import PostgresEngine

#: How long a caller may wait for an answer to reports, s.
ANSWERED_WITHIN_S = 3.0
#: Rounds of each fault.
ROUNDS = rounds(10, at_least=1)
MEMORY = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir())  # noqa: S108 - folders of our own
SETTINGS = {"deadlock_timeout": "50ms", **postgresql.FAST}


class World:
    """A server whose PostgreSQL is behind a proxy; it runs through all tests of the module."""

    def __init__(
        self, server: postgresql.PostgresServer, node: LocalServer, proxy: Proxy, engine: PostgresEngine
    ) -> None:
        self.server = server
        self.node = node
        self.proxy = proxy
        self.engine = engine
        self.loads: list[Load] = []

    @contextmanager
    def load(self, name: str) -> Iterator[Load]:
        """Report while the context lasts; afterwards, reports are recorded again without a restart."""
        load_ = Load(name, signed=True)
        self.loads.append(load_)
        load_.start(self.node)
        try:
            load_.wait_for_more()
            yield load_
            load_.wait_for_more()
        finally:
            load_.stop()
        assert load_.slowest_s < ANSWERED_WITHIN_S
        wait_until(lambda: httpx.get(f"{self.node.url}/readyz").status_code == 200)

    def admin(self) -> psycopg.Connection[tuple[object, ...]]:
        """Return another client's connection, in a transaction."""
        return psycopg.connect(self.server.socket_url, options="-c search_path=otpconv_ledger,otpconv")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with postgresql.running(MEMORY, SETTINGS) as server:
        proxy = Proxy(server.port)
        settings = {
            "OTPCONV_LEDGER": server.url.replace(str(server.port), str(proxy.port)),
            "OTPCONV_LEDGER_CONNECTIONS": "2",
            "OTPCONV_LEDGER_CONNECT_TIMEOUT": "2",
            "OTPCONV_LEDGER_LOCK_TIMEOUT": "1",
            "OTPCONV_LEDGER_STATEMENT_TIMEOUT": "2",
        }
        node = LocalServer(tmp_path_factory.mktemp("faults") / "data", settings)
        engine = postgres_engine(load(data=node.data, ledger=server.url))
        engine.create()
        with node:
            made = World(server, node, proxy, engine)
            yield made
        proxy.close()
        assert_recorded(engine, *made.loads)


@pytest.mark.rounds
@pytest.mark.parametrize("fault", ["cut", "half_close", "block"])
def test_connections_that_break_or_hang_cost_no_report(world: World, fault: str) -> None:
    chance = random.Random(fault)
    with world.load(fault) as load_:
        for _ in range(ROUNDS):
            refused = load_.refused
            getattr(world.proxy, fault)()
            if fault == "block":
                wait_until(lambda refused=refused: load_.refused > refused)  # type: ignore[misc]
                time.sleep(chance.uniform(0.0, 0.5))
                world.proxy.heal()
            load_.wait_for_more()


@pytest.mark.rounds
def test_a_slow_network_delays_reports_or_refuses_them(world: World) -> None:
    with world.load("slow") as load_:
        world.proxy.delay_s = 0.02
        refused = load_.refused
        load_.wait_for_more()
        assert load_.refused == refused
        world.proxy.delay_s = 2.0
        wait_until(lambda: load_.refused > refused)
        world.proxy.heal()


@pytest.mark.rounds
def test_reports_are_acknowledged_while_questions_use_up_all_connections(world: World) -> None:
    auth = (world.node.access_key_id, world.node.access_key_secret)

    def ask(_: int) -> int:
        began = time.monotonic()
        reply = httpx.get(f"{world.node.url}/v1/rates", auth=auth, timeout=30)
        assert time.monotonic() - began < 10
        return reply.status_code

    with world.load("pool") as load_, ThreadPoolExecutor(4) as callers:
        for _ in range(ROUNDS):
            refused = load_.refused
            # A question waits for this lock, on its connection, until its own timeout.
            with world.admin() as admin:
                admin.execute("LOCK TABLE rollups")
                answers = list(callers.map(ask, range(4)))
                load_.wait_for_more()
            assert set(answers) <= {200, 503}
            assert 503 in answers
            assert load_.refused == refused
        wait_until(lambda: ask(0) == 200)


@pytest.mark.rounds
def test_reports_are_refused_while_another_client_holds_their_lock(world: World) -> None:
    with world.load("locks") as load_:
        for _ in range(ROUNDS):
            refused = load_.refused
            with world.admin() as admin:
                admin.execute("SELECT last FROM writers FOR UPDATE")
                wait_until(lambda refused=refused: load_.refused > refused + 3)  # type: ignore[misc]
            load_.wait_for_more()


@pytest.mark.rounds
def test_deadlocks_with_another_client_are_repeated(world: World) -> None:
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    with (
        world.load("deadlocks") as load_,
        psycopg.connect(world.server.socket_url, autocommit=True) as watcher,
    ):
        before = watcher.execute(query).fetchall()
        wait = threading.Event()
        for _ in range(10 * ROUNDS):
            # The applier locks its cursor first, then the messages.
            with suppress(psycopg.errors.DeadlockDetected), world.admin() as admin:
                admin.execute("LOCK TABLE messages IN SHARE MODE")
                wait.wait(0.1)
                admin.execute("SELECT * FROM cursors FOR UPDATE")
        assert watcher.execute(query).fetchall() != before
        assert load_.refused == 0


@pytest.mark.rounds
def test_a_database_that_is_serializable_by_default_refuses_nothing(world: World) -> None:
    change = "ALTER DATABASE postgres {} default_transaction_isolation"
    with psycopg.connect(world.server.socket_url, autocommit=True) as admin:
        admin.execute(change.format("SET") + " = serializable")  # type: ignore[arg-type]
        try:
            world.proxy.cut()  # new connections use the default
            with world.load("serializable") as load_:
                refused = load_.refused
                for _ in range(20 * ROUNDS):  # another node's commits, which change the same row
                    world.engine.try_write()
                load_.wait_for_more()
                assert load_.refused == refused
        finally:
            admin.execute(change.format("RESET"))  # type: ignore[arg-type]


@pytest.mark.rounds
def test_creating_and_migrating_tables_does_not_disturb_reports(world: World) -> None:
    with world.load("init") as load_:
        for _ in range(rounds(100, at_least=3)):
            assert not world.engine.create()
            world.engine.migrate(lambda *_: None)
        load_.wait_for_more()
        assert load_.refused == 0


@pytest.mark.long("a PostgreSQL and a server of its own start")
@pytest.mark.campaign("full disks are in test_full_disk.py, a database that refuses to write is above")
def test_a_full_disk_of_the_database_refuses_reports_until_there_is_room(
    make_server: Callable[..., LocalServer],
) -> None:
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount the small disk of this test")
    disk = Path(tempfile.mkdtemp(prefix="otpconv-disk-"))  # a short path, for the socket
    subprocess.run([mount, "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", disk], check=True)  # noqa: S603
    try:
        with postgresql.running(disk, SETTINGS) as server:
            node = make_server(settings={"OTPCONV_LEDGER": server.url})
            engine = postgres_engine(load(data=node.data, ledger=server.url))
            engine.create()
            node.start()
            load_ = Load("full", signed=True)
            load_.start(node)
            load_.wait_for_more()
            fill = disk / "fill"
            with suppress(OSError), fill.open("wb", buffering=0) as stream:
                while stream.write(bytes(65_536)):
                    pass
            wait_until(lambda: load_.refused > 3)
            assert httpx.get(f"{node.url}/healthz").status_code == 200
            fill.unlink()
            load_.wait_for_more()
            load_.stop()
            assert load_.slowest_s < ANSWERED_WITHIN_S
            node.stop()
            assert_recorded(engine, load_)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)  # noqa: S603, S607
        disk.rmdir()


@pytest.mark.long("the network is cut for 3 s, and for 30 s in the long form")
@pytest.mark.campaign("connections that break or hang are above")
def test_a_node_that_is_cut_off_from_the_database_goes_on_when_the_network_is_back(
    make_server: Callable[..., LocalServer],
) -> None:
    with namespaces.namespace() as network:
        outside, inside = namespaces.DATABASE
        server = postgresql.PostgresServer(MEMORY, SETTINGS | {"listen_addresses": f"127.0.0.1,{outside}"})
        try:
            with (server.folder / "data/pg_hba.conf").open("a") as hba:
                hba.write(f"host all all {inside}/32 scram-sha-256\n")
            server.start()
            url = server.url.replace("127.0.0.1", outside) + "?sslmode=disable"
            node = make_server(settings={"OTPCONV_LEDGER": url, "OTPCONV_HOST": namespaces.CALLERS[1]})
            node.run = network.run  # type: ignore[method-assign]
            engine = postgres_engine(load(data=node.data, ledger=server.url))
            engine.create()
            node.start()
            load_ = Load("cut-off", signed=True)
            load_.start(node)
            load_.wait_for_more()
            network.cut()
            refused = load_.refused
            time.sleep(rounds(30, at_least=3))
            assert load_.refused > refused
            engine.try_write()  # the node has left no lock that other nodes wait for
            network.heal()
            load_.wait_for_more()
            load_.stop()
            assert load_.slowest_s < ANSWERED_WITHIN_S
            node.stop()
            assert_recorded(engine, load_)
        finally:
            server.remove()
