"""The nodes of one storage, and the leases that divide the followers' work among them.

A follower runs on the node that holds its lease. All times in the storage are of the storage's own clock, so
a node with a wrong clock does no harm. Two nodes may believe to hold a lease for a moment, e.g. after one
of them was stopped: everything a follower does must be right then, too.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import Final, Protocol

from msgspec import Struct

#: The leases: whoever holds one applies the journal to the ledger, makes expiries, deletes old messages,
#: passes conversions on to vendors, or looks for what needs an alert.
LEDGER: Final = "ledger"
EXPIRY: Final = "expiry"
RETENTION: Final = "retention"
RELAY: Final = "relay"
ALERTS: Final = "alerts"
LEASES: Final = (ALERTS, EXPIRY, LEDGER, RELAY, RETENTION)

#: How often a node reports that it runs, and renews its leases, s.
BEAT_S: Final = 1.0
#: How long a lease lasts, ms: after a crash, another node has it within this time and one beat.
LEASE_MS: Final = 3_000
#: A node that has not reported for this time does not run, ms.
RUNNING_MS: Final = 5_000
#: How long a node that crashed is listed, ms.
KEPT_MS: Final = 3_600_000
#: How many nodes are listed at most.
MAX_NODES: Final = 100


class Node(Struct, frozen=True, array_like=True):
    """A server on a storage.

    Attributes:
        name: its host and port.
        version: of its otpconv.
        started_at: ms, by the storage's clock.
        seen_at: when it last reported that it runs, ms, by the storage's clock.
        lag: reports that it had acknowledged then and that were not in the ledger.
        leases: the names of the leases that it holds, sorted.
        running: whether it has reported within `RUNNING_MS`; False after a crash.
    """

    name: str
    version: str
    started_at: int
    seen_at: int
    lag: int
    leases: tuple[str, ...]
    running: bool


class Beat(Struct, frozen=True):
    """What a node learns when it reports that it runs.

    Attributes:
        leases: the leases that it holds now.
        lags: by follower, the entries of the journal that it has not dealt with.
    """

    leases: frozenset[str] = frozenset()
    lags: Mapping[str, int] = {}


class Nodes(Protocol):
    """The nodes of a storage. Every method may block.

    Every method raises `errors.Unavailable` if the storage fails, and `errors.Misconfigured` if it can't be
    used.
    """

    def beat(self, name: str, lag: int, wanted: Collection[str], *, failing: bool = False) -> Beat:
        """Report that this node runs, and take or renew leases.

        Raises `Unavailable` while a command keeps nodes out by `closed`.

        Args:
            name: of the node: its host and port.
            lag: reports that it has acknowledged and that are not in the ledger.
            wanted: the leases to renew, or to take if no other node holds them; it loses its others.
            failing: whether this node can't apply the journal; a process that hangs may be in its way.
        """

    def leave(self) -> None:
        """Remove this node, and free its leases."""

    def list(self) -> list[Node]:
        """Return all nodes, those that run first, then by name."""

    def alone(self) -> AbstractContextManager[None]:
        """Keep deletions by other nodes and commands out until the context ends.

        Raises:
            BlockingIOError: another deletion runs.
        """

    def closed(self) -> AbstractContextManager[None]:
        """Keep nodes from starting, and from taking leases, until the context ends.

        A node that runs already is listed by then.
        """

    def close(self) -> None:
        """Release the connections."""


class Leases(Protocol):
    """Which leases this process holds.

    Attributes:
        shared: whether other nodes may hold them, and append to the journal.
    """

    shared: bool

    def holds(self, name: str) -> bool:
        """Return whether this process holds a lease now; cheap, and for any thread."""


class AllLeases:
    """The leases of a storage that belongs to one process."""

    shared = False

    def holds(self, name: str) -> bool:  # noqa: ARG002 - as in `Leases`
        """See `Leases.holds`."""
        return True


#: Shared by all, since it has no state.
ALL_LEASES: Final = AllLeases()
