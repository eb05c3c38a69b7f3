"""Celery: a worker whose pool forks; each of its processes reports through the reporter of its module."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from celery import Celery
from celery.signals import worker_process_shutdown

from campaigns import parameters
from otpconv.config import environment
from otpconv.contrib.celery import close_with_worker
from otpconv.reporter import Reporter

MESSAGES = 12
#: How long to wait for an event that is sure to come: other tests run at the same time, s.
PATIENCE_S = 60
#: So few that processes come and go.
TASKS_PER_CHILD = 2

# A report before the worker forks: its thread and its locks must not bother the children.
SHOP = """
import os
from celery import Celery
from otpconv.contrib.celery import close_with_worker
from otpconv.reporter import Reporter

app = Celery("shop")
app.config_from_object({settings!r})
reporter = close_with_worker(Reporter())
reporter.requested("parent")

@app.task(name="send_code")
def send_code(message_id: str) -> None:
    reporter.requested(message_id, to="+4915112345678", provider="acme")
    with open("pids", "a") as pids:
        pids.write(f"{{os.getpid()}}\\n")
"""


def settings_of(folder: Path) -> dict[str, object]:
    """A broker that is a folder."""
    (folder / "queue").mkdir(exist_ok=True)
    queue = str(folder / "queue")
    return {
        "broker_url": "filesystem://",
        "broker_transport_options": {
            "data_folder_in": queue,
            "data_folder_out": queue,
            "control_folder": str(folder / "control"),
            "polling_interval": 0.01,
        },
        "worker_max_tasks_per_child": TASKS_PER_CHILD,
    }


@contextmanager
def worker(folder: Path, variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A worker with two processes."""
    (folder / "shop.py").write_text(SHOP.format(settings=settings_of(folder)))
    command = [sys.executable, "-m", "celery", "--app", "shop", "worker", "--pool", "prefork"]
    quiet = ["--concurrency", "2", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own words
            [*command, *quiet],
            cwd=folder,
            env=environment() | variables,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def reporting(folder: Path) -> list[str]:
    """The processes that reported, once for each report."""
    pids = folder / "pids"
    return pids.read_text().split() if pids.exists() else []


@pytest.mark.parametrize("spool", parameters(["shared", ":memory:"], ["shared"], "another spool"))
def test_what_forked_processes_report_arrives_once(
    tmp_path: Path, variables: dict[str, str], spool: str, arrived: Callable[[int, int], None]
) -> None:
    variables["OTPCONV_SPOOL"] = spool
    with worker(tmp_path, variables) as running:
        shop = Celery("shop")
        shop.config_from_object(settings_of(tmp_path))
        for number in range(MESSAGES):
            shop.send_task("send_code", [f"m-{number}"])
        shop.close()
        deadline = time.monotonic() + PATIENCE_S
        while len(reporting(tmp_path)) < MESSAGES and time.monotonic() < deadline:
            time.sleep(0.02)
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE_S) == 0, (tmp_path / "log").read_text()
    pids = reporting(tmp_path)
    assert len(pids) == MESSAGES
    assert len(set(pids)) >= MESSAGES // TASKS_PER_CHILD
    assert str(running.pid) not in pids
    arrived(MESSAGES + 1, 0)


def test_the_end_of_a_worker_process_closes_the_reporter(options: dict[str, str]) -> None:
    reporter = close_with_worker(Reporter(**options))
    reporter.requested("a")
    worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)
    assert (reporter.stats().delivered, reporter.stats().pending) == (1, 0)
    reporter.requested("b")
    time.sleep(0.3)  # nobody is there any more who delivers it
    assert (reporter.stats().delivered, reporter.stats().pending) == (1, 1)


def test_without_an_endpoint_the_reporter_of_a_worker_is_disabled(
    caplog: pytest.LogCaptureFixture, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert close_with_worker().stats().disabled
    assert caplog.text.count("nothing is reported: no endpoint") == 1
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert not close_with_worker().stats().disabled
