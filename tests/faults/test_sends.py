"""Many messages, and every fault of a vendor: none is sent twice, and all that it took are recorded."""

import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from campaigns import rounds
from cli.commands import Run, client_of, otpconv
from faults.bad_server import Answer, BadServer, Heard, hang, http, reset, saying, trickle
from faults.sms_vendor import SmsVendor, tls_of
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.relay.passing import MAX_CALLS
from web.shop import GLOBE, HONG_KONG, Shop
from web.wire import administrator, connect, exchange, v3

#: Faults by name, and how many of a thousand messages have each.
FAULTS: dict[str, tuple[Answer, int]] = {
    "hang": (hang, 4),
    "trickle": (trickle, 4),
    "reset": (reset, 60),
    "closed": (saying(b"", stays=False), 60),
    "half": (saying(http(200, b"{", length=99), stays=False), 30),
    "no http": (saying(b"SMTP 220\r\n\r\n", stays=False), 30),
    "huge": (saying(http(200, b"x" * 300_000)), 10),
    "redirect": (saying(http(307, b"", "location: /")), 30),
    "down": (saying(http(503, {"Code": "ServiceUnavailable"})), 60),
    "busy": (saying(http(400, {"Code": "Throttling.User"}, "x-acs-retry-after: 1")), 60),
    "garbage": (saying(http(200, b"\xff")), 30),
}
#: Of a hundred connections, the vendor closes so many before it reads from them.
CUT = 5
#: Of a hundred clients, so many go away before the answer.
IMPATIENT = 5
CLIENTS = 16


@pytest.fixture
def shop(at: Run, server: LocalServer, key: AccessKey, tmp_path: Path) -> Iterator[Shop]:
    with closing(Shop(at, server, key, tmp_path)) as made:
        yield made


@pytest.mark.rounds
@pytest.mark.long("10,000 messages in the long form")
def test_no_message_is_sent_twice_and_each_that_was_taken_is_recorded(
    shop: Shop, eventually: Callable[[Callable[[], object], object], None]
) -> None:
    chance = random.Random(14)
    count = rounds(10_000)
    shop.create("alibaba", send_timeout_s="1")
    names = [*FAULTS, "well"]
    weights = [share for _, share in FAULTS.values()]
    kinds = chance.choices(names, [*weights, 1_000 - sum(weights)], k=count)
    cuts = random.Random(15)
    shop.vendor.cut = lambda: cuts.random() * 100 < CUT
    shop.vendor.faults = {
        f"m{number}": FAULTS[kind][0] for number, kind in enumerate(kinds) if kind in FAULTS
    }
    impatient = {number for number in range(count) if chance.random() * 100 < IMPATIENT}

    def one(number: int) -> str:
        request = v3(shop.key, {"To": HONG_KONG, "Message": f"m{number}"}, headers=GLOBE)
        with closing(connect(shop.server.url)) as connection:
            if number in impatient:
                connection.request(request.method, request.target, headers=dict(request.headers))
                assert isinstance(connection.sock, socket.socket)
                return "gone"
            reply = exchange(connection, request)
            text = reply.body.decode("latin-1")
        if "may have been sent" in text:
            return "unknown"
        return "accepted" if '"OK"' in text else f"{reply.status}"

    with ThreadPoolExecutor(CLIENTS) as threads:
        outcomes = [*threads.map(one, range(count))]
    taken = {f"m{number}" for number, kind in enumerate(kinds) if kind == "well"}
    eventually(shop.requested, sum(shop.vendor.messages[text] for text in taken))
    sent = shop.vendor.messages
    assert max(sent.values()) == 1
    for number, (outcome, kind) in enumerate(zip(outcomes, kinds, strict=True)):
        came = sent[f"m{number}"]
        if outcome == "accepted":
            assert (came, kind) == (1, "well")
        elif outcome in {"200", "400", "503"}:
            assert (came, kind in {"down", "busy", "garbage"}) == (1, True)
        else:
            assert outcome in {"unknown", "gone"}
    assert len(Counter(outcomes)) == 6


def test_answers_do_not_wait_for_a_vendor_that_hangs(shop: Shop) -> None:
    """While a vendor account has all its calls on their way, others send, and reports are recorded."""
    shop.create("alibaba", send_timeout_s="30")
    shop.create("twilio", "second")
    waiting = ThreadPoolExecutor(MAX_CALLS)
    started = Gate(MAX_CALLS)
    shop.vendor.faults = {f"m{number}": started for number in range(MAX_CALLS)}
    try:
        replies = [waiting.submit(shop.globe, f"m{number}") for number in range(MAX_CALLS)]
        started.wait()
        reply = shop.globe("one more")
        assert (reply.status, reply.json["Code"]) == (400, "Throttling.User")
        assert "was not sent" in reply.json["Message"]
        assert shop.vendor.messages["one more"] == 0
        assert shop.twilio("other").status_code == 201
        report = {"message_id": "r", "delivered": True}
        assert shop.own.post("/v1/conversions", json={"conversions": [report]}).json()["recorded"] == 1
        started.open()
        assert {each.result().status for each in replies} == {200}
        assert shop.globe("one more").status == 200
    finally:
        started.open()
        waiting.shutdown()


def test_a_stop_waits_for_a_message_on_its_way_and_records_it(
    make_server: Callable[..., LocalServer], tmp_path: Path
) -> None:
    settings = {"SSL_CERT_FILE": str(tmp_path / "vendor.pem")}
    server = make_server(settings=settings)
    with SmsVendor(tls_of(tmp_path)) as vendor, ThreadPoolExecutor(1) as thread:
        server.start()
        key = administrator(server)
        at = partial(otpconv, **client_of(server))
        with closing(Shop(at, server, key, tmp_path)) as shop:
            shop.create("alibaba", endpoint=vendor.url)
            gate = Gate(1)
            vendor.faults["last"] = gate
            reply = thread.submit(shop.globe, "last")
            gate.wait()
            stopping = threading.Thread(target=server.stop)
            stopping.start()
            gate.open(http(200, {"ResponseCode": "OK", "MessageId": "last-id"}))
            assert reply.result().status == 200
            stopping.join()
    server.start()
    with closing(Shop(at, server, key, tmp_path)) as shop:
        found = shop.known("last-id")
        assert found is not None
        assert found["provider"] == "by-main"


class Gate:
    """An answer that comes once the gate is open."""

    def __init__(self, count: int) -> None:
        self._came = threading.Barrier(count + 1)
        self._open = threading.Event()
        self._answer = http(200, {"ResponseCode": "REFUSED"})

    def __call__(self, server: BadServer, heard: Heard, connection: socket.socket) -> bool:
        del server, heard
        self._came.wait(30)
        self._open.wait(30)
        connection.sendall(self._answer)
        return True

    def wait(self) -> None:
        self._came.wait(30)

    def open(self, answer: bytes = b"") -> None:
        self._answer = answer or self._answer
        self._open.set()
