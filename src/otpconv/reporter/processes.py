"""What all reporters of a process do when it forks, and when it ends: one protocol, whoever forks.

A child notices in one of three ways that it is one, and then starts from scratch:

- `os.fork`, and what uses it (multiprocessing, gunicorn, Celery), runs the hooks that are registered here;
- uWSGI forks in C and runs none of them, but calls `uwsgi.post_fork_hook` in each worker;
- whatever else forks is noticed at the next call of a reporter, which compares process ids.

No thread is started in uWSGI's master before it forks: a worker forked beside a running thread may hang.
"""

import atexit
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Generator, Sequence
from typing import Any, Protocol

#: How long the exit of the interpreter waits for working delivery, s; the spool keeps the rest.
_AT_EXIT_S = 1.0

_log = logging.getLogger("otpconv.reporter")


class Member(Protocol):
    """A reporter, as its process sees it."""

    def _locks(self) -> tuple[threading.RLock, ...]:
        """Return the locks to hold while the process forks."""

    def _forked(self) -> None:
        """Use an outbox of this process from now on, if that of the parent is still in use."""

    def _may_deliver(self) -> None:
        """Start the delivery that was put off until now, if any was."""

    def _at_exit(self, deadline: float) -> None:
        """Flush until `deadline` (steady, s), and end."""


reporters: "weakref.WeakSet[Member]" = weakref.WeakSet()
#: The process in which the reporters began; `notice_fork` if it is another one now.
pid = os.getpid()
#: One for each process, so that none is ever held by a thread of the parent.
_checking: dict[int, threading.RLock] = {}


def notice_fork() -> None:
    """Start all reporters from scratch if this is a child, forked by somebody who runs no hooks."""
    here = os.getpid()
    if here == pid:
        return
    with _checking.setdefault(here, threading.RLock()):
        if here != pid:
            _begin_anew()


def may_start_threads() -> bool:
    """Return whether a thread may be started: not in uWSGI before it has forked its workers."""
    uwsgi = _uwsgi()
    return uwsgi is None or any((uwsgi.worker_id(), uwsgi.mule_id(), uwsgi.i_am_the_spooler()))


def _uwsgi() -> Any:  # noqa: ANN401 - a module that uWSGI makes
    """Return the module by which uWSGI speaks to the application; None outside of it."""
    found = sys.modules.get("uwsgi")
    return found if hasattr(found, "worker_id") else None


def _begin_anew() -> None:
    global pid  # noqa: PLW0603 - a process has one
    for reporter in list(reporters):
        reporter._forked()  # noqa: SLF001 - for this module
    pid = os.getpid()
    _checking.clear()


@atexit.register
def _at_exit() -> None:
    notice_fork()
    deadline = time.monotonic() + _AT_EXIT_S
    for reporter in list(reporters):
        reporter._at_exit(deadline)  # noqa: SLF001 - for this module


def _holding(locks: Sequence[threading.RLock]) -> Generator[None, None, None]:
    """Hold locks until the generator is closed."""
    if not locks:
        yield
        return
    # A signal handler that raises can't come between `with` and the block: either both hold, or neither.
    with locks[0]:
        yield from _holding(locks[1:])


class _Forking(threading.local):
    """What a thread that forks holds meanwhile: a suspended call of `_holding`."""

    held = _holding(())


_forking = _Forking()


def _before_fork() -> None:
    # In one order: two threads may fork at once.
    locks = [lock for reporter in sorted(reporters, key=id) for lock in reporter._locks()]  # noqa: SLF001 - for this module
    _forking.held = _holding(locks)
    next(_forking.held)


def _after_fork_in_parent() -> None:
    _forking.held.close()


def _after_fork_in_child() -> None:
    _forking.held.close()
    _begin_anew()


def _in_worker() -> None:
    """Start from scratch in a worker of uWSGI, and start the delivery that its master put off."""
    notice_fork()
    for reporter in list(reporters):
        reporter._may_deliver()  # noqa: SLF001 - for this module


def _hook_into_uwsgi() -> None:
    uwsgi = _uwsgi()
    if uwsgi is None:
        return
    if not {"enable-threads", "threads"} & {os.fsdecode(name) for name in uwsgi.opt}:
        _log.error("uWSGI runs no threads, so nothing is delivered: set enable-threads = true")
    decorators: Any = sys.modules.get("uwsgidecorators")
    if decorators is not None:
        decorators.postfork(_in_worker)
        return
    before = getattr(uwsgi, "post_fork_hook", None)

    def hook() -> None:
        if before is not None:
            before()
        _in_worker()

    uwsgi.post_fork_hook = hook


# There is no way to take such hooks back, so they must hold no reporter.
os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
)
# Once more: Python runs a signal handler as it enters the hook, and swallows what the handler raises
# (Ctrl-C), so the first call may do nothing.
os.register_at_fork(after_in_parent=_after_fork_in_parent)
_hook_into_uwsgi()
