"""How many connections one client address may have, so that others find a place.

A connection that sends nothing costs its client nothing, and never reaches our code: granian accepts it, and
reads its socket. But its descriptor is this process's own. So one look through the descriptors counts the
connections of each address, and those that are too many are shut down; granian then closes them.

The networks of trusted proxies are left alone: theirs are the connections of many clients.
"""

import contextlib
import logging
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from otpconv.web.front.peer import Network

#: One address, or one /64 network of IPv6, may have this fraction of all connections: 2,048 of 8,192.
SHARE = 4
#: When more than this part of all connections is taken, the addresses with the most lose some.
CROWDED = 0.75
#: How often the connections are checked, s. An address can lock others out for this long.
LOOK_EVERY_S = 0.25
#: How often it is logged that connections were closed, s.
LOG_EVERY_S = 10.0

# Where Linux has, in `struct tcp_info`, the ms since the last data came, and how many bytes came in all.
_LAST_RECEIVED = struct.Struct("<52xI76xQ")
_IPV6_NETWORK_BITS = 64

_log = logging.getLogger(__name__)


class Connections(Collector):
    """Counts the connections of each address, and closes those that are too many.

    Args:
        port: where this server listens.
        most: connections there can be.
        trusted: the networks of trusted proxies.
    """

    def __init__(self, port: int, most: int, trusted: tuple[Network, ...]) -> None:
        self._port = port
        self._most = most
        self._share = max(1, most // SHARE)
        self._trusted = trusted
        self._closed = 0
        self._logged_at = -LOG_EVERY_S

    def look(self) -> None:
        """Close what is too much; to be called every `LOOK_EVERY_S`, beside the event loop."""
        # /dev/fd is there on every Unix. Mostly that is all there is to do.
        names = os.listdir("/dev/fd")  # noqa: PTH208 - thousands of names, and no need of paths
        if len(names) <= self._share:
            return
        of: dict[str, list[int]] = {}
        for name in names:
            descriptor = int(name)
            address = self._peer(descriptor)
            if address is not None:
                of.setdefault(address, []).append(descriptor)
        trusted = {address for address in of if self._is_trusted(address)}
        counts = [len(found) for address, found in of.items() if address not in trusted]
        level = self._level(counts, sum(len(of[address]) for address in trusted))
        for address, descriptors in of.items():
            if len(descriptors) > level and address not in trusted:
                self._close(address, descriptors, level)

    def collect(self) -> list[Metric]:  # type: ignore[explicit-override]
        """Tell Prometheus how many connections were closed."""
        closed = CounterMetricFamily(
            "otpconv_connections_closed", "Connections closed since their address had too many."
        )
        closed.add_metric((), self._closed)
        return [closed]

    def _peer(self, descriptor: int) -> str | None:
        """Return whose connection to this server a descriptor is; None when it is none."""
        try:
            with _borrowed(descriptor) as connection:
                own, name = connection.getsockname(), connection.getpeername()
        except OSError:
            return None
        return _address(name[0]) if isinstance(own, tuple) and own[1] == self._port else None

    def _level(self, counts: list[int], trusted: int) -> int:
        """Return how many connections an address may keep.

        Args:
            counts: of each address that is not trusted.
            trusted: connections of those that are.
        """
        room = int(CROWDED * self._most) - trusted
        # The most at which all together have room.
        low, high = 1, self._share
        while low < high:
            middle = (low + high + 1) // 2
            if sum(min(count, middle) for count in counts) <= room:
                low = middle
            else:
                high = middle - 1
        return low

    def _close(self, address: str, descriptors: list[int], allowed: int) -> None:
        """Shut down the connections of an address that were silent the longest."""
        silent = sorted(descriptors, key=_silence, reverse=True)
        closed = sum(self._shut(descriptor, address) for descriptor in silent[: len(silent) - allowed])
        self._closed += closed
        now = time.monotonic()
        if closed and now - self._logged_at >= LOG_EVERY_S:
            self._logged_at = now
            _log.warning(
                "%s had %d connections: %d were closed. If it is a proxy, name it in trusted_proxies; if it"
                " is an attack, see docs/how-to/operate.md",
                address,
                len(descriptors),
                closed,
            )

    def _shut(self, descriptor: int, address: str) -> bool:
        # A copy: the number may belong to another connection by now, and to a third one a moment later.
        try:
            copy = socket.socket(fileno=os.dup(descriptor))
        except OSError:
            return False
        with copy, contextlib.suppress(OSError):
            if self._peer(copy.fileno()) == address:
                copy.shutdown(socket.SHUT_RDWR)
                return True
        return False

    def _is_trusted(self, address: str) -> bool:
        if not self._trusted:
            return False
        network = ip_address(address.partition("/")[0])
        return any(network in trusted for trusted in self._trusted)


@contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """Give a descriptor as a socket, and leave it open; raises OSError where it is no socket."""
    # With all three given, the system is not asked for them.
    borrowed = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, descriptor)
    try:
        yield borrowed
    finally:
        borrowed.detach()


def _address(text: str) -> str:
    """Return what counts as one address: IPv4, also as a socket for both families shows it, or a /64."""
    text = text.removeprefix("::ffff:").partition("%")[0]
    if ":" not in text:
        return text
    network = int(IPv6Address(text)) >> _IPV6_NETWORK_BITS << _IPV6_NETWORK_BITS
    return f"{IPv6Address(network)}/64"


def _silence(descriptor: int) -> tuple[bool, int]:
    """Return, to sort by, whether nothing ever came on a connection, and for how long nothing has, ms."""
    if sys.platform != "linux":
        return False, 0
    try:
        with _borrowed(descriptor) as connection:
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_RECEIVED.size)
    except OSError:
        return False, 0
    silent_ms, received = _LAST_RECEIVED.unpack(info)
    return received == 0, silent_ms
