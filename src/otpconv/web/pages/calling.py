"""Calling this server from a page of its own: the whole way of a real request, but for the socket."""

import re

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Scope

#: What tells where the user of the page is; policies ask for it.
_OF_THE_USER = (b"x-forwarded-for", b"x-forwarded-proto", b"user-agent")


class Sent(Struct, frozen=True):
    """A request.

    Attributes:
        method: the HTTP method.
        path: percent-encoded, with its `/`.
        query: percent-encoded, without the `?`.
        headers: names in lower case.
        body: the whole body.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""


class Reply(Struct, frozen=True):
    """What came back.

    Attributes:
        status: the HTTP status.
        headers: names in lower case.
        body: the body, JSON indented.
    """

    status: int
    headers: dict[str, str]
    body: str


async def call(app: ASGIApp, page: Request, sent: Sent) -> Reply:
    """Return the answer to a request, made as if the user of a page had sent it.

    Args:
        app: answers it.
        page: the request of the page, which tells where its user is.
        sent: the request.
    """
    received: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": sent.body, "more_body": False}

    async def send(message: Message) -> None:
        received.append(message)

    await app(_scope(page.scope, sent), receive, send)
    start, *rest = received
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    body = b"".join(message.get("body", b"") for message in rest)
    return Reply(start["status"], headers, _readable(body, headers.get("content-type", "")))


def _scope(page: Scope, sent: Sent) -> Scope:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.headers.items()]
    if sent.body:
        headers.append((b"content-length", b"%d" % len(sent.body)))
    headers += [(name, value) for name, value in page["headers"] if name in _OF_THE_USER]
    kept = {name: page[name] for name in ("type", "asgi", "http_version", "scheme", "client", "server")}
    return {
        **kept,
        "method": sent.method,
        "path": sent.path,
        "raw_path": sent.path.encode(),
        "root_path": "",
        "query_string": sent.query.encode(),
        "headers": headers,
    }


def _readable(body: bytes, kind: str) -> str:
    if re.match(r"application/(?:[a-z]+\+)?json", kind):
        return msgspec.json.format(body, indent=2).decode()
    return body.decode(errors="replace")
