"""Running the web application by granian's workers, beside our own event loop, until a signal says stop."""

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import socket
from collections.abc import Callable

import uvloop

from otpconv.clock import Clock
from otpconv.errors import Misconfigured
from otpconv.service.compose import Service
from otpconv.service.housekeeping import Housekeeping
from otpconv.web.app import App
from otpconv.web.front.connections import LOOK_EVERY_S, Connections
from otpconv.web.front.gate import Gate
from otpconv.web.front.tls import Expiry, Tls
from otpconv.web.pages import OneTimeLinks
from otpconv.web.worker import BACKLOG, Workers

#: How long a stop waits for requests in progress, s.
_GRACE_S = 10.0
#: How long a stop waits for the rest of half-sent requests, s.
_HALF_SENT_S = 1.0
#: How long a stop waits for clients to read their answers, s.
_LINGER_S = 0.5
#: Connections of a worker, including idle ones; further ones wait in the listening socket.
_CONNECTIONS = 8_192
#: How long a client may read nothing of an answer, s.
MAX_UNREAD_S = 60
#: File descriptors for everything except connections.
_OTHER_FILES = 256

#: The garbage collector runs after so many new objects, and looks at older ones every so many runs.
GC_THRESHOLDS = (100_000, 50, 100)

_log = logging.getLogger(__name__)


def run(
    service: Service,
    gate: Gate,
    links: OneTimeLinks,
    *,
    tls: Tls | None,
    bound: socket.socket,
    public_url: str,
    started: Callable[[], None],
) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is in progress and close the service.

    Args:
        service: not yet started.
        gate: asked before anybody is let in.
        links: sign people in to the pages.
        tls: the certificate of HTTPS; None serves plain HTTP.
        bound: the socket to listen at, from `bind`.
        public_url: where people reach this server.
        started: called once requests are answered.

    Raises:
        Misconfigured: the address can't be listened on, or the certificate not be served.
    """
    app = App(service, gate, links, public_url)
    uvloop.run(_serve(service, gate, app, bound=bound, tls=tls, started=started))


def bind(host: str, port: int) -> socket.socket:
    """Return a socket at this address, a free port for 0, that does not listen yet.

    Raises:
        Misconfigured: the address is in use, or not this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections inherit it
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, MAX_UNREAD_S * 1000)
        bound.bind(address)
    except OSError as error:
        raise _not_listening(host, port, error) from error
    return bound


def _not_listening(host: str, port: int, error: OSError) -> Misconfigured:
    return Misconfigured(
        f"{host} port {port} can't be listened on ({error.strerror}): choose another --host or --port"
    )


async def _serve(
    service: Service,
    gate: Gate,
    app: App,
    *,
    bound: socket.socket,
    tls: Tls | None,
    started: Callable[[], None],
) -> None:
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signalled.set)
    await service.start()
    # What lives as long as the process needs no collector; what a request makes goes without one.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    workers = Workers(app, bound, _places(2 if tls else 1))
    connections = Connections(bound.getsockname()[1], workers.connections, gate.peers.trusted)
    service.metrics.registry.register(connections)
    _keep_house(service.housekeeping, gate, app, connections)
    try:
        _listen(bound)
        workers.start(tls.served if tls else None)
        if tls is not None:
            service.metrics.registry.register(Expiry(tls))
            service.housekeeping.every(
                1.0,
                "certificate",
                lambda: _renew(tls, workers, service.clock),
                late_s=3600.0,
                harm="a renewed certificate is not served until the server is restarted",
            )
        started()
        await signalled.wait()
        _log.info("stopping: finishing %d requests", app.in_progress)
        await _finish(app, loop.create_task(workers.stop()))
    finally:
        gate.settle()
        app.failures.settle()
        await app.close()
        await service.stop()
        _log.info("stopped")


def _keep_house(tasks: Housekeeping, gate: Gate, app: App, connections: Connections) -> None:
    tasks.every(1.0, "audit", gate.settle, late_s=60.0, harm="repeated refusals are not in the audit trail")
    tasks.every(1.0, "failure log", app.failures.settle, late_s=60.0, harm="repeated failures are not logged")
    tasks.every(
        LOOK_EVERY_S,
        "connections",
        connections.look,
        late_s=10.0,
        harm="one address can take the connections of all others",
        aside=True,
    )


def _listen(bound: socket.socket) -> None:
    try:
        bound.listen(BACKLOG)
    except OSError as error:
        host, port = bound.getsockname()[:2]
        raise _not_listening(host, port, error) from error


async def _finish(app: App, serving: asyncio.Task[None]) -> None:
    """Let what is in progress come to its answer; half-sent requests get a moment, and are left then."""
    app.stop(_HALF_SENT_S)
    await asyncio.wait({serving}, timeout=2 * _HALF_SENT_S)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE_S):
            await app.idle()
    await asyncio.wait({serving}, timeout=_LINGER_S)
    if serving.done():
        await serving


def _places(workers: int) -> int:
    """Return how many connections a worker can have; the process asks for as many files as it wants first."""
    wanted = workers * _CONNECTIONS + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, (soft - _OTHER_FILES) // workers)
    return _CONNECTIONS


async def _renew(tls: Tls, workers: Workers, clock: Clock) -> None:
    """Serve a renewed certificate to new connections; those that there are go on. Call it each second."""
    tls.warn(clock())
    if workers.busy:
        return
    pair = await asyncio.to_thread(tls.renewed, clock())
    if pair is None:
        return
    try:
        workers.start(pair)
    except Misconfigured as error:
        tls.refuse(pair, error.text)
    else:
        tls.serve(pair)
