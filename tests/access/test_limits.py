import contextlib
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, strategies as st

from otpconv.access.limits import FAILED_LOGINS, Allowances, FailedLogins, Limit, Throttle, parse_limit
from otpconv.errors import Misconfigured

NOW = 1_700_000_000_000
HOUR_MS = 3_600_000
REPORT = "dysms:SmsConversion"

limits = st.builds(
    Limit,
    per_second=st.sampled_from([0.01, 1 / 3, 1.0, 7.3, 500.0, 1_000_000.0]) | st.floats(0.001, 1_000),
    burst=st.sampled_from([1.0, 1.5, 20.0]) | st.floats(1, 50),
)
steps = st.lists(st.integers(0, 3_000), min_size=1, max_size=150)
steps_both_ways = st.lists(st.integers(-5_000, 5_000), min_size=1, max_size=150)
names = st.tuples(st.integers(1, 2), st.sampled_from(["LTAIa", "LTAIb"]), st.sampled_from(["one", "two"]))


def admitted(throttle: Throttle, times: list[int]) -> list[int]:
    """The times at which the same caller, asking at each of `times`, is admitted."""
    return [now for now in times if throttle.take(1, "LTAI", REPORT, now) == 0]


@pytest.mark.parametrize(
    ("text", "per_second", "burst"),
    [
        ("500/s", 500, 500),
        ("30000/m", 500, 30_000),
        ("36/h", 0.01, 36),
        ("1/d", 1 / 86_400, 1),
        ("500/s burst 1000", 500, 1_000),
        (" 2.5 / s  burst  7.5 ", 2.5, 7.5),
        ("0.5/s", 0.5, 1),
        ("1000000/s", 1_000_000, 1_000_000),
    ],
)
def test_a_limit_is_written_as_a_number_per_unit_and_a_burst(
    text: str, per_second: float, burst: float
) -> None:
    assert parse_limit(text) == Limit(per_second, burst)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "500",
        "500/",
        "/s",
        "500/w",
        "500/S",
        "-1/s",
        "1e3/s",
        "٣/s",
        "1_0/s",
        "5/s burst",
        "5/s 9",
        "5/s\n1/s",
    ],
)
def test_another_text_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(Misconfigured, match="500/s burst 1000") as refusal:
        parse_limit(text)
    assert repr(text) in refusal.value.text


@pytest.mark.parametrize(
    "text", ["0/s", "0.0/m", "1000001/s", "5/s burst 0", "5/s burst 0.9", "5/s burst 9999999999"]
)
def test_a_number_out_of_range_is_refused_with_the_range(text: str) -> None:
    with pytest.raises(
        Misconfigured, match=r"more than 0 and at most 1000000|burst is 1 to 1000000000"
    ) as refusal:
        parse_limit(text)
    assert repr(text) in refusal.value.text


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    with contextlib.suppress(Misconfigured):
        assert parse_limit(text).burst >= 1


@pytest.mark.parametrize(
    ("per_second", "burst"),
    [(0, 1), (-1, 1), (float("nan"), 1), (float("inf"), 1), (1, 0.5), (1, float("nan")), (1, float("inf"))],
)
def test_a_limit_that_lets_nothing_or_everything_through_is_none(per_second: float, burst: float) -> None:
    with pytest.raises(ValueError, match=r"limit is|burst is"):
        Limit(per_second, burst)


def test_memory_has_room_for_one_bucket_at_least() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Throttle(account=Limit(1, 1), capacity=0)


def test_without_limits_everything_is_admitted_and_nothing_remembered() -> None:
    throttle = Throttle()
    assert admitted(throttle, [NOW] * 1_000) == [NOW] * 1_000
    assert throttle.remembered == 0


def test_a_burst_is_admitted_at_once_and_then_the_rate() -> None:
    throttle = Throttle(account=Limit(per_second=2, burst=3))
    assert [throttle.take(1, "LTAI", REPORT, NOW) for _ in range(5)] == [0, 0, 0, 500, 500]
    assert throttle.take(1, "LTAI", REPORT, NOW + 499) == 1
    assert admitted(throttle, [NOW + 500, NOW + 999, NOW + 1_000]) == [NOW + 500, NOW + 1_000]


def test_after_a_rest_the_burst_is_there_again_and_no_more() -> None:
    throttle = Throttle(account=Limit(per_second=2, burst=3))
    admitted(throttle, [NOW] * 3)
    assert len(admitted(throttle, [NOW + 1_500] * 10)) == 3
    assert len(admitted(throttle, [NOW + HOUR_MS] * 10)) == 3


def test_a_wait_is_rounded_up_to_a_whole_millisecond() -> None:
    throttle = Throttle(account=Limit(per_second=300, burst=1))
    assert [throttle.take(1, "LTAI", REPORT, NOW + at) for at in (0, 0, 3, 4)] == [0, 4, 1, 0]


def test_each_account_key_and_action_has_its_own_limit() -> None:
    one = Limit(per_second=1, burst=1)
    by_account, by_key, by_action = Throttle(account=one), Throttle(access_key=one), Throttle(action=one)
    for throttle in (by_account, by_key, by_action):
        assert throttle.take(1, "LTAIa", "one", NOW) == 0
    assert [by_account.take(1, "LTAIb", "two", NOW), by_account.take(2, "LTAIa", "one", NOW)] == [1_000, 0]
    assert [by_key.take(1, "LTAIa", "two", NOW), by_key.take(1, "LTAIb", "one", NOW)] == [1_000, 0]
    assert [by_action.take(1, "LTAIb", "one", NOW), by_action.take(1, "LTAIa", "two", NOW)] == [1_000, 0]


def test_an_action_is_limited_for_each_account_apart() -> None:
    throttle = Throttle(action=Limit(per_second=1, burst=1))
    assert [throttle.take(account, f"LTAI{account}", REPORT, NOW) for account in (1, 2)] == [0, 0]


def test_a_refusal_by_one_limit_takes_nothing_from_the_others() -> None:
    throttle = Throttle(account=Limit(per_second=1, burst=1), access_key=Limit(per_second=1, burst=2))
    assert throttle.take(1, "LTAIa", REPORT, NOW) == 0
    assert [throttle.take(1, "LTAIa", REPORT, NOW) for _ in range(5)] == [1_000] * 5
    assert throttle.take(2, "LTAIa", REPORT, NOW) == 0


def test_the_longest_wait_of_all_limits_is_told() -> None:
    throttle = Throttle(account=Limit(per_second=10, burst=1), access_key=Limit(per_second=2, burst=1))
    assert [throttle.take(1, "LTAI", REPORT, NOW) for _ in range(2)] == [0, 500]


@given(limits, steps)
def test_no_window_admits_more_than_the_burst_and_the_rate(limit: Limit, steps: list[int]) -> None:
    times = admitted(Throttle(account=limit), [NOW + at for at in accumulate(steps)])
    for first, start in enumerate(times):
        for count, end in enumerate(times[first:], start=1):
            assert count <= limit.burst + limit.per_second * (end - start) / 1_000 + 1e-6


@given(limits, steps_both_ways)
def test_nor_does_it_when_the_clock_goes_back_counting_its_forward_steps(
    limit: Limit, steps: list[int]
) -> None:
    throttle = Throttle(account=limit)
    times = [NOW + at for at in accumulate(steps)]
    passed = [0, *accumulate(max(0, later - earlier) for earlier, later in pairwise(times))]
    ages = [age for age, now in zip(passed, times, strict=True) if not throttle.take(1, "LTAI", REPORT, now)]
    for first, start in enumerate(ages):
        for count, end in enumerate(ages[first:], start=1):
            assert count <= limit.burst + limit.per_second * (end - start) / 1_000 + 1e-6


@given(limits, limits, steps_both_ways)
def test_who_waits_as_told_is_admitted_and_a_millisecond_earlier_is_not(
    account: Limit, action: Limit, steps: list[int]
) -> None:
    throttle = Throttle(account=account, action=action)
    now = NOW
    for step in steps:
        now += step
        wait = throttle.take(1, "LTAI", REPORT, now)
        assert 0 <= wait <= 1_000 / min(account.per_second, action.per_second) + 1
        if wait:
            now += wait - 1
            assert throttle.take(1, "LTAI", REPORT, now) == 1
            now += 1
            assert throttle.take(1, "LTAI", REPORT, now) == 0


@given(limits, limits, limits, st.lists(st.tuples(st.integers(0, 500), names), max_size=100))
def test_without_the_refused_requests_everything_would_have_been_the_same(
    account: Limit, access_key: Limit, action: Limit, requests: list[tuple[int, tuple[int, str, str]]]
) -> None:
    throttle = Throttle(account=account, access_key=access_key, action=action)
    twin = Throttle(account=account, access_key=access_key, action=action)
    now = NOW
    for step, name in requests:
        now += step
        if throttle.take(*name, now) == 0:
            assert twin.take(*name, now) == 0
    for name in [(1, "LTAIa", "one"), (2, "LTAIb", "two")]:
        assert throttle.take(*name, now) == twin.take(*name, now)


def test_a_clock_that_goes_back_makes_no_wait_longer_and_frees_nobody() -> None:
    throttle = Throttle(account=Limit(per_second=1, burst=5))
    admitted(throttle, [NOW] * 5)
    back = NOW - 24 * HOUR_MS
    assert [throttle.take(1, "LTAI", REPORT, back + at) for at in (0, 400, 1_000, 1_000)] == [
        1_000,
        600,
        0,
        1_000,
    ]


def test_allowances_that_are_full_again_are_forgotten() -> None:
    throttle = Throttle(access_key=Limit(per_second=10, burst=10))
    for index in range(500):
        throttle.take(1, f"LTAI{index}", REPORT, NOW)
    assert throttle.remembered == 500
    throttle.take(1, "LTAI", REPORT, NOW + 100)
    assert throttle.remembered == 1


def test_memory_stays_bounded_whatever_names_come() -> None:
    # A hundred thousand stand for the millions of a flood: beyond the capacity each is treated the same.
    capacity = 1_000
    throttle = Throttle(access_key=Limit(per_second=0.001, burst=2), capacity=capacity)
    most = 0
    for index in range(100_000):
        throttle.take(1, f"LTAI{index}", REPORT, NOW + index)
        most = max(most, throttle.remembered)
    assert most == capacity


def test_names_that_come_slowly_enough_never_fill_the_memory() -> None:
    throttle = Throttle(access_key=Limit(per_second=1, burst=1), capacity=10_000)
    refused = sum(bool(throttle.take(1, f"LTAI{index}", REPORT, NOW + index)) for index in range(20_000))
    assert refused == 0
    assert throttle.remembered < 5_000


def test_a_flood_of_names_frees_nobody_of_its_limit() -> None:
    throttle = Throttle(access_key=Limit(per_second=0.001, burst=2), capacity=10)
    assert [throttle.take(1, "LTAIspent", REPORT, NOW) for _ in range(3)] == [0, 0, 1_000_000]
    results = [throttle.take(1, f"LTAI{index}", REPORT, NOW + 1) for index in range(1_000)]
    # Nine with an allowance of their own, and two out of the one that all others share.
    assert results.count(0) == 11
    assert throttle.take(1, "LTAIspent", REPORT, NOW + 2) == 999_998


def test_a_newcomer_of_a_full_memory_gets_no_second_burst_when_there_is_room() -> None:
    allowances = Allowances(Limit(per_second=1, burst=10), capacity=1)
    allowances.take("first", NOW)
    for _ in range(10):
        allowances.take("newcomer", NOW)
    assert allowances.wait("newcomer", NOW) == 1_000
    allowances.take("newcomer", NOW + 1_000)
    assert len(allowances) == 1
    assert allowances.wait("newcomer", NOW + 1_000) == 1_000
    # Forgotten when it was full, and not made worse off by it.
    assert allowances.wait("first", NOW + 1_000) == 0


@given(limits, st.integers(1, 4), st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 9)), max_size=150))
def test_however_little_memory_there_is_no_name_gets_more_than_its_limit(
    limit: Limit, capacity: int, requests: list[tuple[int, int]]
) -> None:
    throttle = Throttle(account=limit, capacity=capacity)
    times: dict[int, list[int]] = {}
    now = NOW
    for step, account in requests:
        now += step
        if throttle.take(account, "LTAI", REPORT, now) == 0:
            times.setdefault(account, []).append(now)
        assert throttle.remembered <= capacity
    for mine in times.values():
        for first, start in enumerate(mine):
            for count, end in enumerate(mine[first:], start=1):
                assert count <= limit.burst + limit.per_second * (end - start) / 1_000 + 1e-6


def test_twenty_log_ins_may_fail_at_once_and_then_one_every_three_seconds() -> None:
    guard = FailedLogins()
    for _ in range(20):
        assert guard.check("203.0.113.7", NOW) == 0
        guard.failed("203.0.113.7", NOW)
    assert guard.check("203.0.113.7", NOW) == 3_000
    assert guard.check("203.0.113.7", NOW + 2_999) == 1
    assert guard.check("203.0.113.7", NOW + 3_000) == 0
    guard.failed("203.0.113.7", NOW + 3_000)
    assert guard.check("203.0.113.7", NOW + 3_000) == 3_000
    assert guard.check("203.0.113.7", NOW + HOUR_MS) == 0


def test_checking_and_the_successes_of_others_change_nothing() -> None:
    guard = FailedLogins(Limit(per_second=1, burst=1))
    guard.failed("203.0.113.7", NOW)
    for _ in range(100):
        assert guard.check("203.0.113.8", NOW) == 0
        assert guard.check("203.0.113.7", NOW) == 1_000
    assert guard.remembered == 1


def test_failures_that_were_under_way_when_the_source_had_to_wait_make_no_longer_wait() -> None:
    guard = FailedLogins()
    for _ in range(10_000):
        guard.failed("203.0.113.7", NOW)
    assert guard.check("203.0.113.7", NOW) == 3_000


@pytest.mark.parametrize(
    ("failing", "asking", "same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", True),
        ("2001:db8:0:1::1", "2001:DB8:0:1::2", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("::ffff:203.0.113.7", "::ffff:203.0.113.8", False),
        ("203.0.113.7", "203.0.113.8", False),
        ("", "", True),
        ("no: address", "no: address", True),
        ("no: address", "another: one", False),
    ],
)
def test_a_source_is_an_ipv4_address_or_an_ipv6_network(failing: str, asking: str, *, same: bool) -> None:
    guard = FailedLogins(Limit(per_second=1, burst=1))
    guard.failed(failing, NOW)
    assert guard.check(asking, NOW) == (1_000 if same else 0)


def test_no_address_is_too_long_to_remember() -> None:
    guard = FailedLogins(Limit(per_second=1, burst=1))
    guard.failed("x" * 100_000, NOW)
    assert guard.check("x" * 64, NOW) == 1_000


def test_sources_are_bounded_and_a_flood_of_one_kind_leaves_the_other_alone() -> None:
    guard = FailedLogins(capacity=100)
    for index in range(100_000):
        guard.failed(f"2001:db8:{index >> 16:x}:{index & 0xFFFF:x}::1", NOW)
    assert guard.remembered == 100
    assert guard.check("2001:db9::1", NOW) == 3_000
    assert guard.check("203.0.113.7", NOW) == 0
    assert guard.check("2001:db9::1", NOW + HOUR_MS) == 0
    assert guard.remembered == 0


@given(st.lists(st.integers(-2_000, 5_000), max_size=150))
def test_the_clock_may_go_anywhere_and_no_source_waits_longer_than_one_failure_costs(
    steps: list[int],
) -> None:
    guard = FailedLogins()
    now = NOW
    for step in steps:
        now += step
        wait = guard.check("203.0.113.7", now)
        assert 0 <= wait <= 1_000 / FAILED_LOGINS.per_second
        guard.failed("203.0.113.7", now)
