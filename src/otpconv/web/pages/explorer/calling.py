"""Calling this server from a page of its own: the whole way of a real request, but for the socket.

Here we are the server of the ASGI protocol (HTTP 2.4): the application gets the body once, and then a
disconnect when its answer is over. `receive` and `send` give way to the event loop each time: an application
that only calls them would hold it for ever.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import unquote

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Scope

from otpconv.dialects.tutor.request import ApiRequest
from otpconv.errors import OtpconvError, Unavailable
from otpconv.service.sandbox import ACCOUNT
from otpconv.web.pages.visitors import Visitor

#: Bytes of an answer that are shown: more does not help a reader, and slows the browser down.
MAX_SHOWN_BYTES: Final = 256 * 1024
#: How long an answer may take, s: a question may wait for its turn and then use all of its time.
MAX_ANSWER_S: Final = 40.0
#: How long an application may run after its answer is complete, s.
_GRACE_S: Final = 1.0
#: What tells where the user of the page is; policies ask for it.
_OF_THE_USER = (b"x-forwarded-for", b"x-forwarded-proto", b"user-agent")
_LONG = f"The answer is longer: these are its first {MAX_SHOWN_BYTES // 1024} KiB."
_LATE = f"The answer did not end within {MAX_ANSWER_S:.0f} seconds: this is what had come by then."
_BROKEN_OFF = "The server broke the answer off: this is what had come by then."

_log = logging.getLogger(__name__)


class Reply(Struct, frozen=True):
    """A response.

    Attributes:
        status: the HTTP status.
        headers: names in lower case.
        body: the body, or the beginning of it; a whole one in JSON is indented.
        cut: why it is only the beginning, in a sentence; empty when it is the whole body.
    """

    status: int
    headers: dict[str, str]
    body: str
    cut: str = ""


def takes_sandbox(form: Mapping[str, str], visitor: Visitor) -> bool:
    """Return whether a form asks to call in the sandbox, and not in the account of the visitor."""
    return form.get("where") == ACCOUNT != visitor.key.account_name


async def call(app: ASGIApp, page: Request, sent: ApiRequest) -> Reply:
    """Return the answer to a request, made as if the user of a page had sent it.

    Args:
        app: answers it.
        page: the request of the page, which tells where its user is.
        sent: the request.

    Raises:
        Unavailable: no answer began within `MAX_ANSWER_S`.
        OtpconvError: the application ended without an answer. What it raised instead is raised here.
    """
    exchange = _Exchange(sent.body)
    running = asyncio.ensure_future(app(_scope(page.scope, sent), exchange.receive, exchange.send))
    running.add_done_callback(lambda _: exchange.end(_BROKEN_OFF))
    timer = asyncio.get_running_loop().call_later(MAX_ANSWER_S, exchange.end, _LATE)
    try:
        await exchange.over.wait()
        await asyncio.wait({running}, timeout=_GRACE_S)
    finally:
        timer.cancel()
        running.cancel()
    return exchange.reply(running.exception() if running.done() and not running.cancelled() else None)


class _Exchange:
    """A request and its answer, at the server's end of the protocol.

    Attributes:
        over: set when the answer is complete, or nothing more of it is wanted.
    """

    def __init__(self, body: bytes) -> None:
        self.over = asyncio.Event()
        self._body: bytes | None = body
        self._start: Message | None = None
        self._received = bytearray()
        self._cut = ""

    async def receive(self) -> Message:
        """Give the body once, then a disconnect as soon as the answer is over."""
        await asyncio.sleep(0)
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        await self.over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take the next message of the response; messages after its end are ignored.

        Raises:
            OSError: the client is gone, since it has got enough or waited too long.
            RuntimeError: the message is out of order.
        """
        await asyncio.sleep(0)
        if self.over.is_set():
            if self._cut:
                raise OSError("The client has disconnected.")
        elif message["type"] == "http.response.start" and self._start is None:
            self._start = message
        elif message["type"] == "http.response.body" and self._start is not None:
            self._take(message.get("body", b""), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"{message['type']!r} is out of order in an answer.")

    def end(self, why: str) -> None:
        """Want nothing more of the answer, unless it is over already."""
        if not self.over.is_set():
            self._cut = why
            self.over.set()

    def reply(self, failure: BaseException | None) -> Reply:
        """Return what has come.

        Args:
            failure: what the application raised.

        Raises:
            OtpconvError: nothing has come.
        """
        if self._start is None:
            if self._cut == _LATE:
                raise Unavailable(f"The call was not answered within {MAX_ANSWER_S:.0f} seconds.")
            raise failure or OtpconvError("The call ended without an answer.")
        if self._cut == _BROKEN_OFF:
            _log.error("the answer to a call of the explorer was broken off", exc_info=failure)
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in self._start.get("headers", ())
        }
        kind = "" if self._cut else headers.get("content-type", "")
        return Reply(self._start["status"], headers, _readable(bytes(self._received), kind), self._cut)

    def _take(self, part: bytes, *, more: bool) -> None:
        room = MAX_SHOWN_BYTES - len(self._received)
        self._received += part[:room]
        if len(part) > room:
            self.end(_LONG)
        elif not more:
            self.over.set()


def _scope(page: Scope, sent: ApiRequest) -> Scope:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.headers.items()]
    if sent.body:
        headers.append((b"content-length", b"%d" % len(sent.body)))
    headers += [(name, value) for name, value in page["headers"] if name in _OF_THE_USER]
    kept = {name: page[name] for name in ("type", "http_version", "scheme", "client", "server")}
    return {
        **kept,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": sent.method,
        "path": unquote(sent.path),
        "raw_path": sent.path.encode(),
        "root_path": "",
        "query_string": sent.query.encode(),
        "headers": headers,
    }


def _readable(body: bytes, kind: str) -> str:
    if re.match(r"application/(?:[a-z]+\+)?json", kind):
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            return msgspec.json.format(body, indent=2).decode()
    return body.decode(errors="replace")
