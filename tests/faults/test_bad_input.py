"""Ten thousand damaged requests, and bad framing: no 5xx, no hang, no record of a refused report."""

import asyncio
import json
import random
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from urllib.parse import quote, urlsplit

import httpx
import pytest

from campaigns import rounds
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.storage.sqlite import SqliteLedgerReader
from web.wire import FORM, Request, administrator, v1, v3

MUTATIONS = rounds(10_000)
CONNECTIONS = 250
SEED = 20_261_124
UNFINISHED_S = 1.0
HANG_S = 30.0


def raw(request: Request) -> bytes:
    """Return a request as the bytes that go over the wire."""
    assert isinstance(request.body, bytes)
    headers = {"host": "otp.example", **request.headers, "content-length": str(len(request.body))}
    headers["connection"] = "close"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{request.method} {request.target} HTTP/1.1\r\n{lines}\r\n".encode() + request.body


def native(key: AccessKey, kind: str, media_type: str, body: bytes) -> Request:
    """Return a call of the native API."""
    basic = b64encode(f"{key.access_key_id}:{key.secret}".encode()).decode()
    return Request(
        "POST", f"/v1/{kind}", {"authorization": f"Basic {basic}", "content-type": media_type}, body
    )


def requests_of(key: AccessKey, number: int) -> list[Request]:
    """Return a valid request of every kind, each about a message of its own."""
    ids = [f"valid-{number}-{kind}" for kind in range(7)]
    time = str(wall_clock())
    asked = [{"MessageId": id_, "Delivered": "true", "ConversionTime": time} for id_ in ids]
    form = "&".join(f"{name}={quote(value)}" for name, value in asked[3].items()).encode()
    return [
        v1(key, asked[0]),
        v1(key, asked[1], method="POST", form=True),
        v3(key, asked[2]),
        v3(key, {}, headers={"content-type": FORM}, body=form),
        v3(key, {}, headers={"content-type": "application/json"}, body=json.dumps(asked[4]).encode()),
        native(
            key, "messages", "application/json", json.dumps({"messages": [{"message_id": ids[5]}]}).encode()
        ),
        native(
            key,
            "conversions",
            "application/x-ndjson",
            json.dumps({"message_id": ids[6], "delivered": True}).encode(),
        ),
    ]


def mutated(request: bytes, chance: random.Random) -> bytes:
    """Return the request with one to three small changes anywhere in it."""
    changed = bytearray(request)
    for _ in range(chance.randint(1, 3)):
        if not changed:
            break
        place = chance.randrange(len(changed))
        match chance.randrange(6):
            case 0:
                changed[place] = chance.randrange(256)
            case 1:
                changed[place] ^= 1 << chance.randrange(8)
            case 2:
                del changed[place : place + chance.randint(1, 20)]
            case 3:
                changed[place:place] = changed[place : place + chance.randint(1, 40)]
            case 4:
                changed[place:place] = chance.choice(
                    [b"%", b"%00", b"%FF", b"&", b"=", b"\r\n", b"\0", b"+", b"\xc3\xa9", b": ", b"chunked"]
                )
            case 5:
                del changed[place:]
    return bytes(changed)


async def answer(url: str, request: bytes) -> tuple[int, bytes]:
    """Send bytes and return status and body of the first answer; 0 where there is none.

    A damaged request may look unfinished, and the server waits for the rest of it. When we end the sending it
    has to end the connection: that it does not is what a hang would be.
    """
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    got = b""
    try:
        writer.write(request)
        try:
            async with asyncio.timeout(UNFINISHED_S):
                while part := await reader.read(65536):
                    got += part
        except TimeoutError:
            writer.write_eof()
            async with asyncio.timeout(HANG_S):
                got += await reader.read()
    except ConnectionError:
        pass
    finally:
        writer.close()
    head, _, body = got.partition(b"\r\n\r\n")
    return (int(head.split(b" ", 2)[1]), body) if head.startswith(b"HTTP/1.") else (0, b"")


def recorded(status: int, body: bytes) -> int:
    """Return how many reports an answer acknowledges."""
    if status != 200:
        return 0
    if found := re.search(rb'"recorded":(\d+)', body):
        return int(found[1])
    return int(b'"ResponseCode":"OK"' in body.replace(b" ", b"") or b"<ResponseCode>OK" in body)


@pytest.mark.long("thousands of requests, and 1 s for each that looks unfinished")
@pytest.mark.rounds
def test_ten_thousand_damaged_requests_never_break_the_server_nor_get_in_unanswered(
    make_server: Callable[..., LocalServer],
) -> None:
    server = make_server(settings={"OTPCONV_LIMIT_FAILED_LOGINS": "off"})
    server.start()
    key = administrator(server)
    chance = random.Random(SEED)
    acknowledged = 0
    refused: set[str] = set()
    statuses: Counter[int] = Counter()

    async def client(share: int) -> None:
        nonlocal acknowledged
        for _ in range(share):
            number, kind = chance.randrange(1 << 40), chance.randrange(7)
            damaged = mutated(raw(requests_of(key, number)[kind]), chance)
            status, body = await answer(server.url, damaged)
            assert status < 500, (SEED, damaged, body)
            statuses[status] += 1
            acknowledged += recorded(status, body)
            if status >= 400:
                refused.add(f"valid-{number}-{kind}")

    async def play() -> None:
        await asyncio.gather(*(client(MUTATIONS // CONNECTIONS) for _ in range(CONNECTIONS)))

    asyncio.run(play())
    assert httpx.get(f"{server.url}/healthz").text == "ok\n"
    last = raw(v3(key, {"MessageId": "last", "Delivered": "true"}))
    assert recorded(*asyncio.run(answer(server.url, last))) == 1
    server.stop()
    with closing(SqliteLedgerReader(server.data / "ledger.sqlite")) as ledger:
        known = {message.message_id for message in ledger.messages(1)}
    assert not known & refused
    # Where bytes follow a request that are none, the connection may be gone before its answer has come.
    assert len(known) <= acknowledged + statuses[0] + 1
    assert sum(statuses.values()) == MUTATIONS
    assert statuses[400] > MUTATIONS / 4
    assert '"exception"' not in server.log.read_text()
    assert '"level":"error"' not in server.log.read_text()


CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
VALID = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"

FRAMING = {
    "two lengths": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "length and chunks": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n"
    b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk of no number": CHUNKED + b"zz\r\nab\r\n0\r\n\r\n",
    "a chunk too large": CHUNKED + b"ffffffffffffffff1\r\nab",
    "a negative length": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "an absolute target": b"GET http://elsewhere.example/ HTTP/1.1\r\nhost: x\r\n\r\n",
    "a query of 100 KB": b"GET /?" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    "a query of 1 MB": b"GET /?" + b"a" * 1_000_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    "a header of 1 MB": b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "ten thousand headers": b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 10_000 + b"\r\n",
    "garbage": bytes(range(256)) * 20,
    "a valid request and garbage": VALID + b"\0\1\2 garbage\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303"),
    "a method of its own": b"BREW / HTTP/1.1\r\nhost: x\r\n\r\n",
    "a body over the limit": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000\r\n\r\n",
    "a compressed body": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-encoding: gzip\r\n"
    b"content-length: 2\r\n\r\n\x1f\x8b",
}


@pytest.mark.parametrize("name", FRAMING)
def test_bad_framing_gets_a_4xx_or_a_closed_connection(server: LocalServer, name: str) -> None:
    status, _ = asyncio.run(answer(server.url, FRAMING[name]))
    assert status in {0, *range(400, 500)} or (status, name) == (200, "a valid request and garbage")
    assert httpx.get(f"{server.url}/healthz").text == "ok\n"
