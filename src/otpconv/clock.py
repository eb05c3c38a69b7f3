"""The only place that reads the wall clock; everything else takes a `Clock`."""

import time
from collections.abc import Callable

#: Returns the time now, in milliseconds since the Unix epoch, UTC.
Clock = Callable[[], int]


def wall_clock() -> int:
    """Return the time now, in milliseconds since the Unix epoch, UTC."""
    return time.time_ns() // 1_000_000
