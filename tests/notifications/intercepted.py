"""The hosts of chat and paging services on this machine: a proxy that takes their TLS connections itself.

Apprise lets nobody choose the hosts of most services. It does honor HTTPS_PROXY and REQUESTS_CA_BUNDLE, as
every program that uses requests, so its real requests arrive here.
"""

import json
import ssl
import threading
from collections.abc import Collection
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Posted(NamedTuple):
    """A request that a service got."""

    host: str
    path: str
    body: dict[str, Any]


class Intercepted:
    """A proxy that answers for some hosts.

    Args:
        folder: where the certificate goes.
        hosts: their names.

    Attributes:
        environment: lets a program reach the hosts here.
        posted: the requests so far.
        status, answer: what they answer.
    """

    def __init__(self, folder: Path, hosts: Collection[str]) -> None:
        self.posted: list[Posted] = []
        self.status = 200
        self.answer = '{"ok": true, "code": 0, "errcode": 0, "result": {}}'
        certificate = folder / "hosts.pem"
        certificate.write_bytes(_certificate(hosts))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        handler = type("Handler", (_Handler,), {"context": context, "owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.environment = {
            "HTTPS_PROXY": f"http://127.0.0.1:{self._server.server_port}",
            "NO_PROXY": "",
            "REQUESTS_CA_BUNDLE": str(certificate),
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """A connection of a client."""

    protocol_version = "HTTP/1.1"
    context: ClassVar[ssl.SSLContext]
    owner: ClassVar[Intercepted]

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.connection = self.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.owner.posted.append(Posted(self.headers["host"], self.path, body))
        answer = self.owner.answer.encode()
        self.send_response(self.owner.status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def finish(self) -> None:
        super().finish()
        self.connection.close()


def _certificate(hosts: Collection[str]) -> bytes:
    """Return a certificate of some hosts, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hosts of services")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain
    )
