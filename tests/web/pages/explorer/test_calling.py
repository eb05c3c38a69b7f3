"""Calls of the explorer: we are the ASGI server of applications that stream, wait, hang or fail."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import httpx
import pytest
from hypothesis import given, strategies as st
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.dialects.tutor.request import ApiRequest
from otpconv.errors import OtpconvError, Unavailable
from otpconv.service.opening import open_key_store
from otpconv.web.pages.explorer import calling
from otpconv.web.pages.explorer.calling import Reply, call

PAGE: Scope = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "scheme": "http",
    "client": ("192.0.2.1", 1234),
    "server": ("otp.example", 80),
    "method": "POST",
    "path": "/explorer/v1/getRates",
    "query_string": b"",
    "headers": [(b"user-agent", b"browser"), (b"cookie", b"secret")],
}
START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
#: How long the event loop may be held by one turn, s; machines of tests are busy.
HELD_S = 1.0


def part(body: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


def run(app: ASGIApp, sent: ApiRequest | None = None) -> Reply:
    """Call an application, and check that the event loop goes on all the time."""

    async def alive() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            assert time.monotonic() - before < HELD_S

    async def beside() -> Reply:
        watch = asyncio.ensure_future(alive())
        try:
            async with asyncio.timeout(10):
                return await call(app, Request(PAGE), sent or ApiRequest("GET", "/v1/rates", "a=b", {}))
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    return asyncio.run(beside())


@contextmanager
def patience(answer_s: float, grace_s: float = 0.02) -> Iterator[None]:
    """Wait so long for an answer, and for an application whose answer is over."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calling, "MAX_ANSWER_S", answer_s)
        patch.setattr(calling, "_GRACE_S", grace_s)
        yield


# Applications as generated programs, and what a server of the specification makes of them.

Step = Callable[[Receive, Send], Awaitable[object]]


def sends(*messages: Message) -> Step:
    async def step(_: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return step


async def takes_the_body(receive: Receive, _: Send) -> None:
    assert await receive() == {"type": "http.request", "body": b"", "more_body": False}


async def takes_a_moment(_receive: Receive, _send: Send) -> None:
    await asyncio.sleep(0.001)


async def waits_for_a_disconnect(receive: Receive, _: Send) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def asks_for_ever(receive: Receive, _: Send) -> None:
    while True:
        await receive()


async def sends_for_ever(_: Receive, send: Send) -> None:
    while True:
        with suppress(OSError):
            await send(part(b"x" * 10_000, more=True))


async def sends_nothing_for_ever(_: Receive, send: Send) -> None:
    while True:
        await send(part(b"", more=True))


async def sleeps_for_ever(_receive: Receive, _send: Send) -> None:
    await asyncio.sleep(3600)


async def fails(_receive: Receive, _send: Send) -> None:
    raise ZeroDivisionError


def program(*steps: Step) -> ASGIApp:
    async def app(_: Scope, receive: Receive, send: Send) -> None:
        for step in steps:
            await step(receive, send)

    return app


def beside(watching: Step, answering: Step) -> ASGIApp:
    """Watch for a disconnect while answering, as most frameworks do."""

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        watch = asyncio.ensure_future(watching(receive, send))
        await answering(receive, send)
        await watch

    return app


pieces = st.lists(st.binary(max_size=200), max_size=20)
idle = st.lists(st.sampled_from([takes_a_moment]), max_size=2)
ends: st.SearchStrategy[Step] = st.sampled_from(
    [waits_for_a_disconnect, asks_for_ever, sends_for_ever, sleeps_for_ever, fails, takes_a_moment]
)


@given(bodies=pieces, pauses=idle, after=ends, reads=st.booleans())
def test_an_answer_in_any_number_of_pieces_is_shown_whole_whatever_the_application_does_afterwards(
    bodies: list[bytes], pauses: list[Step], after: Step, *, reads: bool
) -> None:
    parts = [sends(part(body, more=True)) for body in bodies]
    last = sends(part(b".", more=False))
    steps = [*([takes_the_body] if reads else []), sends(START), *pauses, *parts, *pauses, last, after]
    with patience(20):
        reply = run(program(*steps))
    assert (reply.status, reply.cut) == (200, "")
    assert reply.body == b"".join([*bodies, b"."]).decode(errors="replace")


@given(pieces)
def test_an_application_that_watches_for_a_disconnect_meanwhile_is_answered_at_once(
    bodies: list[bytes],
) -> None:
    whole = sends(START, *(part(body, more=True) for body in bodies), part(b"", more=False))
    before = time.monotonic()
    reply = run(beside(waits_for_a_disconnect, whole))
    assert time.monotonic() - before < HELD_S
    assert (reply.body, reply.cut) == (b"".join(bodies).decode(errors="replace"), "")


@pytest.mark.parametrize("version", ["2.0", "2.3", "2.4", "2.5"])
@pytest.mark.parametrize("count", [0, 1, 3_000])
def test_a_framework_s_streamed_answer_comes_to_its_end_in_every_version(version: str, count: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        lines = (f"{number}\n" for number in range(count))
        response = StreamingResponse(lines, media_type="text/plain")
        await response({**scope, "asgi": {"version": "3.0", "spec_version": version}}, receive, send)

    reply = run(app)
    assert (reply.status, reply.cut) == (200, "")
    assert reply.body == "".join(f"{number}\n" for number in range(count))


@given(pieces, st.sampled_from([sleeps_for_ever, waits_for_a_disconnect, sends_nothing_for_ever]))
def test_an_answer_that_does_not_end_is_shown_as_far_as_it_came(bodies: list[bytes], hang: Step) -> None:
    begun = sends(START, *(part(body, more=True) for body in bodies))
    with patience(0.05):
        reply = run(program(begun, hang))
    assert reply.body == b"".join(bodies).decode(errors="replace")
    assert "did not end" in reply.cut


@pytest.mark.parametrize("hang", [sleeps_for_ever, waits_for_a_disconnect, asks_for_ever])
def test_an_application_that_never_answers_is_left_at_the_deadline(hang: Step) -> None:
    with patience(0.05), pytest.raises(Unavailable, match="not answered within"):
        run(program(hang))


@given(st.integers(1, 100_000))
def test_no_more_than_the_bound_is_shown_and_held_and_the_reply_says_so(size: int) -> None:
    told = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send(START)
        for count in range(1_000_000):
            try:
                await send(part(b"x" * size, more=True))
            except OSError:
                told.append(count * size)
                raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calling, "MAX_SHOWN_BYTES", 10_000)
        reply = run(app)
    assert (reply.status, reply.body) == (200, "x" * 10_000)
    assert "is longer" in reply.cut
    # The application learns that nobody listens any more, with the first part that is too much.
    assert 10_000 < told[0] <= 10_000 + size


def test_cut_json_is_shown_as_it_came() -> None:
    json: Message = {**START, "headers": [(b"content-type", b"application/json")]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calling, "MAX_SHOWN_BYTES", 4)
        assert run(program(sends(json, part(b"[1,2,3]", more=False)))).body == "[1,2"
    assert run(program(sends(json, part(b"[1,2", more=False)))).body == "[1,2"
    assert run(program(sends(json, part(b"[1,2]", more=False)))).body == "[\n  1,\n  2\n]"


@given(pieces)
def test_an_application_that_fails_in_the_middle_is_shown_as_far_as_it_came(bodies: list[bytes]) -> None:
    begun = sends(START, *(part(body, more=True) for body in bodies))
    for end in (fails, takes_a_moment):
        reply = run(program(begun, end))
        assert reply.body == b"".join(bodies).decode(errors="replace")
        assert "broke the answer off" in reply.cut


def test_an_application_that_fails_or_ends_before_its_answer_is_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        run(program(takes_the_body, fails))
    for silent in (program(takes_the_body), program(takes_a_moment), program()):
        with pytest.raises(OtpconvError, match="without an answer"):
            run(silent)


@pytest.mark.parametrize(
    "messages",
    [
        (part(b"", more=False),),
        (START, START),
        ({"type": "http.response.trailers"},),
        (START, {"type": "websocket.send"}),
    ],
)
def test_messages_out_of_order_are_refused_to_the_application(messages: tuple[Message, ...]) -> None:
    refused: list[str] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        try:
            for message in messages:
                await send(message)
        except RuntimeError as error:
            refused.append(str(error))
            raise

    with suppress(RuntimeError):
        run(app)
    assert "out of order" in refused[0]


def test_absent_keys_of_messages_have_the_values_of_the_specification() -> None:
    reply = run(
        program(sends({"type": "http.response.start", "status": 204}, {"type": "http.response.body"}))
    )
    assert reply == Reply(204, {}, "", "")


@given(st.binary(max_size=1_000), st.integers(1, 5))
def test_the_body_is_given_once_and_then_nothing_until_the_answer_is_over(body: bytes, readers: int) -> None:
    received: list[Message] = []

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        async def read() -> None:
            received.append(await receive())

        received.append(await receive())
        waiting = [asyncio.ensure_future(read()) for _ in range(readers)]
        await asyncio.sleep(0.002)
        assert len(received) == 1
        await send(START)
        await send(part(b"", more=True))
        await asyncio.sleep(0.002)
        assert len(received) == 1
        await send(part(b"", more=False))
        await asyncio.gather(*waiting)

    assert run(app, ApiRequest("POST", "/", "", {}, body)).cut == ""
    assert received[0] == {"type": "http.request", "body": body, "more_body": False}
    assert received[1:] == [{"type": "http.disconnect"}] * readers


def test_the_scope_is_one_of_the_specification() -> None:
    scopes: list[dict[str, Any]] = []

    async def app(scope: Scope, _: Receive, send: Send) -> None:
        scopes.append(dict(scope))
        await sends(START, part(b"", more=False))(_, send)

    run(
        app, ApiRequest("POST", "/v1/messages/a%3Ab/%C3%A4", "x=%20", {"content-type": "text/plain"}, b"body")
    )
    (scope,) = scopes
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert (scope["method"], scope["query_string"]) == ("POST", b"x=%20")
    assert (scope["path"], scope["raw_path"]) == ("/v1/messages/a:b/ä", b"/v1/messages/a%3Ab/%C3%A4")
    assert dict(scope["headers"]) == {
        b"content-type": b"text/plain",
        b"content-length": b"4",
        b"user-agent": b"browser",
    }


def test_a_page_that_is_left_ends_the_call() -> None:
    ended = []

    async def app(_: Scope, __: Receive, ___: Send) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)

    async def left() -> None:
        calls = asyncio.ensure_future(call(app, Request(PAGE), ApiRequest("GET", "/", "", {})))
        await asyncio.sleep(0.01)
        calls.cancel()
        with suppress(asyncio.CancelledError):
            await calls
        await asyncio.sleep(0.01)

    asyncio.run(left())
    assert ended == [True]


# Through a real server.


@contextmanager
def signed_in(server: LocalServer, key: AccessKey) -> Iterator[httpx.Client]:
    headers = {"accept": "text/html", "origin": server.url}
    with httpx.Client(base_url=server.url, headers=headers, timeout=20) as browser:
        form = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
        assert browser.post("/sign-in", data=form).status_code == 303
        yield browser


def explore(browser: httpx.Client, name: str, **fields: str) -> str:
    page = browser.get(f"/explorer/v1/{name}").text
    token = page.partition('name="form_token" value="')[2].partition('"')[0]
    data = {"form_token": token} | {f"p-{field}": value for field, value in fields.items()}
    answer = browser.post(f"/explorer/v1/{name}", data=data)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_streamed_answer_in_the_explorer_by_a_reader_holds_nothing_up(
    make_server: Callable[..., LocalServer],
) -> None:
    server = make_server()
    server.start()
    with closing(open_key_store(load(data=server.data))) as store:
        reader = store.create("default", "reader", "OtpconvReadOnly")
    while httpx.get(f"{server.url}/v1/rates", auth=(reader.access_key_id, reader.secret)).status_code == 401:
        time.sleep(0.02)
    with signed_in(server, reader) as browser:
        page = explore(browser, "getRates", interval="1m")
        assert "HTTP 200" in page
        assert 'id="cut"' in page
        assert httpx.get(f"{server.url}/healthz", timeout=2).status_code == 200
    assert server.stop() == 0


def test_the_explorer_finds_messages_whose_ids_are_percent_encoded(
    server: LocalServer, own: httpx.Client, key: AccessKey
) -> None:
    message_id = "a:b/c%d?e"
    assert own.post("/v1/messages", json={"messages": [{"message_id": message_id}]}).status_code == 200
    with signed_in(server, key) as browser:
        assert "HTTP 200" in explore(browser, "getMessage", message_id=message_id)
