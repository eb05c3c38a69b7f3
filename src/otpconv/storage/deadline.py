"""A time limit for the work of a thread: set where the work begins, checked wherever it may take long."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from otpconv.errors import Unavailable


class _Thread(threading.local):
    """The deadline of a thread, by the monotonic clock, s; None if it has none."""

    at: float | None = None


_thread = _Thread()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Limit the calling thread to this time in the context, or to less if an outer context says so."""
    before = _thread.at
    at = time.monotonic() + seconds
    _thread.at = at if before is None else min(before, at)
    try:
        yield
    finally:
        _thread.at = before


def is_over() -> bool:
    """Return whether the deadline of the calling thread has passed."""
    return _thread.at is not None and time.monotonic() > _thread.at


def left_ms() -> int | None:
    """Return how long the calling thread has left, ms, at least 1; None if it has no deadline."""
    return None if _thread.at is None else max(1, int((_thread.at - time.monotonic()) * 1000))


def check() -> None:
    """Raise if the deadline of the calling thread has passed.

    Raises:
        Unavailable: the deadline has passed.
    """
    if is_over():
        raise Unavailable("The answer takes too long. Ask about less time, or for fewer groups.")
