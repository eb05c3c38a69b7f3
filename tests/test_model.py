"""The law: a message's state is a join, and what follows from that."""

from functools import reduce
from itertools import pairwise, permutations

from hypothesis import given, strategies as st
from msgspec.structs import replace

from otpconv.model import (
    ARRIVAL_WINDOW_MS,
    BY_NUMBER_WINDOW_MS,
    DELAY_BINS,
    Conversion,
    Dimensions,
    MessageState,
    Requested,
    Timing,
    delay_bin,
    first_of,
    owner,
    state_of,
)

NOTHING = MessageState()

# Few values close together, so that everything collides.
times = st.integers(0, 6)
dimensions = st.builds(
    Dimensions, country=st.sampled_from(["", "ES", "PT"]), access_key=st.sampled_from(["", "a", "b"])
)
requested = st.builds(
    Requested,
    account=st.just(1),
    message_id=st.just("m"),
    requested_at=times,
    dimensions=dimensions,
    number=st.sampled_from(["", "0a", "0b"]),
    session_id=st.sampled_from(["", "s"]),
    attempt=st.integers(0, 2),
    vendor_message_id=st.sampled_from(["", "v", "w"]),
)
conversions = st.builds(
    Conversion,
    account=st.just(1),
    delivered=st.booleans(),
    conversion_time=times | times.map(lambda time: time + ARRIVAL_WINDOW_MS),
    message_id=st.just("m"),
    timing=st.sampled_from([Timing.GIVEN, *Timing]),
)
reports = st.one_of(requested, conversions)


def joined(about: list[Requested | Conversion]) -> MessageState:
    return reduce(MessageState.join, map(state_of, about), NOTHING)


states = st.lists(reports, max_size=5).map(joined)


@given(states, states)
def test_join_is_commutative(a: MessageState, b: MessageState) -> None:
    assert a.join(b) == b.join(a)


@given(states, states, states)
def test_join_is_associative(a: MessageState, b: MessageState, c: MessageState) -> None:
    assert a.join(b).join(c) == a.join(b.join(c))


@given(states)
def test_join_is_idempotent(a: MessageState) -> None:
    assert a.join(a) == a


@given(states)
def test_no_reports_are_the_identity_of_join(a: MessageState) -> None:
    assert NOTHING.join(a) == a == a.join(NOTHING)


@given(st.data())
def test_order_duplicates_and_grouping_make_no_difference(data: st.DataObject) -> None:
    about = data.draw(st.lists(reports, min_size=1, max_size=6))
    again = data.draw(st.lists(st.sampled_from(about), max_size=4))
    order = data.draw(st.permutations(about + again))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(order)), max_size=4)) | {0, len(order)})
    groups = [joined(order[start:end]) for start, end in pairwise(cuts)]
    assert reduce(MessageState.join, data.draw(st.permutations(groups)), NOTHING) == joined(about)


@given(st.lists(reports, max_size=8))
def test_the_state_is_what_the_words_say(about: list[Requested | Conversion]) -> None:
    facts = [report for report in about if isinstance(report, Requested)]

    def of(*timings: Timing, delivered: bool) -> list[int]:
        return [
            each.conversion_time
            for each in about
            if isinstance(each, Conversion) and each.delivered == delivered and each.timing in timings
        ]

    true = of(Timing.GIVEN, delivered=True)
    first = min(facts, key=Requested.precedence, default=None)
    names = [each.vendor_message_id for each in facts if each.vendor_message_id]
    assert joined(about) == MessageState(
        first and replace(first, vendor_message_id=min(names, default="")),
        min(true, default=None),
        max(true, default=None),
        max(of(Timing.GIVEN, Timing.ARRIVAL, delivered=False), default=None),
        min(of(Timing.ARRIVAL, delivered=True), default=None),
        min(of(Timing.UNKNOWN, delivered=True), default=None),
        min(of(Timing.UNKNOWN, delivered=False), default=None),
    )


@given(st.lists(reports, max_size=8))
def test_verified_is_a_message_with_a_valid_true_conversion(about: list[Requested | Conversion]) -> None:
    state = joined(about)
    true = [each for each in about if isinstance(each, Conversion) and each.delivered]
    if state.requested is None:
        assert not state.verified
        assert state.verified_at is None
        return
    at = state.requested.requested_at
    given = {
        each.conversion_time for each in true if each.timing is Timing.GIVEN and each.conversion_time > at
    }
    arrived = {
        each.conversion_time
        for each in true
        if each.timing is Timing.ARRIVAL and at < each.conversion_time <= at + ARRIVAL_WINDOW_MS
    }
    assert state.verified == bool(given or any(each.timing is not Timing.GIVEN for each in true))
    assert state.verified_at in given | arrived | {None}
    assert state.verified_at is not None or not given


@given(states, times)
def test_a_conversion_of_an_unknown_time_verifies_and_leaves_a_known_time_as_it_is(
    state: MessageState, time: int
) -> None:
    unknown = Conversion(1, delivered=True, conversion_time=time, message_id="m", timing=Timing.UNKNOWN)
    after = state.join(state_of(unknown))
    assert after.verified == (state.requested is not None)
    assert after.verified_at == state.verified_at


def test_a_conversion_without_a_time_was_made_when_it_arrived_but_not_more_than_24_hours_later() -> None:
    def verified(arrival: int) -> tuple[bool, int | None]:
        report = Conversion(1, delivered=True, conversion_time=arrival, message_id="m", timing=Timing.ARRIVAL)
        state = joined([Requested(1, "m", 5), report])
        return state.verified, state.verified_at

    latest = 5 + ARRIVAL_WINDOW_MS
    assert [verified(arrival) for arrival in (5, 6, latest, latest + 1)] == [
        (True, None),
        (True, 6),
        (True, latest),
        (True, None),
    ]


@given(states, times)
def test_false_never_takes_back_a_true(state: MessageState, time: int) -> None:
    after = state.join(state_of(Conversion(1, delivered=False, conversion_time=time, message_id="m")))
    assert after.verified_at == state.verified_at


@given(states, conversions)
def test_no_conversion_ever_takes_a_verification_back(state: MessageState, conversion: Conversion) -> None:
    after = state.join(state_of(conversion))
    assert after.verified >= state.verified
    assert after.verified_at is not None or state.verified_at is None


def test_a_conversion_at_the_very_instant_of_the_request_is_not_valid() -> None:
    at = Conversion(1, delivered=True, conversion_time=5, message_id="m")
    after = Conversion(1, delivered=True, conversion_time=6, message_id="m")
    assert joined([Requested(1, "m", 5), at]).verified_at is None
    assert joined([Requested(1, "m", 5), at, after]).verified_at == 6
    assert joined([Requested(1, "m", 4), at, after]).verified_at == 5


def test_ties_of_requested_at_fall_to_the_smallest_dimensions_session_attempt_and_number() -> None:
    descending = [
        Requested(1, "m", 5),
        Requested(1, "m", 4, Dimensions(country="ES")),
        Requested(1, "m", 4, Dimensions(carrier="x")),
        Requested(1, "m", 4, session_id="b"),
        Requested(1, "m", 4, session_id="a", attempt=2),
        Requested(1, "m", 4, session_id="a", attempt=1, number="02"),
        Requested(1, "m", 4, session_id="a", attempt=1, number="01"),
    ]
    for larger, smaller in pairwise(descending):
        assert joined([larger, smaller]).requested == smaller == joined([smaller, larger]).requested


messages_of_a_number = st.lists(
    st.builds(
        Requested,
        account=st.just(1),
        message_id=st.sampled_from("abc"),
        requested_at=st.sampled_from([0, 1, 2, BY_NUMBER_WINDOW_MS, BY_NUMBER_WINDOW_MS + 1]),
    ),
    max_size=4,
    unique_by=lambda message: message.message_id,
)
conversion_times = st.sampled_from(
    [at + shift for at in (0, 1, BY_NUMBER_WINDOW_MS, 2 * BY_NUMBER_WINDOW_MS) for shift in (-1, 0, 1)]
)


@given(messages_of_a_number, conversion_times)
def test_the_owner_is_the_newest_message_of_the_24_hours_before(messages: list[Requested], time: int) -> None:
    found = owner(messages, time)
    within = [message for message in messages if 0 <= time - message.requested_at <= BY_NUMBER_WINDOW_MS]
    if found is None:
        assert not within
    else:
        assert found in within
        assert all(
            (message.requested_at, message.message_id) <= (found.requested_at, found.message_id)
            for message in within
        )


@given(messages_of_a_number, conversion_times)
def test_the_owner_does_not_depend_on_the_order_of_the_messages(messages: list[Requested], time: int) -> None:
    assert len({owner(order, time) for order in permutations(messages)}) == 1


def test_the_window_of_a_number_is_closed_at_both_ends() -> None:
    message = Requested(1, "m", 1000)
    assert owner([message], 1000) == message
    assert owner([message], 1000 + BY_NUMBER_WINDOW_MS) == message
    assert owner([message], 999) is None
    assert owner([message], 1001 + BY_NUMBER_WINDOW_MS) is None


def test_of_two_messages_of_the_same_instant_the_one_with_the_larger_id_is_meant() -> None:
    a, b = Requested(1, "a", 1000), Requested(1, "b", 1000)
    assert owner([a, b], 1001) == b == owner([b, a], 1001)


@given(states, conversions)
def test_adding_one_conversion_is_joining_what_it_comes_to(
    state: MessageState, conversion: Conversion
) -> None:
    assert state.with_conversion(conversion) == state.join(state_of(conversion))


def test_a_delay_is_in_the_bucket_that_its_octave_says() -> None:
    ms = {1: 0, 999: 0, 1_000: 1, 1_414: 1, 1_415: 2, 2_000: 3, 30_000: 10, 92_681_000: 33, 92_682_000: 34}
    assert {delay: delay_bin(delay) for delay in ms} == ms
    assert delay_bin(10**12) == DELAY_BINS - 1


@given(st.lists(requested, min_size=1, max_size=4))
def test_a_session_is_counted_with_its_earliest_message_in_whatever_order(session: list[Requested]) -> None:
    times = {each.requested_at for order in permutations(session) if (each := first_of(order))}
    assert times == {min(each.requested_at for each in session)}
    assert first_of([]) is None
