"""Callers nobody knows: they hold kilobytes and a part of the connections, and the others are served."""

import http.client
import resource
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, strategies as st

from constants import smaller, with_constants
from otpconv.cli.local_server import LocalServer
from otpconv.web.front.body import GRACE_S, MAX_ADDRESS_BYTES, MAX_UNKNOWN_BYTES, MIN_BYTES_A_SECOND
from otpconv.web.front.connections import CROWDED, SHARE, ConnectionLimit
from otpconv.web.front.server import _CONNECTIONS
from web.wire import Reply, administrator, send, v1, v3

#: As many as a server has places; the test needs descriptors for them too.
PLACES = int(smaller(_CONNECTIONS, 2_048))
#: How long every body may take, s, and its least rate after that, bytes per second.
BODY_S = smaller(GRACE_S, 3)
BODY_RATE = smaller(MIN_BYTES_A_SECOND, 128 * 1024)
ELSEWHERE = "127.0.0.9"
REPORT = {"MessageId": "m", "Delivered": "true"}


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = PLACES + 2_000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip("this system gives a process too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def constants(tmp_path: Path) -> dict[str, str]:
    values = {
        "otpconv.web.front.server._CONNECTIONS": PLACES,
        "otpconv.web.front.body.GRACE_S": BODY_S,
        "otpconv.web.front.body.MIN_BYTES_A_SECOND": BODY_RATE,
    }
    return with_constants(tmp_path, values)


def connected(server: LocalServer, source: str) -> socket.socket:
    where = urlsplit(server.url)
    return socket.create_connection((where.hostname, where.port), timeout=10, source_address=(source, 0))


def is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


@pytest.mark.usefixtures("many_files")
def test_an_address_with_all_connections_locks_nobody_out(
    make_server: Callable[..., LocalServer], constants: dict[str, str]
) -> None:
    server = make_server(settings=constants)
    server.start()
    with ExitStack() as held:
        crowd: list[socket.socket] = []
        for _ in range(PLACES + PLACES // 20):
            with suppress(OSError):
                crowd.append(held.enter_context(connected(server, ELSEWHERE)))
        assert len(crowd) > PLACES
        worst = 0.0
        for _ in range(20):
            began = time.monotonic()
            reply = send(server.url, v3(administrator(server), REPORT))
            assert reply.json["ResponseCode"] == "OK"
            worst = max(worst, time.monotonic() - began)
            time.sleep(0.05)
        assert worst < 5
        deadline = time.monotonic() + 10
        while sum(map(is_open, crowd)) > PLACES // SHARE:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        # Those that may stay do.
        assert sum(map(is_open, crowd)) > PLACES // SHARE * 0.85
    assert f"{ELSEWHERE} had " in server.log.read_text()


@pytest.mark.usefixtures("many_files")
def test_a_trusted_proxy_may_have_all_connections_it_wants(
    make_server: Callable[..., LocalServer], constants: dict[str, str]
) -> None:
    server = make_server(settings=constants | {"OTPCONV_TRUSTED_PROXIES": f"{ELSEWHERE}/32"})
    server.start()
    with ExitStack() as held:
        crowd = [held.enter_context(connected(server, ELSEWHERE)) for _ in range(int(CROWDED * PLACES * 0.9))]
        time.sleep(1.5)
        assert all(map(is_open, crowd))
        assert send(server.url, v3(administrator(server), REPORT)).status == 200


def test_connections_in_use_are_the_last_that_an_address_loses() -> None:
    """Ours is the server here, so that its share can be small."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ExitStack() as held:
        listening.settimeout(10)
        port = listening.getsockname()[1]
        pairs = []
        for _ in range(40):
            client = held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            pairs.append((client, held.enter_context(listening.accept()[0])))
        used = pairs[::5]
        for client, _ in used:
            client.sendall(b"x")
        time.sleep(0.2)
        ConnectionLimit(port, 4 * 8, ()).look()
        for client, _ in pairs:
            assert is_open(client) == any(client is one for one, _ in used)


@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=30), st.integers(0, 9_000))
def test_addresses_are_cut_to_one_level_and_no_more_than_is_needed(counts: list[int], trusted: int) -> None:
    level = ConnectionLimit(1, PLACES, (ip_network("10.0.0.0/8"),))._level(counts, trusted)  # noqa: SLF001
    share, room = PLACES // SHARE, CROWDED * PLACES - trusted
    assert 1 <= level <= share
    left = sum(min(count, level) for count in counts)
    assert left <= max(room, len(counts))
    if level < share:
        assert sum(min(count, level + 1) for count in counts) > room or level == 1


def halves(server: LocalServer, count: int, sends: int) -> list[http.client.HTTPConnection]:
    """Begin requests from elsewhere that announce the largest body, and send only so much of it."""
    where = urlsplit(server.url)
    begun = []
    for _ in range(count):
        connection = http.client.HTTPConnection(where.netloc, timeout=60, source_address=(ELSEWHERE, 0))
        connection.putrequest("POST", "/")
        connection.putheader("content-length", str(MAX_UNKNOWN_BYTES))
        connection.putheader("content-type", "application/x-www-form-urlencoded")
        connection.endheaders()
        if sends:
            connection.send(b"a" * sends)
        begun.append(connection)
    return begun


def test_who_announces_bodies_and_sends_nothing_holds_nobody_up_and_is_cut(
    make_server: Callable[..., LocalServer], constants: dict[str, str]
) -> None:
    server = make_server(settings=constants)
    server.start()
    key = administrator(server)
    began = time.monotonic()
    begun = halves(server, 64, 0)
    for _ in range(5):
        assert send(server.url, v1(key, REPORT, method="POST", form=True)).json["ResponseCode"] == "OK"
    assert {connection.getresponse().status for connection in begun} == {408}
    assert BODY_S * 0.8 < time.monotonic() - began < BODY_S + 20
    for connection in begun:
        connection.close()


def test_an_address_that_fills_its_share_of_memory_leaves_others_theirs(
    make_server: Callable[..., LocalServer], constants: dict[str, str]
) -> None:
    server = make_server(settings=constants)
    server.start()
    key = administrator(server)
    most = MAX_ADDRESS_BYTES // (MAX_UNKNOWN_BYTES - 1)
    begun = halves(server, most + 8, MAX_UNKNOWN_BYTES - 1)
    over = begun[most:]

    def answered(connection: http.client.HTTPConnection) -> tuple[int, bytes]:
        answer = connection.getresponse()
        return answer.status, answer.read()

    with ThreadPoolExecutor(len(begun)) as pool:
        waiting = [pool.submit(answered, connection) for connection in begun]
        for _ in range(5):
            assert send(server.url, v1(key, REPORT, method="POST", form=True)).json["ResponseCode"] == "OK"
        replies = [each.result() for each in waiting]
    refused = [body for status, body in replies if status == 400]
    assert len(refused) >= len(over)
    assert all(b"Throttling.User" in body for body in refused)
    assert {status for status, _ in replies} == {400, 408}
    for connection in begun:
        connection.close()


def test_a_body_is_refused_by_what_it_announces_before_any_of_it_is_taken(server: LocalServer) -> None:
    where = urlsplit(server.url)
    replies: list[Reply] = []
    for path, status in (("/", 413), ("/sign-in", 413), ("/v1/messages", 401)):
        connection = http.client.HTTPConnection(where.netloc, timeout=30)
        connection.putrequest("POST", path)
        connection.putheader("content-length", str(8 * 1024 * 1024))
        connection.endheaders()
        answer = connection.getresponse()
        replies.append(Reply(answer.status, answer.headers, answer.read()))
        assert replies[-1].status == status
        connection.close()
