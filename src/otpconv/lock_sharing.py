"""How often Python's lock changes hands while threads work beside the event loop."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: How long a thread may hold the lock while another wants it, s, when work runs beside the event loop. A
#: commit in a thread takes the lock some ten times, and so would take ten times as long.
SHARED_S = 0.0005
#: The same otherwise, s: Python's default. Changing hands more often costs reports a few percent.
ALONE_S = 0.005

_working = 0


def begin() -> None:
    """Note, in the thread of the event loop, that work begins beside it."""
    global _working  # noqa: PLW0603 - the lock is the process's
    _working += 1
    sys.setswitchinterval(SHARED_S)


def end() -> None:
    """Note, in the thread of the event loop, that one such work has ended."""
    global _working  # noqa: PLW0603 - as above
    _working -= 1
    if not _working:
        sys.setswitchinterval(ALONE_S)


@contextmanager
def shared() -> Iterator[None]:
    """Share the lock more often meanwhile."""
    begin()
    try:
        yield
    finally:
        end()
