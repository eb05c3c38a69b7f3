"""How long the work of a thread may take: set where the work begins, checked wherever it may take long."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from otpconv.errors import Unavailable


class _Thread(threading.local):
    """The deadline of a thread, by the steady clock, s; None without one."""

    at: float | None = None


_thread = _Thread()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give the calling thread so many seconds for what it does in the context, or less by an outer one."""
    before = _thread.at
    at = time.monotonic() + seconds
    _thread.at = at if before is None else min(before, at)
    try:
        yield
    finally:
        _thread.at = before


def is_over() -> bool:
    """Tell whether the time of the calling thread is over."""
    return _thread.at is not None and time.monotonic() > _thread.at


def check() -> None:
    """Go on unless the time of the calling thread is over.

    Raises:
        Unavailable: it is.
    """
    if is_over():
        raise Unavailable("The answer takes too long. Ask about less time, or for fewer groups.")
