"""Deletions keep the rates, delete the messages and all about a number, and a rebuild comes to the same."""

import contextlib
from contextlib import closing

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from campaigns import rounds
from ledger.recount import contents, recount
from ledger.reports import ACCOUNTS, DAY, World, entries, hashed, simple_worlds
from otpconv.errors import Unavailable
from otpconv.ledger.erasing import Eraser
from otpconv.model import Conversion, Dimensions, Expiry, Report, Requested, Timing
from otpconv.receipts import Receipt
from otpconv.storage.erasure import Deletion, JournalEraser
from storage.engines import Engine, Storage, sqlite_first


def exact(entry: Report | Expiry, *, numbers: bool = False, shared: bool = False) -> Report | Expiry:
    """Leave out the exceptions that docs/how-to/delete.md names.

    These are an expiry with conversions by number, or with messages that share an id of a vendor.
    """
    if (numbers or shared) and isinstance(entry, Expiry):
        return Expiry(0, entry.minutes_from)
    if not numbers and isinstance(entry, Conversion) and not entry.message_id:
        return Conversion(entry.account, entry.delivered, entry.conversion_time, "a")
    if not shared and isinstance(entry, Requested):
        return replace(entry, vendor_message_id="" if entry.message_id == "a" else f"v{entry.message_id}")
    if not shared and isinstance(entry, Receipt) and entry.vendor_message_id != "a":
        return replace(entry, vendor_message_id=f"v{entry.vendor_message_id}")
    return entry


@st.composite
def histories(draw: st.DrawFn) -> tuple[World, list[Report | Expiry | int | str]]:
    """Reports, expiries, and deletions: before a time, or of a number."""
    world = draw(simple_worlds)
    numbers, shared = draw(st.sampled_from([(True, False), (False, False), (False, True)]))
    facts = entries(world).map(lambda entry: exact(entry, numbers=numbers, shared=shared))
    before = st.builds(int.__add__, st.sampled_from(world.times), st.sampled_from([0, 1, 60_000]))
    number = st.sampled_from([each for each in world.numbers if each])
    deletions = number if shared else st.one_of(before, number)
    return world, draw(st.lists(st.one_of(*[facts] * 6, deletions, deletions), max_size=world.most))


class Deleting:
    """Deletes in a storage, with some reports on their way meanwhile."""

    def __init__(self, storage: Storage, between: list[Report | Expiry]) -> None:
        self.storage = storage
        self.between = between
        self.eraser = Eraser(storage.ledger, storage.new_eraser(), self.record, lambda _: None)

    def deletes(self, step: Report | Expiry | int | str) -> bool:
        """Make a step of a history if it is a deletion; reports are left to the caller."""
        if isinstance(step, int):
            self.eraser.prune(step)
        elif isinstance(step, str):
            self.eraser.forget(1, hashed(1, step))
        return isinstance(step, int | str)

    def record(self, erasure: Deletion) -> None:
        if self.between:
            self.storage.append(self.between.pop())
        self.storage.append(erasure)
        self.storage.apply_all((1,))


@settings(deadline=None, max_examples=rounds(200))
@given(histories(), st.data())
@pytest.mark.long("rebuilds a ledger for each of many histories")
@sqlite_first
def test_deletions_keep_the_rates_and_a_rebuild_comes_to_the_same(
    engine: Engine, history: tuple[World, list[Report | Expiry | int | str]], data: st.DataObject
) -> None:
    world, steps = history
    between = [exact(each) for each in data.draw(st.lists(entries(world), max_size=2))]
    between = [each for each in between if not isinstance(each, Expiry)]
    with engine.open() as storage:
        deleting = Deleting(storage, between if data.draw(st.booleans()) else [])
        with closing(deleting.eraser):
            for step in steps:
                quiet = not deleting.between
                before = contents(storage.ledger, ACCOUNTS)
                if not deleting.deletes(step):
                    storage.record(step)
                    continue
                held = contents(storage.ledger, ACCOUNTS)
                if quiet:
                    assert (held.days, held.hours, held.quarters, held.minutes, held.costs) == (
                        before.days,
                        before.hours,
                        before.quarters,
                        before.minutes,
                        before.costs,
                    )
        held = contents(storage.ledger, ACCOUNTS)
        with engine.open(storage.name) as rebuilt:
            rebuilt.apply_all()
            assert contents(rebuilt.ledger, ACCOUNTS) == held
        followed = [entry.report for entry in storage.journal.read(0, 10_000)]
        assert recount(followed, ACCOUNTS) == held


@sqlite_first
@settings(deadline=None, max_examples=rounds(80))
@given(histories(), st.integers(0, 6))
def test_a_rebuild_is_exact_also_before_all_reports_are_erased(
    engine: Engine, history: tuple[World, list[Report | Expiry | int | str]], taken: int
) -> None:
    _, steps = history
    with engine.open() as storage:
        for step in steps:
            if isinstance(step, int | str):
                journal = Halfway(storage.new_eraser(), taken)
                eraser = Eraser(storage.ledger, journal, Deleting(storage, []).record, lambda _: None)
                with closing(eraser), contextlib.suppress(Unavailable):
                    eraser.prune(step) if isinstance(step, int) else eraser.forget(1, hashed(1, step))
            else:
                storage.record(step)
        held = contents(storage.ledger, ACCOUNTS)
        with engine.open(storage.name) as rebuilt:
            rebuilt.apply_all()
            assert contents(rebuilt.ledger, ACCOUNTS) == held
        with closing(storage.new_eraser()) as journal:
            Eraser(storage.ledger, journal, storage.append, lambda _: None).finish()
            assert not journal.begin()
        with engine.open(storage.name) as rebuilt:
            rebuilt.apply_all()
            assert contents(rebuilt.ledger, ACCOUNTS) == held


def test_a_number_is_forgotten_with_reports_that_the_ledger_has_yet_to_apply(engine: Engine) -> None:
    with engine.open() as storage:
        storage.record(asked("first"))
        storage.append(asked("second"))
        deleting = Deleting(storage, [])
        with closing(deleting.eraser):
            assert deleting.eraser.forget(1, hashed(1, "5")) == 2
        assert contents(storage.ledger, ACCOUNTS).messages == {}


def test_an_interrupted_deletion_that_is_finished_later_keeps_what_was_reported_since(engine: Engine) -> None:
    with engine.open() as storage:
        storage.record(asked("a"))
        journal = Halfway(storage.new_eraser(), 0)
        eraser = Eraser(storage.ledger, journal, Deleting(storage, []).record, lambda _: None)
        with closing(eraser), contextlib.suppress(Unavailable):
            eraser.forget(1, hashed(1, "5"))
        storage.record(asked("a"))
        deleting = Deleting(storage, [])
        with closing(deleting.eraser):
            deleting.eraser.prune(DAY)  # finishes the other deletion too
        held = contents(storage.ledger, ACCOUNTS)
        assert [*held.messages] == [(1, "a")]
        with engine.open(storage.name) as rebuilt:
            rebuilt.apply_all()
            assert contents(rebuilt.ledger, ACCOUNTS) == held


def asked(message_id: str) -> Requested:
    return Requested(1, message_id, DAY, Dimensions(), hashed(1, "5"))


class Halfway:
    """Erases from a journal, and fails after some steps."""

    def __init__(self, journal: JournalEraser, steps: int) -> None:
        self.journal = journal
        self.left = steps

    def begin(self) -> bool:
        return self.journal.begin()

    def step(self) -> bool:
        self.left -= 1
        if self.left < 0:
            raise Unavailable("The power failed.")
        return self.journal.step()

    def finish(self) -> bool:
        return self.journal.finish()

    def close(self) -> None:
        self.journal.close()


def test_a_rebuild_drops_an_unmatched_message_with_all_of_its_conversions(engine: Engine) -> None:
    with engine.open() as storage:
        storage.record(
            *(
                Conversion(
                    1, delivered=False, conversion_time=DAY + time, message_id="a", timing=Timing.UNKNOWN
                )
                for time in (1, 5)
            )
        )
        with closing(Deleting(storage, []).eraser) as eraser:
            eraser.prune(DAY + 3)
        held = contents(storage.ledger, ACCOUNTS)
        assert not held.messages
        with engine.open(storage.name) as rebuilt:
            rebuilt.apply_all()
            assert contents(rebuilt.ledger, ACCOUNTS) == held
