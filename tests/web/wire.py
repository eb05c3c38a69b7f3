"""Requests to `/`, signed by the dialect's own signer and sent over a socket, with nothing in between."""

import http.client
import json
import ssl
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from otpconv.access.keys import AccessKey
from otpconv.access.policies.grants import Grants
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.dialects.alibaba import sign_v1, sign_v3

FORM = "application/x-www-form-urlencoded"

#: For clients of httpx: it loads no certificates, which takes a tenth of a second a client.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

#: Parameters or headers to add or change; None leaves one out.
Changes = Mapping[str, str | None]


class Request(NamedTuple):
    """One HTTP request; a body that is not bytes is sent in chunks."""

    method: str = "GET"
    target: str = "/"
    headers: Mapping[str, str] = {}
    body: bytes | Iterable[bytes] = b""


class Reply(NamedTuple):
    """One HTTP response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        """The body, read as JSON."""
        return json.loads(self.body)


def administrator(server: LocalServer) -> AccessKey:
    """Return the first access key of a server."""
    return AccessKey(
        access_key_id=server.access_key_id,
        secret=server.access_key_secret,
        user="admin",
        account=1,
        account_name="default",
        grants=Grants(),
        active=True,
        created_at=0,
    )


def send(url: str, request: Request) -> Reply:
    """Send one request on a connection of its own."""
    connection = connect(url)
    try:
        return exchange(connection, request)
    finally:
        connection.close()


def connect(url: str) -> http.client.HTTPConnection:
    """Return a connection for several requests."""
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)


def exchange(connection: http.client.HTTPConnection, request: Request) -> Reply:
    """Send one request on a connection, which stays open when the server keeps it."""
    body = request.body
    connection.request(
        request.method,
        request.target,
        body=body if not isinstance(body, bytes) or body else None,
        headers=dict(request.headers),
        encode_chunked=not isinstance(body, bytes),
    )
    answer = connection.getresponse()
    return Reply(answer.status, answer.headers, answer.read())


def v1(
    key: AccessKey,
    parameters: Changes,
    *,
    method: str = "GET",
    form: bool = False,
    secret: str | None = None,
) -> Request:
    """Return a V1 request, its parameters in the query or in a form body."""
    asked = _merged(
        {
            "AccessKeyId": key.access_key_id,
            "Action": "SmsConversion",
            "Format": "JSON",
            "SignatureMethod": "HMAC-SHA1",
            "SignatureNonce": uuid.uuid4().hex,
            "SignatureVersion": "1.0",
            "Timestamp": timestamp(),
            "Version": "2018-05-01",
        },
        {name: value for name, value in parameters.items() if name != "Signature"},
    )
    known = asked.get("SignatureMethod") in {None, "HMAC-SHA1", "HMAC-SHA256"}
    signature = sign_v1(method, asked, secret or key.secret) if known else "?"
    encoded = _encoded(_merged(asked | {"Signature": signature}, parameters))
    if form:
        return Request(method, "/", {"content-type": FORM}, encoded.encode())
    return Request(method, f"/?{encoded}")


def v3(
    key: AccessKey,
    parameters: Changes,
    *,
    method: str = "POST",
    headers: Changes | None = None,
    body: bytes = b"",
    secret: str | None = None,
    algorithm: str = "ACS3-HMAC-SHA256",
) -> Request:
    """Return a V3 request, its parameters in the query; headers are those that are signed."""
    query = _merged({}, parameters)
    signed = _merged(
        {
            "host": "otp.example",
            "x-acs-action": "SmsConversion",
            "x-acs-version": "2018-05-01",
            "x-acs-date": timestamp(),
            "x-acs-signature-nonce": uuid.uuid4().hex,
        },
        headers or {},
    )
    signed = sign_v3(
        method,
        query,
        signed,
        body,
        access_key_id=key.access_key_id,
        secret=secret or key.secret,
        algorithm=algorithm,
    )
    return Request(method, f"/?{_encoded(query)}", signed, body)


def timestamp(ahead_ms: int = 0) -> str:
    """Return the time now, or from now, as requests are signed with."""
    seconds = (wall_clock() + ahead_ms) // 1000
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _merged(given: Mapping[str, str], changes: Changes) -> dict[str, str]:
    return {name: value for name, value in {**given, **changes}.items() if value is not None}


def _encoded(parameters: Mapping[str, str]) -> str:
    return urlencode(parameters, quote_via=quote, safe="")
