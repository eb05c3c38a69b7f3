"""Who asks for a lot, at a real server with a large ledger: others are answered, and memory stays bounded."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from constants import smaller, with_constants
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.ledger.turns import MAX_WAITING_EACH
from otpconv.service.opening import open_key_store
from otpconv.web.front.outgoing import MAX_HELD_BYTES_EACH
from web.large import fill
from web.wire import administrator

#: Enough that a question by quarters of an hour has more rows than an answer may have.
GROUPS = int(smaller(800, 550))
#: The bounds of this server.
WAITING_EACH = int(smaller(MAX_WAITING_EACH, 3))
HELD_BYTES_EACH = int(smaller(MAX_HELD_BYTES_EACH, 8 << 20))
#: An answer of some megabytes, and one that takes its time.
LARGE = "/v1/rates?by=country,provider&interval=1h"
LONG = "/v1/rates?by=country,provider&interval=15m"
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    folder = tmp_path_factory.mktemp("questions")
    data = folder / "data"
    bounds = with_constants(
        folder,
        {
            "otpconv.ledger.turns.MAX_WAITING_EACH": WAITING_EACH,
            "otpconv.web.front.outgoing.MAX_HELD_BYTES_EACH": HELD_BYTES_EACH,
        },
    )
    with LocalServer(data):
        pass  # makes the keys
    fill(data, groups=GROUPS, now=wall_clock(), days=2, minutes=30)
    with LocalServer(data, bounds) as running:
        yield running


@pytest.fixture(scope="module")
def greedy(server: LocalServer) -> AccessKey:
    """A key that may only read."""
    with closing(open_key_store(load(data=server.data))) as store:
        key = store.create("default", "greedy", "OtpconvReadOnly")
    while httpx.get(f"{server.url}/v1/rates", auth=(key.access_key_id, key.secret)).status_code == 401:
        time.sleep(0.02)
    return key


@contextmanager
def client(server: LocalServer, key: AccessKey, timeout: float = 60) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, auth=(key.access_key_id, key.secret), timeout=timeout) as opened:
        yield opened


def memory_of(server: LocalServer) -> int:
    """Return the bytes that the process has for itself, without the mapped file."""
    status = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii")
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024


def unread(server: LocalServer, key: AccessKey, target: str) -> socket.socket:
    """Ask, and read nothing of the answer."""
    where = urlsplit(server.url)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect((where.hostname, where.port))
    auth = httpx.BasicAuth(key.access_key_id, key.secret)._auth_header  # noqa: SLF001 - as httpx sends it
    raw.sendall(f"GET {target} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: {auth}\r\n\r\n".encode())
    return raw


@pytest.mark.long("makes a ledger with answers of a hundred thousand rows")
def test_one_who_asks_for_a_lot_is_told_to_slow_down_and_makes_nobody_wait_for_it_all(
    server: LocalServer, greedy: AccessKey
) -> None:
    with client(server, greedy) as many, client(server, administrator(server)) as other:
        with ThreadPoolExecutor(WAITING_EACH + 8) as pool:
            asked = [pool.submit(many.get, LONG) for _ in range(WAITING_EACH + 8)]
            time.sleep(0.5)
            before = time.monotonic()
            assert other.get("/v1/messages/nothing").status_code == 404
            waited = time.monotonic() - before
            # Some of those asked before are still to come.
            assert not all(each.done() for each in asked)
            assert httpx.get(f"{server.url}/healthz", timeout=5).status_code == 200
            answers = [each.result() for each in asked]
        statuses = [answer.status_code for answer in answers]
        assert set(statuses) <= {400, 429, 503}
        slow_down = [answer for answer in answers if answer.status_code == 429]
        assert slow_down
        for answer in slow_down:
            assert answer.headers["retry-after"] == "1"
            assert answer.json()["code"] == "Throttled"
        assert waited < 20
        # The refused question says how to ask instead.
        too_large = next(answer for answer in answers if answer.status_code == 400)
        assert too_large.json()["code"] == "AnswerTooLarge"
        assert many.get("/v1/rates").status_code == 200


@pytest.mark.long("makes a ledger with answers of a hundred thousand rows")
def test_answers_that_nobody_reads_hold_little_and_keep_nobody_from_theirs(
    server: LocalServer, greedy: AccessKey
) -> None:
    with client(server, greedy) as one:
        size = len(one.get(LARGE).content)
    assert size > 2 * MEBIBYTE
    with client(server, administrator(server)) as other:
        before = memory_of(server)
        left = []
        for _ in range(HELD_BYTES_EACH // size + 4):
            left.append(unread(server, greedy, LARGE))
            other.get("/v1/rates")  # asked after it, so it has its answer, or nearly so
        time.sleep(2)
        assert other.get(LARGE).status_code == 200
        assert memory_of(server) - before < HELD_BYTES_EACH + 100 * MEBIBYTE
        with client(server, greedy) as again:
            refused = again.get(LARGE)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert again.get("/v1/rates").status_code == 200  # a small one
        for each in left:
            each.close()
        deadline = time.monotonic() + 20
        with client(server, greedy) as again:
            while again.get(LARGE).status_code != 200:  # the room is free when the connections are gone
                assert time.monotonic() < deadline
                time.sleep(0.2)


def test_pages_refuse_windows_of_a_thousand_years_at_once(server: LocalServer) -> None:
    key = administrator(server)
    with httpx.Client(base_url=server.url, headers={"accept": "text/html"}, timeout=30) as browser:
        browser.post("/sign-in", data={"access_key_id": key.access_key_id, "access_key_secret": key.secret})
        for years in (1_000, 3_000):
            window = {"start": "0", "end": f"{years * 366 * 86_400_000}"}
            for path in ("/dashboard", "/dashboard/chart.svg", "/dashboard/rates.csv"):
                before = time.monotonic()
                answer = browser.get(path, params=window)
                assert answer.status_code == 400
                assert "days" in answer.text
                assert time.monotonic() - before < 5


def test_a_default_server_answers_in_parquet_without_a_library_for_it(server: LocalServer) -> None:
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from starlette.datastructures import Headers; from otpconv.web.v1 import rate_formats\n"
        "print(rate_formats.wanted_format('parquet', Headers()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.split() == ["parquet"]
    with client(server, administrator(server)) as one:
        assert one.get("/v1/rates?format=parquet").content.startswith(b"PAR1")
