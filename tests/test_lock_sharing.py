"""Python's lock: shared more often while threads work beside the event loop, and never for longer."""

import sys

import pytest
from hypothesis import given, strategies as st

from otpconv import lock_sharing


@given(st.lists(st.booleans(), max_size=20))
def test_the_lock_is_shared_as_long_as_any_work_runs_and_not_longer(steps: list[bool]) -> None:
    working = 0
    for begins in [*steps, *[False] * len(steps)]:
        if begins:
            lock_sharing.begin()
            working += 1
        elif working:
            lock_sharing.end()
            working -= 1
        wanted = lock_sharing.SHARED_S if working else lock_sharing.ALONE_S
        assert sys.getswitchinterval() == pytest.approx(wanted)


def test_work_that_fails_shares_the_lock_no_longer() -> None:
    with pytest.raises(ZeroDivisionError), lock_sharing.shared():
        raise ZeroDivisionError
    assert sys.getswitchinterval() == pytest.approx(lock_sharing.ALONE_S)
