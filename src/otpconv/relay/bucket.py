"""A token bucket: when the next call to a vendor may be."""

import threading
import time
from collections.abc import Callable
from typing import Final

#: The share of a second's calls that may be made at once, and the share of the limit that is used at most, so
#: that no second has more calls than the limit, wherever it begins.
_BURST: Final = 0.01
_USED: Final = 0.98


class Bucket:
    """Tokens that refill at a rate, for any thread.

    Args:
        per_second: the most calls in a second.
        now: a steady clock, s.
    """

    def __init__(self, per_second: int, now: Callable[[], float] = time.monotonic) -> None:
        self._capacity = max(1.0, per_second * _BURST)
        self._rate = per_second * _USED
        self._now = now
        self._lock = threading.Lock()
        self._tokens = self._capacity
        self._at = now()

    def take(self) -> float:
        """Take a token, and return how long to wait until it may be used, s."""
        with self._lock:
            now = self._now()
            self._tokens = min(self._capacity, self._tokens + (now - self._at) * self._rate) - 1
            self._at = now
            return max(0.0, -self._tokens / self._rate)
