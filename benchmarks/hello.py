"""The ceiling: a bare ASGI application on the same server with the same settings.

Usage: python -m benchmarks.hello PORT
"""

import asyncio
import signal
import sys

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server
from starlette.types import Receive, Scope, Send

from otpconv.web.front.worker import BACKLOG, HTTP1


async def hello(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI's form
    """Answer every request with a few bytes."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


async def _serve(port: int) -> None:
    server = Server(
        hello,
        "127.0.0.1",
        port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        backlog=BACKLOG,
        http1_settings=HTTP1,
        websockets=False,
        log_enabled=False,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    await server.serve()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
