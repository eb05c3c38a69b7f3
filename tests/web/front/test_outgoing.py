"""Answers on their way to clients that read fast, slowly, or not at all: in parts, in time, and bounded."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st
from starlette.types import Message, Scope, Send

from otpconv.ledger.turns import Caller
from otpconv.web.front import outgoing
from otpconv.web.front.outgoing import Outgoing
from otpconv.web.front.worker import Workers

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
PART = 1_000
Sends = Callable[[Send], Awaitable[None]]


def body(content: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds of some kilobytes and tenths of a second."""
    for name, value in {
        "PART_BYTES": PART,
        "MAX_HELD_BYTES": 20 * PART,
        "MAX_HELD_BYTES_EACH": 10 * PART,
        "MAX_TAKING_S": 0.1,
        "LEAST_BYTES_PER_S": 1_000_000,
    }.items():
        monkeypatch.setattr(outgoing, name, value)


async def busy(send: Send) -> None:
    await send({"type": "http.response.start", "status": 503, "headers": []})
    await send({"type": "http.response.body", "body": b"busy"})


class Client:
    """Takes messages, until `stops_after` of them."""

    def __init__(self, stops_after: int = 1_000_000) -> None:
        self.received: list[Message] = []
        self._left = stops_after

    async def take(self, message: Message) -> None:
        self._left -= 1
        if self._left < 0:
            await asyncio.Event().wait()
        self.received.append(message)

    @property
    def status(self) -> int:
        return int(self.received[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.received[1:])


def scope_of(caller: Caller | None) -> Scope:
    return {"otpconv.caller": caller} if caller else {}


@given(st.lists(st.binary(max_size=5_000), min_size=1, max_size=5))
def test_a_client_gets_what_was_sent_in_parts_that_are_not_too_large(contents: list[bytes]) -> None:
    client = Client()

    async def run() -> None:
        send = Outgoing().sender({}, client.take, busy)
        await send(START)
        for content in contents[:-1]:
            await send(body(content, more=True))
        await send(body(contents[-1]))

    asyncio.run(run())
    assert client.received[0] == START
    assert client.body == b"".join(contents)
    assert all(len(message["body"]) <= PART for message in client.received[1:])
    assert [message["more_body"] for message in client.received[1:]][-1] is False
    assert all(message["more_body"] for message in client.received[1:-1])


@given(st.integers(PART + 1, 9 * PART), st.integers(0, 8))
def test_a_client_that_takes_too_long_is_left_and_holds_nothing_any_more(size: int, takes: int) -> None:
    async def run() -> None:
        held = Outgoing()
        send = held.sender({}, Client(takes).take, busy)
        await send(START)
        # The head of the answer is small; it is its body that nobody takes.
        if takes and takes <= -(-size // PART):
            with pytest.raises(ConnectionAbortedError):
                await send(body(bytes(size)))
        # All of the room is free again.
        client = Client()
        await answer(held, client, 10 * PART)
        assert client.status == 200

    asyncio.run(run())


async def answer(held: Outgoing, client: Client, size: int, caller: Caller | None = None) -> None:
    send = held.sender(scope_of(caller), client.take, busy)
    await send(START)
    await send(body(bytes(size)))


def test_one_caller_s_answers_have_a_share_and_all_together_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "MAX_TAKING_S", 60)
    one, two, three = (Caller(1, name) for name in ("a", "b", "c"))

    async def run() -> None:
        held = Outgoing()
        waiting = []

        async def hold(caller: Caller | None, size: int) -> int:
            """Return the status, and leave the answer unread when it is 200."""
            client = Client(2)
            task = asyncio.ensure_future(answer(held, client, size, caller))
            waiting.append(task)
            for _ in range(5):
                await asyncio.sleep(0)
            return client.status

        assert await hold(one, 6 * PART) == 200
        assert await hold(one, 6 * PART) == 503  # over its share
        assert await hold(one, PART) == 200  # small ones always go out
        assert await hold(two, 10 * PART) == 200
        assert await hold(None, 6 * PART) == 503  # over the bound of all
        assert await hold(three, 4 * PART) == 200
        assert await hold(three, PART + 1) == 503
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert await hold(one, 10 * PART) == 200
        waiting[-1].cancel()

    asyncio.run(run())


class Large:
    """An application of one large answer; says what became of sending it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.outcomes: list[str] = []

    def start(self, _scope: Scope, _respond: object) -> bool:
        return False

    async def __call__(self, scope: Scope, _: object, send: Send) -> None:
        sends = Outgoing().sender(scope, send, busy)
        length = (b"content-length", str(self._size).encode())
        await sends({"type": "http.response.start", "status": 200, "headers": [length]})
        try:
            await sends(body(bytes(self._size)))
        except ConnectionAbortedError:
            self.outcomes.append("left")
            raise
        self.outcomes.append("sent")


async def received(port: int, *, pause_s: float) -> int:
    """Ask, wait, and return how many bytes of the body come then until the connection ends."""
    loop = asyncio.get_running_loop()
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        await loop.sock_connect(raw, ("127.0.0.1", port))
        await loop.sock_sendall(raw, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        await asyncio.sleep(pause_s)
        whole = bytearray()
        try:
            while part := await loop.sock_recv(raw, 1 << 20):
                whole += part
        except ConnectionResetError:
            pass
        return len(whole.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(("pause_s", "outcome"), [(0.0, "sent"), (4.0, "left")])
def test_a_real_connection_goes_at_the_pace_of_its_client(
    monkeypatch: pytest.MonkeyPatch, pause_s: float, outcome: str
) -> None:
    """The server must not take what the client doesn't, and cut the answer of a client that is too slow."""
    size = 24 * 1024 * 1024
    monkeypatch.setattr(outgoing, "PART_BYTES", 64 * 1024)
    monkeypatch.setattr(outgoing, "MAX_HELD_BYTES", size)
    monkeypatch.setattr(outgoing, "MAX_HELD_BYTES_EACH", size)
    monkeypatch.setattr(outgoing, "MAX_TAKING_S", 1 if pause_s else 60)
    monkeypatch.setattr(outgoing, "LEAST_BYTES_PER_S", 1 << 30)

    async def run() -> tuple[int, list[str]]:
        app: Any = Large(size)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            workers = Workers(app, listening, 10)
            workers.start(None)
            got = await received(listening.getsockname()[1], pause_s=pause_s)
            await workers.stop()
        return got, app.outcomes

    got, outcomes = asyncio.run(run())
    assert outcomes == [outcome]
    assert got == size if outcome == "sent" else got < size
