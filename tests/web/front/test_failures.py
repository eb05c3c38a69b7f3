"""Failed requests in the log: each kind at once, and then one line a second however many there are."""

import logging
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from otpconv.errors import Unavailable
from otpconv.web.front.failures import MAX_KINDS, FailureLog

KINDS = [Unavailable(f"reason {n}") for n in range(MAX_KINDS + 5)] + [ValueError("ours"), KeyError("ours")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, len(KINDS) - 1), max_size=80), min_size=1, max_size=5))
def test_every_failure_is_counted_in_few_lines(
    caplog: pytest.LogCaptureFixture, seconds: list[list[int]]
) -> None:
    log = FailureLog()
    for second in seconds:
        caplog.clear()
        for place in second:
            log.note(KINDS[place], "a call", "ID")
        log.settle()
        lines = [record.getMessage() for record in caplog.records]
        repeats = sum(int(line.split()[0]) for line in lines if "more requests failed" in line)
        firsts = sum("a call failed" in line for line in lines)
        assert firsts + repeats == len(second)
        assert len(lines) <= 2 * (MAX_KINDS + 1)
        assert max(Counter(lines).values(), default=1) == 1


def test_an_overload_is_one_line_a_second_and_the_first_failure_is_told_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    log = FailureLog()
    for second in range(5):
        for number in range(1_000):
            log.note(Unavailable("Too many reports are waiting."), "a signed call", f"{second}-{number}")
        log.settle()
    log.settle()
    first, *others = caplog.records
    assert first.getMessage() == "a signed call failed: Too many reports are waiting."
    assert first.request_id == "0-0"  # type: ignore[attr-defined]
    counts = [int(record.getMessage().split()[0]) for record in others]
    assert counts == [999, 1_000, 1_000, 1_000, 1_000]
