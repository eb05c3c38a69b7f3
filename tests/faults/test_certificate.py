"""A renewed certificate is served without a restart: no request of the load meanwhile fails."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509

from campaigns import parameters
from constants import smaller, with_constants
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.storage.sqlite import SqliteLedgerReader
from otpconv.web.front.tls import READ_EVERY_S
from otpconv.web.front.worker import _HEAD_S, _RETIRED_S
from web.front.test_tls import certificate, expiring

MakeServer = Callable[..., LocalServer]

#: How often the server reads the files, s.
READ_S = smaller(READ_EVERY_S, 0.2)
#: How long a connection may be idle, s, and how long the worker of before continues.
IDLE_S = smaller(_HEAD_S, 4)
CONTINUES_S = smaller(_RETIRED_S, 5)


class Site:
    """A server with HTTPS, and the files of its certificate."""

    def __init__(self, make_server: MakeServer, folder: Path) -> None:
        self.folder = folder
        cert, key = certificate(folder, "first")
        self.cert, self.key = folder / "served.pem", folder / "served.key"
        self.cert.write_bytes(cert.read_bytes())
        self.key.write_bytes(key.read_bytes())
        constants = with_constants(
            folder,
            {
                "otpconv.web.front.server.READ_EVERY_S": READ_S,
                "otpconv.web.front.worker.HTTP1.header_read_timeout": int(IDLE_S * 1000),
                "otpconv.web.front.worker._RETIRED_S": CONTINUES_S,
            },
        )
        files = {"OTPCONV_TLS_CERT": str(self.cert), "OTPCONV_TLS_KEY": str(self.key)}
        self.server = make_server(settings=constants | files)
        self.server.start()
        parts = urlsplit(self.server.url)
        self.address = str(parts.hostname), int(parts.port or 0)
        self.trusting = ssl.create_default_context(cafile=str(cert))

    def served(self) -> str:
        """Return the common name of the certificate that a new connection is shown."""
        pem = ssl.get_server_certificate(self.address, timeout=10)
        name = x509.load_pem_x509_certificate(pem.encode()).subject.rfc4514_string()
        return name.removeprefix("CN=")

    def client(self) -> httpx.Client:
        auth = (self.server.access_key_id, self.server.access_key_secret)
        return httpx.Client(base_url=self.server.url, verify=self.trusting, auth=auth, timeout=30)

    def trust(self, cert: Path) -> None:
        self.trusting.load_verify_locations(str(cert))

    @contextmanager
    def load(self) -> Iterator[tuple[set[str], list[str]]]:
        """Report by kept and by new connections; return the acknowledged and the failed reports."""
        acknowledged: set[str] = set()
        failed: list[str] = []
        over = threading.Event()

        def report(number: int, *, keep: bool) -> None:
            client = self.client()
            count = 0
            while not over.is_set():
                count += 1
                message_id = f"{number}-{count}"
                try:
                    answer = client.post("/v1/messages", json={"messages": [{"message_id": message_id}]})
                except httpx.TransportError as error:
                    failed.append(repr(error))
                    continue
                if answer.status_code == 200:
                    acknowledged.add(message_id)
                else:
                    failed.append(answer.text)
                if not keep:
                    client.close()
                    client = self.client()
                time.sleep(0.01)
            client.close()

        threads = [threading.Thread(target=report, args=(n,), kwargs={"keep": n < 3}) for n in range(5)]
        for thread in threads:
            thread.start()
        try:
            yield acknowledged, failed
        finally:
            over.set()
            for thread in threads:
                thread.join()


@pytest.fixture
def site(make_server: MakeServer, tmp_path: Path) -> Site:
    return Site(make_server, tmp_path)


def renamed(site: Site, cert: Path, key: Path) -> None:
    """Replace both files by renaming others to them, as certbot's symbolic links do."""
    for new, place in ((key, site.key), (cert, site.cert)):
        new.rename(place)


def written(site: Site, cert: Path, key: Path) -> None:
    """Write both files in place, the key first and in two steps, with a pause in between."""
    content = key.read_bytes()
    with site.key.open("wb", buffering=0) as file:
        file.write(content[:50])
        time.sleep(0.2 * READ_S)
        file.write(content[50:])
    time.sleep(0.4 * READ_S)
    site.cert.write_bytes(cert.read_bytes())


@pytest.mark.parametrize(
    "replace", parameters([renamed, written], [written], "a renewal in one step is easier than in three")
)
def test_a_renewed_certificate_is_served_to_new_connections_and_no_request_fails(
    site: Site, eventually: Callable[..., None], replace: Callable[[Site, Path, Path], None]
) -> None:
    cert, key = certificate(site.folder, "second")
    site.trust(cert)
    assert site.served() == "first"
    with site.load() as (acknowledged, failed):
        eventually(lambda: len(acknowledged) > 10, True)
        replace(site, cert, key)
        eventually(site.served, "second")
        for _ in range(50):
            assert site.served() == "second"
        enough = len(acknowledged) + 40
        eventually(lambda: len(acknowledged) > enough, True)
    assert failed == []
    assert len(acknowledged) > 50
    assert site.server.stop() == 0
    log = site.server.log.read_text()
    assert log.count("serving the renewed certificate, valid until 2120-01-01T00:00:00Z") == 1
    assert "not renewed" not in log
    with closing(SqliteLedgerReader(site.server.data / "ledger.sqlite")) as ledger:
        assert acknowledged <= {message.message_id for message in ledger.messages(1)}


def test_connections_from_before_a_renewal_are_answered_and_then_closed(
    site: Site, eventually: Callable[..., None]
) -> None:
    with site.client() as used, socket.create_connection(site.address, 60) as waiting:
        assert used.get("/healthz").status_code == 200
        # In the middle of its handshake when the certificate is renewed.
        hello = ssl.MemoryBIO()
        handshake = site.trusting.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="127.0.0.1")
        with suppress(ssl.SSLWantReadError):
            handshake.do_handshake()
        first = hello.read()
        waiting.sendall(first[:40])
        renamed(site, *certificate(site.folder, "second"))
        eventually(site.served, "second")
        answer = used.get("/healthz")
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        waiting.sendall(first[40:])
        assert waiting.recv(5) != b""  # the server's part of the handshake
        threads = threads_of(site)
        # What sends nothing more is closed, and the worker of before ends. Others may begin meanwhile.
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and threads <= threads_of(site):
            time.sleep(0.5)
        assert not threads <= threads_of(site)
    assert site.served() == "second"
    # And another renewal is served then.
    renamed(site, *certificate(site.folder, "third"))
    eventually(site.served, "third")


def threads_of(site: Site) -> set[str]:
    return {task.name for task in Path(f"/proc/{site.server.pid}/task").iterdir()}


def test_a_certificate_that_cant_be_served_is_told_once_and_the_one_before_stays(
    site: Site, eventually: Callable[..., None]
) -> None:
    _, stranger = certificate(site.folder, "stranger")
    right = site.key.read_bytes()
    expired, its_key = expiring(site.folder, "expired", days=-1)
    cases: list[tuple[bytes | None, bytes | None, str]] = [
        (
            site.cert.read_bytes(),
            stranger.read_bytes(),
            "must be a PEM certificate and its matching, unencrypted private key",
        ),
        (b"no certificate\n", right, "matching, unencrypted private key"),
        (b"", b"", "matching, unencrypted private key"),
        (expired.read_bytes(), its_key.read_bytes(), "expired at"),
        (b"x" * 300_000, right, "not a certificate or key"),
        (None, None, "can't be read"),
    ]
    for cert, key, says in cases:
        before = site.server.log.read_text().count("not renewed")
        for place, content in ((site.cert, cert), (site.key, key)):
            if content is None:
                place.unlink()
            else:
                place.write_bytes(content)
        deadline = time.monotonic() + 10
        while site.server.log.read_text().count("not renewed") == before and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(2.5 * READ_S)  # it could be logged twice
        lines = [line for line in site.server.log.read_text().splitlines() if "not renewed" in line]
        assert len(lines) == before + 1, says
        assert says in lines[-1]
        assert site.served() == "first"
    renamed(site, *certificate(site.folder, "second"))
    eventually(site.served, "second")
    log = site.server.log.read_text()
    assert "PRIVATE" not in log
    assert "Traceback" not in log
    assert "panicked" not in log


def test_an_expiry_is_measured_and_warned_of(
    make_server: MakeServer, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    cert, key = expiring(tmp_path, "short", days=3)
    server = make_server(settings={"OTPCONV_TLS_CERT": str(cert), "OTPCONV_TLS_KEY": str(key)})
    server.start()
    auth = (server.access_key_id, server.access_key_secret)
    trusting = ssl.create_default_context(cafile=str(cert))

    def left() -> float:
        text = httpx.get(f"{server.url}/metrics", auth=auth, verify=trusting).text
        name = "otpconv_tls_certificate_expires_timestamp_seconds "
        [line] = [line for line in text.splitlines() if line.startswith(name)]
        return round((float(line.removeprefix(name)) - wall_clock() / 1000) / 86_400, 1)

    assert left() == 3
    eventually(lambda: server.log.read_text().count(f"the certificate in {cert} expires at"), 1)
    later, its_key = expiring(tmp_path, "later", days=90)
    trusting.load_verify_locations(str(later))
    its_key.rename(key)
    later.rename(cert)
    eventually(left, 90)
    assert server.log.read_text().count("expires at") == 1
