"""The applier: reports in the journal are in the ledger a moment later, whatever happens in between."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ledger.reports import DAY
from otpconv.errors import Unavailable
from otpconv.ledger import applier as applier_module
from otpconv.ledger.applier import BATCH, Applier
from otpconv.model import Conversion, Requested
from otpconv.storage.contract import LedgerWriter
from storage.engines import Storage

#: Far more than anything here takes, s, so that a slow machine does not fail a test.
PATIENCE_S = 20.0


def soon(condition: Callable[[], bool], within_s: float = PATIENCE_S) -> bool:
    """Tell whether the condition comes true in time."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


class Troubled:
    """A real writer with a storage that fails on demand, and a note of which threads used it."""

    def __init__(self, writer: Callable[[], LedgerWriter]) -> None:
        self._open = writer
        self.failing_to_open = False
        self.failing_to_apply = False
        self.longest = BATCH
        self.failures = 0
        self.opened = threading.Event()
        self.threads: set[str] = set()
        self.closed = 0

    def open(self) -> LedgerWriter:
        self._note(self.failing_to_open)
        self._writer = self._open()
        self.opened.set()
        return self

    def apply(self, limit: int) -> int:
        self._note(self.failing_to_apply or limit > self.longest)
        return self._writer.apply(limit)

    def cursor(self) -> int:
        return self._writer.cursor()

    def close(self) -> None:
        self._note(failing=False)
        self.closed += 1
        self._writer.close()

    def _note(self, failing: bool) -> None:  # noqa: FBT001
        self.threads.add(threading.current_thread().name)
        if failing:
            self.failures += 1
            raise Unavailable("The disk is on fire.")


@pytest.fixture
def troubled(storage: Storage) -> Troubled:
    return Troubled(storage.new_ledger_writer)


@pytest.fixture
def applier(troubled: Troubled, monkeypatch: pytest.MonkeyPatch) -> Iterator[Applier]:
    monkeypatch.setattr(applier_module, "RETRY_S", 0.02)
    made = Applier(troubled.open, 0, measured=lambda *_: None)
    yield made
    troubled.failing_to_open = troubled.failing_to_apply = False
    made.stop(PATIENCE_S)


def messages(first: int, last: int) -> list[Requested]:
    return [Requested(1, f"{n}", DAY + n) for n in range(first, last)]


def test_it_begins_with_what_an_earlier_process_left(storage: Storage, applier: Applier) -> None:
    storage.append(*messages(0, 3))
    applier.start()
    assert soon(lambda: applier.applied == 3)
    assert len(list(storage.ledger.messages(1))) == 3


def test_it_catches_up_with_many_batches(
    storage: Storage, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applier_module, "BATCH", 10)
    storage.append(*messages(0, 95))
    applier.start()
    assert soon(lambda: applier.applied == 95)


def test_it_knows_its_place_when_there_is_nothing_to_apply(storage: Storage, applier: Applier) -> None:
    storage.record(*messages(0, 3))
    applier.start()
    assert soon(lambda: applier.applied == 3)


def test_a_report_is_visible_soon_after_its_notice(storage: Storage, applier: Applier) -> None:
    applier.start()
    for n in range(5):
        storage.append(*messages(n, n + 1))
        applier.notify()
        assert soon(lambda n=n: storage.ledger.message(1, f"{n}") is not None)  # type: ignore[misc]
        assert applier.applied == n + 1 or soon(lambda n=n: applier.applied == n + 1)  # type: ignore[misc]


def test_no_notice_is_lost_however_they_come(storage: Storage, applier: Applier) -> None:
    applier.start()
    for n in range(300):
        storage.append(*messages(n, n + 1))
        applier.notify()
        if n % 60 == 0:
            time.sleep(0.05)
    assert soon(lambda: applier.applied == 300)


def test_stop_applies_what_nobody_had_told_of(storage: Storage, applier: Applier, troubled: Troubled) -> None:
    applier.start()
    assert soon(lambda: bool(troubled.threads))
    storage.append(*messages(0, 7))
    applier.stop(PATIENCE_S)
    assert applier.applied == 7 == storage.writer.cursor()
    assert troubled.closed == 1


def test_the_writer_is_opened_used_and_closed_in_one_thread(applier: Applier, troubled: Troubled) -> None:
    applier.start()
    applier.stop(PATIENCE_S)
    assert troubled.threads == {"applier"}
    assert troubled.closed == 1


def test_while_the_storage_fails_it_says_why_and_then_goes_on(
    storage: Storage, applier: Applier, troubled: Troubled, caplog: pytest.LogCaptureFixture
) -> None:
    applier.start()
    assert soon(lambda: bool(troubled.threads) and applier.failed is None)
    troubled.failing_to_apply = True
    applier.notify()
    assert soon(lambda: troubled.failures > 0)  # so no call from before is still under way
    storage.append(*messages(0, 3))
    assert soon(lambda: troubled.failures > 2)
    assert applier.failed == "The disk is on fire."
    assert applier.applied == 0
    troubled.failing_to_apply = False
    assert soon(lambda: applier.applied == 3)
    assert soon(lambda: applier.failed is None)
    assert [record.levelname for record in caplog.records if record.name == applier_module.__name__] == [
        "ERROR"
    ]


def test_a_batch_that_takes_too_long_is_applied_in_parts(
    storage: Storage, applier: Applier, troubled: Troubled
) -> None:
    troubled.longest = BATCH // 4
    storage.append(*messages(0, BATCH))
    applier.start()
    assert soon(lambda: applier.applied == BATCH)
    assert troubled.failures >= 2


def test_a_storage_that_can_not_be_opened_yet_is_tried_again(
    storage: Storage, applier: Applier, troubled: Troubled
) -> None:
    troubled.failing_to_open = True
    storage.append(*messages(0, 3))
    applier.start()
    assert soon(lambda: troubled.failures > 1)
    assert applier.failed == "The disk is on fire."
    troubled.failing_to_open = False
    assert soon(lambda: applier.applied == 3)
    assert soon(lambda: applier.failed is None)


@pytest.mark.parametrize("trouble", ["failing_to_open", "failing_to_apply"])
def test_stop_does_not_wait_for_a_storage_that_goes_on_failing(
    storage: Storage, applier: Applier, troubled: Troubled, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(applier_module, "RETRY_S", 10 * PATIENCE_S)
    setattr(troubled, trouble, True)
    storage.append(*messages(0, 3))
    applier.start()
    assert soon(lambda: troubled.failures >= 1)
    before = time.monotonic()
    applier.stop(PATIENCE_S)
    assert time.monotonic() - before < PATIENCE_S / 2
    assert storage.writer.cursor() == 0
    assert not [thread for thread in threading.enumerate() if thread.name == "applier"]


def test_a_reader_beside_it_sees_the_ledger_only_grow(storage: Storage, applier: Applier) -> None:
    applier.start()
    stop = threading.Event()
    seen: list[tuple[int, int]] = []

    def read() -> None:
        ledger = storage.new_ledger()
        while not stop.is_set():
            held = list(ledger.messages(1))
            seen.append((len(held), sum(message.verified_at is not None for message in held)))
        ledger.close()

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(150):
        storage.append(
            Requested(1, f"{n}", DAY),
            Conversion(1, delivered=True, conversion_time=DAY + 1, message_id=f"{n}"),
        )
        applier.notify()
    done = soon(lambda: applier.applied == 300) and soon(lambda: bool(seen) and seen[-1] == (150, 150))
    stop.set()
    reader.join()
    assert done
    assert seen == sorted(seen)


def test_it_begins_at_the_ledgers_own_position_and_measures_only_what_it_applies(storage: Storage) -> None:
    storage.record(*messages(0, 5_000))
    storage.append(*messages(5_000, 5_003))
    measured: list[int] = []
    applier = Applier(
        storage.new_ledger_writer, storage.writer.cursor(), measured=lambda count, _: measured.append(count)
    )
    assert applier.applied == 5_000  # before the thread has opened anything
    applier.start()
    assert soon(lambda: applier.applied == 5_003)
    applier.stop(PATIENCE_S)
    assert measured == [3]


def test_entries_that_nobody_announces_one_after_the_other_are_applied_without_a_pause(
    storage: Storage, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applier_module, "PAUSE_S", 10 * PATIENCE_S)
    monkeypatch.setattr(applier_module, "LOOK_S", 10 * PATIENCE_S)
    storage.append(*messages(0, 1))
    applier.start()
    for n in range(1, 20):
        assert soon(lambda n=n: applier.applied == n)  # type: ignore[misc]
        storage.append(*messages(n, n + 1))


def test_who_waits_shortens_the_pause(
    storage: Storage, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applier_module, "PAUSE_S", 10 * PATIENCE_S)
    applier.start()
    for n in range(1, 20):
        storage.append(*messages(n, n + 1))
        applier.notify()
        applier.hurry(n)
        assert soon(lambda n=n: applier.applied == n)  # type: ignore[misc]


def test_however_many_wait_applying_takes_a_bounded_share_of_the_time(
    storage: Storage, troubled: Troubled, monkeypatch: pytest.MonkeyPatch
) -> None:
    took_s = 0.01
    apply = troubled.apply
    calls: list[float] = []
    cursors = [0]

    def slow(limit: int) -> int:
        began = time.monotonic()
        time.sleep(took_s)
        cursors.append(apply(limit))
        if cursors[-1] > cursors[-2]:
            calls.append(began)
        return cursors[-1]

    monkeypatch.setattr(troubled, "apply", slow)
    applier = Applier(troubled.open, 0, measured=lambda *_: None)
    applier.start()
    end = time.monotonic() + 1
    n = 0
    while time.monotonic() < end or len(calls) < 6:
        n += 1
        position = storage.append(*messages(n, n + 1))
        applier.notify()
        applier.hurry(position)
        time.sleep(0.001)
    applier.stop(PATIENCE_S)
    assert applier.applied == n
    least_s = (1 + applier_module.RESTS) * took_s
    gaps = [later - earlier for earlier, later in itertools.pairwise(calls[:-3])]
    assert min(gaps) > 0.9 * least_s
    assert len(calls) < 1.5 / least_s


def test_who_waits_during_a_long_transaction_waits_less_than_the_long_pause(
    storage: Storage, troubled: Troubled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applier_module, "LONG_PAUSE_S", 10 * PATIENCE_S)
    apply = troubled.apply

    def slow(limit: int) -> int:
        time.sleep(2 * applier_module.PAUSE_S)
        return apply(limit)

    monkeypatch.setattr(troubled, "apply", slow)
    applier = Applier(troubled.open, 0, measured=lambda *_: None)
    applier.start()
    for n in range(1, 4):
        storage.append(*messages(n, n + 1))
        applier.notify()
        applier.hurry(n)
        assert soon(lambda n=n: applier.applied == n)  # type: ignore[misc]
    applier.stop(PATIENCE_S)


class Lease:
    """The lease of the ledger, which another node may hold."""

    shared = True

    def __init__(self, *, held: bool) -> None:
        self.held = held

    def holds(self, name: str) -> bool:
        assert name == "ledger"
        return self.held


def test_without_the_lease_it_watches_how_far_another_node_is(
    storage: Storage, troubled: Troubled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applier_module, "LOOK_S", 10 * PATIENCE_S)
    lease = Lease(held=False)
    applier = Applier(troubled.open, 0, measured=lambda *_: None, leases=lease)
    moves: list[int] = []
    applier.moved = lambda: moves.append(applier.applied)
    applier.start()
    assert troubled.opened.wait(PATIENCE_S)  # to open a ledger takes its lock
    for n in range(1, 5):
        position = storage.append(*messages(n, n + 1))
        applier.notify()
        applier.hurry(position)  # a question waits, and so it looks often
        assert applier.applied < position
        storage.writer.apply(10)  # the other node
        assert soon(lambda n=n: applier.applied == n)  # type: ignore[misc]
    assert moves == [1, 2, 3, 4]
    storage.append(*messages(9, 10))
    applier.stop(PATIENCE_S)
    assert storage.writer.cursor() == 4  # it leaves the rest to the other node


def test_it_applies_once_it_has_the_lease_and_stops_when_it_has_lost_it(
    storage: Storage, troubled: Troubled
) -> None:
    lease = Lease(held=False)
    applier = Applier(troubled.open, 0, measured=lambda *_: None, leases=lease)
    storage.append(*messages(0, 3))
    applier.start()
    lease.held = True
    assert soon(lambda: applier.applied == 3)
    storage.append(*messages(3, 5))  # of another node, which announces nothing here
    assert soon(lambda: applier.applied == 5)
    lease.held = False
    storage.append(*messages(5, 6))
    applier.notify()
    storage.writer.apply(10)
    assert soon(lambda: applier.applied == 6)
    applier.stop(PATIENCE_S)


def test_a_fault_of_ours_is_told_once_and_applying_goes_on_as_soon_as_it_is_over(
    storage: Storage,
    applier: Applier,
    troubled: Troubled,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    apply = troubled.apply
    monkeypatch.setattr(troubled, "apply", lambda limit: 1 // (limit - limit))
    storage.append(*messages(0, 1))
    applier.start()
    assert soon(lambda: applier.failing_s() > 0.1)
    assert "ZeroDivisionError" in str(applier.failed)
    assert caplog.text.count("Traceback") == 1
    monkeypatch.setattr(troubled, "apply", apply)
    assert soon(lambda: applier.applied == 1)
    assert soon(lambda: applier.failing_s() == 0)
    assert "applying goes on" in caplog.text
