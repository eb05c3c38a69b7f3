"""Servers that fork workers: reports made before the fork and in each worker are all there."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from itertools import product
from pathlib import Path

import pytest

from campaigns import parameters, rounds
from faults.bad_server import BadServer
from faults.reporting import PATIENCE_S, drain, eventually

pytestmark = pytest.mark.long("each test starts a web server with several workers")

#: How often a server starts that must not hang.
STARTS = rounds(8, at_least=3)

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
UWSGI = [str(BIN / "uwsgi"), "--need-app", "--die-on-term", "--wsgi-file", str(HERE / "forking_app.py")]
UWSGI += ["--http-socket", "127.0.0.1:{port}", "--pythonpath", str(HERE)]
GUNICORN = [sys.executable, "-m", "gunicorn", "--chdir", str(HERE), "--bind", "127.0.0.1:{port}"]
GUNICORN += ["--graceful-timeout", "5", "--no-control-socket", "forking_app:application", "--workers", "3"]

SERVERS = {
    "uwsgi": [*UWSGI, "--master", "--processes", "3", "--enable-threads"],
    "uwsgi threads": [*UWSGI, "--master", "--processes", "3", "--threads", "4"],
    "uwsgi hooks": [*UWSGI, "--master", "--processes", "3", "--threads", "2", "--py-call-uwsgi-fork-hooks"],
    "uwsgi lazy-apps": [*UWSGI, "--master", "--processes", "3", "--enable-threads", "--lazy-apps"],
    "uwsgi no master": [*UWSGI, "--processes", "3", "--enable-threads"],
    "gunicorn sync": [*GUNICORN, "--preload"],
    "gunicorn not preloaded": GUNICORN,
    "gunicorn gthread": [*GUNICORN, "--preload", "--worker-class", "gthread", "--threads", "4"],
    "gunicorn gevent": [*GUNICORN, "--preload", "--worker-class", "gevent"],
    "gunicorn gevent not preloaded": [*GUNICORN, "--worker-class", "gevent"],
}


@pytest.fixture
def other_side() -> Iterator[BadServer]:
    with BadServer() as running:
        yield running


class Forking:
    """A server with the application, while the block runs.

    Attributes:
        pids: the workers that answered.
        log: what it wrote.
    """

    def __init__(self, command: list[str], url: str, spool: Path | str, notes: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.notes = notes
        self.pids: set[int] = set()
        self.answers: list[tuple[int, dict[str, int], int]] = []
        environment = dict(os.environ) | {"FORKING": json.dumps([url, str(spool), str(notes)])}  # noqa: TID251
        self._log = notes.with_suffix(".log")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [part.format(port=self.port) for part in command],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def ask(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.request("GET", "/")
        pid, lost, damaged = json.loads(connection.getresponse().read())
        self.answers.append((pid, lost, damaged))
        self.pids.add(pid)
        connection.close()

    def ask_all(self, workers: int) -> None:
        """Ask until so many workers have answered."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self.pids) < workers and time.monotonic() < deadline:
            assert self.process.poll() is None, self.log
            with ThreadPoolExecutor(4) as pool:
                asked = [pool.submit(self.ask) for _ in range(8)]
            for each in asked:
                with suppress(OSError, HTTPException):
                    each.result()
            time.sleep(0.02)
        assert len(self.pids) >= workers, self.log

    def reported(self) -> set[str]:
        return set(self.notes.read_text().splitlines())

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        try:
            self.process.wait(PATIENCE_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.mark.parametrize(
    "name", parameters([*SERVERS], ["uwsgi", "gunicorn sync"], "other settings; green threads are below")
)
def test_reports_before_the_fork_and_in_each_worker_are_all_delivered_or_in_the_spool(
    name: str, other_side: BadServer, tmp_path: Path
) -> None:
    server = Forking(SERVERS[name], other_side.url, tmp_path / "spool", tmp_path / "notes")
    try:
        server.ask_all(3)
        # Also without a last process that drains the spool, and while no request comes.
        eventually(lambda: server.reported() - set(other_side.taken), lambda missing: not missing)
    finally:
        server.stop()
    reporter = drain(other_side.url, tmp_path / "spool")
    assert server.reported() <= set(other_side.taken)
    assert reporter.stats().damaged == 0
    assert not any(lost or damaged for _, lost, damaged in server.answers)
    assert not (tmp_path / "spool" / "damaged").exists()


@pytest.mark.parametrize(
    "name",
    parameters(
        ["uwsgi", "uwsgi threads", "gunicorn sync", "gunicorn gevent"], ["gunicorn sync"], "other servers"
    ),
)
def test_while_the_other_side_is_dead_all_reports_of_all_processes_are_in_the_spool(
    name: str, other_side: BadServer, tmp_path: Path
) -> None:
    other_side.stop()
    server = Forking(SERVERS[name], other_side.url, tmp_path / "spool", tmp_path / "notes")
    try:
        server.ask_all(3)
    finally:
        server.stop(signal.SIGKILL)
    other_side.start()
    reporter = drain(other_side.url, tmp_path / "spool")
    assert set(other_side.taken) >= server.reported()
    assert (reporter.stats().damaged, reporter.stats().lost) == (0, {})


@pytest.mark.parametrize(
    "name", parameters(["uwsgi", "uwsgi no master", "gunicorn sync"], ["gunicorn sync"], "other servers")
)
def test_reports_kept_in_memory_before_the_fork_are_delivered_too(
    name: str, other_side: BadServer, tmp_path: Path
) -> None:
    server = Forking(SERVERS[name], other_side.url, ":memory:", tmp_path / "notes")
    try:
        server.ask_all(3)
        eventually(lambda: server.reported() - set(other_side.taken), lambda missing: not missing)
    finally:
        server.stop()


@pytest.mark.campaign("one start is tested above")
def test_workers_of_uwsgi_never_hang_although_its_master_has_reported(
    other_side: BadServer, tmp_path: Path
) -> None:
    for number in range(STARTS):
        notes = tmp_path / f"notes{number}"
        server = Forking(SERVERS["uwsgi"], other_side.url, tmp_path / "spool", notes)
        try:
            server.ask_all(3)
        finally:
            server.stop()
    drain(other_side.url, tmp_path / "spool")
    assert {id_ for n in range(STARTS) for id_ in (tmp_path / f"notes{n}").read_text().split()} <= set(
        other_side.taken
    )


def test_uwsgi_without_threads_is_said_to_deliver_nothing(other_side: BadServer, tmp_path: Path) -> None:
    command = [*UWSGI, "--master", "--processes", "2"]
    server = Forking(command, other_side.url, tmp_path / "spool", tmp_path / "notes")
    try:
        server.ask_all(2)
    finally:
        server.stop()
    assert "set enable-threads" in server.log
    drain(other_side.url, tmp_path / "spool")
    assert server.reported() <= set(other_side.taken)


PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all(); from gevent import spawn, joinall",
    "eventlet": """
import warnings; warnings.simplefilter("ignore")
import eventlet; eventlet.monkey_patch(); spawn = eventlet.spawn
def joinall(threads):
    for each in threads:
        each.wait()
""",
}
GREEN = """
import os, sys, time
from otpconv.reporter import Reporter
url, spool, notes, delivered = sys.argv[1:]
noted = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
reporter = Reporter(url, "testid", "testsecret", spool=spool, longest_pause_ms=100)
def report(name):
    for number in range(20):
        reporter.report(f"{os.getpid()}-{name}-{number}")
        os.write(noted, f"{os.getpid()}-{name}-{number}\\n".encode())
        time.sleep(0)
def work():
    joinall([spawn(report, f"green{number}") for number in range(8)])
report("before")
if delivered == "True":
    assert reporter.flush(20)
children = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        work()
        reporter.close(20)
        stats = reporter.stats()
        os._exit(0 if (stats.lost, stats.damaged) == ({}, 0) else 1)
    children.append(pid)
work()
assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
reporter.close(20)
stats = reporter.stats()
assert (stats.lost, stats.damaged) == ({}, 0), stats
"""


@pytest.mark.parametrize(
    ("library", "delivered"),
    parameters([*product(PATCHES, [True, False])], [("gevent", False)], "other green threads"),
)
def test_green_threads_and_the_children_that_they_fork_lose_no_report(
    library: str,
    delivered: bool,  # noqa: FBT001
    other_side: BadServer,
    tmp_path: Path,
) -> None:
    arguments = [other_side.url, str(tmp_path / "spool"), str(tmp_path / "notes"), str(delivered)]
    command = [sys.executable, "-c", PATCHES[library] + GREEN, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    drain(other_side.url, tmp_path / "spool")
    reported = (tmp_path / "notes").read_text().splitlines()
    assert len(reported) == 20 + 4 * 8 * 20
    assert set(other_side.taken) == set(reported)
