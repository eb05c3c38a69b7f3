"""The other side of every client, in a process of its own: healthy, slow and dead, on three ports.

Usage: python -m benchmarks.reporter.other_side

It prints its URLs as a line of JSON and answers as each client's own server does. Bodies are kept as they
came and are read only when somebody asks what arrived: a measurement pays for little but the network.
"""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

from typing_extensions import override

from benchmarks.reporter.bodies import lines_in, message_ids

#: How late the slow side answers, s.
_SLOW_S = 2.0
#: For zlib: the window of a gzip stream.
_GZIP = 31

_ANSWERS = {
    "/batch/": ("application/json", b'{"status": 1}'),
    "/v1/batch": ("application/json", b'{"success": true}'),
    "/api/1/envelope/": ("application/json", b"{}"),
    "/v1/traces": ("application/x-protobuf", b""),
}


class OtherSide:
    """What runs there, seen from here.

    Attributes:
        urls: of the `healthy`, the `slow` and the `dead` side; at the dead one a connection is refused.
    """

    def __init__(self, urls: dict[str, str]) -> None:
        self.urls = urls

    def arrived(self, run: str) -> int:
        """Return how many distinct messages of a run arrived, at whichever side."""
        connection = HTTPConnection(urlsplit(self.urls["healthy"]).netloc)
        with contextlib.closing(connection):
            connection.request("GET", f"/arrived/{run}")
            return int(connection.getresponse().read())


@contextlib.contextmanager
def other_side() -> Iterator[OtherSide]:
    """Run it while the block runs."""
    command = [sys.executable, "-m", "benchmarks.reporter.other_side"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - for the type
        try:
            yield OtherSide(json.loads(process.stdout.readline()))
        finally:
            process.terminate()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Headers and body leave in one piece: two would wait for each other.
    wbufsize = -1
    late_s = 0.0
    unread: ClassVar[list[tuple[str, bytes]]] = []
    seen: ClassVar[set[str]] = set()
    reading: ClassVar[threading.Lock] = threading.Lock()

    def do_POST(self) -> None:
        """Keep the reports, and respond as the client's own server does."""
        size = int(self.headers["content-length"])
        body = self.rfile.read(size)
        if len(body) < size:  # the client was killed meanwhile
            self.close_connection = True
            return
        if self.headers["content-encoding"] == "gzip":
            body = zlib.decompress(body, _GZIP)
        self.unread.append((self.path, body))
        time.sleep(self.late_s)
        if self.path in _ANSWERS:
            self._answer(*_ANSWERS[self.path])
        elif self.path in {"/v1/conversions", "/v1/messages"}:
            counts = {"recorded": len(lines_in(body)), "unchanged": 0, "rejected": []}
            self._answer("application/json", json.dumps(counts).encode())
        else:
            self.send_error(404)

    def do_GET(self) -> None:
        """Say how many messages of a run arrived."""
        with self.reading:
            while self.unread:
                self.seen.update(message_ids(*self.unread.pop()))
        run = self.path.rpartition("/")[2]
        self._answer("text/plain", str(sum(name.startswith(run) for name in self.seen)).encode())

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a line a request would be a load of its own."""

    def _answer(self, content_type: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _SlowHandler(_Handler):
    late_s = _SLOW_S


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that break: a client that is killed is part of the benchmark."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _serve() -> None:
    handlers = {"healthy": _Handler, "slow": _SlowHandler}
    servers = {name: _Server(("127.0.0.1", 0), handler) for name, handler in handlers.items()}
    ports = {name: server.server_port for name, server in servers.items()}
    # A port that is bound and not listened on refuses, and nobody else can take it.
    dead = socket.socket()
    dead.bind(("127.0.0.1", 0))
    ports["dead"] = dead.getsockname()[1]
    for server in servers.values():
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({name: f"http://127.0.0.1:{port}" for name, port in ports.items()}), flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    dead.close()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    _serve()
