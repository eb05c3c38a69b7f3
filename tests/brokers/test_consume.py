"""`otpconv consume`: published reports are in the ledger once, whichever process is killed in between."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from brokers.conftest import Consume
from brokers.processes import BROKERS, Broker, free_port
from brokers.test_publishing import reports, until_delivered
from campaigns import parameters, rounds
from cli.commands import Run
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.delivery.brokers.transport import broker_transport
from otpconv.delivery.reports import MESSAGE, Report, conversion, requested
from otpconv.delivery.transport import DELIVERED, Fate, Transport
from otpconv.service.opening import open_key_store

Eventually = Callable[[Callable[[], object], object], None]
Said = tuple[dict[str, int], str]

#: Messages, each with its conversion; and how many consumers are killed while they read them.
MESSAGES, KILLS = rounds(4000, at_least=1000), rounds(2, at_least=1)


#: Faults are the same whatever the broker is; what each broker keeps is tested with each.
faults = pytest.mark.parametrize(
    "broker", parameters([*BROKERS], ["nats-server"], "the fault on other brokers"), indirect=True
)


def counted(client: httpx.Client) -> Callable[[], tuple[int, int]]:
    """Reads how many messages are requested and verified."""

    def read() -> tuple[int, int]:
        window = {"start": 1_700_000_000_000 - 3_600_000, "end": 1_700_000_000_000 + 3_600_000}
        (row,) = client.get("/v1/rates", params=window).json()["rows"]
        return row["requested"], row["verified"]

    return read


def checked(done: "subprocess.CompletedProcess[str]", code: int) -> Said:
    """Check how a consumer ended; return its counts and what it said to people."""
    assert done.returncode == code, done.stderr
    assert "pass-word" not in done.stderr
    return json.loads(done.stdout) if done.stdout else {}, done.stderr


def ended(consumer: "subprocess.Popen[str]", code: int = 0) -> Said:
    """Wait until the process of a consumer ends by itself."""
    out, said = consumer.communicate(timeout=30)
    return checked(subprocess.CompletedProcess(consumer.args, consumer.returncode, out, said), code)


def consumed(at: Run, url: str, code: int = 0, **settings: str) -> Said:
    """Consume what waits, in the process of the tests."""
    return checked(at("consume", url, "--once", "--json", "--redeliver-after", "1", **settings), code)


def takes_a_signal(pid: int, number: signal.Signals) -> bool:
    """Tell whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def stopped(consumer: "subprocess.Popen[str]") -> Said:
    """Stop a consumer as an operator does, once it has started: it may have had nothing to do."""
    deadline = time.monotonic() + 30
    while not takes_a_signal(consumer.pid, signal.SIGTERM):
        assert consumer.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    consumer.send_signal(signal.SIGTERM)
    return ended(consumer)


def test_what_is_published_twice_is_in_the_ledger_once(
    transport: Transport, url: str, at: Run, own: httpx.Client, eventually: Eventually
) -> None:
    transport.send(reports(300))
    transport.send([*reports(300), *reports(10, first=300)])
    counts, _ = consumed(at, url)
    # A broker that knows a message by its hash does not take it twice.
    assert (counts["recorded"], counts["unchanged"] in {0, 600}, counts["rejected"]) == (620, True, 0)
    eventually(counted(own), (310, 310))


@faults
@pytest.mark.long("thousands of reports, and consumers that start")
@pytest.mark.rounds
def test_consumers_that_are_killed_lose_nothing_and_nothing_counts_twice(
    transport: Transport, url: str, start_consumer: Consume, own: httpx.Client, eventually: Eventually
) -> None:
    for first in range(0, MESSAGES, 500):
        assert transport.send(reports(500, first=first)) == [DELIVERED] * 1000
    for times in range(KILLS):
        consumer = start_consumer(url)
        deadline = time.monotonic() + 30
        while counted(own)()[0] <= 500 * times:
            assert consumer.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        consumer.kill()
    together = [start_consumer(url), start_consumer(url)]
    eventually(counted(own), (MESSAGES, MESSAGES))
    for consumer in together:
        assert stopped(consumer)[0]["rejected"] == 0


@faults
@pytest.mark.long("a server starts twice, and a consumer waits for it")
def test_messages_wait_while_the_server_is_away_and_it_is_said_once(
    transport: Transport, url: str, start_consumer: Consume, tmp_path: Path
) -> None:
    port = free_port()
    server = LocalServer(tmp_path / "data", port=port)
    with closing(open_key_store(load(data=server.data))) as store:
        key = store.create("default", "admin", "AdministratorAccess")
    access = {"OTPCONV_ACCESS_KEY_ID": key.access_key_id, "OTPCONV_ACCESS_KEY_SECRET": key.secret}
    consumer = start_consumer(url, OTPCONV_ENDPOINT=f"http://127.0.0.1:{port}", **access)
    transport.send(reports(5))
    assert consumer.stderr is not None
    assert consumer.stderr.readline().startswith("otpconv: waiting: ")
    time.sleep(1)
    with server, httpx.Client(base_url=server.url, auth=(key.access_key_id, key.secret)) as client:
        deadline = time.monotonic() + 30
        while counted(client)() != (5, 5):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        counts, said = stopped(consumer)
    # A message held for longer than --redeliver-after may come again, and changes nothing.
    assert (counts["recorded"], counts["rejected"]) == (10, 0)
    assert "waiting: " not in said
    assert said.count("going on") == 1


def test_what_can_not_be_recorded_is_set_aside_with_the_reason_and_stops_nothing(
    broker: Broker, stream: str, transport: Transport, at: Run, own: httpx.Client
) -> None:
    far_future = Report(0, conversion("m0", delivered=True, conversion_time=200_000_000_000_000, to=None))
    no_number = Report(0, conversion(None, delivered=True, conversion_time=1_700_000_000_000, to="00000"))
    no_event = Report(0, b'{"message_id":\n"m0"}')
    transport.send([no_event, *reports(2), far_future, no_number])
    counts, _ = consumed(at, broker.url(stream))
    assert counts == {"recorded": 4, "unchanged": 0, "rejected": 3, "ignored": 0}
    assert own.get("/v1/messages/m1").json()["verified"]
    aside = broker.ask(lambda: broker.waiting(f"{stream}.rejected"))
    assert {body: reason.partition(":")[0] for body, reason in aside} == {
        no_event.event: "Malformed",
        far_future.event: "InvalidTime",
        no_number.event: "InvalidNumber",
    }
    assert broker.ask(lambda: broker.waiting(stream)) == []


def test_a_message_whose_number_can_not_be_read_is_recorded_without_it_and_counted(
    url: str, transport: Transport, at: Run, own: httpx.Client
) -> None:
    unreadable = requested("262900001111222233^0", 1_700_000_000_000, "00000", {"provider": "acme"})
    transport.send([Report(MESSAGE, unreadable)])
    counts, _ = consumed(at, url)
    assert counts == {"recorded": 1, "unchanged": 0, "rejected": 0, "ignored": 1}
    assert own.get("/v1/messages/262900001111222233%5E0").json()["provider"] == "acme"


@faults
@pytest.mark.long("the broker starts a second time")
def test_a_broker_that_is_killed_loses_nothing_and_both_sides_find_it_again(
    broker: Broker, url: str, start_consumer: Consume, own: httpx.Client, eventually: Eventually
) -> None:
    transport = broker_transport(url, timeout_ms=5000)
    assert transport.send(reports(1)) == [DELIVERED] * 2
    consumer = start_consumer(url)
    eventually(counted(own), (1, 1))
    consumer.send_signal(signal.SIGSTOP)
    assert transport.send(reports(2)) == [DELIVERED] * 4
    broker.kill()
    consumer.send_signal(signal.SIGCONT)
    assert {outcome.fate for outcome in transport.send(reports(1, first=2))} == {Fate.FAILED}
    assert {outcome.fate for outcome in transport.send(reports(1, first=2))} == {Fate.FAILED}
    time.sleep(0.5)
    broker.start()
    until_delivered(transport, reports(1, first=2))
    eventually(counted(own), (3, 3))
    _, said = stopped(consumer)
    assert said.count("waiting: ") == 1
    transport.close()


@pytest.mark.parametrize("broker", ["nats-server"], indirect=True)
def test_who_is_once_needed_and_away_leaves_the_messages_where_they_are(
    transport: Transport, url: str, at: Run
) -> None:
    transport.send(reports(1))
    assert "can't be reached" in consumed(at, url, code=3, endpoint="http://127.0.0.1:1")[1]
    time.sleep(1)
    assert "BadCredentials" in consumed(at, url, code=1, access_key_secret="wrong")[1]  # noqa: S106
    time.sleep(1)
    assert consumed(at, url)[0] == {
        "recorded": 2, "unchanged": 0, "rejected": 0, "ignored": 0,
    }  # fmt: skip


@pytest.mark.parametrize("scheme", parameters(["amqp", "kafka"], ["amqp"], "another library"))
def test_a_broker_that_is_away_is_said_in_one_line_without_the_password(
    scheme: str, start_consumer: Consume
) -> None:
    _, said = ended(start_consumer(f"{scheme}://user:pass-word@127.0.0.1:1", "--once"), code=3)
    assert said.startswith(f"otpconv: {scheme}://127.0.0.1:1?stream=otpconv.reports can't be reached (")
    assert said.count("\n") == 1


def test_a_url_of_no_broker_is_wrong_usage(at: Run) -> None:
    assert "a broker's URL is" in consumed(at, "http://user:pass-word@host", code=2)[1]
