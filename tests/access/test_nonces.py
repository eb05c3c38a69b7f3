import contextlib

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import rounds
from otpconv.access.nonces import WINDOW_MS, NonceGuard
from otpconv.clock import duration, iso_8601
from otpconv.errors import OtpconvError, ReplayedNonce, StaleTimestamp, Unavailable

NOW = 1_700_000_000_000
MINUTE_MS = 60_000
FINGERPRINT = 5_750_775_549_693_262_716


def test_a_nonce_is_let_in_once() -> None:
    guard = NonceGuard()
    guard.admit("LTAI", "n", NOW, NOW)
    with pytest.raises(ReplayedNonce):
        guard.admit("LTAI", "n", NOW, NOW)
    assert len(guard) == 1


def test_a_nonce_is_known_once_it_was_let_in() -> None:
    guard = NonceGuard()
    assert not guard.knows("LTAI", "n")
    guard.admit("LTAI", "n", NOW, NOW)
    assert guard.knows("LTAI", "n")
    assert not guard.knows("LTAI", "m")
    assert not guard.knows("LTAJ", "n")


def test_a_nonce_is_refused_with_another_timestamp_too() -> None:
    guard = NonceGuard()
    guard.admit("LTAI", "n", NOW, NOW)
    for minutes in (-14, -1, 1, 14):
        with pytest.raises(ReplayedNonce):
            guard.admit("LTAI", "n", NOW + minutes * MINUTE_MS, NOW)


def test_two_keys_may_use_the_same_nonce() -> None:
    guard = NonceGuard()
    guard.admit("LTAIa", "n", NOW, NOW)
    guard.admit("LTAIb", "n", NOW, NOW)


def test_the_fingerprint_never_changes_between_releases() -> None:
    assert NonceGuard().admit("LTAI", "nonce", NOW, NOW) == FINGERPRINT


@pytest.mark.parametrize("away", [-WINDOW_MS, -1, 0, 1, WINDOW_MS])
def test_a_timestamp_within_15_minutes_is_accepted(away: int) -> None:
    guard = NonceGuard()
    guard.check_time(NOW + away, NOW)
    guard.admit("LTAI", "n", NOW + away, NOW)


@pytest.mark.parametrize("away", [-WINDOW_MS - 1, WINDOW_MS + 1, -(10**15), 10**15])
def test_a_timestamp_further_away_is_stale(away: int) -> None:
    guard = NonceGuard()
    with pytest.raises(StaleTimestamp, match="15 minutes"):
        guard.check_time(NOW + away, NOW)
    with pytest.raises(StaleTimestamp, match="15 minutes"):
        guard.admit("LTAI", "n", NOW + away, NOW)
    assert len(guard) == 0


def test_a_nonce_is_forgotten_when_its_timestamp_is_too_old_and_may_then_be_used_again() -> None:
    guard = NonceGuard()
    guard.admit("LTAI", "n", NOW, NOW)
    later = NOW + WINDOW_MS + 2_000
    guard.admit("LTAI", "other", later, later)
    assert len(guard) == 1
    guard.admit("LTAI", "n", later, later)


def test_a_clock_that_goes_back_lets_no_forgotten_nonce_in() -> None:
    guard = NonceGuard()
    guard.admit("LTAI", "n", NOW, NOW)
    later = NOW + WINDOW_MS + 2_000
    guard.admit("LTAI", "other", later, later)
    with pytest.raises(StaleTimestamp):
        guard.admit("LTAI", "n", NOW, NOW)
    guard.admit("LTAI", "honest", NOW + 1_000, NOW + 1_000)


def test_nonces_go_on_expiring_after_the_clock_was_far_ahead() -> None:
    guard = NonceGuard()
    far = NOW + 10**12
    guard.admit("LTAI", "far", far, far)
    guard.admit("LTAI", "a", NOW, NOW)
    later = NOW + WINDOW_MS + 2_000
    guard.admit("LTAI", "b", later, later)
    assert len(guard) == 2


def test_when_memory_is_full_the_oldest_go_and_their_replays_are_stale() -> None:
    guard = NonceGuard(capacity=10)
    for second in range(20):
        now = NOW + second * 1_000
        guard.admit("LTAI", f"n{second}", now, now)
        assert len(guard) <= 10
    now = NOW + 20_000
    for second in range(10):
        with pytest.raises(StaleTimestamp):
            guard.admit("LTAI", f"n{second}", NOW + second * 1_000, now)
        with pytest.raises(StaleTimestamp):
            guard.check_time(NOW + second * 1_000, now)
    for second in range(10, 20):
        with pytest.raises(ReplayedNonce):
            guard.admit("LTAI", f"n{second}", NOW + second * 1_000, now)


def test_requests_signed_ahead_fill_only_half_and_the_honest_ones_go_on() -> None:
    guard = NonceGuard(capacity=100)
    refused = 0
    for index in range(200):
        try:
            guard.admit("LTAI", f"ahead{index}", NOW + WINDOW_MS, NOW)
        except StaleTimestamp:
            refused += 1
    assert (len(guard), refused) == (50, 150)
    for second in range(1, 500):
        now = NOW + second * 1_000
        guard.admit("LTAI", f"honest{second}", now, now)
        guard.admit("LTAI", f"slow{second}", now - 500, now)
        assert len(guard) <= 100


def test_the_present_is_never_forgotten_for_more_of_the_present() -> None:
    guard = NonceGuard(capacity=10)
    for index in range(10):
        guard.admit("LTAI", f"n{index}", NOW, NOW)
    with pytest.raises(Unavailable):
        guard.admit("LTAI", "one more", NOW, NOW)
    with pytest.raises(ReplayedNonce):
        guard.admit("LTAI", "n0", NOW, NOW)
    guard.admit("LTAI", "a second later", NOW + 1_000, NOW + 1_000)
    with pytest.raises(StaleTimestamp):
        guard.admit("LTAI", "n0", NOW, NOW + 1_000)


def test_when_memory_is_full_a_newer_nonce_is_not_forgotten_for_an_older_one() -> None:
    guard = NonceGuard(capacity=10)
    for second in range(10):
        guard.admit("LTAI", f"n{second}", NOW + second * 1_000, NOW + 10_000)
    with pytest.raises(StaleTimestamp):
        guard.admit("LTAI", "older", NOW - 1_000, NOW + 10_000)
    with pytest.raises(ReplayedNonce):
        guard.admit("LTAI", "n0", NOW, NOW + 10_000)


def test_a_restart_forgets_nothing() -> None:
    guard = NonceGuard()
    journal = [(guard.admit("LTAI", f"n{index}", NOW + index, NOW), NOW + index) for index in range(3_000)]
    restarted = NonceGuard()
    restarted.restore(reversed(journal))
    assert len(restarted) == 3_000
    for index in range(3_000):
        with pytest.raises(ReplayedNonce):
            restarted.admit("LTAI", f"n{index}", NOW + index, NOW)


def test_a_restart_with_less_memory_keeps_the_newest_and_refuses_the_rest() -> None:
    guard = NonceGuard()
    journal = [
        (guard.admit("LTAI", f"n{second}", NOW + second * 1_000, NOW), NOW + second * 1_000)
        for second in range(20)
    ]
    restarted = NonceGuard(capacity=10)
    restarted.restore(journal)
    assert len(restarted) == 10
    with pytest.raises(StaleTimestamp):
        restarted.check_time(NOW + 9_000, NOW + 20_000)
    restarted.check_time(NOW + 10_000, NOW + 20_000)
    for second in range(20):
        with pytest.raises((ReplayedNonce, StaleTimestamp)):
            restarted.admit("LTAI", f"n{second}", NOW + second * 1_000, NOW + 20_000)


def test_of_a_nonce_used_again_after_its_time_the_later_use_is_restored() -> None:
    guard = NonceGuard()
    guard.restore([(FINGERPRINT, NOW), (FINGERPRINT, NOW + WINDOW_MS)])
    now = NOW + WINDOW_MS + 5_000
    guard.admit("LTAI", "other", now, now)
    with pytest.raises(ReplayedNonce):
        guard.admit("LTAI", "nonce", NOW + WINDOW_MS, now)


def test_a_guard_without_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        NonceGuard(capacity=0)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 12),  # which nonce
        st.integers(-20 * 60, 20 * 60),  # signed at, seconds from NOW
        st.integers(-40 * 60, 40 * 60),  # now, seconds from NOW
        st.booleans(),  # restart before it
    ),
    max_size=60,
)


@settings(max_examples=rounds(400), deadline=None)
@given(steps=STEPS, capacity=st.integers(1, 12))
def test_no_order_of_times_restarts_or_sizes_lets_a_request_in_twice(
    steps: list[tuple[int, int, int, bool]], capacity: int
) -> None:
    guard = NonceGuard(capacity)
    admitted: list[tuple[int, int]] = []
    seen: set[tuple[int, int]] = set()
    for nonce, signed_seconds, now_seconds, restart in steps:
        if restart:
            guard = NonceGuard(capacity)
            guard.restore(admitted)
        signed_at, now = NOW + signed_seconds * 1_000, NOW + now_seconds * 1_000
        try:
            fingerprint = guard.admit("LTAI", str(nonce), signed_at, now)
        except OtpconvError:
            continue
        finally:
            assert len(guard) <= capacity
        assert (nonce, signed_at) not in seen
        seen.add((nonce, signed_at))
        admitted.append((fingerprint, signed_at))


@settings(max_examples=rounds(300), deadline=None)
@given(
    requests=st.lists(st.tuples(st.integers(-900, 900), st.integers(0, 3)), max_size=80),
    capacity=st.integers(1, 20),
)
def test_while_time_goes_forward_no_request_signed_now_is_stale(
    requests: list[tuple[int, int]], capacity: int
) -> None:
    guard = NonceGuard(capacity)
    now = NOW
    for index, (away, step) in enumerate(requests):
        now += step * 1_000
        with contextlib.suppress(StaleTimestamp, Unavailable):
            guard.admit("LTAI", f"n{index}", now + away * 1_000, now)
        guard.check_time(now, now)


@settings(max_examples=rounds(300), deadline=None)
@given(
    requests=st.lists(st.tuples(st.integers(0, 5), st.integers(-900, 900), st.integers(0, 300)), max_size=60)
)
def test_with_memory_to_spare_a_nonce_comes_in_once_while_its_first_timestamp_is_in_the_window(
    requests: list[tuple[int, int, int]],
) -> None:
    guard = NonceGuard()
    now = NOW
    first: dict[int, int] = {}
    for nonce, away, step in requests:
        now += step * 1_000
        signed_at = now + away * 1_000
        try:
            guard.admit("LTAI", str(nonce), signed_at, now)
        except (ReplayedNonce, StaleTimestamp):
            continue
        assert nonce not in first or first[nonce] < now - WINDOW_MS
        first[nonce] = signed_at


@given(st.integers(0, 400 * 86_400), st.sampled_from([-1, 1]), st.integers(NOW, 2 * NOW))
def test_a_refusal_by_time_gives_the_servers_time_and_the_difference(
    away_s: int, side: int, now: int
) -> None:
    signed_at = now + side * (away_s + 901) * 1_000
    with pytest.raises(StaleTimestamp) as refused:
        NonceGuard().check_time(signed_at, now)
    assert iso_8601(now) in refused.value.text
    assert ("ahead of" if side > 0 else "behind") in refused.value.text
    assert duration(abs(signed_at - now)) in refused.value.text


def test_a_late_request_is_told_minutes_and_seconds_and_a_replay_the_servers_time() -> None:
    guard = NonceGuard()
    with pytest.raises(
        StaleTimestamp, match=r"is 17 min 3 s behind the server's time \(20..-..-..T..:..:..Z"
    ):
        guard.check_time(NOW - 1_023_000, NOW)
    guard.admit("LTAIa", "n", NOW - 60_000, NOW)
    with pytest.raises(ReplayedNonce, match=r"signed 1 min 1 s behind the server's time \(20"):
        guard.admit("LTAIa", "n", NOW - 60_000, NOW + 1_000)


@pytest.mark.parametrize(
    ("length_ms", "text"),
    [
        (0, "0 s"),
        (999, "0 s"),
        (59_999, "59 s"),
        (1_023_000, "17 min 3 s"),
        (3_600_000, "1 h"),
        (8 * 3_600_000 + 5_000, "8 h"),
        (26 * 3_600_000, "1 d 2 h"),
    ],
)
def test_a_length_of_time_is_written_in_its_two_largest_units(length_ms: int, text: str) -> None:
    assert duration(length_ms) == text
