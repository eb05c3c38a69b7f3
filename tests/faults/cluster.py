"""The layout of `docs/how-to/failover.md` on one machine: etcd, and three PostgreSQL servers with Patroni."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import yaml

import postgresql
from debian import program

MEMBERS = 3
#: How long members may take to start or to join, s: other tests run at the same time.
PATIENCE_S = 90.0

_DOCUMENT = Path(__file__).parents[2] / "docs/how-to/failover.md"
PASSWORD = "secret of the cluster"  # noqa: S105 - for no other server
#: The least that Patroni accepts: the documented times are for machines that are busier than a test.
_TIMES = {"ttl": 20, "loop_wait": 1, "retry_timeout": 3}


class Cluster:
    """An etcd and three members; `start` waits for the primary, and only commits for the first standby."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
        parent = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
        self._bin = postgresql.debians()
        self._etcd_program = program("etcd", "etcd-server")
        self.folder = Path(tempfile.mkdtemp(prefix="otpconv-cluster-", dir=parent))
        os.chown(self.folder, postgresql.user().pw_uid, postgresql.user().pw_gid)
        self._etcd_port, self._peer_port = postgresql.free_port(), postgresql.free_port()
        self.ports = [postgresql.free_port() for _ in range(MEMBERS)]
        self._apis = [postgresql.free_port() for _ in range(MEMBERS)]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """The URL that a server of otpconv gets."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"postgresql://otpconv:{quote(PASSWORD)}@{hosts}/otpconv?target_session_attrs=read-write"

    def start(self) -> None:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, self._peer_port))
        options = {
            "name": "etcd1",
            "data-dir": str(self.folder / "etcd"),
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"etcd1={peer}",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._run("etcd", [self._etcd_program, *words])
        wait_until(lambda: _answers(f"{client}/health"), self._logs)
        for number in range(MEMBERS):
            self.start_member(number)
        primary = f"host=127.0.0.1 port={self.ports[self.primary()]} user=postgres password='{PASSWORD}'"
        with psycopg.connect(f"{primary} dbname=postgres", autocommit=True) as admin:
            admin.execute("SET synchronous_commit = local")
            admin.execute(f"CREATE ROLE otpconv LOGIN PASSWORD '{PASSWORD}'")  # type: ignore[arg-type]
            admin.execute("CREATE DATABASE otpconv OWNER otpconv")

    def start_member(self, number: int) -> None:
        """Start Patroni on a member, as systemd does after a failure."""
        config = self.folder / f"db{number}.yml"
        config.write_text(yaml.safe_dump(self._configuration(number)))
        self._run(f"db{number}", [sys.executable, "-m", "patroni", str(config)])

    def kill_member(self, number: int) -> None:
        """End Patroni and PostgreSQL on a member, as a power failure does."""
        pids = [self._processes[f"db{number}"].pid]
        with contextlib.suppress(OSError):
            postmaster = int((self.folder / f"data{number}/postmaster.pid").read_text().split()[0])
            pids += [postmaster, *postgresql.children(postmaster)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._processes.pop(f"db{number}").wait()

    def primary(self) -> int:
        """Return the number of the member that Patroni has made the primary; waits for one."""
        found: list[int] = []

        def look() -> bool:
            found[:] = [n for n in range(MEMBERS) if _answers(f"http://127.0.0.1:{self._apis[n]}/primary")]
            return len(found) == 1

        wait_until(look, self._logs)
        return found[0]

    def wait_for_standbys(self) -> None:
        """Wait until all members run, and all but one follow the primary and may be promoted."""

        def are_there() -> bool:
            names = [f"http://127.0.0.1:{port}" for port in self._apis]
            return sum(_answers(f"{name}/quorum") for name in names) == MEMBERS - 1

        wait_until(are_there, self._logs)

    def stop(self) -> None:
        for name in [name for name in self._processes if name != "etcd"]:
            self.kill_member(int(name.removeprefix("db")))
        for process in self._processes.values():
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _configuration(self, number: int) -> dict[str, Any]:
        """Return the documented configuration with the addresses of this machine."""
        found = re.search(r"```yaml\n(.+?)```", _DOCUMENT.read_text(), re.DOTALL)
        assert found is not None
        made: dict[str, Any] = yaml.safe_load(found[1])
        made["name"] = f"db{number}"
        api, own = (f"127.0.0.1:{ports[number]}" for ports in (self._apis, self.ports))
        made["restapi"] = {"listen": api, "connect_address": api}
        made["etcd3"] = {"hosts": [f"127.0.0.1:{self._etcd_port}"]}
        made["bootstrap"]["dcs"] |= _TIMES
        here = made["postgresql"]
        here |= {"listen": own, "connect_address": own, "bin_dir": str(self._bin)}
        here |= {
            "data_dir": str(self.folder / f"data{number}"),
            "pgpass": str(self.folder / f"pgpass{number}"),
        }
        for account in here["authentication"].values():
            account["password"] = PASSWORD
        here["pg_hba"] = [line.replace("10.0.0.0/24", "127.0.0.1/32") for line in here["pg_hba"]]
        here["parameters"] = {"unix_socket_directories": str(self.folder), "shared_buffers": "16MB"}
        return made

    def _run(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(  # noqa: S603 - our own command
                [*_as_user(), *command], stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )

    def _logs(self) -> str:
        return "\n".join(f"{log.name}: {log.read_text()[-2_000:]}" for log in self.folder.glob("*.log"))


@contextlib.contextmanager
def running() -> Iterator[Cluster]:
    """Run a cluster while the context lasts."""
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def wait_until(happened: Callable[[], bool], logs: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, logs()
        time.sleep(0.05)


def _as_user() -> list[str]:
    """Return the command that runs another one as an ordinary user, who may read the Python of a root."""
    if os.getuid() != 0:
        return []
    user = postgresql.user()
    may_read = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *may_read, "--"]


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
