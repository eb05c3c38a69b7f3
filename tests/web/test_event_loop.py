"""No request of any caller holds the event loop for long, whatever is in it."""

import asyncio
import base64
import gc
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from itertools import product
from pathlib import Path
from string import ascii_letters
from typing import Any

import pytest

from faults.bad_server import http
from faults.sms_vendor import KEY, SECRET, SmsVendor
from otpconv.access.keys import AccessKey
from otpconv.access.vendors import NewVendor
from otpconv.audit import AuditLog
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.service.compose import Service
from otpconv.service.engines import engine_of
from otpconv.service.opening import open_key_store, open_sealer
from otpconv.web.app import App
from otpconv.web.front.gate import Gate
from otpconv.web.front.server import GC_THRESHOLDS
from web.wire import FORM, Request, v1, v3

#: What one request may hold the event loop for at a time, ms of its thread's processor time: how busy the
#: machine is otherwise does not matter then.
HELD_MS = 20.0
#: How often to measure, s: what the loop does in this time adds to the result. Without a pause, the measuring
#: itself would take most of the processor while a request waits for another thread.
BEAT_S = 0.001
#: The machine that tests may be slower than the one the bounds were chosen on.
SLOWER = 2.5
WRONG = "wrong"
MIB = 1024 * 1024
NAMES = ["".join(each) for each in product(ascii_letters, repeat=3)]
JSON, NDJSON = "application/json", "application/x-ndjson"


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[App, AccessKey]]:
    settings = load(data=folder, limit_failed_logins="off")
    with closing(open_key_store(settings)) as store:
        key = store.create("default", "somebody", "AdministratorAccess")
    service = Service(settings)
    await service.start()
    # As the server does.
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    app = App(service, Gate(settings, AuditLog(folder)), "http://otp.example")
    try:
        yield app, key
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
        await app.close()
        await service.stop()


async def answer(app: App, request: Request) -> tuple[int, bytes, float]:
    """Return the status, the body, and for how long the loop was held at most, ms of processor time."""
    path, _, query = request.target.partition("?")
    body = request.body
    assert isinstance(body, bytes)
    headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
    if body:
        headers.append((b"content-length", b"%d" % len(body)))
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": headers,
        "client": ("192.0.2.1", 1),
        "server": ("192.0.2.2", 80),
        "state": {},
    }
    parts = [body[start : start + 65_536] for start in range(0, len(body), 65_536)] or [b""]
    sent: list[dict[str, Any]] = []
    over = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if parts:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    held = 0.0

    async def beat() -> None:
        nonlocal held
        before = time.thread_time()
        while not over.is_set():
            await asyncio.sleep(BEAT_S)
            now = time.thread_time()
            held, before = max(held, now - before), now

    beating = asyncio.create_task(beat())
    await asyncio.sleep(0)
    await app(scope, receive, send)
    over.set()
    await beating
    given = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], given, held * 1000


def native(key: AccessKey, path: str, kind: str, body: bytes) -> Request:
    basic = base64.b64encode(f"{key.access_key_id}:{key.secret}".encode()).decode()
    return Request("POST", path, {"authorization": f"Basic {basic}", "content-type": kind}, body)


def get(key: AccessKey, target: str, **headers: str) -> Request:
    basic = base64.b64encode(f"{key.access_key_id}:{key.secret}".encode()).decode()
    return Request("GET", target, {"authorization": f"Basic {basic}", **headers})


def listed(name: str, item: bytes, size: int = 8 * MIB) -> bytes:
    count = (size - 100) // (len(item) + 1)
    return b'{"%s":[' % name.encode() + b",".join([item] * count) + b"]}"


def full_batch(unique: str = "m") -> bytes:
    """The largest useful batch: every field at its longest, and a number of its own each."""
    text = "ü" * 120
    messages = [
        {
            "message_id": f"{unique}{n}".ljust(64, "x"),
            "to": f"+4915{n:09d}",
            "provider": text,
            "template": text,
            "sender": text,
            "session_id": f"{n}",
            "requested_at": 1_700_000_000_000,
            "attempt": 1,
        }
        for n in range(8_000)
    ]
    return json.dumps({"messages": messages}, ensure_ascii=False).encode()


def by_number(count: int) -> bytes:
    """Conversions known by number alone."""
    return json.dumps(
        {"conversions": [{"to": f"+4915{n:09d}", "delivered": True} for n in range(count)]}
    ).encode()


#: The most expensive requests of who has a key to report with: what each is answered with, and the request.
REPORTING: dict[str, tuple[set[int], Callable[[AccessKey], Request]]] = {
    "8 MiB of []": ({400}, lambda key: native(key, "/v1/messages", JSON, listed("messages", b"[]"))),
    "8 MiB of {}": ({400}, lambda key: native(key, "/v1/messages", JSON, listed("messages", b"{}"))),
    "8 MiB of 1": ({400}, lambda key: native(key, "/v1/conversions", JSON, listed("conversions", b"1"))),
    "8 MiB of names": (
        {400},
        lambda key: native(
            key,
            "/v1/messages",
            JSON,
            b"{" + b",".join(b'"%s%d":[]' % (NAMES[n % 99].encode(), n) for n in range(500_000)) + b"}",
        ),
    ),
    "as many values as are taken": (
        {400},
        lambda key: native(key, "/v1/messages", JSON, listed("messages", b"[]", 600_000)),
    ),
    "50,000 bad items": (
        {400},
        lambda key: native(key, "/v1/messages", JSON, listed("messages", b"{}", 150_000)),
    ),
    "10,000 bad items": (
        {200},
        lambda key: native(
            key, "/v1/messages", JSON, listed("messages", b'{"%s":1}' % (b"x" * 700), 7_000_000)
        ),
    ),
    "10,000 bad numbers": (
        {200},
        lambda key: native(
            key,
            "/v1/messages",
            JSON,
            listed("messages", b'{"message_id":"m","to":"%s"}' % (b"1" * 600), 6_000_000),
        ),
    ),
    "one item of 8 MiB": (
        {200},
        lambda key: native(
            key, "/v1/messages", JSON, listed("messages", b'{"message_id":"%s"}' % (b"x" * 8_000_000))
        ),
    ),
    "one integer of 8 MiB": (
        {200, 400},
        lambda key: native(
            key, "/v1/messages", JSON, b'{"messages":[{"requested_at":%s}]}' % (b"9" * 8_000_000)
        ),
    ),
    "a number of 60 KB": (
        {200},
        lambda key: native(
            key, "/v1/messages", JSON, b'{"messages":[{"message_id":"m","to":"%s"}]}' % (b"+1 (2) " * 8_000)
        ),
    ),
    "8 MiB of spaces": (
        {200},
        lambda key: native(key, "/v1/messages", JSON, b'{"messages":[{"message_id":"a"}]}'.ljust(8 * MIB)),
    ),
    "8 MiB of brackets": ({400}, lambda key: native(key, "/v1/messages", JSON, b"[" * 8 * MIB)),
    "8 MiB of lines": ({400}, lambda key: native(key, "/v1/messages", NDJSON, b"{}\n" * (8 * MIB // 3))),
    "8 MiB of empty lines": ({400}, lambda key: native(key, "/v1/messages", NDJSON, b"\n" * 8 * MIB)),
    "a full batch": ({200}, lambda key: native(key, "/v1/messages", JSON, full_batch())),
    "a full batch again": ({200}, lambda key: native(key, "/v1/messages", JSON, full_batch())),
    "10,000 conversions": ({200}, lambda key: native(key, "/v1/conversions", JSON, by_number(10_000))),
    "a query of 60 KB": ({400}, lambda key: get(key, "/v1/rates?" + "&".join(NAMES[:15_000]))),
    "cookies of 60 KB": (
        {200},
        lambda key: get(key, "/v1/rates", cookie="; ".join(f"{n}=1" for n in NAMES[:9_000])),
    ),
    "what is accepted, of 60 KB": (
        {200, 406},
        lambda key: get(key, "/v1/rates", accept=",".join(["a/b"] * 15_000)),
    ),
    "metrics accepted, of 60 KB": (
        {200},
        lambda key: get(key, "/metrics", accept=",".join(["a/b"] * 15_000)),
    ),
}

#: The same of somebody who has no key at all.
UNKNOWN: dict[str, tuple[set[int], Callable[[AccessKey], Request]]] = {
    "a form of 128 KiB": (
        {400},
        lambda _: Request("POST", "/", {"content-type": FORM}, "&".join(NAMES[:32_000]).encode()),
    ),
    "a form, encoded": (
        {400, 404},
        lambda key: v1(key, dict.fromkeys(NAMES[:600], "ü" * 24), method="POST", form=True, secret=WRONG),
    ),
    "a form with 1,000 names": (
        {400, 404},
        lambda key: v1(key, dict.fromkeys(NAMES[:900], "x" * 60), method="POST", form=True, secret=WRONG),
    ),
    "a query of 60 KB": ({400}, lambda _: Request("GET", "/?" + "&".join(f"{n}=" for n in NAMES[:12_000]))),
    "a query, encoded": (
        {400, 404},
        lambda key: v1(key, dict.fromkeys(NAMES[:300], "ü" * 24), secret=WRONG),
    ),
    "JSON of 128 KiB": (
        {400},
        lambda key: v3(
            key, {}, headers={"content-type": JSON}, body=listed("a", b"{}", 128_000), secret=WRONG
        ),
    ),
    "JSON with 9,000 values": (
        {400},
        lambda key: v3(
            key, {}, headers={"content-type": JSON}, body=listed("a", b"[]", 13_000), secret=WRONG
        ),
    ),
    "V3 with a header of 60 KB": (
        {400},
        lambda key: v3(key, {}, headers={"x-acs-filler": "a" * 60_000}, secret=WRONG),
    ),
    "V3 that signs 100 headers": (
        {400},
        lambda key: v3(key, {}, headers={f"x-acs-{n}": "a" for n in range(90)}, secret=WRONG),
    ),
    "a token of 60 KB": (
        {400},
        lambda key: v3(key, {}, headers={"x-acs-security-token": "a" * 60_000}, secret=WRONG),
    ),
    "Basic of 60 KB": (
        {401},
        lambda _: Request("GET", "/v1/rates", {"authorization": "Basic " + "YTo6" * 15_000}),
    ),
    "a sign-in of 128 KiB": (
        {400},
        lambda _: Request("POST", "/sign-in", {"content-type": FORM}, "&".join(NAMES[:32_000]).encode()),
    ),
    "a sign-in, encoded": (
        {401, 403, 400},
        lambda _: Request("POST", "/sign-in", {"content-type": FORM}, b"access_key_id=" + b"%41" * 43_000),
    ),
    "a path of 60 KB": ({404}, lambda _: Request("GET", "/" + "a/" * 30_000)),
    "cookies of 60 KB": (
        {303, 307, 302, 401},
        lambda _: Request("GET", "/dashboard", {"cookie": "; ".join(f"{n}=1" for n in NAMES[:9_000])}),
    ),
    "forwarded for 60 KB": (
        {401},
        lambda _: Request("GET", "/v1/rates", {"x-forwarded-for": ",".join(["1.1.1.1"] * 7_000)}),
    ),
}


@pytest.mark.parametrize("name", [*REPORTING, *(f"unknown: {name}" for name in UNKNOWN)])
def test_no_request_holds_the_event_loop(tmp_path: Path, name: str) -> None:
    _, _, what = name.rpartition("unknown: ")
    statuses, make = UNKNOWN[what] if name.startswith("unknown: ") else REPORTING[name]

    async def play() -> tuple[int, bytes, float]:
        async with running(tmp_path / "data") as (app, key):
            # Data that is loaded once, such as number plans, is loaded by others.
            known = b'{"messages":[{"message_id":"0","to":"+4915112345678"}]}'
            await answer(app, native(key, "/v1/messages", JSON, known))
            await answer(app, v3(key, {"MessageId": "0", "Delivered": "true"}))
            if name == "a full batch again":
                await answer(app, make(key))
            return await answer(app, make(key))

    status, body, held_ms = asyncio.run(play())
    print(f"HELD {name}: {status} {held_ms:.1f} ms, answer {len(body)} bytes")  # noqa: T201
    assert status in statuses, body[:300]
    assert held_ms < HELD_MS * SLOWER
    assert len(body) < 4 * MIB


def test_the_largest_batch_of_messages_does_not_hold_the_event_loop(tmp_path: Path) -> None:
    count = 900
    asked = {
        "To": json.dumps([f"8525{number:07}" for number in range(count)], separators=(",", ":")),
        "Message": json.dumps(["1"] * 90),
    }
    answer_of_vendor = http(
        200, {"ResponseCode": "OK", "MessageIdList": json.dumps([f"10080303{n:06}" for n in range(count)])}
    )

    async def run(vendor: SmsVendor) -> float:
        async with running(tmp_path) as (app, key):
            settings = load(data=tmp_path)
            vendors = engine_of(settings).access(wall_clock).vendors(open_sealer(settings))
            with closing(vendors):
                values = {"endpoint": vendor.url, "access_key_id": KEY, "send": "on"}
                vendors.create(
                    key.account, NewVendor("v", "alibaba", "p", values, {"access_key_secret": SECRET})
                )
            headers = {"x-acs-action": "BatchSendMessageToGlobe", "content-type": JSON}
            request = v3(key, {}, headers=headers, body=json.dumps(asked).encode())
            status, body, held = await answer(app, request)
            assert (status, body) == (200, answer_of_vendor.partition(b"\r\n\r\n")[2])
            return held

    with SmsVendor() as vendor:
        vendor.answers[asked["Message"]] = answer_of_vendor
        assert asyncio.run(run(vendor)) < HELD_MS * SLOWER
