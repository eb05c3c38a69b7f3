"""What all reporters of a process do when it forks, and when it ends."""

import atexit
import os
import threading
import time
import weakref
from functools import partial
from typing import Protocol

#: How long the end of an interpreter waits for delivery, if that works, s; the spool has the rest.
_AT_EXIT_S = 1.0


class Member(Protocol):
    """A reporter, as its process sees it."""

    def _forking(self) -> None:
        """Hold still: the process is about to fork."""

    def _went_on(self) -> None:
        """Go on after a fork, in the parent."""

    def _forked(self) -> None:
        """Begin anew, in the child."""

    def _at_exit(self, deadline: float) -> None:
        """Flush until `deadline` (steady, s), and end."""


reporters: "weakref.WeakSet[Member]" = weakref.WeakSet()


@atexit.register
def _at_exit() -> None:
    deadline = time.monotonic() + _AT_EXIT_S
    for reporter in list(reporters):
        reporter._at_exit(deadline)  # noqa: SLF001 - for this module


#: Which reporters a thread that forks holds meanwhile.
_forking = threading.local()


def _before_fork() -> None:
    # In one order: two threads may fork at once.
    _forking.reporters = sorted(reporters, key=id)
    for reporter in _forking.reporters:
        reporter._forking()  # noqa: SLF001 - for this module


def _after_fork(*, child: bool) -> None:
    for reporter in _forking.reporters:
        if child:
            reporter._forked()  # noqa: SLF001 - for this module
        else:
            reporter._went_on()  # noqa: SLF001 - for this module
    _forking.reporters = []


# There is no way to take such hooks back, so they must hold no reporter.
os.register_at_fork(
    before=_before_fork,
    after_in_parent=partial(_after_fork, child=False),
    after_in_child=partial(_after_fork, child=True),
)
