"""Servers for the tests: real processes, started through the command line."""

import gc
import hashlib
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from httpx._config import DEFAULT_TIMEOUT_CONFIG
from httpx._transports import default as default_transport
from hypothesis import settings
from typing_extensions import override

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.service.opening import open_key_store
from otpconv.storage.alerts.contract import AlertStore
from otpconv.storage.relay.contract import RelayStore

# importmode=importlib adds nothing to the path: `from web.wire import …` needs it.
sys.path.insert(0, str(Path(__file__).resolve().parent))

import postgresql
from campaigns import parameters, rounds
from cli.commands import Run, client_of, otpconv
from debian import one_at_a_time
from quick_start import run_otpconv_at_once
from storage.engines import (
    ENGINES,
    MEMORY,
    Access,
    CitusEngine,
    Engine,
    Notifying,
    Postgres18Engine,
    Storage,
)
from web.wire import NO_TLS

_T = TypeVar("_T")

#: The files of tests that run on PostgreSQL 18 too.
ON_EACH_VERSION = ("test_contract.py", "test_laws.py")
#: A test that takes more than this has to give a reason, s.
LONG_S = 10
#: How long to wait for an event that is sure to come: other tests run at the same time, s.
PATIENCE_S = 30
#: What the folders of all tests take at most, with a lot to spare.
ROOM_BYTES = 4 << 30

# The machine that tests may have others to serve: how long an example takes says nothing.
settings.register_profile("tests", deadline=None, max_examples=rounds(100))
settings.load_profile("tests")
# Nor does it when a server answers late: a client would give up after 5 s.
for part in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, part, float(PATIENCE_S))


@cache
def usual_context(authorities: tuple[str | None, ...]) -> ssl.SSLContext:
    """Return what httpx makes for each client: to load the authorities takes 20 to 70 ms of CPU."""
    del authorities  # httpx reads them from the environment too
    return httpx.create_ssl_context()


def shared_context(**given: Any) -> ssl.SSLContext:  # noqa: ANN401 - as httpx has it
    """Return the context that clients with the same authorities share, unless they ask for another."""
    if given["verify"] is True and not given["cert"] and given["trust_env"]:
        return usual_context(tuple(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")))  # noqa: TID251
    return httpx.create_ssl_context(**given)


default_transport.create_ssl_context = shared_context
LocalServer.run = staticmethod(run_otpconv_at_once)

# A shell ignores Ctrl-C for processes in the background, and the programs that tests start would too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Folders of tests lie in memory if there is room: thousands of commits wait for a disk otherwise, and nobody
# pulls the plug.
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))  # noqa: TID251 - of pytest

# Thousands of tests and their modules stay to the end: looking for garbage among them costs a worker 2 s.
gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage from now on, but not among the collected tests."""
    gc.freeze()
    gc.enable()


#: Files of `tests/browser/` about a ledger of thousands of messages, and one that balances the other files.
DASHBOARD = {f"tests/browser/test_{name}.py" for name in ("dashboard", "chart", "tables", "newcomer")}


def unit_of_work(file: str) -> str:
    """Return what a worker runs as a whole: files that share something, or a file."""
    if file.startswith("tests/brokers/"):
        return "the brokers"
    if file.startswith("tests/house/"):
        return "the house"
    if not file.startswith("tests/browser/"):
        return file
    return "the dashboard in a browser" if file in DASHBOARD else "other pages in a browser"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:  # noqa: ANN401 - of py
    """Give each worker one unit of work after the other."""
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415 - the workers do without

    class Scheduling(LoadFileScheduling):
        @override
        def _split_scope(self, nodeid: str) -> str:
            return unit_of_work(super()._split_scope(nodeid))

    return Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the files with long tests first: a file is the unit of work that a worker takes."""
    long = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: item.path not in long)


def pytest_sessionfinish() -> None:
    """Stop the PostgreSQL of this process."""
    postgresql.remove_shared()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that took more than 10 s and do not say why."""
    reports = [each for outcome in ("passed", "failed") for each in terminalreporter.getreports(outcome)]
    for report in reports:
        if report.duration > LONG_S and "long" not in report.keywords:
            took = f"{report.nodeid} took {report.duration:.0f} s ({report.when})"
            terminalreporter.write_line(
                f"{took}. Make it shorter, or give the reason with @pytest.mark.long."
            )


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server that many tests share: use message ids and accounts of your own."""
    # The tests send hundreds of wrong credentials from one address.
    settings = {"OTPCONV_LIMIT_FAILED_LOGINS": "off"}
    with LocalServer(tmp_path_factory.mktemp("server") / "data", settings) as running:
        yield running


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., LocalServer]]:
    """Makes servers that are not started yet, each with a data folder of its own unless one is given."""
    made: list[LocalServer] = []

    def make(data: Path | None = None, settings: dict[str, str] | None = None) -> LocalServer:
        running = LocalServer(data or tmp_path / f"data{len(made)}", settings)
        made.append(running)
        return running

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def native(server: LocalServer) -> Iterator[httpx.Client]:
    """A client of the shared server's native API, with the administrator's access key."""
    auth = (server.access_key_id, server.access_key_secret)
    with httpx.Client(base_url=server.url, auth=auth, verify=NO_TLS) as client:
        yield client


@pytest.fixture(scope="session")
def make_key(server: LocalServer) -> Iterator[Callable[..., AccessKey]]:
    """Makes access keys of the shared server: each of a new user, and if none is given of a new account."""
    store = open_key_store(load(data=server.data))
    numbers = count(1)

    spare: list[AccessKey] = []

    def new(policy: str, account: str | None) -> AccessKey:
        number = next(numbers)
        return store.create(account or f"account-{number}", f"user-{number}", policy)

    def make(
        policy: str = "AdministratorAccess", account: str | None = None, *, disabled: bool = False
    ) -> AccessKey:
        usual = policy == "AdministratorAccess" and account is None and not disabled
        if usual and spare:
            return spare.pop()
        key = new(policy, account)
        if disabled:
            store.set_active(key.access_key_id, active=False)
        if usual:
            spare.extend(new(policy, account) for _ in range(40))
        # Another one asks whether the server has seen them: its refusals are in the audit trail.
        with _client(server, key if disabled else new(policy, account)) as client:
            while True:
                code = client.get("/v1/rates").json().get("code")
                if code == "InactiveAccessKey" if disabled else code != "BadCredentials":
                    break
                time.sleep(0.02)  # until the server has seen it
        return key

    yield make
    store.close()


@pytest.fixture
def key(make_key: Callable[..., AccessKey]) -> AccessKey:
    """An administrator's access key in an account of the test's own."""
    return make_key()


@pytest.fixture
def own(server: LocalServer, key: AccessKey) -> Iterator[httpx.Client]:
    """A client of the shared server's native API in the test's own account."""
    with _client(server, key) as client:
        yield client


@pytest.fixture
def at(server: LocalServer, key: AccessKey) -> Run:
    """Runs a command with the access key of the test's own account of the shared server."""
    return partial(otpconv, **client_of(server, key))


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], _T], _T], None]:
    """Reads again and again until it gives the expected value: the ledger follows the journal."""

    def wait(read: Callable[[], _T], expected: _T) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while (found := read()) != expected and time.monotonic() < deadline:
            time.sleep(0.01)
        assert found == expected

    return wait


@pytest.fixture(scope="session")
def node_modules(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The official Node SDKs and an identity provider, pinned by sdk/node/package.json, in pytest's cache."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not on this machine")
    wanted = Path(__file__).parent / "sdk/node/package.json"
    cache = request.config.cache
    folder = cache.mkdir("node") if cache else tmp_path_factory.mktemp("node")
    installed = folder / hashlib.sha256(wanted.read_bytes()).hexdigest()[:16]
    with one_at_a_time("npm"):
        # Beside its place and then moved, so that it is there as a whole or not at all.
        if not installed.exists():
            _npm_install(npm, wanted, installed)
    return installed / "node_modules"


def _npm_install(npm: str, wanted: Path, installed: Path) -> None:
    with tempfile.TemporaryDirectory(dir=installed.parent) as parent:
        unfinished = Path(parent) / "sdks"
        unfinished.mkdir()
        shutil.copy(wanted, unfinished)
        subprocess.run(  # noqa: S603 - our own command
            [npm, "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=unfinished,
            check=True,
            capture_output=True,
            timeout=300,
        )
        unfinished.rename(installed)


def _client(server: LocalServer, key: AccessKey) -> httpx.Client:
    return httpx.Client(base_url=server.url, auth=(key.access_key_id, key.secret), verify=NO_TLS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of engines on each of them; those of the contract and the laws on PostgreSQL 18 too."""
    own = any("engine" in marker.args[0] for marker in metafunc.definition.iter_markers("parametrize"))
    if "engine" in metafunc.fixturenames and not own:
        kinds: list[Any] = [*ENGINES]
        if Path(metafunc.module.__file__).name in ON_EACH_VERSION:
            kinds = parameters([*ENGINES, Postgres18Engine], ENGINES, "the same on PostgreSQL 18")
        spread = os.environ.get("CITUS") and not metafunc.definition.get_closest_marker("one_server")  # noqa: TID251
        if spread:
            kinds.append(pytest.param(CitusEngine, id=CitusEngine.__name__, marks=pytest.mark.citus))
        metafunc.parametrize("engine", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    kind: type[Engine] = request.param
    fast = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="otpconv-", dir=fast) as root:
        opened = kind(Path(root))
        yield opened
        opened.close()


@pytest.fixture
def storage(engine: Engine) -> Iterator[Storage]:
    with engine.open() as opened:
        yield opened


@pytest.fixture
def relay_store(engine: Engine) -> Iterator[RelayStore]:
    with engine.relay() as opened:
        yield opened


@pytest.fixture
def notifying(engine: Engine) -> Iterator[Callable[[], Notifying]]:
    with engine.notifying() as opened:
        yield opened


@pytest.fixture
def alert_stores(engine: Engine) -> Iterator[Callable[[], AlertStore]]:
    """Opens the same alerts, new and empty, as another node does."""
    with engine.alerts() as opened:
        yield opened


@pytest.fixture
def access(engine: Engine) -> Iterator[Access]:
    with engine.access() as opened:
        yield opened
