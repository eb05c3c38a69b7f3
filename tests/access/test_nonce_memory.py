"""A million nonces: the guard's memory stays within its capacity."""

import secrets
import sys
from array import array

import pytest

from campaigns import rounds
from otpconv.access.nonces import NonceGuard

NONCES = rounds(1_000_000)
CAPACITY = NONCES // 5
#: About 100 bytes a nonce, and twice as many where the dictionaries have just doubled.
MAX_BYTES = CAPACITY * 200
NOW = 1_700_000_000_000


def bytes_of(value: object) -> int:
    """Return the size of a value with everything in it."""
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        return size + sum(bytes_of(each) for pair in value.items() for each in pair if each is not None)
    # The numbers of an array are in its own size.
    if isinstance(value, (tuple, list)) and not isinstance(value, array):
        return size + sum(map(bytes_of, value))
    return size


@pytest.mark.rounds
def test_a_million_random_nonces_take_no_more_memory_than_the_capacity_gives_them() -> None:
    guard = NonceGuard(CAPACITY)
    for number in range(NONCES):
        now = NOW + number // 2  # 2,000 a second, far more than fit into the window
        guard.admit("LTAI", secrets.token_hex(16), now, now)
        assert len(guard) <= CAPACITY
        if (number + 1) % (NONCES // 10) == 0:
            assert bytes_of(vars(guard)) < MAX_BYTES, number
    assert len(guard) > CAPACITY * 0.98
