"""A disk that is slow: reports wait for it, and nobody else does."""

import itertools
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from constants import smaller, with_constants
from otpconv.cli.local_server import LocalServer
from otpconv.service.readiness import STUCK_S
from web.wire import Reply, administrator, connect, exchange, send, v3

SLOW_MS = 1_000
#: What it may take where it only must not wait for the disk, s.
PROMPT_S = 20.0
#: A disk that does not answer for this time counts as stuck, s.
STUCK_IN_TEST_S = smaller(STUCK_S, 2.0)
#: What an answer that waits for no disk may take, s, on a machine that is busy with other things.
AT_ONCE_S = 0.4


class SlowDisk:
    """A server whose disk is as slow as wanted."""

    def __init__(self, folder: Path, make_server: Callable[..., LocalServer]) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler is on this machine")
        library = folder / "slow_disk.so"
        source = Path(__file__).with_name("slow_disk.c")
        command = [compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"]
        subprocess.run(command, check=True)  # noqa: S603 - our own command
        self._delay = folder / "delay"
        self.be(0)
        constants = with_constants(folder, {"otpconv.service.readiness.STUCK_S": STUCK_IN_TEST_S})
        slow = {"LD_PRELOAD": str(library), "SLOW_DISK": str(self._delay)}
        self.server = make_server(settings=constants | slow)
        self.server.start()

    def be(self, ms: int) -> None:
        self._delay.write_text(str(ms))


@pytest.fixture
def disk(tmp_path: Path, make_server: Callable[..., LocalServer]) -> Iterator[SlowDisk]:
    made = SlowDisk(tmp_path, make_server)
    yield made
    made.be(0)


def took_s(ask: Callable[[], Any]) -> float:
    began = time.monotonic()
    answer = ask()
    assert (answer.status_code if isinstance(answer, httpx.Response) else answer.status) == 200
    return time.monotonic() - began


def test_health_pages_and_rates_do_not_wait_for_a_slow_disk_and_reports_do(disk: SlowDisk) -> None:
    server = disk.server
    key = administrator(server)
    auth = (server.access_key_id, server.access_key_secret)
    stop = threading.Event()
    reported: list[float] = []
    numbers = itertools.count()

    def report() -> None:
        while not stop.is_set():
            request = v3(key, {"MessageId": f"m{next(numbers)}", "Delivered": "true"})
            reported.append(took_s(partial(send, server.url, request)))

    with ThreadPoolExecutor(8) as pool:
        connection = connect(server.url)
        with httpx.Client(base_url=server.url, auth=auth, timeout=30) as client:
            client.get("/v1/rates").raise_for_status()
            disk.be(SLOW_MS)
            for _ in range(8):
                pool.submit(report)
            time.sleep(2 * SLOW_MS / 1000)  # the first slow commit is the one that tells
            asked = []
            for n in range(40):
                path = ("/healthz", "/sign-in", "/errors", "/metrics", "/openapi.json")[n % 5]
                asked.append(took_s(partial(client.get, path)))
                time.sleep(0.05)
            stop.set()
        connection.close()
    disk.be(0)
    # One may meet a checkpoint, or a busy machine.
    assert sorted(asked)[-2] < AT_ONCE_S
    assert reported
    assert max(reported) < 10 * SLOW_MS / 1000


def test_a_disk_that_is_fast_again_is_used_on_the_event_loop_again_and_nothing_is_lost(
    disk: SlowDisk,
) -> None:
    server = disk.server
    key = administrator(server)
    connection = connect(server.url)
    sent = 0
    for ms in (0, 100, 0, 100):
        disk.be(ms)
        for _ in range(5):
            request = v3(key, {"MessageId": f"m{sent}", "Delivered": "true"})
            assert exchange(connection, request).json["ResponseCode"] == "OK"
            sent += 1
    connection.close()
    disk.be(0)
    assert server.stop() == 0
    server.start()
    auth = (server.access_key_id, server.access_key_secret)
    with httpx.Client(base_url=server.url, auth=auth) as client:
        assert [client.get(f"/v1/messages/m{n}").status_code for n in range(sent)] == [200] * sent


def test_a_disk_that_does_not_answer_is_no_place_for_reports_and_readyz_says_so(disk: SlowDisk) -> None:
    server = disk.server
    key = administrator(server)
    # Where commits are slow they are made beside the event loop, and then one hangs.
    disk.be(100)
    assert send(server.url, v3(key, {"MessageId": "first", "Delivered": "true"})).status == 200
    disk.be(30_000)
    hanging: list[Future[Reply]] = []
    with ThreadPoolExecutor(4) as pool:
        deadline = time.monotonic() + 100
        for n in itertools.count():
            # The first may still be committed on the event loop; then the next one hangs beside it.
            if n < 4:
                request = v3(key, {"MessageId": f"more{n}", "Delivered": "true"})
                hanging.append(pool.submit(send, server.url, request))
            answer = httpx.get(f"{server.url}/readyz", timeout=PROMPT_S)
            if answer.status_code != 200:
                break
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert "has not answered for" in answer.text
        assert httpx.get(f"{server.url}/healthz", timeout=PROMPT_S).status_code == 200
        disk.be(0)
    assert {each.result().status for each in hanging} == {200}
    while httpx.get(f"{server.url}/readyz", timeout=PROMPT_S).status_code != 200:
        assert time.monotonic() < deadline + 40
        time.sleep(0.2)
