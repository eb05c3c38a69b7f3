"""Calls of several feedbacks, to a vendor that refuses all of a call because of one, over a real socket."""

import json
import socket
from collections.abc import Iterator
from math import ceil, log2

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import rounds
from faults.bad_server import BadServer, Heard, http, saying
from otpconv.delivery.transport import Fate, Outcome
from otpconv.relay.calls import Calls
from otpconv.storage.relay.contract import Send
from relay.vendors import kind, vendor

NOW = 1_800_000_000_000
BATCH = 100
WELL, BROKEN = saying(http(200, {})), saying(http(500, {}))
WHOLE = saying(http(400, {}, "x-code: WrongId"))
PICKY = kind("picky", batch=BATCH, refused_whole=frozenset({"WrongId"}), concurrency=1)


@pytest.fixture(scope="module")
def server() -> Iterator[BadServer]:
    with BadServer() as running:
        yield running


def send(server: BadServer, size: int, wrong: set[int], breaks_after: int) -> list[Outcome]:
    """Send one batch to a vendor that refuses each call with a wrong one, and breaks after some calls."""
    server.heard.clear()
    server.taken.clear()

    def answer(vendor: BadServer, heard: Heard, connection: socket.socket) -> bool:
        ids = [message_id for message_id, _, _ in json.loads(heard.body)]
        if len(vendor.heard) > breaks_after:
            return BROKEN(vendor, heard, connection)
        if not wrong.isdisjoint(int(message_id[1:]) for message_id in ids):
            return WHOLE(vendor, heard, connection)
        vendor.take(ids)
        return WELL(vendor, heard, connection)

    server.answer = answer
    calls = Calls(vendor(1, settings={"endpoint": server.url}), PICKY, lambda: NOW)
    try:
        return calls.send(
            [Send(number, f"m{number}", "received", NOW, NOW + 10**6, 0) for number in range(size)]
        )
    finally:
        calls.close()


def places(outcomes: list[Outcome], *fates: Fate) -> set[int]:
    return {place for place, outcome in enumerate(outcomes) if outcome.fate in fates}


#: The size of a batch, and the places of the wrong ones.
batches = st.integers(1, BATCH).flatmap(
    lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1), max_size=size))
)


@given(batches)
@settings(max_examples=rounds(200))
def test_only_the_wrong_ones_of_a_call_are_refused(server: BadServer, batch: tuple[int, set[int]]) -> None:
    size, wrong = batch
    outcomes = send(server, size, wrong, breaks_after=2 * size)
    assert places(outcomes, Fate.REJECTED) == wrong
    assert places(outcomes, Fate.DELIVERED) == {*range(size)} - wrong
    assert server.taken == {f"m{number}": 1 for number in range(size) if number not in wrong}
    depth = ceil(log2(size)) if size > 1 else 0
    assert len(server.heard) <= min(2 * size - 1, 1 + 2 * len(wrong) * depth)


@given(batches, st.integers(0, 30))
@settings(max_examples=rounds(100))
def test_a_vendor_that_breaks_meanwhile_gets_no_further_call(
    server: BadServer, batch: tuple[int, set[int]], after: int
) -> None:
    size, wrong = batch
    outcomes = send(server, size, wrong, breaks_after=after)
    assert places(outcomes, Fate.REJECTED) <= wrong
    assert server.taken == {f"m{place}": 1 for place in places(outcomes, Fate.DELIVERED)}
    waiting = places(outcomes, Fate.FAILED, Fate.UNSENT)
    # They wait in order: the call that failed, and all behind it.
    assert waiting == {*range(min(waiting, default=size), size)}
    assert len(server.heard) <= after + 1
