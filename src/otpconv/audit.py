"""The audit trail: refused calls, and changes of users, keys, policies and saved things, as lines of JSON.

Each line goes to the file `audit.ndjson` in the data folder, and to the logger `otpconv.audit` as a record
with the same members in `fields`. It never contains a secret, a signature, a token or a phone number. An
unproven access key id is shown only if it looks like one, because people paste secrets into the wrong field.

A line is appended in one write, so lines never mix. Readers can see the beginning of a write that is still
going on: a line is complete once it has a line end.
"""

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from otpconv.clock import Clock, iso_8601, wall_clock
from otpconv.errors import OtpconvError

FILE = "audit.ndjson"

#: Refusals written per second: of one source, and of all together; further ones are only counted.
LINES_A_SOURCE = 5
LINES_ALTOGETHER = 50
#: At this size the file takes only changes, no refusals, so that attackers can't fill the disk.
MAX_REFUSALS_BYTES = 1024**3

_SECOND_MS = 1_000
_TEXT_CHARS = 200
# The last form stands for a user who signed in to the pages without a key.
_ACCESS_KEY_ID = re.compile(
    r"(?:LTAI[A-Za-z0-9]{1,28}|STS\.[A-Za-z0-9]{1,40}|user/[0-9]{1,19}/[A-Za-z0-9._@\-]{1,64})"
)

_log = logging.getLogger("otpconv.audit")
_own_log = logging.getLogger(__name__ + ".file")


class Line(Struct, omit_defaults=True, rename={"source_ip": "from"}):
    """One line.

    Attributes:
        at: the time, ISO 8601 UTC with milliseconds.
        who: the access key id, `cli:NAME` for a user of this machine, or `server`.
        what: the action, e.g. `dysms:SmsConversion` or `CreateUser`.
        outcome: `done`, or the code of the refusal.
        user: the name of the user, if known.
        account: the number of the account, if known.
        subject: the changed object.
        source_ip: the source address of the request; `from` on the line.
        request_id: the request id of the answer, if it has one.
        more: number of further refusals of this source, which have no line of their own.
    """

    at: str
    who: str
    what: str
    outcome: str
    user: str = ""
    account: int = 0
    subject: str = ""
    source_ip: str = ""
    request_id: str = ""
    more: int = 0


class AuditLog:
    """The audit trail of a running server; callers can add only a bounded number of lines.

    Args:
        data: the data folder.
        clock: the time now.
    """

    def __init__(self, data: Path, clock: Clock = wall_clock) -> None:
        self._file = data / FILE
        self._clock = clock
        self._second = 0
        self._written = 0
        # Refusals of each source in this second; never more sources than lines.
        self._came: dict[str, int] = {}
        self._more: dict[str, int] = {}

    def refused(
        self,
        *,
        who: str,
        what: str,
        outcome: str,
        source_ip: str,
        user: str = "",
        account: int = 0,
        subject: str = "",
        request_id: str = "",
    ) -> None:
        """Record a refused call. Never raises; bounded in lines, memory and disk."""
        now = self._clock()
        if now // _SECOND_MS != self._second:
            self.settle()
            self._second = now // _SECOND_MS
        came = self._came.get(source_ip, 0) + 1
        if came > LINES_A_SOURCE or self._written >= LINES_ALTOGETHER:
            # Sources without a line of their own are counted together, so that memory is bounded.
            known = source_ip if source_ip in self._came else ""
            self._more[known] = self._more.get(known, 0) + 1
            return
        self._came[source_ip] = came
        self._written += 1
        known = shown_key_id(who)
        line = Line(
            iso_8601(now, exact=True), known, what, outcome, user, account, subject, source_ip, request_id
        )
        _write(self._file, line, MAX_REFUSALS_BYTES)

    def answered(
        self,
        *,
        who: str,
        what: str,
        subject: str,
        source_ip: str,
        user: str = "",
        account: int = 0,
        request_id: str = "",
    ) -> None:
        """Record a call that was answered, and that somebody may have to account for. Never raises."""
        line = Line(
            iso_8601(self._clock(), exact=True),
            shown_key_id(who),
            what,
            "done",
            user,
            account,
            subject,
            source_ip,
            request_id,
        )
        _write(self._file, line, None)

    def settle(self) -> None:
        """Write a summary of each source with too many refusals; call it each second, and at the end."""
        if not self._came:
            return
        more, self._came, self._more, self._written = self._more, {}, {}, 0
        at = iso_8601(self._clock(), exact=True)
        for source_ip, count in more.items():
            line = Line(at, "", "", "Refused", source_ip=source_ip, more=count)
            _write(self._file, line, MAX_REFUSALS_BYTES)


def shown_key_id(text: str) -> str:
    """Return the text if it looks like an access key id, else an empty text: it may be a secret."""
    return text if _ACCESS_KEY_ID.fullmatch(text) else ""


def record(
    data: Path,
    *,
    who: str,
    what: str,
    subject: str = "",
    outcome: str = "done",
    user: str = "",
    account: int = 0,
    source_ip: str = "",
    request_id: str = "",
    clock: Clock = wall_clock,
) -> None:
    """Record a change by somebody who has proven to be that, done or refused. Never raises.

    Args:
        data: the data folder.
        who: e.g. `cli:root`, an access key id, or `server` for the server itself.
        what: the action, e.g. `CreateUser`.
        subject: the name of the changed object, e.g. a user or an access key id; never a secret.
        outcome: `done`, or the code of the error.
        user: the name of the user, if one is signed in.
        account: the number of the user's account.
        source_ip: the source address of the request, if there is one.
        request_id: the request id of the answer, if it has one.
        clock: the time now.
    """
    subject = subject[:_TEXT_CHARS]
    line = Line(
        iso_8601(clock(), exact=True), who, what, outcome, user, account, subject, source_ip, request_id
    )
    _write(data / FILE, line, None)


@contextmanager
def outcome_recorded(write: Callable[[str], None]) -> Iterator[None]:
    """Record the outcome of a change when the context ends, whether or not it succeeded.

    Args:
        write: records it: `done`, the code of the error, `interrupted`, or `InternalError`.
    """
    # What fails otherwise may have changed something, so it has a line too.
    outcome = "InternalError"
    try:
        yield
        outcome = "done"
    except OtpconvError as error:
        outcome = error.code
        raise
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise
    finally:
        write(outcome)


def _write(file: Path, line: Line, max_bytes: int | None) -> None:
    text = msgspec.json.encode(line)
    # The members become fields of the log line, so that readers need not parse JSON inside JSON.
    _log.info("%s: %s", line.what or "audit", line.outcome, extra={"fields": msgspec.to_builtins(line)})
    try:
        # Opened for each line, so that moving the file away is enough to rotate it.
        stream = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        _own_log.warning("the audit trail can't be written: %s: %s", file, error.strerror)
        return
    try:
        if max_bytes is None or os.fstat(stream).st_size < max_bytes:
            os.write(stream, text + b"\n")
    except OSError as error:
        _own_log.warning("the audit trail can't be written: %s: %s", file, error.strerror)
    finally:
        with suppress(OSError):
            os.close(stream)
