"""A server among the nodes of its storage: what it believes about its leases."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry

from otpconv.errors import Unavailable
from otpconv.service import membership as module
from otpconv.service.housekeeping import Housekeeping
from otpconv.service.membership import Membership
from otpconv.storage.nodes import EXPIRY, LEASES, LEDGER, Beat, Node


class Storage:
    """Gives a node what it wants, as long as the storage works."""

    def __init__(self) -> None:
        self.failing = False
        self.failing_told = False
        self.takes_s = 0.0
        self.left = False

    def beat(self, name: str, lag: int, wanted: Collection[str], *, failing: bool = False) -> Beat:
        assert ":" in name
        time.sleep(self.takes_s)
        if self.failing:
            raise Unavailable("The network is cut.")
        self.failing_told = failing
        return Beat(frozenset(wanted), {"ledger": lag})

    def leave(self) -> None:
        self.left = True
        if self.failing:
            raise Unavailable("The network is cut.")

    def list(self) -> list[Node]:
        return []

    @contextmanager
    def alone(self) -> Iterator[None]:
        yield

    def close(self) -> None:
        pass


@pytest.fixture
def storage() -> Storage:
    return Storage()


@pytest.fixture
def member(storage: Storage) -> Membership:
    made = Membership(storage)
    made.announce(8080)
    return made


def held(member: Membership) -> set[str]:
    return {lease for lease in LEASES if member.holds(lease)}


def test_a_lease_ends_here_when_the_storage_is_out_of_reach(
    member: Membership, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert held(member) == set()
    monkeypatch.setattr(module, "LEASE_MS", 200)
    member.beat()
    assert held(member) == set(LEASES)
    storage.failing = True
    with pytest.raises(Unavailable):
        member.beat()
    deadline = time.monotonic() + 20
    while held(member):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    storage.failing = False
    member.beat()
    assert held(member) == set(LEASES)


def test_a_lease_counts_from_the_moment_at_which_it_was_asked_for(
    member: Membership, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE_MS", 50)
    storage.takes_s = 0.06
    member.beat()
    assert held(member) == set()


def test_a_node_that_cannot_apply_gives_the_ledger_to_another(member: Membership, storage: Storage) -> None:
    failing_s = 1.0
    member.failing_s = lambda: failing_s
    member.beat()
    assert held(member) == set(LEASES)
    assert storage.failing_told
    failing_s = 60.0
    member.beat()
    assert held(member) == set(LEASES) - {LEDGER}
    failing_s = 0.0
    member.beat()
    assert held(member) == set(LEASES)
    assert not storage.failing_told


@pytest.mark.parametrize("failing", [False, True])
def test_a_node_that_leaves_holds_nothing(member: Membership, storage: Storage, *, failing: bool) -> None:
    member.beat()
    storage.failing = failing
    member.leave()
    assert storage.left
    assert held(member) == set()


def test_one_process_holds_everything_and_says_so() -> None:
    registry = CollectorRegistry()
    alone = Membership(None)
    alone.lag = lambda: 7
    alone.keep(Housekeeping(), registry)
    alone.beat()
    assert held(alone) == set(LEASES)
    assert registry.get_sample_value("otpconv_lease_held", {"lease": EXPIRY}) == 1
    assert registry.get_sample_value("otpconv_follower_lag_reports", {"follower": "ledger"}) == 7
    alone.leave()
    assert held(alone) == set(LEASES)
