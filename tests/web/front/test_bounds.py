"""What a request may be at most, before anybody looks at who sent it."""

import contextlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from constants import smaller, with_constants
from otpconv.cli.local_server import LocalServer
from otpconv.web.front.worker import HTTP1

#: More than a server keeps for other purposes than connections, and few enough to take all.
FILES = 300
#: How long a connection may be idle, or take for a head, ms.
IDLE_MS = int(smaller(HTTP1.header_read_timeout, 2_000))
#: After that it is closed within this time, s.
CLOSED_WITHIN_S = 6.0


def connected(server: LocalServer, timeout_s: float = 10.0) -> socket.socket:
    where = urlsplit(server.url)
    return socket.create_connection((where.hostname, where.port), timeout_s)


def answered(server: LocalServer, head: bytes) -> bytes:
    """Return the first line of the answer to a request; empty when the connection was closed instead."""
    with connected(server) as connection:
        try:
            connection.sendall(head)
            return connection.recv(4096).partition(b"\r\n")[0]
        except ConnectionError:
            return b""


def get(target: str = "/healthz", headers: Iterable[str] = ()) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "host: x", *headers, "", ""]).encode()


def test_a_head_of_several_hundred_kib_is_refused(server: LocalServer) -> None:
    assert answered(server, get(headers=[f"x: {'a' * 100 * 1024}"])).endswith(b"200 OK")
    refused = answered(server, get(headers=[f"x-{n}: {'a' * 60 * 1024}" for n in range(8)]))
    assert b" 431 " in refused or refused == b""


def test_more_than_a_hundred_headers_are_refused(server: LocalServer) -> None:
    assert answered(server, get(headers=[f"x-{n}: a" for n in range(99)])).endswith(b"200 OK")
    refused = answered(server, get(headers=[f"x-{n}: a" for n in range(101)]))
    assert b" 431 " in refused or refused == b""


def test_an_address_of_over_64_kib_is_refused(server: LocalServer) -> None:
    assert b" 404 " in answered(server, get("/" + "a" * 60 * 1024))
    refused = answered(server, get("/" + "a" * 66 * 1024))
    assert b" 414 " in refused or refused == b""


def test_a_connection_that_is_idle_or_whose_head_does_not_come_is_closed(
    make_server: Callable[..., LocalServer], tmp_path: Path
) -> None:
    """Both at once, since it takes half a minute in `make campaign`."""
    assert HTTP1.header_read_timeout == 30_000
    name = "otpconv.web.front.worker.HTTP1.header_read_timeout"
    server = make_server(settings=with_constants(tmp_path, {name: IDLE_MS}))
    server.start()
    beginnings = [b"", b"GET / HTTP/1.1\r\nhost", get()]
    within_s = IDLE_MS / 1000 + CLOSED_WITHIN_S
    connections = [connected(server, within_s) for _ in beginnings]
    began = time.monotonic()
    for connection, beginning in zip(connections, beginnings, strict=True):
        connection.sendall(beginning)
    for connection in connections:
        with connection:
            while connection.recv(4096):
                pass
    assert IDLE_MS / 1000 - 1 < time.monotonic() - began < within_s


@pytest.mark.skipif(sys.platform != "linux", reason="tells the memory of a process as Linux does")
def test_pipelined_requests_whose_answers_nobody_reads_wait(make_server: Callable[..., LocalServer]) -> None:
    with make_server() as server, connected(server, 0.2) as connection:
        before = resident_mib(server.pid)
        until = time.monotonic() + 3
        while time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                connection.send(get("/openapi.json") * 100)
        assert resident_mib(server.pid) < before + 50
        assert answered(server, get()).endswith(b"200 OK")


def resident_mib(process: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) // 1024


def test_a_server_has_no_more_connections_than_files(tmp_path: Path) -> None:
    """It leaves files for itself: with all connections taken it goes on, and answers when one ends."""
    command = f"ulimit -n {FILES}; exec {sys.executable} -m otpconv serve --port 0 --data {tmp_path / 'data'}"
    shell = ["/bin/sh", "-c", command]
    with subprocess.Popen(shell, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own command
        try:
            assert server.stdout is not None
            found = re.search(r" listens on http://(\S+):(\d+),", server.stdout.readline())
            assert found is not None
            where = found[1], int(found[2])
            idle = [socket.create_connection(where, 10) for _ in range(FILES)]
            time.sleep(0.5)
            assert asked(where, 1.0) == b""
            for connection in idle:
                connection.close()
            # The server may still count the closed ones when it takes the first new one.
            deadline = time.monotonic() + 30
            while not (answer := asked(where, 5.0)).endswith(b"200 OK") and time.monotonic() < deadline:
                time.sleep(0.05)
            assert answer.endswith(b"200 OK")
        finally:
            server.terminate()
        assert server.wait(30) == 0


def asked(where: tuple[str, int], timeout_s: float) -> bytes:
    """Return the first line of an answer; empty when there is none within the time."""
    try:
        with socket.create_connection(where, timeout_s) as connection:
            connection.sendall(get())
            return connection.recv(4096).partition(b"\r\n")[0]
    except (TimeoutError, ConnectionError):
        return b""
