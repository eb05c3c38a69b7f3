"""Attacks on what surrounds a request: its host, method, framing, coding. No hidden one is executed."""

import gzip
import socket
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from web.wire import FORM, Request, send, v1, v3

REPORT = {"MessageId": "victim", "Delivered": "true"}
HIDDEN = {"MessageId": "hidden", "Delivered": "true"}
#: After a first answer, for a second one that must not come.
SILENCE_S = 0.3
POST = b"POST / HTTP/1.1\r\nhost: otp.example\r\n"


def raw(url: str, request: bytes) -> bytes:
    """Send bytes and return everything that comes back until the server ends, or is silent."""
    where = urlsplit(url)
    got = b""
    with socket.create_connection((where.hostname, where.port), timeout=2) as connection:
        connection.sendall(request)
        # It must not learn that nothing more comes: then it would end before it answers.
        try:
            while part := connection.recv(65536):
                got += part
                connection.settimeout(SILENCE_S)
        except (ConnectionError, TimeoutError):
            pass
    return got


def unknown(own: httpx.Client) -> None:
    for message_id in ("victim", "hidden"):
        assert own.get(f"/v1/messages/{message_id}").status_code == 404, message_id


def as_bytes(request: Request, more: str = "") -> bytes:
    """Return a request without a body as the bytes that go over the wire."""
    headers = {"host": "otp.example", **request.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{request.method} {request.target} HTTP/1.1\r\n{lines}{more}\r\n".encode()


# Host and method.


def test_a_request_signed_for_one_host_is_none_for_another(
    server: LocalServer, key: AccessKey, own: httpx.Client
) -> None:
    request = v3(key, REPORT)
    for host in ("elsewhere.example", "otp.example:80", "otp.example.", "otp.example, otp.example"):
        reply = send(server.url, request._replace(headers={**request.headers, "host": host}))
        assert (reply.json["Code"], reply.status) == ("SignatureDoesNotMatch", 400)
    unknown(own)


@pytest.mark.parametrize("second", ["elsewhere.example", "otp.example"])
def test_a_request_with_two_hosts_is_refused(
    server: LocalServer, key: AccessKey, own: httpx.Client, second: str
) -> None:
    for more in (f"host: {second}\r\n", f"Host:{second}\r\n"):
        answer = raw(server.url, as_bytes(v3(key, REPORT), more))
        assert answer.startswith(b"HTTP/1.1 400 ")
    unknown(own)


@pytest.mark.parametrize("sign", [v1, v3], ids=["V1", "V3"])
@pytest.mark.parametrize(("signed", "sent"), [("GET", "POST"), ("POST", "GET")])
def test_no_header_and_no_parameter_overrides_the_method(  # noqa: PLR0917 - the table
    server: LocalServer,
    key: AccessKey,
    own: httpx.Client,
    sign: Callable[..., Request],
    signed: str,
    sent: str,
) -> None:
    request = sign(key, REPORT, method=signed)
    overridden = {**request.headers, "x-http-method-override": signed, "x-method-override": signed}
    for changed in (
        request._replace(method=sent),
        request._replace(method=sent, headers=overridden),
        request._replace(method=sent, target=f"{request.target}&_method={signed}"),
        request._replace(target=f"{request.target}&_method={sent}"),
    ):
        reply = send(server.url, changed)
        assert (reply.json["Code"], reply.status) == ("SignatureDoesNotMatch", 400)
    unknown(own)


def test_the_native_api_overrides_no_method_either(own: httpx.Client) -> None:
    body = b'{"messages": [{"message_id": "victim"}]}'
    headers = {"x-http-method-override": "POST", "content-type": "application/json"}
    answer = own.request("GET", "/v1/messages?_method=POST", headers=headers, content=body)
    assert answer.status_code == 405
    unknown(own)


# Framing.


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def framings(hidden: bytes) -> dict[str, bytes]:
    """Return requests that mark their end in two ways, with another request where the one ends."""
    size, te = len(hidden), b"transfer-encoding: chunked\r\n"
    return {
        "two lengths": POST + b"content-length: %d\r\ncontent-length: 0\r\n\r\n" % size + hidden,
        "two lengths, the short one first": POST
        + b"content-length: 0\r\ncontent-length: %d\r\n\r\n" % size
        + hidden,
        "a list of lengths": POST + b"content-length: 0, %d\r\n\r\n" % size + hidden,
        "a signed length": POST + b"content-length: +0\r\n\r\n" + hidden,
        "length and chunks": POST + b"content-length: %d\r\n" % (size + 5) + te + b"\r\n0\r\n\r\n" + hidden,
        "chunks and length": POST + te + b"content-length: %d\r\n" % (size + 5) + b"\r\n0\r\n\r\n" + hidden,
        "chunks that are none": POST + b"transfer-encoding: xchunked\r\n\r\n" + hidden,
        "chunks that are not last": POST + b"transfer-encoding: chunked, identity\r\n\r\n" + hidden,
        "chunks after a vertical tab": POST + b"transfer-encoding: \x0bchunked\r\n\r\n" + hidden,
        "a name with a blank": POST + b"content-length : %d\r\n\r\n" % size + hidden,
        "a folded header": POST + b"a: b\r\n content-length: %d\r\n\r\n" % size + hidden,
        "a chunk of no number": POST + te + b"\r\nzz\r\n" + hidden,
        "a chunk of less than nothing": POST + te + b"\r\n-1\r\n" + hidden,
        "a chunk that wraps around": POST + te + b"\r\n10000000000000000\r\n" + hidden,
        "a chunk longer than it says": POST + te + b"\r\n1\r\nab\r\n0\r\n\r\n" + hidden,
        "a chunk of a blank": POST + te + b"\r\n \r\n" + hidden,
    }


@pytest.mark.parametrize(
    "end",
    [b"content-length: 0\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n"],
    ids=["length", "chunks"],
)
def test_a_second_request_that_is_not_hidden_is_executed(
    server: LocalServer, key: AccessKey, own: httpx.Client, end: bytes
) -> None:
    """Without this the tests below would prove nothing."""
    answer = raw(server.url, POST + end + as_bytes(v3(key, HIDDEN)))
    assert answer.count(b"HTTP/1.1 ") == 2
    assert own.get("/v1/messages/hidden").status_code == 200


@pytest.mark.parametrize("name", framings(b""))
def test_a_request_hidden_by_two_ways_of_framing_is_not_executed(
    server: LocalServer, key: AccessKey, own: httpx.Client, name: str
) -> None:
    answer = raw(server.url, framings(as_bytes(v3(key, HIDDEN)))[name])
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert answer.count(b"HTTP/1.1 ") <= 1
    unknown(own)


@pytest.mark.parametrize("target", ["/", "/v1/messages", "/healthz", "/nowhere"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_request_in_the_body_of_another_is_never_executed(
    server: LocalServer, key: AccessKey, own: httpx.Client, target: str, framing: str
) -> None:
    hidden = as_bytes(v3(key, HIDDEN))
    length = b"transfer-encoding: chunked" if framing == "chunks" else b"content-length: %d" % len(hidden)
    body = chunked(hidden) if framing == "chunks" else hidden
    basic = b64encode(f"{key.access_key_id}:{key.secret}".encode())
    outer = b"POST %b HTTP/1.1\r\nhost: otp.example\r\nauthorization: Basic %b\r\n%b\r\n\r\n%b" % (
        target.encode(),
        basic,
        length,
        body,
    )
    answer = raw(server.url, outer)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 4")
    unknown(own)


# Compressed bodies.

BOMB = gzip.compress(bytes(10 * 1024 * 1024))


@pytest.mark.parametrize(
    ("head", "answered"),
    [
        # RFC 9112, 2.2: a single LF may be taken for the end of a line of the head.
        (b"GET /healthz HTTP/1.1\nhost: x\n\n", True),
        (b"GET /healthz HTTP/1.1\r\nhost: x\n\r\n", True),
        # But a CR never, nor an LF where the framing of a body depends on it.
        (b"GET /healthz HTTP/1.1\rhost: x\r\r", False),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\na: b\rc: d\r\n\r\n", False),
        (b"POST /sign-in HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\nab\n0\n\n", False),
    ],
)
def test_a_bare_line_feed_ends_a_line_of_the_head_and_nothing_else(
    server: LocalServer, head: bytes, *, answered: bool
) -> None:
    assert raw(server.url, head).startswith(b"HTTP/1.1 200") is answered


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "br", "zstd", "identity, gzip"])
@pytest.mark.parametrize("target", ["/", "/v1/messages", "/v1/conversions"])
def test_a_compressed_body_is_refused_alike_whether_it_is_a_bomb_or_cannot_be_inflated(
    server: LocalServer, key: AccessKey, own: httpx.Client, target: str, coding: str
) -> None:
    kind = FORM if target == "/" else "application/json"
    answers = set()
    for body in (BOMB, b"no gzip at all"):
        if target == "/":
            coded = {"content-type": kind, "content-encoding": coding}
            reply = send(server.url, v3(key, REPORT, headers=coded, body=body))
            answers.add((reply.status, reply.json["Code"]))
        else:
            found = own.post(target, content=body, headers={"content-type": kind, "content-encoding": coding})
            answers.add((found.status_code, found.json()["code"]))
    assert answers == {(415, "UnsupportedMediaType")}
    unknown(own)
