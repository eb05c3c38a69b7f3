"""Who is at the other end of a connection, also behind proxies that the operator trusts."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from msgspec import Struct
from starlette.types import Scope

Network = IPv4Network | IPv6Network
_Address = IPv4Address | IPv6Address


class Peer(Struct, frozen=True):
    """Where a request came from.

    Attributes:
        source_ip: the client's address; empty when nothing tells it.
        secure: whether the client spoke HTTPS.
        user_agent: what the client calls itself; empty when it does not say.
    """

    source_ip: str
    secure: bool
    user_agent: str


class Peers:
    """Tells the peer of a request; believes `X-Forwarded-*` from trusted proxies only.

    Attributes:
        trusted: the networks of the proxies in front of this server.
    """

    def __init__(self, trusted_proxies: Sequence[Network] = ()) -> None:
        """Create the finder of peers.

        Args:
            trusted_proxies: the networks of the proxies in front of this server.
        """
        self.trusted = tuple(trusted_proxies)

    def of(self, scope: Scope) -> Peer:
        """Return the peer of a request."""
        client = scope.get("client")
        # A socket for both families shows an IPv4 client so.
        source_ip = client[0].removeprefix("::ffff:") if client else ""
        secure = scope.get("scheme") == "https"
        if self.trusted and self._is_trusted(source_ip):
            source_ip = self._forwarded_for(scope, source_ip)
            secure = _forwarded_proto(scope, secure=secure)
        return Peer(source_ip, secure, _last(scope, b"user-agent"))

    def _forwarded_for(self, scope: Scope, socket_ip: str) -> str:
        # From the right: a trusted proxy appended whom it talked to; left of that anybody may write.
        for text in reversed(list(_values(scope, b"x-forwarded-for"))):
            address = _address(text)
            if address is None:
                return socket_ip
            if not self._holds(address):
                return str(address)
        return socket_ip

    def _is_trusted(self, text: str) -> bool:
        address = _address(text)
        return address is not None and self._holds(address)

    def _holds(self, address: _Address) -> bool:
        return any(address in network for network in self.trusted)


def _forwarded_proto(scope: Scope, *, secure: bool) -> bool:
    values = [value.lower() for value in _values(scope, b"x-forwarded-proto")]
    return values[-1] == "https" if values and values[-1] in {"http", "https"} else secure


def _address(text: str) -> _Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _values(scope: Scope, name: bytes) -> Iterator[str]:
    for field, value in scope["headers"]:
        if field == name:
            yield from (part.strip() for part in value.decode("latin-1").split(","))


def _last(scope: Scope, name: bytes) -> str:
    found = ""
    for field, value in scope["headers"]:
        if field == name:
            found = value.decode("latin-1")
    return found
