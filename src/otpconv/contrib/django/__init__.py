"""Django: INSTALLED_APPS gets "otpconv.contrib.django", and a view imports `reporter` from here.

The setting OTPCONV holds arguments of `Reporter`, e.g. `{"endpoint": "http://127.0.0.1:8080"}`. Missing
arguments are read from the environment. If neither names an endpoint, or the settings
are wrong, the reporter is disabled and the log says why.

A report is a fact about the user, not about a database, so it is taken even if the transaction is rolled
back. To report only after a commit: `transaction.on_commit(partial(reporter.report, message_id))`.
"""

import logging
from threading import Lock
from typing import Any, cast

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.functional import LazyObject, empty

from otpconv.contrib.unconfigured import disabled_without_endpoint
from otpconv.errors import Misconfigured
from otpconv.reporter import Reporter

_LOCK = Lock()
_log = logging.getLogger("otpconv.contrib.django")


class _LazyReporter(LazyObject):  # type: ignore[misc] # Django ships no types
    """Makes its Reporter when it is first used: views are imported before a test's settings hold.

    Nor does a command that reports nothing make a spool, as a user that the server may not be.
    """

    _wrapped: Any

    def _setup(self) -> None:
        # The first logins in the threads of a server meet here, and a second Reporter would be one too many.
        with _LOCK:
            if self._wrapped is empty:
                self._wrapped = _made()


def _made() -> Reporter:
    try:
        return Reporter(**disabled_without_endpoint(getattr(settings, "OTPCONV", {})))
    except (AttributeError, TypeError, ValueError, Misconfigured) as error:
        # A wrong setting must not fail a login: the reports are counted as lost.
        _log.error("nothing is reported: %s", error)
        return Reporter(disabled=True)


_lazy = _LazyReporter()
#: The process's Reporter.
reporter = cast(Reporter, _lazy)


@receiver(setting_changed)  # type: ignore[untyped-decorator] # Django ships no types
def _forget(*, setting: str, **_: object) -> None:
    """Create a new Reporter after a test overrides its setting."""
    if setting == "OTPCONV" and _lazy._wrapped is not empty:  # noqa: SLF001 - our own class
        reporter.close()
        _lazy._wrapped = empty  # noqa: SLF001 - our own class
