"""Ranges are joined until there are enough messages, and no message counts twice."""

from hypothesis import given, settings, strategies as st

from otpconv.ranges.number_plan import calling_code, carrier_of, is_too_short
from otpconv.ranges.traffic import LEAST_MESSAGES, MOST_DROPPED, RangeTraffic, roll_up
from otpconv.storage.range_counts import RangeCount
from tests.campaigns import rounds


def count(number_range: str, requested: int, verified: int = 0, provider: str = "acme") -> RangeCount:
    return RangeCount(
        number_range=number_range,
        country="DE",
        provider=provider,
        first_requested_at=5,
        requested=requested,
        verified=verified,
        verified_before=1,
    )


def joined(*counts: RangeCount) -> list[tuple[str, int]]:
    return [(each.number_range, each.requested) for each in roll_up(counts, lambda _: "")]


COUNTS = st.lists(
    st.builds(
        count,
        st.text("0123", min_size=1, max_size=5).map("+4915".__add__),
        st.integers(1, 12),
        st.just(0),
        st.sampled_from(["acme", "bravo"]),
    ),
    max_size=40,
    unique_by=lambda each: (each.number_range, each.provider),
)


def test_a_range_with_enough_messages_is_judged_alone() -> None:
    assert joined(count("+491511234", 8), count("+491511235", 20)) == [("+491511234", 8), ("+491511235", 20)]


def test_ranges_with_few_messages_are_joined_under_their_longest_common_prefix() -> None:
    few = [count("+491511234", 5), count("+491511235", 3), count("+491511240", 30)]
    assert joined(*few) == [("+49151123", 8), ("+491511240", 30)]
    # One range alone keeps its name, however short the prefix is at which others were looked for.
    assert joined(count("+491511234", 7)) == []
    assert joined(count("+491511234", 4), count("+491511234", 4, provider="bravo")) == [("+491511234", 8)]
    parts = roll_up([count("+491511234", 5, 1), count("+491511999", 4, 2, "bravo")], lambda _: "")
    assert (parts[0].number_range, parts[0].members) == ("+491511", ("+491511234", "+491511999"))
    assert parts[0].providers == {"acme": (5, 1), "bravo": (4, 2)}
    assert (parts[0].verified_before, parts[0].pairs) == (2, 5 * 4 + 4 * 3)


def test_ranges_of_different_carriers_are_not_joined() -> None:
    counts = [count("+491511234", 5), count("+491511235", 5)]
    assert roll_up(counts, lambda number_range: number_range[-1]) == []


def test_no_prefix_is_about_as_large_as_a_country() -> None:
    assert joined(count("+49", 1000), count("+491", 1000), count("+1", 1000), count("+122", 1000)) == []
    assert joined(count("+4915", 1000), count("+1202", 1000)) == [("+1202", 1000), ("+4915", 1000)]
    # Joined ranges don't get there either.
    assert joined(*(count(f"+49{first}1511", 7) for first in range(1, 10))) == []
    assert [calling_code(text) for text in ("+1202", "+4915", "+37255", "+999", "+")] == [
        "1",
        "49",
        "372",
        "",
        "",
    ]
    assert is_too_short("+372")
    assert carrier_of("+491511234") == carrier_of("+491511234")
    assert carrier_of("+999") == ""


@given(COUNTS)
@settings(max_examples=rounds(2_000, at_least=50))
def test_no_message_counts_twice_and_every_range_has_enough(counts: list[RangeCount]) -> None:
    ranges = roll_up(counts, lambda _: "")
    members = [member for each in ranges for member in each.members]
    assert len(members) == len(set(members))
    requested = {
        name: sum(each.requested for each in counts if each.number_range == name) for name in members
    }
    for found in ranges:
        assert found.requested == sum(requested[member] for member in found.members) >= LEAST_MESSAGES
        assert found.requested == sum(of for of, _ in found.providers.values())
        assert all(member.startswith(found.number_range) for member in found.members)
        assert max(map(len, found.members)) - len(found.number_range) <= MOST_DROPPED
        assert not is_too_short(found.number_range)
    # What can be judged alone is.
    alone = {found.number_range for found in ranges if len(found.members) == 1}
    assert {
        name for name, of in requested.items() if of >= LEAST_MESSAGES and not is_too_short(name)
    } == alone


def test_the_order_of_counts_makes_no_difference() -> None:
    counts = [count(f"+4915112{n:02}", 1 + n % 9) for n in range(40)]
    forward: list[RangeTraffic] = roll_up(counts, lambda _: "")
    assert roll_up(reversed(counts), lambda _: "") == forward
