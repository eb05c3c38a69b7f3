"""One kept HTTP connection: no redirects, no cookies, a bounded answer, and an end to waiting."""

# Otherwise the first lookup of a host imports it, and a child that is forked at that moment waits for the
# import's lock for ever.
import encodings.idna  # noqa: F401 - see there
import http.client
import io
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Mapping
from functools import cache, partial
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from msgspec import Struct

from otpconv.delivery import tls_failure

_MAX_ANSWER_BYTES = 4 * 1024 * 1024
_PIECE = 16 * 1024


class Unreachable(Exception):
    """There was no answer, or none that is HTTP; the text says why, for a person.

    Attributes:
        kind: of the failure, as outcomes name it.
        sent: whether the other side may have the request.
    """

    kind = "Unreachable"

    def __init__(self, text: str, *, sent: bool = True) -> None:
        super().__init__(text)
        self.sent = sent


class NoAnswer(Unreachable):
    """Something took the connection, and closed it or answered otherwise than by HTTP."""

    kind = "NoAnswer"


class TlsFailed(Unreachable):
    """The server's certificate is not trusted, or it does not speak TLS."""

    kind = "TlsFailed"


class Response(Struct, frozen=True):
    """A response.

    Attributes:
        status: the HTTP status.
        headers: names in lower case.
        body: the whole body.
    """

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """A connection to one server, made when it is needed and when it broke. For one thread at a time."""

    def __init__(self, url: str, timeout_ms: int, most_bytes: int = _MAX_ANSWER_BYTES) -> None:
        """Prepare a connection.

        Args:
            url: of the server.
            timeout_ms: how long an answer may take in all, ms.
            most_bytes: how large an answer may be.
        """
        self._url = urlsplit(url)
        self._timeout_s = timeout_ms / 1000
        self._most_bytes = most_bytes
        self._http: _Timed | None = None
        #: Whether something of the request may have left.
        self._began = False

    def post(self, target: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Send a POST request and return its answer; see `request`."""
        return self.request("POST", target, headers, body)

    def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Send a request and return its answer.

        If the server has closed a kept connection meanwhile, a new one is opened, once.

        Raises:
            Unreachable: there is none.
        """
        kept, self._began = self._http is not None, False
        deadline = time.monotonic() + self._timeout_s
        try:
            try:
                return self._exchange(method, target, headers, body, deadline)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.close()
                if not kept:
                    raise
                return self._exchange(method, target, headers, body, deadline)
        except ssl.SSLError as error:
            self.close()
            raise TlsFailed(tls_failure.describe(error), sent=self._began) from None
        except (ConnectionResetError, BrokenPipeError, http.client.HTTPException) as error:
            self.close()
            raise NoAnswer(_what(error), sent=self._began) from None
        except (OSError, ValueError) as error:
            self.close()
            raise Unreachable(_what(error), sent=self._began) from None

    def close(self) -> None:
        """Close the connection; the next call makes another."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> Response:
        if self._http is None or self._http.sock is None:
            self._http = _open(self._url, deadline)
        connection = self._http
        connection.deadline = deadline
        self._began = True
        connection.request(method, connection.target_prefix + target, body, dict(headers))
        connection.response_class = partial(_TimedResponse, deadline)  # type: ignore[assignment]
        with connection.getresponse() as answer:
            content = answer.read(self._most_bytes + 1)
            if len(content) > self._most_bytes:
                raise http.client.HTTPException("the answer is too large")
            if answer.length:  # `read` of a bounded number of bytes doesn't say that some are missing
                raise http.client.IncompleteRead(content, answer.length)
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Response(answer.status, found, content)


class _Timed(http.client.HTTPConnection):
    """A connection on a socket that is given, whose requests must have left at a time."""

    deadline = 0.0
    #: Precedes the target of requests: a proxy of plain HTTP needs the whole URL.
    target_prefix = ""

    def send(self, data: object) -> None:  # type: ignore[explicit-override]
        # In pieces of a TLS record: each is written whole, or its time is over.
        view = memoryview(data)  # type: ignore[arg-type]
        for start in range(0, len(view), _PIECE):
            self.sock.settimeout(_left(self.deadline))
            self.sock.sendall(view[start : start + _PIECE])


class _TimedTls(_Timed, http.client.HTTPSConnection):
    """The same by TLS; its default port is another."""


class _TimedResponse(http.client.HTTPResponse):
    """An answer that must be there at a time, however slowly it trickles."""

    def __init__(self, deadline: float, sock: socket.socket, method: str | None = None) -> None:
        super().__init__(sock, method=method)
        self.fp.close()
        self.fp = io.BufferedReader(_TimedSocket(sock, deadline))


class _TimedSocket(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        super().__init__()
        self._sock = sock
        # A file of the socket: `Connection: close` closes the socket once this is closed too, and not before.
        self._file = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:  # type: ignore[explicit-override]
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override, explicit-override]
        self._sock.settimeout(_left(self._deadline))
        return self._file.readinto(buffer) or 0

    def close(self) -> None:  # type: ignore[explicit-override]
        self._file.close()
        super().close()


def _left(deadline: float) -> float:
    """Return how long it is until a deadline, s.

    Raises:
        TimeoutError: it is over.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _open(url: SplitResult, deadline: float) -> _Timed:
    """Connect, through the proxy that the environment names, until `deadline` (steady, s).

    Only the lookup of a host's name may take longer: nothing can interrupt it.

    Raises:
        OSError: there is no connection.
        http.client.HTTPException: the proxy's answer is not HTTP.
    """
    host = url.hostname or ""
    secure = url.scheme == "https"
    proxy = None if proxy_bypass(host) else getproxies().get(url.scheme)  # `https_proxy`, `no_proxy`
    at = urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else url
    port = url.port or (443 if secure else 80)
    sock = _connected(at.hostname or "", at.port or (80 if proxy else port), deadline)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if secure and proxy:
            _tunnel(sock, at, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", deadline)
        if secure:
            sock.settimeout(_left(deadline))
            sock = _tls().wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise
    connection = _TimedTls(host, port, context=_tls()) if secure else _Timed(host, port)
    connection.sock = sock
    if proxy and not secure:
        connection.target_prefix = f"http://{url.netloc}"
    return connection


def _connected(host: str, port: int, deadline: float) -> socket.socket:
    """Return a socket that is connected to the first address of a host that takes it.

    Raises:
        OSError: none does, in time.
    """
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_left(deadline))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


def _tunnel(sock: socket.socket, proxy: SplitResult, to: str, deadline: float) -> None:
    """Let a proxy connect a socket to a host and port.

    Raises:
        OSError: it refuses, or takes too long.
        http.client.HTTPException: its answer is not HTTP.
    """
    login = f"Proxy-Authorization: {_basic(proxy)}\r\n" if proxy.username else ""
    sock.settimeout(_left(deadline))
    sock.sendall(f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{login}\r\n".encode("latin-1"))
    answer = _TimedResponse(deadline, sock, method="CONNECT")
    try:
        answer.begin()
    finally:
        answer.close()
    if answer.status != http.HTTPStatus.OK:
        raise OSError(f"the proxy does not connect to {to}: {answer.status} {answer.reason}")


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _basic(proxy: SplitResult) -> str:
    login = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
    return f"Basic {b64encode(login.encode()).decode()}"


def _what(error: Exception) -> str:
    """Return what went wrong, for a person."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, http.client.RemoteDisconnected | ConnectionResetError | BrokenPipeError):
        return "the connection was closed without an answer"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer was cut off"
    if type(error) is http.client.HTTPException:  # ours
        return str(error)
    if isinstance(error, http.client.HTTPException):
        return f"the answer is not HTTP ({type(error).__name__})"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
