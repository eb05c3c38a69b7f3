"""A server that can't be called because of its certificate or its port, over real sockets."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from click.testing import Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from otpconv.cli.main import app
from otpconv.clock import wall_clock
from otpconv.errors import Misconfigured, OtpconvError, Refused, Unavailable

NOW = datetime.fromtimestamp(wall_clock() // 1000, UTC)
DAY = timedelta(days=1)
ANSWER = json.dumps({"rows": []})
COMMANDS = {
    "rates": ("rates",),
    "report": ("report", "1", "--delivered"),
    "import": ("import", "FILE"),
}

Serve = Callable[..., str]


class Authority:
    """A CA of the test's own, which nobody trusts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
        self.file = folder / "ca.pem"
        self.file.write_bytes(self._pem(self._make(self._name, self._key, NOW - DAY, NOW + DAY, ca=True)))

    def _make(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        begin: datetime,
        end: datetime,
        names: list[x509.GeneralName] | None = None,
        *,
        ca: bool = False,
        own: bool = False,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if own else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(key if own else self._key, hashes.SHA256())

    @staticmethod
    def _pem(certificate: x509.Certificate) -> bytes:
        return certificate.public_bytes(serialization.Encoding.PEM)

    def context(
        self, names: list[x509.GeneralName], *, begin: datetime, end: datetime, own: bool = False
    ) -> ssl.SSLContext:
        """A server's context with a certificate of these names, signed by the CA or by itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        made = self._make(subject, key, begin, end, names, own=own)
        file = self._folder / f"{made.serial_number}.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(self._pem(made) + secret)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answer every connection of a free port, by TLS if there is a context; returns its port."""
    listeners: list[socket.socket] = []

    def serving(listener: socket.socket, context: ssl.SSLContext | None, answer: str) -> None:
        while True:
            try:
                stream, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(stream, server_side=True) if context else stream as secured:
                    secured.settimeout(5)
                    secured.recv(65_536)
                    secured.sendall(answer.encode())
            except OSError:
                stream.close()

    def start(context: ssl.SSLContext | None = None, answer: str = "") -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(ANSWER)}\r\nconnection: close\r\n\r\n{ANSWER}"
        threading.Thread(target=serving, args=(listener, context, answer or head), daemon=True).start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture(params=sorted(COMMANDS))
def error(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], OtpconvError]:
    """What a command that talks to a server fails with."""
    file = tmp_path / "rows.ndjson"
    file.write_text('{"message_id": "1", "requested_at": 1700000000000}\n')

    def run(endpoint: str) -> OtpconvError:
        words = [str(file) if word == "FILE" else word for word in COMMANDS[request.param]]
        key = ["--access-key-id", "LTAIx", "--access-key-secret", "s"]
        done: Result = CliRunner().invoke(app, [*words, "--endpoint", endpoint, *key], standalone_mode=False)
        assert isinstance(done.exception, OtpconvError), (done.exception, done.output)
        assert "s3cr3t" not in done.exception.text
        return done.exception

    return run


IP: list[x509.GeneralName] = [x509.IPAddress(ip_address("127.0.0.1"))]
ELSEWHERE: list[x509.GeneralName] = [x509.DNSName("otp.example")]


@pytest.mark.parametrize(
    ("names", "begin", "end", "own", "trusted", "says"),
    [
        (IP, -1, 1, True, False, "is self-signed. If you trust it, set SSL_CERT_FILE"),
        (
            IP,
            -1,
            1,
            False,
            False,
            "signed by a CA that this machine does not know. If you trust it, set SSL_",
        ),
        (IP, -3, -1, False, True, "has expired. Renew it"),
        (IP, 1, 3, False, True, "is not valid yet. Check the clock"),
        (ELSEWHERE, -1, 1, False, True, "is not of this IP address. Use a name that is in the certificate"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_told_with_what_to_do(  # noqa: PLR0917 - of a table
    authority: Authority,
    serve: Serve,
    error: Callable[[str], OtpconvError],
    monkeypatch: pytest.MonkeyPatch,
    names: list[x509.GeneralName],
    begin: int,
    end: int,
    own: bool,  # noqa: FBT001
    trusted: bool,  # noqa: FBT001
    says: str,
) -> None:
    _trust(monkeypatch, authority.file if trusted else None)
    context = authority.context(names, begin=NOW + begin * DAY, end=NOW + end * DAY, own=own)
    refused = error(f"https://{serve(context)}")
    assert isinstance(refused, Misconfigured)
    assert says in refused.text
    assert "otpconv serve" not in refused.text


def test_another_host_name_is_told(
    authority: Authority,
    serve: Serve,
    error: Callable[[str], OtpconvError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _trust(monkeypatch, authority.file)
    context = authority.context(ELSEWHERE, begin=NOW - DAY, end=NOW + DAY)
    refused = error(f"https://{serve(context).replace('127.0.0.1', 'localhost')}")
    assert "is of another host name" in refused.text


def test_tls_on_a_plain_port_is_told(serve: Serve, error: Callable[[str], OtpconvError]) -> None:
    refused = error(f"https://{serve()}")
    assert isinstance(refused, Misconfigured)
    assert "does not speak TLS" in refused.text
    assert "otpconv serve" not in refused.text


def test_plain_http_on_a_tls_port_is_told(
    authority: Authority, serve: Serve, error: Callable[[str], OtpconvError]
) -> None:
    context = authority.context(IP, begin=NOW - DAY, end=NOW + DAY)
    refused = error(f"http://{serve(context)}")
    assert isinstance(refused, Unavailable)
    assert "https://" in refused.text
    assert "otpconv serve" not in refused.text


def test_the_advice_in_the_text_works(
    authority: Authority, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = authority.context(IP, begin=NOW - DAY, end=NOW + DAY)
    _trust(monkeypatch, authority.file)
    words = ["rates", "--json", "--endpoint", f"https://{serve(context)}"]
    key = ["--access-key-id", "LTAIx", "--access-key-secret", "s"]
    done = CliRunner().invoke(app, [*words, *key], standalone_mode=False)
    assert not isinstance(done.exception, OtpconvError)


def test_a_redirect_is_told_with_where_it_leads(serve: Serve) -> None:
    answer = "HTTP/1.1 301 Moved\r\nlocation: https://otp.example/\r\ncontent-length: 0\r\n\r\n"
    words = ["rates", "--endpoint", f"http://{serve(None, answer)}"]
    key = ["--access-key-id", "LTAIx", "--access-key-secret", "s"]
    done = CliRunner().invoke(app, [*words, *key], standalone_mode=False)
    assert isinstance(done.exception, Refused)
    assert "redirects to https://otp.example/; give that server's URL as --endpoint" in done.exception.text


def test_a_server_that_is_not_there_is_to_be_started_only_if_it_is_here(
    error: Callable[[str], OtpconvError],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "run `otpconv serve`" in error(f"http://127.0.0.1:{port}").text
    assert "otpconv serve" not in error("http://nowhere.invalid:8080").text


def _trust(monkeypatch: pytest.MonkeyPatch, file: Path | None) -> None:
    from otpconv.delivery import connection  # noqa: PLC0415 - to forget what it has loaded

    connection._tls.cache_clear()  # noqa: SLF001
    if file is None:
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    else:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
