"""Django: INSTALLED_APPS gets "otpconv.contrib.django", and a view imports `reporter` from here.

The setting OTPCONV holds arguments of `Reporter`, as `{"endpoint": "http://127.0.0.1:8080"}`. What is left
out, and the setting itself, is taken from the environment.

A report is a fact about the user, not about a database, so it is taken whatever becomes of the transaction.
One that shall go with it: `transaction.on_commit(partial(reporter.report, message_id))`.
"""

import logging
from threading import Lock
from typing import Any, cast

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.functional import LazyObject, empty

from otpconv.reporter import MEMORY, Reporter

_LOCK = Lock()
_log = logging.getLogger("otpconv.contrib.django")


class _LazyReporter(LazyObject):  # type: ignore[misc] # Django ships no types
    """Makes its Reporter when it is first used: views are imported before a test's settings hold.

    Nor does a command that reports nothing make a spool, as a user that the server may not be.
    """

    _wrapped: Any

    def _setup(self) -> None:
        # The threads of a server meet here with their first log-ins; a second Reporter would be one too many.
        with _LOCK:
            if self._wrapped is empty:
                self._wrapped = _made()


def _made() -> Reporter:
    try:
        return Reporter(**getattr(settings, "OTPCONV", {}))
    except ValueError as error:
        # No log-in fails for want of a key: what is reported then is counted as lost, and the log says why.
        _log.error("nothing is reported: %s", error)
        idle = Reporter("http://localhost", "none", "none", spool=MEMORY, when_degraded="drop")
        idle.degrade()
        return idle


_lazy = _LazyReporter()
#: The process's Reporter.
reporter = cast(Reporter, _lazy)


@receiver(setting_changed)  # type: ignore[untyped-decorator] # Django ships no types
def _forget(*, setting: str, **_: object) -> None:
    """Make the Reporter anew where a test overrides its setting."""
    if setting == "OTPCONV" and _lazy._wrapped is not empty:  # noqa: SLF001 - our own class
        reporter.close()
        _lazy._wrapped = empty  # noqa: SLF001 - our own class
