"""What all reporters of a process do when it forks, and when it ends: one protocol, whoever forks.

A child notices in one of three ways that it is one, and begins anew then:

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
from functools import partial
from typing import Any, Protocol

#: How long the exit of the interpreter waits for working delivery, s; the spool keeps the rest.
_AT_EXIT_S = 1.0

_log = logging.getLogger("otpconv.reporter")


class Member(Protocol):
    """A reporter, as its process sees it."""

    def _forking(self) -> None:
        """Hold still: the process is about to fork."""

    def _went_on(self) -> None:
        """Go on after a fork, in the parent."""

    def _forked(self) -> None:
        """Begin anew, in the child."""

    def _may_deliver(self) -> None:
        """Start the delivery that was put off until now, if any was."""

    def _at_exit(self, deadline: float) -> None:
        """Flush until `deadline` (steady, s), and end."""


reporters: "weakref.WeakSet[Member]" = weakref.WeakSet()
#: The process in which the reporters began; `check` if it is another one now.
pid = os.getpid()
#: One for each process, so that none is ever held by a thread of the parent.
_checking: dict[int, threading.Lock] = {}


def check() -> None:
    """Let all reporters begin anew if this is a child, forked by somebody who runs no hooks."""
    here = os.getpid()
    if here == pid:
        return
    with _checking.setdefault(here, threading.Lock()):
        if here != pid:
            _begin_anew()


def may_start_threads() -> bool:
    """Tell whether a thread may be started: not in uWSGI before it has forked its workers."""
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
    check()
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
    if child:
        _begin_anew()
    else:
        for reporter in _forking.reporters:
            reporter._went_on()  # noqa: SLF001 - for this module
    _forking.reporters = []


def _in_worker() -> None:
    """Begin anew in a worker of uWSGI, and start the delivery that its master put off."""
    check()
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
    before=_before_fork,
    after_in_parent=partial(_after_fork, child=False),
    after_in_child=partial(_after_fork, child=True),
)
_hook_into_uwsgi()
