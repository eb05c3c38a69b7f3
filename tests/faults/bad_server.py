"""A server of both dialects that misbehaves on order: a real socket, and a thread for each connection."""

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit


class Heard(NamedTuple):
    """One request as it came."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def native(self) -> bool:
        return urlsplit(self.target).path.startswith("/v1/")  # a proxy is given the whole URL

    @property
    def reports(self) -> list[dict[str, Any]]:
        """The reports, as the dialect names them."""
        if self.native:
            return [json.loads(line) for line in self.body.splitlines()]
        query = parse_qs(urlsplit(self.target).query)
        return [{name: values[0] for name, values in query.items()}]

    @property
    def ids(self) -> list[str]:
        """Which messages were reported; those known by number alone by that."""
        known_by = ("message_id", "MessageId", "to", "To")
        return [next(report[name] for name in known_by if name in report) for report in self.reports]


#: Answers a request on its socket, and tells whether the connection stays open.
Answer = Callable[["BadServer", Heard, socket.socket], bool]


class BadServer:
    """Listens on a free port of this machine.

    Attributes:
        answer: handles requests; `well` accepts all reports.
        heard: the requests so far.
        taken: how often each message was acknowledged.
    """

    def __init__(self) -> None:
        self.answer: Answer = well
        self.heard: list[Heard] = []
        self.taken: Counter[str] = Counter()
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def is_idle(self) -> bool:
        """Whether everything that was sent is heard and answered."""
        with self._lock:
            return not self._open

    def start(self) -> None:
        self.stopping.clear()
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        self._run(self._accept)

    def stop(self) -> None:
        """Refuse connections, and close those that are open."""
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._threads.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def take(self, ids: list[str]) -> None:
        with self._lock:
            self.taken.update(ids)

    def _run(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while not self.stopping.is_set():
                connection, _ = self._listener.accept()
                with self._lock:
                    self._open.add(connection)
                self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection.makefile("rb") as stream:
            while (heard := _read(stream)) is not None:
                with self._lock:
                    self.heard.append(heard)
                if not self.answer(self, heard, connection):
                    break
        with self._lock:
            self._open.discard(connection)
        connection.close()


def _read(stream: Any) -> Heard | None:  # noqa: ANN401 - a socket's file
    line = stream.readline().decode().split()
    if not line:
        return None
    headers: list[tuple[str, str]] = []
    while (header := stream.readline().decode().strip()) != "":
        name, _, value = header.partition(":")
        headers.append((name, value.strip()))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    return Heard(line[0], line[1], headers, stream.read(length))


def http(status: int, body: object, *headers: str, length: int | None = None) -> bytes:
    """An answer as bytes; anything else is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} -", f"content-length: {len(content) if length is None else length}", *headers]
    return "\r\n".join((*head, "", "")).encode() + content


def success(heard: Heard) -> dict[str, object]:
    if heard.native:
        return {"recorded": len(heard.reports), "unchanged": 0, "rejected": []}
    return {"ResponseCode": "OK", "ResponseDescription": "OK", "RequestId": "1"}


def well(server: BadServer, heard: Heard, connection: socket.socket) -> bool:
    """Accept all reports."""
    server.take(heard.ids)
    connection.sendall(http(200, success(heard)))
    return True


def well_and_close(server: BadServer, heard: Heard, connection: socket.socket) -> bool:
    """Take it, announce the end of the connection, and let the body come a little later."""
    server.take(heard.ids)
    answer = http(200, success(heard), "connection: close")
    head = answer.index(b"\r\n\r\n") + 4
    connection.sendall(answer[:head])
    time.sleep(0.05)
    connection.sendall(answer[head:])
    return False


def saying(answer: bytes, *, stays: bool = True) -> Answer:
    """Always the same bytes."""

    def say(server: BadServer, heard: Heard, connection: socket.socket) -> bool:
        del server, heard
        connection.sendall(answer)
        return stays

    return say


def by_dialect(native: Answer, alibaba: Answer) -> Answer:
    """One answer to each dialect."""

    def answer(server: BadServer, heard: Heard, connection: socket.socket) -> bool:
        return (native if heard.native else alibaba)(server, heard, connection)

    return answer


def unless(culprit: str, error: Answer) -> Answer:
    """Accept all reports, but answer with an error when this message is among them."""

    def answer(server: BadServer, heard: Heard, connection: socket.socket) -> bool:
        return (error if culprit in heard.ids else well)(server, heard, connection)

    return answer


def hang(server: BadServer, heard: Heard, connection: socket.socket) -> bool:
    """Never answer."""
    del heard, connection
    server.stopping.wait(5)
    return False


def trickle(server: BadServer, heard: Heard, connection: socket.socket) -> bool:
    """A byte of a good answer now and then, for longer than anybody waits."""
    for byte in http(200, success(heard)):
        connection.sendall(bytes([byte]))
        if server.stopping.wait(0.1):
            break
    return False


def reset(server: BadServer, heard: Heard, connection: socket.socket) -> bool:
    """Break the connection off."""
    del server, heard
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False
