"""The log of requests that failed through no fault of the caller: a line a second at most."""

import logging

from otpconv.errors import OtpconvError

#: Kinds of failures that are counted separately; all others are counted together.
MAX_KINDS = 20
#: Characters of a text that identify its kind, and that the log shows.
MAX_TEXT_CHARS = 300

_OTHERS = "other reasons"

_log = logging.getLogger(__name__)


class FailureLog:
    """Logs the first failure of a kind at once, and how many more there were each second after it."""

    def __init__(self) -> None:
        self._more: dict[str, int] = {}

    def note(self, error: Exception, what: str, request_id: str) -> None:
        """Log that a request failed, or count it.

        Args:
            error: why; of one that is not ours the traceback is logged.
            what: the request, without anything that is secret.
            request_id: of the answer.
        """
        expected = isinstance(error, OtpconvError)
        text = error.text if isinstance(error, OtpconvError) else repr(error)
        kind = text[:MAX_TEXT_CHARS]
        if kind not in self._more and len(self._more) >= MAX_KINDS:
            kind = _OTHERS
        if kind in self._more:
            self._more[kind] += 1
            return
        self._more[kind] = 0
        _log.error(
            "%s failed: %s",
            what,
            kind,
            exc_info=None if expected else error,
            extra={"request_id": request_id},
        )

    def settle(self) -> None:
        """Log how many more requests failed, by kind; call it each second, and at the end."""
        for kind, count in [*self._more.items()]:
            if count:
                self._more[kind] = 0
                _log.error("%d more requests failed: %s", count, kind)
            else:
                del self._more[kind]
