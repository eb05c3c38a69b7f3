"""HTTPS served by the server itself, and plain HTTP refused where the operator says so."""

import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.errors import Misconfigured
from otpconv.web.front.tls import is_exposed, own_tls
from web.wire import administrator, send, v1

CONVERSION = {"MessageId": "1", "Delivered": "true"}
MESSAGES = {"messages": [{"message_id": "1"}]}
MakeServer = Callable[..., LocalServer]


def certificate(
    folder: Path,
    name: str,
    passphrase: bytes | None = None,
    *,
    begin: datetime = datetime(2020, 1, 1, tzinfo=UTC),
    end: datetime = datetime(2120, 1, 1, tzinfo=UTC),
) -> tuple[Path, Path]:
    """Make a certificate of 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signed = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    sealing: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        sealing = serialization.BestAvailableEncryption(passphrase)
    cert_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    cert_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealing)
    )
    return cert_file, key_file


def expiring(folder: Path, name: str, days: int) -> tuple[Path, Path]:
    """Make a certificate for 100 days that expires so many days from now."""
    end = datetime.fromtimestamp(wall_clock() // 1000, UTC) + timedelta(days=days)
    return certificate(folder, name, begin=end - timedelta(days=100), end=end)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"), "server")


@pytest.fixture(scope="module")
def https(tmp_path_factory: pytest.TempPathFactory, files: tuple[Path, Path]) -> Iterator[LocalServer]:
    settings = {
        "OTPCONV_TLS_CERT": str(files[0]),
        "OTPCONV_TLS_KEY": str(files[1]),
        "OTPCONV_REQUIRE_TLS": "true",
    }
    with LocalServer(tmp_path_factory.mktemp("https") / "data", settings) as running:
        yield running


def client(server: LocalServer, files: tuple[Path, Path]) -> httpx.Client:
    trusting = ssl.create_default_context(cafile=str(files[0]))
    auth = (server.access_key_id, server.access_key_secret)
    return httpx.Client(base_url=server.url, verify=trusting, auth=auth)


def test_native_and_signed_calls_come_by_https(https: LocalServer, files: tuple[Path, Path]) -> None:
    assert https.url.startswith("https://127.0.0.1:")
    with client(https, files) as http:
        assert http.post("/v1/messages", json=MESSAGES).json()["recorded"] == 1
        signed = v1(administrator(https), CONVERSION)
        answer = http.request(signed.method, signed.target, auth=lambda request: request)
        assert answer.json()["ResponseCode"] == "OK"
        signed = v1(administrator(https), CONVERSION, method="POST", form=True)
        answer = http.request(
            signed.method, "/", headers=signed.headers, content=signed.body, auth=lambda request: request
        )
        assert answer.json()["ResponseCode"] == "OK"
        assert http.get("/v1/messages/1").json()["verified"] is True


def test_tls_1_2_is_taken(https: LocalServer, files: tuple[Path, Path]) -> None:
    parts = urlsplit(https.url)
    context = ssl.create_default_context(cafile=str(files[0]))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection((parts.hostname, parts.port), 10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
    ):
        assert wrapped.version() == "TLSv1.2"


def test_plain_http_to_a_tls_port_gets_no_answer(https: LocalServer) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(https.url.replace("https", "http") + "/healthz")


def test_where_tls_is_required_plain_http_is_refused_on_both_doors(make_server: MakeServer) -> None:
    server = make_server(settings={"OTPCONV_REQUIRE_TLS": "true"})
    server.start()
    claims = {"x-forwarded-proto": "https"}  # of nobody who is trusted
    for path in ("/v1/rates", "/openapi.json", "/errors", "/nothing"):
        answer = httpx.get(server.url + path, headers=claims)
        assert (answer.status_code, answer.json()["code"]) == (403, "NeedsTls")
        assert "https://" in answer.json()["detail"]
    page = httpx.get(server.url + "/explorer", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "set-cookie" not in page.headers
    assert httpx.get(server.url + "/healthz").status_code == 200
    assert httpx.get(server.url + "/readyz").status_code == 200
    reply = send(server.url, v1(administrator(server), CONVERSION))
    assert (reply.status, reply.json["Code"]) == (400, "InvalidProtocol.NeedSsl")
    assert reply.json["Message"].startswith("Your request is denied as lack of ssl protect.")
    reply = send(server.url, v1(administrator(server), CONVERSION, method="POST", form=True))
    assert reply.json["Code"] == "InvalidProtocol.NeedSsl"


def test_https_to_a_trusted_proxy_is_https(make_server: MakeServer) -> None:
    server = make_server(
        settings={"OTPCONV_REQUIRE_TLS": "true", "OTPCONV_TRUSTED_PROXIES": "10.0.0.0/8, 127.0.0.0/8"}
    )
    server.start()
    request = v1(administrator(server), CONVERSION)
    passed_on = request._replace(headers={**request.headers, "x-forwarded-proto": "https"})
    assert send(server.url, passed_on).json["ResponseCode"] == "OK"
    assert send(server.url, v1(administrator(server), CONVERSION)).json["Code"] == "InvalidProtocol.NeedSsl"
    auth = (server.access_key_id, server.access_key_secret)
    for proto, status in (("https", 200), ("http", 403)):
        headers = {"x-forwarded-proto": proto}
        assert httpx.get(f"{server.url}/v1/rates", auth=auth, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("cert", "key", "says"),
    [
        ("nowhere.pem", "a.key", "tls_cert: "),
        ("a.pem", "nowhere.key", "tls_key: "),
        ("a.pem", ".", "tls_key: "),
        ("a.pem", "b.key", "must be a PEM certificate and its matching, unencrypted private key"),
        ("a.pem", "a.pem", "must be a PEM certificate and its matching, unencrypted private key"),
        ("a.key", "a.key", "must be a PEM certificate and its matching, unencrypted private key"),
        ("a.pem", "text", "must be a PEM certificate and its matching, unencrypted private key"),
        ("a.pem", "sealed.key", "must be a PEM certificate and its matching, unencrypted private key"),
        ("sealed.pem", "sealed.key", "must be a PEM certificate and its matching, unencrypted private key"),
        ("a.pem", None, "tls_cert is set and tls_key is not"),
        (None, "a.key", "tls_key is set and tls_cert is not"),
    ],
)
def test_a_certificate_that_cant_be_served_is_told_in_one_line(
    tmp_path: Path, cert: str | None, key: str | None, says: str
) -> None:
    certificate(tmp_path, "a")
    certificate(tmp_path, "b")
    certificate(tmp_path, "sealed", b"passphrase")
    (tmp_path / "text").write_text("no key\n")
    given = {"tls_cert": cert and tmp_path / cert, "tls_key": key and tmp_path / key}
    with pytest.raises(Misconfigured) as caught:
        own_tls(load(**given))
    assert says in caught.value.text
    assert "\n" not in caught.value.text


def test_a_server_with_a_wrong_key_does_not_start(make_server: MakeServer, tmp_path: Path) -> None:
    cert, _ = certificate(tmp_path, "a")
    _, key = certificate(tmp_path, "b")
    server = make_server(settings={"OTPCONV_TLS_CERT": str(cert), "OTPCONV_TLS_KEY": str(key)})
    with pytest.raises(
        Misconfigured, match="must be a PEM certificate and its matching, unencrypted private key"
    ):
        server.start()
    assert not server.data.exists()


@pytest.mark.parametrize(
    ("given", "exposed"),
    [
        ({}, False),
        ({"host": "127.0.0.2"}, False),
        ({"host": "::1"}, False),
        ({"host": "localhost"}, False),
        ({"host": "0.0.0.0"}, True),  # noqa: S104
        ({"host": "otp.example"}, True),
        ({"host": "otp.example", "require_tls": True}, False),
        ({"host": "otp.example", "trusted_proxies": "10.0.0.0/8"}, False),
        ({"host": "otp.example", "tls_cert": "cert.pem"}, False),
    ],
)
def test_secrets_in_clear_are_warned_of(given: dict[str, object], *, exposed: bool) -> None:
    assert is_exposed(load(**given)) is exposed


def test_the_warning_is_in_the_log(make_server: MakeServer) -> None:
    server = make_server(settings={"OTPCONV_HOST": "0.0.0.0"})  # noqa: S104
    server.start()
    server.stop()
    assert "plain HTTP on an address that others can reach" in server.log.read_text()
