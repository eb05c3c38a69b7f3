"""granian's worker for our application, in which a report reaches the event loop without a task of its own.

A task, its coroutines and a future are a quarter of what a signed call costs in Python. granian hands each
request to a scheduler, which makes a task of it. Ours first offers it to `App.start`, which answers by a
callback. What this page uses of granian's inside is held by the range of versions in pyproject.toml, and by
every test that talks to a server.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from granian import _granian
from granian.server.embed import AsyncWorker

from otpconv.dialects.alibaba import Answer
from otpconv.web.app import App

# granian's own types; its stubs lag behind what they describe.
_Request = Any
_AsgiWorker: Any = _granian.ASGIWorker
_wrap_target: Any = AsyncWorker.wrap_target


class _Scheduler(_granian.CallbackScheduler):
    """Calls `schedule`, from a thread of granian's, with every request that has come."""

    __slots__ = ()

    # The arguments are those that the base makes itself of.
    def __init__(self, _loop: object, schedule: Callable[[_Request], None], *_: object) -> None:
        super().__init__()
        self._schedule_fn = schedule


def spawner(app: App) -> Any:  # noqa: ANN401 - what granian takes
    """Return what granian's embedded server runs as its worker, for `app`."""

    async def spawn(worker_id: int, stop: Any, _: object, socket: Any, loop: Any, *settings: Any) -> None:  # noqa: ANN401
        (
            *threads, backpressure, _task_kind, http, http1, http2, websockets, static, _log, tls, _scope
        ) = settings  # fmt: skip
        options = http, http1, http2, websockets, static, *tls
        worker = _AsgiWorker(worker_id, socket, None, *threads, backpressure, *options, (None, None))
        stopped = loop.create_future()
        stop.add_cb(lambda: loop.call_soon_threadsafe(stopped.set_result, None))
        scheduler = _Scheduler(loop, _Arrivals(app, loop).add, None, None, None)
        worker.serve_async(scheduler, loop, stop)
        await stopped

    return _wrap_target(spawn)


class _Arrivals:
    """The requests on their way from granian's thread to the event loop."""

    def __init__(self, app: App, loop: asyncio.AbstractEventLoop) -> None:
        self._app = app
        self._loop = loop
        self._requests: deque[_Request] = deque()

    def add(self, request: _Request) -> None:
        """Take a request, in granian's thread; the first one wakes the loop."""
        self._requests.append(request)
        if len(self._requests) == 1:
            self._loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        # Those that come meanwhile have to wait for a turn of the loop, so that others have theirs.
        for _ in range(len(self._requests)):
            request = self._requests.popleft()
            if not self._app.start(request.scope, partial(self._respond, request)):
                request.taskref(self._loop.create_task(self._run(request)))
        if self._requests:
            self._loop.call_soon(self._start)

    async def _run(self, request: _Request) -> None:
        try:
            await self._app(request.scope, request.proto.receive, request.proto.send)
        except BaseException as error:  # noqa: BLE001 - it answers the client, and says so in its log
            request.err(error)
        else:
            request.done()

    def _respond(self, request: _Request, answer: Answer) -> None:
        send = request.proto.send
        send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        send({"type": "http.response.body", "body": answer.body})
        request.done()
        self._app.responded()
