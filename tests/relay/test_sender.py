"""What becomes of a feedback for each answer of a vendor, over real sockets."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults.bad_server import Answer, BadServer, Heard, hang, http, reset, saying
from otpconv.relay.bucket import Bucket
from otpconv.relay.calls import Calls
from otpconv.relay.kind import Kind
from otpconv.relay.sender import MAX_ROUND, STRIKES, Sender
from otpconv.storage.relay.contract import NewSend, RelayStore
from otpconv.storage.sqlite.relay import relay_file
from relay.vendors import KINDS, kind, vendor

NOW = 1_800_000_000_000
OK = saying(http(200, {}))
TIMEOUT_MS = 300


class Desk:
    """A sender to a vendor on this machine, with a clock of its own."""

    def __init__(self, store: RelayStore, server: BadServer, chosen: Kind) -> None:
        self.store = store
        self.now = NOW
        account = vendor(1, chosen.name, settings={"endpoint": server.url})
        self.calls = Calls(account, chosen, lambda: self.now, timeout_ms=TIMEOUT_MS)
        self.sender = Sender(account, chosen, store, self.calls, lambda: self.now)
        self.sender.begin()

    def add(self, *ids: str, until: int = NOW + 10**9) -> None:
        sends = [NewSend(1, name, 1, "received", NOW - 1, NOW - 1, NOW - 1, until) for name in ids]
        cursor = self.store.cursor()
        assert self.store.advance(cursor, cursor + 1, sends)

    def round(self, after_ms: int = 0) -> None:
        """Send a round now, whatever the breaker says."""
        self.now += after_ms
        self.sender.breaker.probe_now()
        self.sender.round()

    def status(self, message_id: str = "a") -> tuple[str, str]:
        (found,) = self.store.evidence(1, message_id)
        return found.status, found.code


@pytest.fixture
def server() -> Iterator[BadServer]:
    with BadServer() as running:
        running.answer = OK
        yield running


@pytest.fixture
def desk(tmp_path: Path, server: BadServer) -> Iterator[Callable[..., Desk]]:
    store = relay_file(tmp_path / "relay.sqlite")
    opened: list[Desk] = []

    def make(chosen: Kind | None = None) -> Desk:
        opened.append(Desk(store, server, chosen or KINDS["plain"]))
        return opened[-1]

    yield make
    for each in opened:
        each.sender.close()
    store.close()


def test_a_success_is_evidence_and_sent_once(desk: Callable[..., Desk], server: BadServer) -> None:
    opened = desk()
    opened.add("a", "b")
    opened.round()
    opened.round()
    assert (opened.status("a"), opened.status("b"), len(server.heard)) == (("sent", ""), ("sent", ""), 2)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (saying(http(500, {})), "HTTP 500"),
        (saying(http(503, {}, "retry-after: 2")), "HTTP 503"),
        (saying(http(429, {}, "retry-after: 2")), "HTTP 429"),
        (saying(http(302, b"", "location: https://elsewhere.example/")), "HTTP 302"),
        (saying(http(401, {})), "HTTP 401"),
        (saying(b"SSH-2.0-OpenSSH_9.6\r\n", stays=False), "NoAnswer"),
        (hang, "Unreachable"),
        (reset, "NoAnswer"),
    ],
    ids=["error", "unavailable", "throttled", "redirect", "wrong key", "not HTTP", "hang", "reset"],
)
def test_what_is_not_taken_waits(
    desk: Callable[..., Desk], server: BadServer, answer: Answer, code: str
) -> None:
    opened = desk()
    opened.add("a", "b")
    server.answer = answer
    for _ in range(STRIKES + 2):
        opened.round(after_ms=10_000)
    assert opened.status() == ("waiting", code)
    assert opened.sender.breaker.wait_s() > 0
    assert opened.store.contacts()[1].error.startswith(code)
    server.answer = OK
    opened.round(after_ms=100_000)
    opened.round(after_ms=100_000)
    assert (opened.status("a"), opened.status("b")) == (("sent", ""), ("sent", ""))
    assert opened.store.contacts()[1].error == ""


def test_a_vendor_that_is_down_loses_nothing(desk: Callable[..., Desk], server: BadServer) -> None:
    opened = desk()
    server.stop()
    opened.add(*(f"m{number}" for number in range(20)))
    for _ in range(10):
        opened.round(after_ms=3_600_000)
    assert opened.store.counts()[1] == {"waiting": 20}
    server.start()
    for _ in range(3):
        opened.round(after_ms=3_600_000)
    assert opened.store.counts()[1] == {"sent": 20}


def test_a_refusal_is_a_dead_letter(desk: Callable[..., Desk], server: BadServer) -> None:
    opened = desk()
    opened.add("a")
    server.answer = saying(http(400, {}, "x-code: BadMessageId"))
    opened.round()
    assert opened.status() == ("dead", "BadMessageId")


def test_the_retry_after_of_a_vendor_is_kept(desk: Callable[..., Desk], server: BadServer) -> None:
    opened = desk()
    opened.add("a")
    server.answer = saying(http(429, {}, "retry-after: 7"))
    opened.round()
    assert 6 < opened.sender.round() <= 7
    assert len(server.heard) == 1


def test_one_that_fails_alone_delays_no_other(desk: Callable[..., Desk], server: BadServer) -> None:
    def answer(running: BadServer, heard: Heard, connection: object) -> bool:
        what = saying(http(500, {})) if b'"bad"' in heard.body else OK
        return what(running, heard, connection)  # type: ignore[arg-type]

    server.answer = answer
    opened = desk()
    opened.add("bad", *(f"m{number}" for number in range(30)))
    for number in range(12):
        opened.round(after_ms=60_000)
        opened.add(f"more{number}")
    assert opened.status("bad") == ("dead", "HTTP 500")
    assert opened.store.counts()[1]["sent"] >= 30


@pytest.mark.parametrize("answer", [hang, reset], ids=["hang", "reset"])
def test_a_harmful_repeat_is_not_sent_when_the_answer_is_missing(
    desk: Callable[..., Desk], server: BadServer, answer: Answer
) -> None:
    opened = desk(KINDS["harmful"])
    opened.add("a")
    server.answer = answer
    opened.round()
    server.answer = OK
    opened.round(after_ms=10**6)
    assert (opened.status(), len(server.heard)) == (("unknown", "UnknownOutcome"), 1)
    assert opened.store.retry(1, "a", opened.now) == 1
    opened.round()
    assert opened.status() == ("sent", "")


def test_a_harmful_feedback_waits_while_nothing_listens(desk: Callable[..., Desk], server: BadServer) -> None:
    opened = desk(KINDS["harmful"])
    opened.add("a")
    server.stop()
    opened.round()
    assert opened.status() == ("waiting", "Unreachable")
    server.start()
    opened.round(after_ms=10**6)
    assert (opened.status(), len(server.heard)) == (("sent", ""), 1)


def test_a_claimed_feedback_of_a_relay_that_crashed_is_unknown(
    desk: Callable[..., Desk], server: BadServer
) -> None:
    opened = desk(KINDS["harmful"])
    opened.add("a")
    assert opened.store.claim(1, NOW, 10)
    desk(KINDS["harmful"])
    assert (opened.status(), server.heard) == (("unknown", "UnknownOutcome"), [])


def test_what_is_too_late_expires(desk: Callable[..., Desk], server: BadServer) -> None:
    opened = desk()
    opened.add("a", until=NOW + 1_000)
    opened.round(after_ms=2_000)
    assert (opened.status(), server.heard) == (("expired", ""), [])


def test_a_call_has_as_many_feedbacks_as_the_vendor_takes(
    desk: Callable[..., Desk], server: BadServer
) -> None:
    opened = desk(KINDS["batched"])
    opened.add(*(f"m{number}" for number in range(25)))
    opened.round()
    assert (len(server.heard), opened.store.counts()[1]) == (3, {"sent": 25})


def test_a_round_has_a_bound(desk: Callable[..., Desk]) -> None:
    opened = desk(KINDS["batched"])
    opened.add(*(f"m{number}" for number in range(MAX_ROUND + 5)))
    opened.round()
    assert opened.store.counts()[1] == {"sent": MAX_ROUND, "waiting": 5}


def test_the_limit_of_a_vendor_is_kept(desk: Callable[..., Desk], server: BadServer) -> None:
    opened = desk(kind("limited", per_second=100))
    opened.add(*(f"m{number}" for number in range(60)))
    began = time.monotonic()
    opened.round()
    # At least this long: a busy machine is slower.
    assert (time.monotonic() - began >= 0.5, len(server.heard)) == (True, 60)


@pytest.mark.parametrize("per_second", [1, 7, 100, 500, 1_000])
def test_no_second_has_more_calls_than_the_limit(per_second: int) -> None:
    now = [0.0]
    bucket = Bucket(per_second, lambda: now[0])
    times = []
    for _ in range(3 * per_second + 3):
        now[0] += bucket.take()
        times.append(now[0])
    # A limit of a few a second may begin with one more.
    most = max(sum(start <= at < start + 1 for at in times) for start in times)
    assert most <= max(per_second, 2)
    assert times[-1] <= 3.2 + 3 / per_second
