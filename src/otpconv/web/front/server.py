"""Runs the web application in granian's workers and our own event loop until a signal stops it."""

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
from otpconv.web.front.application import Application
from otpconv.web.front.connections import LOOK_EVERY_S, ConnectionLimit
from otpconv.web.front.gate import Gate
from otpconv.web.front.tls import READ_EVERY_S, CertificateExpiry, Tls
from otpconv.web.front.worker import BACKLOG, Workers

#: How long a stop waits for requests in progress, s.
_GRACE_S = 10.0
#: How long a stop waits for the rest of half-sent requests, s.
_HALF_SENT_S = 1.0
#: How long a stop waits for clients to receive their responses, s.
_LINGER_S = 0.5
#: Connections of a worker, including idle ones; further ones wait in the listening socket.
_CONNECTIONS = 8_192
#: How long a client may receive nothing of a response before its connection is closed, s.
MAX_UNREAD_S = 60
#: File descriptors for everything except connections.
_OTHER_FILES = 256

#: The garbage collector runs after this many new objects, and every this many runs on older generations.
GC_THRESHOLDS = (100_000, 50, 100)

_log = logging.getLogger(__name__)


def run_server(
    app: Application,
    service: Service,
    gate: Gate,
    *,
    tls: Tls | None,
    bound: socket.socket,
    started: Callable[[], None],
) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests in progress and stop the service.

    Args:
        app: answers the requests.
        service: the service of the application, not started yet.
        gate: the gate of the application.
        tls: the certificate for HTTPS; None serves plain HTTP.
        bound: the socket to listen on, from `listening_socket`.
        started: called once requests are answered.

    Raises:
        Misconfigured: the server can't listen on the address, or can't serve the certificate.
    """
    uvloop.run(_serve(service, gate, app, bound=bound, tls=tls, started=started))


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address and does not listen yet; port 0 takes a free one.

    Raises:
        Misconfigured: the address is in use, or belongs to another machine.
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
        f"can't listen on {host} port {port} ({error.strerror}). Choose another --host or --port"
    )


async def _serve(
    service: Service,
    gate: Gate,
    app: Application,
    *,
    bound: socket.socket,
    tls: Tls | None,
    started: Callable[[], None],
) -> None:
    loop = asyncio.get_running_loop()
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signals.put_nowait, number)
    await service.start()
    # Objects that live as long as the process need no collector; the ones of a request go without it.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    workers = Workers(app, bound, _places(2 if tls else 1))
    connections = ConnectionLimit(bound.getsockname()[1], workers.connections, gate.peers.trusted)
    service.metrics.registry.register(connections)
    _keep_house(service.housekeeping, gate, app, connections)
    try:
        _listen(bound)
        workers.start(tls.served if tls else None)
        if tls is not None:
            service.metrics.registry.register(CertificateExpiry(tls))
            service.housekeeping.every(
                READ_EVERY_S,
                "certificate",
                lambda: _renew(tls, workers, service.clock),
                late_s=3600.0,
                harm="a renewed certificate is not served until the server is restarted",
            )
        started()
        if await signals.get() is signal.SIGTERM:
            await _drain(service, workers, signals)
        _log.info("stopping: finishing %d requests", app.in_progress)
        await _finish(app, loop.create_task(workers.stop()))
    finally:
        gate.settle()
        app.failures.settle()
        await app.close()
        await service.stop()
        _log.info("stopped")


def _keep_house(tasks: Housekeeping, gate: Gate, app: Application, connections: ConnectionLimit) -> None:
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


async def _drain(service: Service, workers: Workers, signals: asyncio.Queue[signal.Signals]) -> None:
    """Serve on for a while, so that load balancers learn to send requests elsewhere; a signal ends it."""
    length_s = service.settings.drain_seconds
    if not length_s:
        return
    _log.info("draining for %d s before the stop; another signal stops at once", length_s)
    service.readiness.drain()
    workers.drain()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(length_s):
            await signals.get()


async def _finish(app: Application, serving: asyncio.Task[None]) -> None:
    """Finish the requests in progress; half-sent requests get a moment, and are dropped then."""
    app.stop(_HALF_SENT_S)
    await asyncio.wait({serving}, timeout=2 * _HALF_SENT_S)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE_S):
            await app.idle()
    await asyncio.wait({serving}, timeout=_LINGER_S)
    if serving.done():
        await serving


def _places(workers: int) -> int:
    """Return how many connections a worker can have, after raising the limit of open files if possible."""
    wanted = workers * _CONNECTIONS + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, (soft - _OTHER_FILES) // workers)
    return _CONNECTIONS


async def _renew(tls: Tls, workers: Workers, clock: Clock) -> None:
    """Serve a renewed certificate to new connections; existing ones continue. Call it each second."""
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
