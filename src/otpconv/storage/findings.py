"""What `otpconv doctor` says about a journal and its ledger, the same for every engine."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from otpconv.clock import difference
from otpconv.errors import OtpconvError
from otpconv.model import OTHER
from otpconv.storage.check_result import CheckResult
from otpconv.storage.contract import CLOCK_BEHIND_MS, DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS
from otpconv.storage.verification import REBUILD

#: How long a ledger that lags is watched for progress of the applier, s.
_WATCH_S = 3.0
_GRAINS = {"day": DAY_MS, "hour": HOUR_MS, "quarter": QUARTER_MS, "minute": MINUTE_MS}


class Number(Protocol):
    """Returns the number that a statement of the engine's `health.sql` gives."""

    def __call__(self, name: str, **bindings: int) -> int:
        """Run the statement."""


def of_ledger(number: Number) -> Iterator[CheckResult]:
    """Compare a ledger with a recount of its messages; a large ledger takes minutes."""
    for grain, length in _GRAINS.items():
        check = f"rollups by {grain}"
        yield guarded(check, REBUILD, partial(_compared, number, check, "wrong_rollups", grain=length))
    for grain, length in _GRAINS.items():
        check = f"costs by {grain}"
        yield guarded(check, REBUILD, partial(_compared, number, check, "wrong_costs", grain=length))
    check = "rollups by range"
    yield guarded(check, REBUILD, partial(_compared, number, check, "wrong_ranges"))
    check = "receipts of messages"
    yield guarded(check, REBUILD, partial(_compared, number, check, "wrong_receipts"))
    yield guarded("routes", REBUILD, lambda: _compared(number, "routes", "wrong_routes"))
    yield guarded("unmatched", REBUILD, lambda: _unmatched(number))
    yield guarded("dimensions", REBUILD, lambda: of_folded(number("folded")))


def of_clock(newest: object, now: int) -> CheckResult:
    """Compare the clock with the newest report.

    Args:
        newest: when it was recorded, ms; None if there is none.
        now: the time by the wall clock, ms.
    """
    if not isinstance(newest, int):
        return CheckResult("clock", ok=True, text="no report to compare it with")
    text = f"the newest report is {difference(newest, now).replace('the server', 'this machine')}"
    if now >= newest - CLOCK_BEHIND_MS:
        return CheckResult("clock", ok=True, text=text)
    advice = "set the clock if it is wrong; if it is right, it was wrong when that report was recorded"
    return CheckResult("clock", ok=False, text=text, advice=advice)


def of_lag(lag: Callable[[], int], *, served: bool) -> CheckResult:
    """Check that reports reach the ledger.

    Args:
        lag: returns how many acknowledged reports are not in the ledger yet.
        served: whether a server runs, which should be applying them.
    """
    check = "journal and ledger"
    behind = waiting = lag()
    deadline = time.monotonic() + _WATCH_S
    while served and waiting >= behind > 0 and time.monotonic() < deadline:
        time.sleep(0.1)
        waiting = lag()
    if not behind or waiting < behind:
        return CheckResult(
            check, ok=True, text=f"{behind:,} acknowledged reports on their way into the ledger"
        )
    if not served:
        return CheckResult(check, ok=True, text=f"{behind:,} reports are applied when the server starts")
    text = f"{waiting:,} reports wait, but the server does not apply them"
    return CheckResult(check, ok=False, text=text, advice="see the server's log, then restart the server")


def of_folded(messages: int) -> CheckResult:
    """Say how many messages are counted as `OTHER`."""
    return CheckResult(
        "dimensions", ok=True, text=f"{messages:,} messages are counted as {OTHER} in a dimension"
    )


def guarded(check: str, advice: str, find: Callable[[], CheckResult]) -> CheckResult:
    """Return a result, or that the check itself failed and why."""
    try:
        return find()
    except OtpconvError as error:
        text = error.text.removesuffix(": run `otpconv doctor`")
        return CheckResult(check, ok=False, text=text, advice=advice)


def _compared(number: Number, check: str, name: str, **bindings: int) -> CheckResult:
    """Return the result of a statement that compares the ledger with a recount."""
    if wrong := number(name, **bindings):
        text = f"{wrong:,} differ from a recount of the messages"
        return CheckResult(check, ok=False, text=text, advice=REBUILD)
    return CheckResult(check, ok=True, text=f"equal to a recount of {number('messages'):,} messages")


def _unmatched(number: Number) -> CheckResult:
    if wrong := number("wrong_unmatched"):
        text = f"the counts of {wrong:,} accounts differ from a recount"
        return CheckResult("unmatched", ok=False, text=text, advice=REBUILD)
    return CheckResult("unmatched", ok=True, text=f"{number('unmatched'):,} messages and numbers")
