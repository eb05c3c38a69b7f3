"""Running the web application in granian, inside our own event loop, until a signal says stop."""

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import socket
from collections.abc import Callable

import uvloop
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server
from starlette.types import ASGIApp

from otpconv.errors import Misconfigured
from otpconv.service import Service
from otpconv.web.app import App
from otpconv.web.gate import Gate
from otpconv.web.pages import OneTimeLinks
from otpconv.web.tls import Tls
from otpconv.web.worker import spawner

#: How long a stop waits for requests in progress, s.
_GRACE_S = 10.0
#: How long a stop waits for the rest of requests that are half sent, s.
_HALF_SENT_S = 1.0
#: How long a stop waits for clients to take their answers, s.
_LINGER_S = 0.5
#: Connections at most, idle ones included; more wait in the listening socket. Each may fill a buffer.
_CONNECTIONS = 8_192
_BUFFER_BYTES = 128 * 1024
#: File descriptors for everything that is no connection.
_OTHER_FILES = 256

#: The garbage collector runs after so many new objects, and looks at older ones every so many runs.
_GC_THRESHOLDS = (100_000, 50, 100)

_log = logging.getLogger(__name__)


def run(
    service: Service,
    gate: Gate,
    links: OneTimeLinks,
    *,
    tls: Tls | None,
    host: str,
    port: int,
    public_url: str,
    started: Callable[[], None],
) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is in progress and close the service.

    Args:
        service: not yet started.
        gate: asked before anybody is let in.
        links: sign people in to the pages.
        tls: the certificate of HTTPS; None serves plain HTTP.
        host: address to listen on.
        port: port to listen on.
        public_url: where people reach this server.
        started: called once requests are answered.

    Raises:
        Misconfigured: the address can't be listened on.
    """
    app = App(service, gate, links, public_url)
    uvloop.run(_serve(service, gate, app, make_server(app, host, port, tls), started))


def listening_port(host: str, port: int) -> int:
    """Return the port to listen on, a free one for 0, once it is sure that it can be had.

    Raises:
        Misconfigured: the address is in use, or not this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        raise Misconfigured(
            f"{host} port {port} can't be listened on ({error.strerror}): choose another --host or --port"
        ) from error


def make_server(app: ASGIApp, host: str, port: int, tls: Tls | None = None) -> Server:
    """Return granian with our settings; `serve` runs it in this event loop until `stop`."""
    return Server(
        app,
        host,
        port,
        interface=Interfaces.ASGINL,
        # In the other modes a connection that sends nothing is never closed.
        http=HTTPModes.http1,
        backlog=2048,
        # What granian counts by this is connections, not requests.
        backpressure=_connections(),
        http1_settings=HTTP1Settings(
            header_read_timeout=30_000, max_buffer_size=_BUFFER_BYTES, pipeline_flush=True
        ),
        websockets=False,
        log_enabled=False,
        ssl_cert=tls.cert if tls else None,
        ssl_key=tls.key if tls else None,
        # The SDKs of older languages have no TLS 1.3.
        ssl_protocol_min=SSLProtocols.tls12,
    )


async def _serve(service: Service, gate: Gate, app: App, server: Server, started: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signalled.set)
    await service.start()
    # What lives as long as the process needs no collector; what a request makes goes without one.
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    announcing = loop.create_task(_announce(server.bind_addr, server.bind_port, started))
    settling = loop.create_task(_settle(gate))
    serving = loop.create_task(server.serve(spawner(app)))
    stopping = loop.create_task(signalled.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        _log.info("stopping: finishing %d requests", app.in_progress)
        server.stop()  # type: ignore[no-untyped-call]
        await _finish(app, serving)
    finally:
        announcing.cancel()
        stopping.cancel()
        settling.cancel()
        gate.settle()
        await app.close()
        await service.stop()
        _log.info("stopped")


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


def _connections() -> int:
    """Return how many connections this process can have; it asks for as many as it wants first."""
    wanted = _CONNECTIONS + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, soft - _OTHER_FILES)
    return _CONNECTIONS


async def _settle(gate: Gate) -> None:
    """Let the gate write each second what it has only counted."""
    while True:
        await asyncio.sleep(1)
        gate.settle()


async def _announce(host: str, port: int, started: Callable[[], None]) -> None:
    """Call `started` once somebody answers on the port."""
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            started()
            return
