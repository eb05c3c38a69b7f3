"""A PostgreSQL of the benchmarks' own, which measures the CPU time of its processes."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from benchmarks.comparison.processes import tree_cpu_s
from otpconv.storage.postgres.address import Address
from otpconv.storage.postgres.database import Database
from otpconv.storage.postgres.engine import PostgresEngine

#: How long a server may take to start, s.
_STARTED_WITHIN_S = 60.0
#: What a small server of production has; the rest are PostgreSQL's defaults. Commits wait for the disk.
_SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB", "listen_addresses": ""}


class PostgresServer:
    """A running server on a Unix socket.

    Attributes:
        url: the address of its database.
    """

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.url = f"postgresql://otpconv@/postgres?host={folder}"

    def database(self) -> Database:
        """Return the database, with the tables of otpconv."""
        database = Database(Address(self.url))
        PostgresEngine(database).create()
        return database

    def cpu_s(self) -> float:
        """Return the CPU time of its processes, those that have ended included, s."""
        return tree_cpu_s(self._process.pid)


@contextlib.contextmanager
def running(parent: Path) -> Iterator[PostgresServer]:
    """Install and run a server below a folder while the context lasts; it runs as `nobody` for root."""
    programs = _programs()
    user = pwd.getpwnam("nobody") if os.getuid() == 0 else None
    uid, gid = (user.pw_uid, user.pw_gid) if user else (None, None)
    # Not below the benchmark's own folder, which other users can't enter.
    folder = Path(tempfile.mkdtemp(prefix="otpconv-postgres-", dir=parent.parent))
    try:
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        data = str(folder / "data")
        installing = [str(programs / "initdb"), "-D", data, "-U", "otpconv", "-E", "UTF8", "--locale=C"]
        subprocess.run(installing, user=uid, group=gid, cwd=folder, check=True, capture_output=True)
        settings = _SETTINGS | {"unix_socket_directories": str(folder)}
        starting = [str(programs / "postgres"), "-D", data]
        starting += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(starting, user=uid, group=gid, cwd=folder, stdout=log, stderr=log)
        try:
            server = PostgresServer(folder, process)
            _wait_for(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(_STARTED_WITHIN_S)
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def new_database(url: str, name: str) -> Iterator[str]:
    """Make a database beside the one of a URL while the context lasts, and give its URL."""
    of = sql.Identifier(name)
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(of))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(of))
        try:
            yield urlsplit(url)._replace(path=f"/{name}").geturl()
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(of))


def _wait_for(server: PostgresServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STARTED_WITHIN_S
    while True:
        try:
            psycopg.connect(server.url).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _programs() -> Path:
    """Return the folder of the newest PostgreSQL of Debian, or of the one in the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1]
    program = shutil.which("postgres")
    if program is None:
        raise SystemExit("PostgreSQL is not installed. Run `apt-get install postgresql`.")
    return Path(program).resolve().parent
