"""A server that records requests and passes them on: what the official SDKs really send."""

import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import MSG_PEEK, socket
from typing import Any
from urllib.parse import unquote, urlsplit

from otpconv.dialects.dialect import HttpRequest

#: The first byte of a connection by TLS.
_TLS = b"\x16"


class Recorder(ThreadingHTTPServer):
    """Speaks HTTP and HTTPS on one port.

    Attributes:
        target: the port of the server that answers; set it before the first request.
        requests: those that came since the list was last cleared.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = 0
        self.requests: list[HttpRequest] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)

    def get_request(self) -> tuple[socket, Any]:
        connection, address = super().get_request()
        if connection.recv(1, MSG_PEEK) == _TLS:
            connection = self._context.wrap_socket(connection, server_side=True)
        return connection, address


class _Handler(BaseHTTPRequestHandler):
    server: Recorder

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fields = {name.lower().encode(): value.encode("latin-1") for name, value in self.headers.items()}
        url = urlsplit(self.path)
        self.server.requests.append(
            HttpRequest(self.command, unquote(url.path), url.query.encode(), fields, body)
        )
        connection = http.client.HTTPConnection("127.0.0.1", self.server.target)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _pass_on  # noqa: N815 - names of the base class

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def recording(certificate: Path, key: Path) -> Iterator[Recorder]:
    """Run a recorder."""
    with Recorder(certificate, key) as recorder:
        thread = threading.Thread(target=recorder.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield recorder
        recorder.shutdown()
        thread.join()
