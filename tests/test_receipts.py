"""The law of receipts: their state is a join, and what follows from that."""

from functools import reduce
from itertools import permutations

import msgspec
from hypothesis import given, strategies as st

from otpconv.model import Dimensions, MessageState, Report, Requested, state_of
from otpconv.receipts import FAILURES, Receipt, ReceiptState, ReceiptStatus, receipt_state_of

NOTHING = ReceiptState()

# Few values close together, so that everything collides.
receipts = st.builds(
    lambda status, time, error, price, currency, segments: Receipt(
        1,
        "v",
        status,
        time,
        error if status in FAILURES else "",
        price,
        "" if price is None else currency,
        segments,
    ),
    st.sampled_from(ReceiptStatus),
    st.integers(0, 6),
    st.sampled_from(["", "30003", "E"]),
    st.sampled_from([None, 0, 5, 7]),
    st.sampled_from(["EUR", "USD"]),
    st.integers(0, 2),
)


def joined(about: list[Receipt]) -> ReceiptState:
    return reduce(ReceiptState.join, map(receipt_state_of, about), NOTHING)


states = st.lists(receipts, max_size=5).map(joined)


@given(states, states, states)
def test_join_is_commutative_associative_and_idempotent(
    a: ReceiptState, b: ReceiptState, c: ReceiptState
) -> None:
    assert a.join(b) == b.join(a)
    assert a.join(b).join(c) == a.join(b.join(c))
    assert a.join(a) == a == NOTHING.join(a) == a.join(NOTHING)


@given(st.lists(receipts, max_size=8))
def test_the_state_is_what_the_words_say(about: list[Receipt]) -> None:
    state = joined(about)
    for status in ReceiptStatus:
        assert state.times[status] == min(
            (each.time for each in about if each.status is status), default=None
        )
    assert state.status == max((each.status for each in about), default=ReceiptStatus.NONE)
    failed = [(each.time, each.error) for each in about if each.status in FAILURES]
    assert state.error == (min(failed)[1] if failed else "")
    priced = [(each.price, each.currency) for each in about if each.price is not None]
    assert (state.price, state.currency) == max(priced, default=(None, ""))
    assert state.segments == max((each.segments for each in about), default=0)


def test_of_all_reports_about_a_message_the_smallest_id_of_the_vendor_is_its_id_in_any_order() -> None:
    reports = [
        Requested(1, "a", 5, Dimensions("ES")),
        Requested(1, "a", 6, Dimensions("ES"), vendor_message_id="w"),
        Requested(1, "a", 7, Dimensions("ES"), vendor_message_id="v"),
    ]
    for order in permutations(reports):
        state = reduce(MessageState.join, map(state_of, order))
        assert state.requested == Requested(1, "a", 5, Dimensions("ES"), vendor_message_id="v")


def test_a_receipt_in_the_journal_is_a_report_and_older_requests_name_no_id_of_a_vendor() -> None:
    decoder = msgspec.json.Decoder(list[Report])
    receipt = Receipt(1, "v", ReceiptStatus.FAILED, 5, "30003", 7_900, "EUR", 2)
    assert decoder.decode(msgspec.json.encode([receipt])) == [receipt]
    assert decoder.decode(b'[[1,1,"a",5,["ES"],"","","",0]]') == [Requested(1, "a", 5, Dimensions("ES"))]
