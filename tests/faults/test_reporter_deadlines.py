"""Other sides that take their time in every phase of a call: `timeout_ms` covers all of them together."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import rounds
from faults.bad_server import BadServer
from otpconv.delivery.connection import Connection, Unreachable

TIMEOUT_MS = 400
#: A call may end a little later: the machine has other work.
LATE_S = 1.5
#: Between two bytes, s: each comes well within the time-out, all of them together never do.
DRIP_S = 0.05

#: What a side says, how it goes on, and whether it reads.
Serve = Callable[[socket.socket], None]


def drip(sock: socket.socket, data: bytes) -> None:
    """Send a byte now and then, and the last one without end."""
    for number in range(1_000):
        sock.sendall(data[number : number + 1] or data[-1:])
        time.sleep(DRIP_S)


class Listener:
    """Serves each connection in a thread of its own."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._work, args=(sock,), daemon=True).start()

    def _work(self, sock: socket.socket) -> None:
        with sock, suppress(OSError):
            self._serve(sock)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def listen() -> Iterator[Callable[[Serve], Listener]]:
    made: list[Listener] = []

    def listen(serve: Serve) -> Listener:
        made.append(Listener(serve))
        return made[-1]

    yield listen
    for each in made:
        each.close()


def took(connection: Connection, body: bytes = b"") -> float:
    began = time.monotonic()
    with pytest.raises(Unreachable):
        connection.post("/v1/conversions", {}, body)
    connection.close()
    return time.monotonic() - began


def silent(_sock: socket.socket) -> None:
    time.sleep(10)


def head_without_end(sock: socket.socket) -> None:
    drip(sock, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000)


def continuing_without_end(sock: socket.socket) -> None:
    for _ in range(200):
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(DRIP_S)


def handshake_without_end(sock: socket.socket) -> None:
    """The beginning of a TLS record that never comes to its end."""
    drip(sock, b"\x16\x03\x03\x3f\x00\x02\x00\x3e\xfc" + b"x" * 1000)


def connected_then_handshake_without_end(sock: socket.socket) -> None:
    sock.recv(4096)
    time.sleep(TIMEOUT_MS / 1000 * 0.8)
    sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    handshake_without_end(sock)


PROXIES = (silent, head_without_end, continuing_without_end, connected_then_handshake_without_end)


@pytest.mark.parametrize("serve", PROXIES)
def test_a_proxy_that_takes_its_time_outlasts_no_time_out(
    listen: Callable[[Serve], Listener], monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listen(serve).port}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert took(Connection("https://otpconv.example.com", TIMEOUT_MS)) < TIMEOUT_MS / 1000 + LATE_S


@pytest.mark.parametrize("serve", [silent, handshake_without_end])
def test_a_tls_handshake_that_takes_its_time_outlasts_no_time_out(
    listen: Callable[[Serve], Listener], serve: Serve
) -> None:
    url = f"https://127.0.0.1:{listen(serve).port}"
    assert took(Connection(url, TIMEOUT_MS)) < TIMEOUT_MS / 1000 + LATE_S


def test_a_host_of_many_addresses_that_do_not_answer_outlasts_no_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Full backlogs: the kernel answers no further SYN.
    listeners = [socket.create_server(("127.0.0.1", 0), backlog=0) for _ in range(4)]
    filling = []
    for listener in listeners:
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            filling.append(sock)
    addresses = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", listener.getsockname()) for listener in listeners
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: addresses)
    assert took(Connection("http://many.example.com", TIMEOUT_MS)) < TIMEOUT_MS / 1000 + LATE_S
    for sock in (*filling, *listeners):
        sock.close()


def test_a_body_that_is_read_slowly_outlasts_no_time_out(listen: Callable[[Serve], Listener]) -> None:
    def read_slowly(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while sock.recv(4096):
            time.sleep(DRIP_S)

    url = f"http://127.0.0.1:{listen(read_slowly).port}"
    assert took(Connection(url, TIMEOUT_MS), bytes(64 * 1024 * 1024)) < TIMEOUT_MS / 1000 + LATE_S


@pytest.mark.long("every example waits for the whole time limit")
@settings(max_examples=rounds(12))
@given(
    st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=8),
    st.floats(0.0, 0.2),
    st.booleans(),
)
def test_whatever_trickles_from_the_other_side_a_call_ends_in_time(
    pieces: list[bytes],
    pause_s: float,
    secure: bool,  # noqa: FBT001
) -> None:
    def serve(sock: socket.socket) -> None:
        while True:
            for piece in pieces:
                sock.sendall(piece)
                time.sleep(pause_s)

    listener = Listener(serve)
    url = f"http{'s' * secure}://127.0.0.1:{listener.port}"
    assert took(Connection(url, TIMEOUT_MS)) < TIMEOUT_MS / 1000 + LATE_S
    listener.close()


def test_a_proxy_of_plain_http_is_given_the_whole_url(monkeypatch: pytest.MonkeyPatch) -> None:
    with BadServer() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        connection = Connection("http://otpconv.example.com:8080", TIMEOUT_MS)
        assert connection.post("/v1/conversions", {}, b"").status == 200
        connection.close()
    (heard,) = proxy.heard
    assert heard.target == "http://otpconv.example.com:8080/v1/conversions"
    assert ("Host", "otpconv.example.com:8080") in heard.headers
