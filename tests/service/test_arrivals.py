"""What the detectors get to know of when reports arrive: a bounded sample of the journal, on each engine."""

import math
from collections.abc import Collection
from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from otpconv.alerts.arriving import ArrivalFacts
from otpconv.errors import Misconfigured, Unavailable
from otpconv.ledger.erasing import Eraser
from otpconv.model import Conversion, Dimensions, Expiry, Requested, SelfReportedRate, Timing
from otpconv.receipts import Receipt, ReceiptStatus
from otpconv.service import arrivals
from otpconv.service.arrivals import CHUNK, MAX_CHUNKS, Arrivals, chunks
from otpconv.storage.contract import MINUTE_MS
from otpconv.storage.journal import JournalEntry
from storage.engines import NOW, Storage


class Clock:
    now = NOW

    def __call__(self) -> int:
        return self.now


def sampled(storage: Storage) -> tuple[Arrivals, Clock]:
    """Begin to sample at the end of a journal."""
    clock = Clock()
    made = Arrivals(storage.journal, storage.ledger.look_up, clock)
    assert made.of(1) == []
    clock.now += MINUTE_MS
    return made, clock


def message(name: str, at: int = NOW, key: str = "app", number: str = "", account: int = 1) -> Requested:
    return Requested(account, name, at, Dimensions(country="DE", access_key=key), number=number)


def true(name: str, at: int, timing: Timing = Timing.GIVEN, number: str = "") -> Conversion:
    return Conversion(1, delivered=True, conversion_time=at, message_id=name, number=number, timing=timing)


def by_name(facts: Collection[ArrivalFacts]) -> dict[tuple[str, str], list[tuple[int, int]]]:
    return {(each.access_key, each.what): [*each.reports] for each in facts}


def test_reports_of_each_key_come_with_their_times_once(storage: Storage) -> None:
    storage.append(message("before"))
    reader, clock = sampled(storage)
    storage.append(message("a"), message("b", key="job"), message("c", account=2), recorded_at=NOW + 7)
    storage.append(message("d", number="f" * 32), message("e", key=""), recorded_at=NOW + 8)
    storage.append(true("b", NOW + 20), true("a", NOW + 30), recorded_at=NOW + 50)
    storage.append(true("", NOW + 60, number="f" * 32), recorded_at=NOW + 70)
    storage.apply_all()
    assert by_name(reader.of(1)) == {
        ("app", "message"): [(NOW, NOW + 7), (NOW, NOW + 8)],
        ("job", "message"): [(NOW, NOW + 7)],
        ("job", "conversion"): [(NOW + 20, NOW + 50)],
        ("app", "conversion"): [(NOW + 30, NOW + 50), (NOW + 60, NOW + 70)],
    }
    assert by_name(reader.of(2)) == {("app", "message"): [(NOW, NOW + 7)]}
    assert reader.of(1) == []
    clock.now += MINUTE_MS
    assert reader.of(1) == []


def test_reports_without_a_time_of_their_own_are_left_out(storage: Storage) -> None:
    storage.append(message("a"))
    reader, _ = sampled(storage)
    storage.append(
        true("a", NOW + 1, Timing.ARRIVAL),
        true("a", NOW + 1, Timing.UNKNOWN),
        true("a", NOW),
        true("unknown", NOW + 1),
        Conversion(1, delivered=False, conversion_time=NOW + 1, message_id="a"),
        SelfReportedRate(1, NOW, 0.5),
        Receipt(1, "a", ReceiptStatus.DELIVERED, NOW),
        Expiry(0, 0),
        recorded_at=NOW + 2,
    )
    storage.apply_all()
    assert reader.of(1) == []


def test_deleted_messages_are_left_out_and_others_are_found(storage: Storage) -> None:
    storage.append(message("first"))
    reader, _ = sampled(storage)
    storage.append(message("old", NOW - MINUTE_MS), true("old", NOW - 1), message("a"), recorded_at=NOW + 1)
    storage.apply_all()

    def record(erasure: object) -> None:
        storage.append(erasure)  # type: ignore[arg-type]
        storage.apply_all()

    with closing(Eraser(storage.ledger, storage.new_eraser(), record, lambda _: None)) as eraser:
        assert eraser.prune(NOW) == 1
    storage.append(message("b"), recorded_at=NOW + 2)
    storage.apply_all()
    assert by_name(reader.of(1)) == {("app", "message"): [(NOW, NOW + 1), (NOW, NOW + 2)]}


def test_of_many_reports_a_bounded_number_stands_for_all(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("CHUNK", 10), ("MAX_CHUNKS", 5), ("MAX_CONVERSIONS", 10)):
        monkeypatch.setattr(arrivals, name, value)
    reader, _ = sampled(storage)
    many = 300
    for first in range(0, many, 7):
        names = [f"m{place}" for place in range(first, min(many, first + 7))]
        both = [report for name in names for report in (message(name), true(name, NOW + 1))]
        storage.append(*both, recorded_at=NOW + first)
    storage.apply_all()
    found = {each.what: each for each in reader.of(1)}
    assert 10 <= len(found["message"].reports) <= 25
    assert 5 <= len(found["conversion"].reports) <= 10
    for each in found.values():
        assert len(each.reports) * each.weight == pytest.approx(many, rel=0.15)
    # From the whole minute, not only from its beginning.
    recorded = [at for _, at in found["message"].reports]
    assert min(recorded) == NOW
    assert max(recorded) > NOW + 0.7 * many


@given(st.integers(0, 10**12), st.integers(1, 3 * CHUNK * MAX_CHUNKS))
def test_parts_of_the_journal_are_in_order_bounded_and_complete_if_there_is_room(
    after: int, count: int
) -> None:
    parts = [*chunks(after, after + count, math.inf)]
    assert all(after <= start < end <= after + count and end - start <= CHUNK for start, end in parts)
    assert all(end <= start for (_, end), (start, _) in pairwise(parts))
    read = sum(end - start for start, end in parts)
    assert read == count if count <= CHUNK * MAX_CHUNKS else read >= (CHUNK - 1) * MAX_CHUNKS
    assert not [*chunks(after, after + count, -math.inf)]


def test_a_journal_that_cannot_be_read_is_logged_once_and_later_read_from_its_end(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reader, clock = sampled(storage)

    def damaged(*_: int) -> list[JournalEntry]:
        raise Misconfigured("a row is damaged")

    def failing() -> int:
        raise Unavailable("the disk fails")

    with monkeypatch.context() as patched:
        patched.setattr(storage.journal, "read", damaged)
        storage.append(message("damaged"))
        assert reader.of(1) == []
        patched.setattr(storage.journal, "head", failing)
        for _ in range(3):
            clock.now += MINUTE_MS
            assert reader.of(1) == []
    begin = "alerts: it is not watched whether reports are late: "
    texts = [record.message for record in caplog.records]
    assert texts == [f"{begin}a row is damaged", f"{begin}the disk fails"]
    for name, found in (("missed", {}), ("again", {("app", "message"): [(NOW, NOW)]})):
        clock.now += MINUTE_MS
        storage.append(message(name))
        assert by_name(reader.of(1)) == found
