"""Every engine: receipts, which messages have them, and what messages cost."""

from contextlib import closing
from itertools import permutations

import pytest

from ledger.reports import DAY, hashed
from ledger.test_erasing import Deleting
from otpconv.errors import AnswerTooLarge
from otpconv.model import Conversion, Dimensions, Expiry, Requested
from otpconv.receipts import MAX_PRICE, MAX_SHARED, Receipt, ReceiptState, ReceiptStatus
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS, CostCount, Tally, Window
from otpconv.storage.lookup import Lookup
from storage.engines import Engine, Storage

FOREVER = Window(days=((0, 1 << 52),))


def requested(
    message_id: str, named: str = "", at: int = DAY, country: str = "ES", to: str = ""
) -> Requested:
    number = hashed(1, to)
    return Requested(1, message_id, at, Dimensions(country), number, vendor_message_id=named)


def receipt(
    named: str,
    status: ReceiptStatus = ReceiptStatus.DELIVERED,
    time: int = DAY + 5,
    price: int | None = None,
    currency: str = "EUR",
) -> Receipt:
    return Receipt(1, named, status, time, price=price, currency="" if price is None else currency)


def having(storage: Storage) -> dict[str, ReceiptStatus]:
    """The messages that have receipts, with their status."""
    known = {each.message_id: each.receipt for each in storage.ledger.messages(1)}
    return {message_id: state.status for message_id, state in known.items() if state is not None}


def tally(storage: Storage) -> Tally:
    (count,) = storage.ledger.counts(1, FOREVER, (), {}, delays=False)
    return count.tally


def costs(storage: Storage) -> list[tuple[str, int, int]]:
    return [(each.currency, each.messages, each.micros) for each in storage.ledger.costs(1, FOREVER, (), {})]


def test_a_message_has_the_receipts_under_the_id_that_its_vendor_gave_it_in_any_order(engine: Engine) -> None:
    reports = [
        requested("a"),
        requested("a", "v", DAY + 1),
        receipt("v", price=7),
        Conversion(1, True, DAY + 9, "a"),
    ]
    for order in permutations(reports):
        with engine.open() as storage:
            storage.record(*order)
            found = storage.ledger.message(1, "a")
            assert found is not None
            assert found.state.requested == requested("a", "v")
            assert found.receipt == ReceiptState((*[None] * 6, DAY + 5), "", 7, "EUR")
            assert tally(storage) == Tally(1, 1, reported=1, receipted=1, delivered=1, delivered_verified=1)
            assert costs(storage) == [("EUR", 1, 7)]


def test_a_message_leaves_the_receipts_under_its_own_id_once_it_is_named(storage: Storage) -> None:
    storage.record(requested("a"), receipt("a", price=7))
    assert having(storage) == {"a": ReceiptStatus.DELIVERED}
    storage.record(requested("a", "v"))
    assert (having(storage), costs(storage), tally(storage)) == ({}, [], Tally(1))
    storage.record(receipt("v", ReceiptStatus.SENT))
    assert having(storage) == {"a": ReceiptStatus.SENT}
    assert tally(storage) == Tally(1, receipted=1)


def test_of_the_messages_that_name_one_id_the_first_have_its_receipts(storage: Storage) -> None:
    count = MAX_SHARED + 2
    names = [f"m{number:02}" for number in range(count)]
    storage.record(receipt("v", price=1), *(requested(name, "v", DAY + n) for n, name in enumerate(names)))
    storage.record(requested("v"))
    assert [*having(storage)] == [*names[:MAX_SHARED], "v"]
    storage.record(requested(names[-1], "v", DAY - 1))
    assert [*having(storage)] == [*names[: MAX_SHARED - 1], names[-1], "v"]
    storage.record(requested(names[0], "u"))
    assert [*having(storage)] == [*names[1:MAX_SHARED], names[-1], "v"]
    assert costs(storage) == [("EUR", MAX_SHARED + 1, MAX_SHARED + 1)]


@pytest.mark.parametrize("status", ReceiptStatus)
def test_a_message_counts_by_the_highest_status_of_its_receipts(
    storage: Storage, status: ReceiptStatus
) -> None:
    lower = [receipt("a", each) for each in ReceiptStatus if each <= status]
    storage.record(requested("a"), *reversed(lower))
    delivered = status is ReceiptStatus.DELIVERED
    expected = Tally(1, receipted=status > ReceiptStatus.NONE, delivered=delivered)
    assert tally(storage) == expected
    storage.record(Conversion(1, True, DAY + 9, "a"))
    assert tally(storage) == expected + Tally(0, 1, reported=1, delivered_verified=delivered)


def test_costs_are_sums_by_slot_group_and_currency(storage: Storage) -> None:
    storage.record(
        *(requested(f"{n}", at=DAY + n * MINUTE_MS, country="ES" if n % 2 else "PT") for n in range(6)),
        *(receipt(f"{n}", ReceiptStatus.NONE, price=10 + n) for n in range(4)),
        receipt("4", price=3, currency="USD"),
        Requested(2, "0", DAY, Dimensions("ES")),
    )
    ledger = storage.ledger
    assert sorted(costs(storage)) == [("EUR", 4, 46), ("USD", 1, 3)]
    by_country = {
        each.group: each.micros for each in ledger.costs(1, FOREVER, ["country"], {}) if each.micros > 3
    }
    assert by_country == {("PT",): 22, ("ES",): 24}
    minutes = Window(minutes=((DAY, DAY + 3 * MINUTE_MS),), step=MINUTE_MS)
    assert sorted(each.slot for each in ledger.costs(1, minutes, [], {})) == [
        DAY,
        DAY + MINUTE_MS,
        DAY + 2 * MINUTE_MS,
    ]
    quarters = Window(quarters=((DAY, DAY + QUARTER_MS),), step=QUARTER_MS)
    assert ledger.costs(1, quarters, [], {"country": ["ES"]}) == [CostCount(DAY, (), "EUR", 2, 24)]
    storage.record(Expiry(0, DAY + DAY_MS))
    assert ledger.costs(1, quarters, [], {"country": ["ES"]}) == [CostCount(DAY, (), "EUR", 2, 24)]
    assert ledger.costs(1, minutes, [], {}) == []
    with pytest.raises(AnswerTooLarge):
        ledger.costs(1, FOREVER, ["country"], {}, limit=1)


def test_the_largest_prices_add_up_exactly(storage: Storage) -> None:
    names = [f"{n}" for n in range(30)]
    storage.record(*map(requested, names), *(receipt(name, price=MAX_PRICE - 1) for name in names))
    assert costs(storage) == [("EUR", 30, 30 * (MAX_PRICE - 1))]


def test_a_price_moves_with_its_message_and_is_replaced_by_a_larger_one(storage: Storage) -> None:
    storage.record(requested("a"), receipt("a", price=7), requested("a", at=DAY - HOUR_MS, country="PT"))
    assert storage.ledger.costs(1, FOREVER, ["country"], {}) == [CostCount(0, ("PT",), "EUR", 1, 7)]
    storage.record(receipt("a", ReceiptStatus.NONE, price=9, currency="USD"), receipt("a", price=8))
    hours = Window(hours=((0, 1 << 52),), step=HOUR_MS)
    assert storage.ledger.costs(1, hours, [], {}) == [CostCount(DAY - HOUR_MS, (), "USD", 1, 9)]


def test_receipts_of_an_unknown_message_expire_by_the_newest_of_them(storage: Storage) -> None:
    storage.record(receipt("a"), receipt("a", ReceiptStatus.SENT, DAY), receipt("b"), receipt("c", time=DAY))
    storage.record(receipt("p", ReceiptStatus.NONE, price=7), requested("b"), Expiry(DAY + 5, 0))
    storage.record(*(requested(name) for name in "acp"))
    assert having(storage) == {
        "b": ReceiptStatus.DELIVERED,
        "a": ReceiptStatus.DELIVERED,
        "p": ReceiptStatus.NONE,
    }
    storage.record(receipt("d"), Expiry(DAY + 6, 0), requested("d"))
    assert "d" not in having(storage)


def test_a_deletion_takes_the_receipts_along_and_keeps_the_counts_and_costs(storage: Storage) -> None:
    storage.record(
        requested("a", "v", to="5"), requested("b", to="6"), receipt("v", price=7), receipt("b", price=2)
    )
    before = tally(storage), costs(storage)
    deleting = Deleting(storage, [])
    with closing(deleting.eraser):
        assert deleting.eraser.forget(1, hashed(1, "5")) == 1
    assert (tally(storage), costs(storage)) == before
    left = [entry.report for entry in storage.journal.read(0, 10) if isinstance(entry.report, Receipt)]
    assert [each.vendor_message_id for each in left] == ["b"]
    storage.record(requested("a", "v"), receipt("b", ReceiptStatus.NONE, price=3))
    assert having(storage) == {"b": ReceiptStatus.DELIVERED}
    assert costs(storage) == [("EUR", 2, 10)]


def test_receipts_that_two_messages_share_stay_until_both_are_deleted(storage: Storage) -> None:
    storage.record(requested("v", to="5"), requested("b", "v", to="6"), receipt("v", price=7))
    deleting = Deleting(storage, [])
    with closing(deleting.eraser):
        deleting.eraser.forget(1, hashed(1, "5"))
        assert having(storage) == {"b": ReceiptStatus.DELIVERED}
        deleting.eraser.forget(1, hashed(1, "6"))
    storage.record(requested("c", "v"))
    assert having(storage) == {}
    assert tally(storage) == Tally(3, receipted=2, delivered=2)
    assert costs(storage) == [("EUR", 2, 14)]


def test_a_lookup_returns_the_receipts_of_known_and_unknown_messages(storage: Storage) -> None:
    storage.record(requested("a"), receipt("a"), receipt("b", ReceiptStatus.SENT, price=0))
    found = storage.ledger.look_up(Lookup({}, {}, [], {1: ["a", "b", "c"], 2: ["a"]})).receipts
    delivered = ReceiptState((*[None] * 6, DAY + 5))
    sent = ReceiptState((None, None, DAY + 5, None, None, None, None), "", 0, "EUR")
    assert found == {1: {"a": delivered, "b": sent}, 2: {}}
