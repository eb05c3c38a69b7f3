"""Requests as bytes, and ways to send them that no friendly client has."""

import base64
import itertools
import secrets
import socket
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from threading import Thread
from urllib.parse import quote, urlencode

from otpconv.dialects.alibaba import sign_v3

_HOST = "127.0.0.1"
_TIMEOUT_S = 10.0
_READ_BYTES = 1 << 16


def rendered(method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return a request with its length."""
    length = {"content-length": str(len(body))} if body or method == "POST" else {}
    return head(method, target, {**headers, **length}) + body


def head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request."""
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in ({"host": _HOST} | dict(headers)).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def basic(access_key_id: str, secret: str) -> dict[str, str]:
    """Return the header of HTTP Basic."""
    return {"authorization": f"Basic {base64.b64encode(f'{access_key_id}:{secret}'.encode()).decode()}"}


def signed(
    access_key_id: str,
    secret: str,
    action: str,
    parameters: Mapping[str, str],
    body: bytes = b"",
    *,
    kind: str = "",
    version: str = "2018-05-01",
) -> dict[str, str]:
    """Return the headers of a V3 call."""
    now = datetime.now(UTC)  # noqa: TID251 - what a client signs with
    headers = {
        "host": _HOST,
        "x-acs-action": action,
        "x-acs-version": version,
        "x-acs-date": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": secrets.token_hex(16),
    }
    if kind:
        headers["content-type"] = kind
    return sign_v3("POST", parameters, headers, body, access_key_id=access_key_id, secret=secret)


def called(
    access_key_id: str,
    secret: str,
    action: str,
    parameters: Mapping[str, str],
    version: str = "2018-05-01",
) -> bytes:
    """Return a whole V3 call without a body."""
    headers = signed(access_key_id, secret, action, parameters, version=version)
    return rendered("POST", f"/?{urlencode(parameters, quote_via=quote)}", headers)


class Traffic:
    """Sends until a time, from one address of the loopback.

    Attributes:
        answers: how often each status came, and how often a connection was closed or timed out instead.
    """

    def __init__(self, port: int, address: str, seconds: float) -> None:
        """Take the server's port, the address to send from, and for how long, s."""
        self._port = port
        self._address = address
        self._until = time.monotonic() + seconds
        self.answers: Counter[str] = Counter()

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self._until

    def flood(self, requests: Sequence[bytes], connections: int = 4, *, once: bool = False) -> None:
        """Send requests over some connections, each as soon as the one before it is answered.

        Args:
            requests: shared by the connections; sent again and again, or `once`.
            connections: how many.
            once: whether each is sent only once.
        """
        source = iter(requests) if once else itertools.cycle(requests)
        threads = [Thread(target=self._work, args=(source,), daemon=True) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, self._until - time.monotonic()))

    def hold(self, beginnings: Iterable[bytes], *, trickle: bytes = b"", pause_s: float = 0.5) -> None:
        """Open a connection for each of these, send it, and never read; then send `trickle` now and then."""
        held: list[socket.socket] = []
        for beginning in beginnings:
            if self.over:
                break
            with suppress(OSError):
                held.append(self._connected())
                held[-1].settimeout(0.2)
                held[-1].sendall(beginning)
        self.answers["held"] = len(held)
        while not self.over:
            time.sleep(min(pause_s, max(0.0, self._until - time.monotonic())))
            for connection in held if trickle else ():
                with suppress(OSError):
                    connection.send(trickle)

    def churn(self) -> None:
        """Open connections and close them at once."""
        while not self.over:
            with suppress(OSError):
                self._connected().close()
                self.answers["opened"] += 1

    def _connected(self) -> socket.socket:
        connection = socket.create_connection((_HOST, self._port), _TIMEOUT_S, (self._address, 0))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _work(self, source: Iterable[bytes]) -> None:
        connection: socket.socket | None = None
        for request in source:
            if self.over:
                break
            try:
                if connection is None:
                    connection = self._connected()
                connection.sendall(request)
                status, more = _answer(connection)
                self.answers[status] += 1
            except TimeoutError:
                self.answers["timeout"] += 1
                more = False
            except OSError:
                self.answers["closed"] += 1
                more = False
            if not more and connection is not None:
                connection.close()
                connection = None


def _answer(connection: socket.socket) -> tuple[str, bool]:
    """Read one answer; return its status and whether the connection goes on."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _received(connection)
    top, _, rest = data.partition(b"\r\n\r\n")
    fields = top.lower()
    if b"content-length:" in fields:
        left = int(fields.partition(b"content-length:")[2].partition(b"\r\n")[0]) - len(rest)
        while left > 0:
            left -= len(_received(connection))
    else:
        tail = rest
        while not tail.endswith(b"0\r\n\r\n"):
            tail = (tail + _received(connection))[-16:]
    return top[9:12].decode("latin-1"), b"connection: close" not in fields


def _received(connection: socket.socket) -> bytes:
    part = connection.recv(_READ_BYTES)
    if not part:
        raise ConnectionError("the connection was closed")
    return part
