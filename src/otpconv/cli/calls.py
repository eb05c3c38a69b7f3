"""Signed SmsConversion calls, byte for byte as the official Python SDK makes them, over kept connections."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Self, cast
from urllib.parse import urlencode, urlsplit

import msgspec
from typing_extensions import override

from otpconv.clock import wall_clock
from otpconv.dialects.alibaba import sign_v3
from otpconv.errors import Refused, Unavailable

_USER_AGENT = "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2"
_END_OF_HEADERS = b"\r\n\r\n"
_LENGTH = b"content-length:"
_OK = b'"ResponseCode":"OK"'

#: Called with how long each answer took, s.
Answered = Callable[[float], None]


class Signer:
    """Signs calls (V3) with one access key."""

    def __init__(self, url: str, access_key_id: str, secret: str) -> None:
        """Prepare signed calls.

        Args:
            url: of the server.
            access_key_id: of the access key.
            secret: of the access key.
        """
        self._host = urlsplit(url).netloc
        self._access_key_id = access_key_id
        self._secret = secret

    def __call__(self, parameters: Mapping[str, str]) -> bytes:
        """Return the whole request of one SmsConversion call, which can be sent once, within 15 minutes."""
        headers = sign_v3(
            "POST",
            parameters,
            {
                "host": self._host,
                "user-agent": _USER_AGENT,
                "accept": "application/json",
                "x-acs-action": "SmsConversion",
                "x-acs-version": "2018-05-01",
                "x-acs-date": _date(wall_clock() // 1000),
                "x-acs-signature-nonce": secrets.token_hex(16),
                "x-acs-credentials-provider": "static_ak",
            },
            b"",
            access_key_id=self._access_key_id,
            secret=self._secret,
        )
        headers |= {"accept-encoding": "gzip, deflate", "connection": "keep-alive", "content-length": "0"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST /?{urlencode(parameters)} HTTP/1.1\r\n{lines}\r\n".encode()


class Connections:
    """A few connections to a server, which take their requests from one queue and stay open in between."""

    def __init__(self, url: str, count: int) -> None:
        """Prepare connections.

        Args:
            url: of the server.
            count: how many connections to open.
        """
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 80
        self._count = count
        self._open: list[_Connection] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            try:
                _, connection = await loop.create_connection(_Connection, self._host, self._port)
            except OSError as error:
                raise Unavailable(
                    f"the server can't be reached ({error.strerror}): check that it runs"
                ) from error
            self._open.append(connection)
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._open:
            connection.close()

    async def send(self, requests: Iterator[bytes], answered: Answered) -> None:
        """Send all requests, on each connection one after the other, until all are acknowledged.

        Raises:
            Refused: the server refuses one; the text is its answer.
            Unavailable: the server closes a connection.
        """
        await asyncio.gather(*[connection.send(requests, answered) for connection in self._open])


class _Connection(asyncio.Protocol):
    """One connection; the next request is sent from within the arrival of the answer to the one before."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._requests: Iterator[bytes] = iter(())
        self._answered: Answered = lambda _: None
        self._done: asyncio.Future[None] | None = None
        self._sent = 0.0

    async def send(self, requests: Iterator[bytes], answered: Answered) -> None:
        self._requests, self._answered = requests, answered
        self._done = asyncio.get_running_loop().create_future()
        self._next()
        await self._done

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(_END_OF_HEADERS)
        if not end or len(body) < _length(bytes(head)):
            return
        self._received.clear()
        if not head.startswith(b"HTTP/1.1 200") or _OK not in body:
            self._fail(Refused(f"the server refused a call: {_reason(bytes(body))}"))
            return
        self._answered(time.perf_counter() - self._sent)
        self._next()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(
            Unavailable(
                "the server closed a connection before its answer was complete: read its log, then try again"
            )
        )

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            if self._done is not None and not self._done.done():
                self._done.set_result(None)
        elif self._transport is None or self._transport.is_closing():
            self._fail(Unavailable("the server closed a connection: read its log, then try again"))
        else:
            self._sent = time.perf_counter()
            self._transport.write(request)

    def _fail(self, error: Exception) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(_LENGTH)
    return 0 if at < 0 else int(lower[at + len(_LENGTH) :].split(b"\r\n", 1)[0])


def _reason(body: bytes) -> str:
    try:
        fields = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return "its answer is not JSON"
    return ": ".join(str(value) for name, value in fields.items() if name != "RequestId")
