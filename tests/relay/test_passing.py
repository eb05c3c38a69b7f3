"""A call to a vendor is made once, and a bounded number are on their way."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from faults.bad_server import BadServer, hang, http, reset, saying
from otpconv.access.vendors import VendorAccount
from otpconv.delivery.connection import Unreachable
from otpconv.errors import ReplayedNonce, Throttled, Unavailable
from otpconv.relay import passing
from otpconv.relay.kind import Call
from otpconv.relay.passing import Passing

CALL = Call("/", {})


class Once:
    """A guard in memory, or one whose storage fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self.used: set[str] = set()
        self._fails = fails

    def use(self, account: int, name: str, *, bounded: bool = True) -> bool:
        assert not bounded
        if self._fails:
            raise Unavailable("The disk is full.")
        new = f"{account} {name}" not in self.used
        self.used.add(f"{account} {name}")
        return new

    def close(self) -> None:
        pass


@pytest.fixture
def server() -> Iterator[BadServer]:
    with BadServer() as running:
        running.answer = saying(http(200, b"taken"))
        yield running


def vendor(server: BadServer, number: int = 1) -> VendorAccount:
    settings = {"endpoint": server.url, "send_timeout_s": "1"}
    return VendorAccount(
        id=number, account=1, name="v", kind="x", provider="p", settings=settings, secrets={}
    )


def test_each_call_has_a_connection_of_its_own_and_is_made_once(server: BadServer) -> None:
    async def run() -> None:
        calls = Passing(Once())
        for number in range(3):
            answer = await calls.pass_on(vendor(server), CALL, f"n{number}")
            assert answer.body == b"taken"
        server.answer = reset
        with pytest.raises(Unreachable) as caught:
            await calls.pass_on(vendor(server), CALL, "")
        assert caught.value.sent
        assert len(server.heard) == 4
        with pytest.raises(ReplayedNonce):
            await calls.pass_on(vendor(server), CALL, "n1")
        with pytest.raises(Unavailable):
            await Passing(Once(fails=True)).pass_on(vendor(server), CALL, "n9")
        assert len(server.heard) == 4
        calls.close()

    asyncio.run(run())


def test_beyond_the_bounds_a_call_is_refused_and_not_made(
    server: BadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "MAX_CALLS", 2)
    monkeypatch.setattr(passing, "MAX_ALL_CALLS", 3)
    server.answer = hang

    async def run() -> None:
        calls = Passing(Once())
        waiting = [
            asyncio.create_task(calls.pass_on(vendor(server, number), CALL, "")) for number in (1, 1, 2)
        ]
        await asyncio.sleep(0)
        for number in (1, 2):
            with pytest.raises(Throttled):
                await calls.pass_on(vendor(server, number), CALL, "")
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in done] == [Unreachable] * 3
        assert len(server.heard) == 3
        server.answer = saying(http(200, b"taken"))
        assert (await calls.pass_on(vendor(server), CALL, "")).status == 200
        calls.close()

    asyncio.run(run())


def test_a_caller_that_is_cancelled_cancels_no_call(server: BadServer) -> None:
    came, go = threading.Event(), threading.Event()

    def late(_: BadServer, heard: object, connection: object) -> bool:
        del heard, connection
        came.set()
        go.wait(10)
        return False

    server.answer = late

    async def run() -> None:
        calls = Passing(Once())
        waiting = asyncio.create_task(calls.pass_on(vendor(server), CALL, ""))
        await asyncio.to_thread(came.wait, 10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go.set()
        await asyncio.to_thread(calls.close)
        assert len(server.heard) == 1

    asyncio.run(run())
