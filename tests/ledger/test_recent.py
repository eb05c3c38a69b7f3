"""Recent reports: every lookup follows the rules, has a bound, and forgets applied reports."""

import sys
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from ledger.reports import DAY, hashed
from otpconv.errors import Unavailable
from otpconv.ledger import recent as recent_module
from otpconv.ledger.intake import Intake
from otpconv.ledger.recent import Recent, RequestTimes
from otpconv.model import (
    BY_NUMBER_WINDOW_MS,
    Conversion,
    Report,
    Requested,
    SelfReportedRate,
    owner,
    state_of,
)
from otpconv.receipts import Receipt, ReceiptStatus
from otpconv.storage.contract import DAY_MS, Entry
from storage.engines import NOW, Storage, sqlite_first

NUMBER = hashed(1, "5")
#: The bound for these tests, and the entries of one batch.
BOUND, BATCH = 60, 4

times = st.builds(
    int.__add__,
    st.sampled_from([DAY, DAY - DAY_MS, DAY + DAY_MS, DAY + 3 * DAY_MS]),
    st.sampled_from([0, 1, -1, 5, BY_NUMBER_WINDOW_MS // 2]),
)
messages = st.builds(
    Requested,
    st.just(1),
    st.sampled_from(["a", "b", "c"]),
    times,
    number=st.sampled_from([NUMBER, hashed(1, "6"), ""]),
)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_module, "MAX_ENTRIES", BOUND)


def intake_of(storage: Storage, recent: Recent, *, strict: bool = False) -> Intake:
    return Intake(
        storage.journal, storage.ledger, recent, lambda: NOW, recorded=lambda *_: None, strict=strict
    )


def by_number(n: int) -> Report:
    return Conversion(1, delivered=True, conversion_time=DAY + n, number=NUMBER)


def by_id(n: int) -> Report:
    return Conversion(1, delivered=True, conversion_time=DAY + n, message_id=f"{n}")


def of_one_message(n: int) -> Report:
    return Conversion(1, delivered=True, conversion_time=DAY + n, message_id="busy")


def requested(n: int) -> Report:
    return Requested(1, f"{n}", DAY + n, number=NUMBER)


def moved(n: int) -> Report:
    return Requested(1, "moved", DAY - n, number=NUMBER)


def self_reported(n: int) -> Report:
    return SelfReportedRate(1, DAY + n, 0.5)


def receipt(n: int) -> Report:
    return Receipt(1, f"v{n}", ReceiptStatus.SENT, DAY)


KINDS = [by_number, by_id, of_one_message, requested, moved, self_reported, receipt]


def held(value: object, seen: set[int]) -> int:
    """Count what the containers within a value hold."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, dict):
        return len(value)
    if isinstance(value, RequestTimes):
        return sum(held(each, seen) for each in vars(value).values())
    if hasattr(value, "popleft"):
        return len(value) + sum(len(part) for batch in value for part in batch if isinstance(part, list))
    return 0


@sqlite_first
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", KINDS)
def test_while_the_applier_stands_still_what_is_held_is_bounded_whatever_is_reported(
    storage: Storage, kind: Callable[[int], Report]
) -> None:
    recent = Recent(lambda: 0)
    recent.requests()
    intake = intake_of(storage, recent)
    sizes = []
    for n in range(0, 10 * BOUND * BATCH, BATCH):
        intake.commit([Entry(kind(n + each)) for each in range(BATCH)])
        sizes.append(sum(held(each, set()) for each in vars(recent).values()))
        assert recent.size < BOUND + BATCH
    # Each entry is in a few places: by message, by number, by its time and day, and in its batch.
    assert max(sizes) <= 8 * (BOUND + BATCH)


@pytest.mark.usefixtures("small")
def test_beyond_the_bound_reports_are_recorded_and_counted_all_the_same(storage: Storage) -> None:
    recent = Recent(lambda: 0)
    intake = intake_of(storage, recent)
    for n in range(0, 3 * BOUND, BATCH):
        new = [requested(n + each) for each in range(BATCH)]
        new += [Conversion(1, True, NOW, f"{n + each}") for each in range(BATCH)]
        assert intake.commit([Entry(report) for report in new]) == ["recorded"] * len(new)
    assert intake.commit([Entry(requested(0))]) == ["recorded"]  # a repeat of a forgotten report
    storage.apply_all()
    assert len(list(storage.ledger.messages(1))) == 3 * BOUND


@pytest.mark.usefixtures("small")
def test_a_strict_intake_refuses_reports_at_the_bound_until_the_applier_has_caught_up(
    storage: Storage,
) -> None:
    intake = intake_of(storage, Recent(storage.writer.cursor), strict=True)
    intake.commit([Entry(requested(n)) for n in range(BOUND)])
    for _ in range(2):
        with pytest.raises(Unavailable, match="try again"):
            intake.commit([Entry(by_id(0))])
    assert storage.journal.head() == BOUND
    storage.apply_all()
    # Not one of them was forgotten, so no caller was refused because a message is unknown.
    conversions = [Conversion(1, True, DAY + BOUND, f"{n}") for n in range(BOUND)]
    assert intake.commit([Entry(each) for each in conversions]) == ["recorded"] * BOUND


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_applied_is_forgotten(storage: Storage, kind: Callable[[int], Report]) -> None:
    recent = Recent(storage.writer.cursor)
    recent.requests()
    intake = intake_of(storage, recent)
    for n in range(20):
        intake.commit([Entry(kind(n)), Entry(requested(n + 1))])
    assert recent.size > 0
    storage.apply_all()
    recent.forget_applied()
    assert recent.size == 0
    assert sum(held(each, set()) for each in vars(recent).values()) == 0


@given(st.lists(messages, max_size=8), times)
def test_requests_are_found_as_the_law_says(known: list[Requested], time: int) -> None:
    requests = RequestTimes()
    for message in known:
        requests.add(message)
    mine = [message for message in known if message.number == NUMBER]
    newest = owner(mine, time)
    assert requests.is_any_before(NUMBER, time) == (newest is not None)
    at = requests.at(NUMBER, time)
    assert (at and at.message_id) == (newest.message_id if newest and newest.requested_at == time else None)


@given(st.lists(st.lists(messages, max_size=3), max_size=5), st.integers(0, 5), st.integers(0, 5), times)
def test_requests_are_the_same_from_whenever_somebody_asks(
    batches: list[list[Requested]], asked: int, applied: int, time: int
) -> None:
    position = [0]
    early, late = (Recent(lambda: position[0]) for _ in range(2))
    for upto, batch in enumerate(batches, 1):
        if upto == asked:
            early.requests()
        for each in (early, late):
            each.add(upto, {(1, message.message_id): state_of(message) for message in batch}, (), {})
    position[0] = applied
    for each in (early, late):
        each.forget_applied()
    left = [message for batch in batches[applied:] for message in {m.message_id: m for m in batch}.values()]
    assert early.requests().at(NUMBER, time) == late.requests().at(NUMBER, time)
    if owner([message for message in left if message.number == NUMBER], time) is not None:
        assert early.requests().is_any_before(NUMBER, time)
        assert late.requests().is_any_before(NUMBER, time)


@sqlite_first
@pytest.mark.parametrize("batches", [1, 5])
def test_judging_a_busy_number_is_the_same_work_however_many_messages_are_on_their_way(
    storage: Storage, batches: int
) -> None:
    def calls(count: int) -> int:
        intake = intake_of(storage, Recent(lambda: 0))
        for n in range(count):
            intake.commit([Entry(Requested(1, f"{count}/{n}", DAY + n, number=NUMBER))])
        made = 0

        def count_line(*_: object) -> object:
            nonlocal made
            made += 1
            return count_line

        intake.commit([Entry(by_number(10**6 + count))])  # from here on they are kept by number
        sys.settrace(count_line)  # type: ignore[arg-type]
        try:
            for n in range(batches):
                intake.commit([Entry(by_number(10**7 + 100 * count + n))])
        finally:
            sys.settrace(None)
        return made

    assert calls(400) <= 1.1 * calls(50)


def test_what_the_applier_brought_at_once_is_forgotten_over_several_commits() -> None:
    applied = 0
    recent = Recent(lambda: applied)
    size, batches = 1_000, 10
    for batch in range(batches):
        states = {(1, f"{batch} {n}"): state_of(requested(n)) for n in range(size)}
        recent.add((batch + 1) * size, states, [], {})
    applied = batches * size
    sizes = []
    while recent.size:
        before = recent.size
        recent.forget_applied()
        sizes.append(before - recent.size)
    assert sizes == [4_000, 4_000, 2_000]
    assert not recent.states
