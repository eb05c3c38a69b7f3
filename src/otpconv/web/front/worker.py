"""granian's workers for our application, in which a report reaches the event loop without a task of its own.

A task, its coroutines and a future are a quarter of the cost of a signed call in Python. granian passes each
request to a scheduler, which creates a task for it. Ours first offers it to `Application.start`, which
answers by a callback. The version range in pyproject.toml, and every test that talks to a server, protect
our use of granian's internals.

A worker reads the certificate once, when it starts. For a renewed certificate, another worker starts on the
same listening socket and the old one retires: no connection and no handshake is cut.
"""

import asyncio
import logging
import os
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from granian import _granian
from granian.http import HTTP1Settings

from otpconv.dialects.dialect import HttpResponse
from otpconv.errors import Misconfigured
from otpconv.web.front.application import Application
from otpconv.web.front.tls import Pair, as_file

#: How long a connection may be idle, or the head of a request may take, s.
_HEAD_S = 30
#: How long a retired worker continues, s: after this time none of its connections is idle, so none is cut.
_RETIRED_S = _HEAD_S + 5
#: Bytes of the head of a request at most, and of data that is read ahead: each connection may hold them
#: before its caller is known.
_BUFFER_BYTES = 64 * 1024
#: Connections that may wait to be accepted.
BACKLOG = 2048
#: How connections are read. No `pipeline_flush`: it piles up the responses to pipelined requests.
HTTP1 = HTTP1Settings(header_read_timeout=_HEAD_S * 1000, max_buffer_size=_BUFFER_BYTES)

# granian's own types; its stubs lag behind what they describe.
_Request = Any
_AsgiWorker: Any = _granian.ASGIWorker
_Holder: Any = _granian.SocketHolder

# It logs that workers start and stop, which the server logs too. It responds with or raises its errors.
logging.getLogger("_granian").setLevel(logging.CRITICAL + 1)


class Workers:
    """The worker that accepts new connections, and at most one that finishes older ones.

    Args:
        app: answers the requests.
        listening: the listening socket.
        connections: the most connections of each worker.

    Attributes:
        connections: the same.
    """

    def __init__(self, app: Application, listening: socket.socket, connections: int) -> None:
        self._app = app
        self._listening = listening
        self.connections = connections
        self._worker: _Worker | None = None
        self._retiring: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a worker is still retiring; the next one can't be replaced until it has ended."""
        return self._retiring is not None and not self._retiring.done()

    def start(self, pair: Pair | None) -> None:
        """Start a worker that accepts new connections and serves this certificate; None is plain HTTP.

        Raises:
            Misconfigured: the worker can't serve the certificate; the old worker continues.
        """
        before, self._worker = self._worker, _Worker(self._app, self._listening, self.connections, pair)
        if before is not None:
            before.retire()
            self._retiring = asyncio.create_task(before.end_later())

    def drain(self) -> None:
        """Let each connection end with its next response; new ones are still accepted."""
        if self._worker is not None:
            self._worker.drain()

    async def stop(self) -> None:
        """Accept no more connections, and wait until the last one is finished."""
        ending = [self._worker.end()] if self._worker else []
        if self._retiring is not None:
            self._retiring.cancel()
            await asyncio.wait({self._retiring})
        await asyncio.gather(*ending)


class _Worker:
    """One worker of granian, in a thread of its own."""

    def __init__(
        self, app: Application, listening: socket.socket, connections: int, pair: Pair | None
    ) -> None:
        loop = asyncio.get_running_loop()
        self._stop = _granian.WorkerSignal()
        self._ended: asyncio.Future[None] = loop.create_future()
        self._stop.add_cb(lambda: loop.call_soon_threadsafe(self._ended.set_result, None))
        self._arrivals = _Arrivals(app, loop)
        scheduler = _Scheduler(loop, self._arrivals.add, None, None, None)
        # The worker closes this copy.
        self._descriptor = os.dup(listening.fileno())
        with ExitStack() as files:
            tls: dict[str, object] = {}
            if pair is not None:
                paths = [files.enter_context(as_file(content)) for content in (pair.chain, pair.key)]
                # The SDKs of older languages have no TLS 1.3.
                tls = {
                    "ssl_enabled": True,
                    "ssl_cert": paths[0],
                    "ssl_key": paths[1],
                    "ssl_protocol_min": "tls1.2",
                }
            worker = _AsgiWorker(
                1,
                (None, _Holder(*_held(self._descriptor))),
                None,
                # What granian counts by this is connections, not requests.
                backpressure=connections,
                # In the other modes a connection that sends nothing is never closed.
                http_mode="1",
                http1_opts=HTTP1,
                **tls,
            )
            try:
                worker.serve_async(scheduler, loop, self._stop)
            except BaseException as error:
                if type(error).__name__ != "PanicException":  # how Rust reports a failure
                    raise
                os.close(self._descriptor)
                raise Misconfigured(f"the certificate can't be served: {error}") from None

    def drain(self) -> None:
        """Let each connection end with the response to its next request."""
        self._arrivals.retired = True

    def retire(self) -> None:
        """Accept no more connections; each existing one ends with the response to its next request."""
        self.drain()
        # A stopped worker drops handshakes in progress. So it continues, but listens on a socket that nobody
        # connects to.
        with _idle_listener() as idle:
            os.dup2(idle.fileno(), self._descriptor, inheritable=False)

    async def end_later(self) -> None:
        """End when no connection can be idle any more, or at once if cancelled."""
        try:
            await asyncio.sleep(_RETIRED_S)
        finally:
            self._stop.set()
        await self._ended

    async def end(self) -> None:
        """Let requests in progress finish, close all other connections, and end."""
        self._stop.set()
        await self._ended


def _held(descriptor: int) -> tuple[object, ...]:
    """Return the arguments of granian's socket holder on this system."""
    if sys.platform.startswith(("linux", "freebsd")):
        return descriptor, False, BACKLOG
    return descriptor, False


def _idle_listener() -> socket.socket:
    """Return a listening socket that nobody connects to."""
    idle = socket.socket(socket.AF_UNIX)
    idle.bind("" if sys.platform == "linux" else tempfile.mkdtemp() + "/idle")
    idle.listen(1)
    idle.setblocking(False)  # noqa: FBT003 - the standard library's own
    return idle


class _Scheduler(_granian.CallbackScheduler):
    """Calls `schedule` with every request, from a thread of granian."""

    __slots__ = ()

    # The arguments are the ones of the base class.
    def __init__(self, _loop: object, schedule: Callable[[_Request], None], *_: object) -> None:
        super().__init__()
        self._schedule_fn = schedule


class _Arrivals:
    """The requests on their way from granian's thread to the event loop.

    Attributes:
        retired: whether each response is the last one of its connection.
    """

    def __init__(self, app: Application, loop: asyncio.AbstractEventLoop) -> None:
        self._app = app
        self._loop = loop
        self._requests: deque[_Request] = deque()
        self.retired = False

    def add(self, request: _Request) -> None:
        """Add a request, in granian's thread; the first one wakes the event loop."""
        self._requests.append(request)
        if len(self._requests) == 1:
            self._loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        # Requests that arrive meanwhile wait for the next turn of the loop, so that other tasks get theirs.
        for _ in range(len(self._requests)):
            request = self._requests.popleft()
            try:
                if not self._app.start(request.scope, partial(self._respond, request)):
                    request.taskref(self._loop.create_task(self._run(request)))
            except Exception as error:  # noqa: BLE001 - the requests behind it would never start
                request.err(error)
        if self._requests:
            self._loop.call_soon(self._start)

    async def _run(self, request: _Request) -> None:
        try:
            await self._app(request.scope, request.proto.receive, self._send(request))
        except BaseException as error:  # noqa: BLE001 - granian answers the client and logs it
            request.err(error)
        else:
            request.done()

    def _respond(self, request: _Request, response: HttpResponse) -> None:
        send = self._send(request)
        send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        send({"type": "http.response.body", "body": response.body})
        request.done()
        self._app.responded()

    def _send(self, request: _Request) -> Any:  # noqa: ANN401 - granian's own
        send = request.proto.send
        if not self.retired:
            return send

        def send_last(message: dict[str, Any]) -> Any:  # noqa: ANN401 - what granian's own gives
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            return send(message)

        return send_last
