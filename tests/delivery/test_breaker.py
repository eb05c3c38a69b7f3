"""The circuit breaker: closed, open, half-open, on a steady clock."""

from otpconv.delivery.breaker import Breaker


class Steady:
    """A clock that a test moves forward, s."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Steady, longest_pause_ms: int = 30_000) -> Breaker:
    breaker = Breaker(longest_pause_ms, clock)
    for _ in range(5):
        clock.now += breaker.wait_s()
        breaker.failed()
    return breaker


def test_it_opens_after_five_failures_and_not_before() -> None:
    clock = Steady()
    breaker = Breaker(30_000, clock)
    for _ in range(4):
        breaker.failed()
        assert breaker.state == "closed"
        assert breaker.wait_s() > 0
    breaker.failed()
    assert breaker.state == "open"


def test_a_success_in_between_starts_the_count_again() -> None:
    breaker = Breaker(30_000, Steady())
    for _ in range(4):
        breaker.failed()
    breaker.succeeded()
    assert breaker.wait_s() == 0
    for _ in range(4):
        breaker.failed()
    assert breaker.state == "closed"


def test_after_its_pause_it_lets_a_probe_through_which_decides() -> None:
    clock = Steady()
    breaker = opened(clock)
    clock.now += breaker.wait_s()
    assert breaker.state == "half-open"
    breaker.failed()
    assert breaker.state == "open"
    clock.now += breaker.wait_s()
    breaker.succeeded()
    assert breaker.state == "closed"


def test_pauses_double_up_to_the_longest_and_half_of_each_is_by_chance() -> None:
    clock = Steady()
    breaker = Breaker(5000, clock)
    for pause in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0):
        breaker.failed()
        assert pause / 2 <= breaker.wait_s() <= pause
        clock.now += breaker.wait_s()


def test_many_failures_do_not_overflow() -> None:
    breaker = Breaker(5000, Steady())
    for _ in range(5000):
        breaker.failed()
    assert breaker.wait_s() <= 5


def test_the_other_side_may_ask_for_longer_but_not_for_ever() -> None:
    breaker = Breaker(1000, Steady())
    breaker.failed(60_000)
    assert breaker.wait_s() == 60
    breaker.failed(86_400_000)
    assert breaker.wait_s() == 300
    breaker.busy(2500)
    assert breaker.wait_s() == 2.5
    breaker.busy(0)
    assert breaker.wait_s() > 0


def test_being_busy_is_no_failure() -> None:
    breaker = Breaker(1000, Steady())
    for _ in range(20):
        breaker.busy(100)
    assert breaker.state == "closed"


def test_who_waits_for_delivery_may_have_a_probe_at_once() -> None:
    breaker = opened(Steady())
    breaker.probe_now()
    assert breaker.state == "half-open"
    assert breaker.wait_s() == 0
