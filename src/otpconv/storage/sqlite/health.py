"""Checks the files of a data folder without changing them, for `otpconv doctor`."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from otpconv.clock import difference
from otpconv.errors import OtpconvError
from otpconv.model import OTHER
from otpconv.storage.check_result import CheckResult
from otpconv.storage.contract import CLOCK_BEHIND_MS
from otpconv.storage.sqlite.connection import reading, statements, version_of
from otpconv.storage.sqlite.journal.journal import JOURNAL_VERSION
from otpconv.storage.sqlite.journal.rows import ADVICE, about, inspected
from otpconv.storage.sqlite.ledger.binding import misfit
from otpconv.storage.sqlite.ledger.recount import RECOUNTS, Recount, count_wrong
from otpconv.storage.sqlite.ledger.writer import LEDGER_VERSION
from otpconv.storage.verification import REBUILD

_SQL = statements("journal/journal.sql") | statements("health.sql")
#: How long a ledger that lags is watched for progress of the applier, s.
_WATCH_S = 3.0
_RESTORE = "restore the data folder from a backup"


def findings(
    journal: Path, ledger: Path, others: Sequence[Path], *, served: bool, now: int
) -> Iterator[CheckResult]:
    """Check the files one after another; a large ledger takes minutes.

    Args:
        journal: the journal's file.
        ledger: the ledger's file.
        others: further SQLite files.
        served: whether a server runs on them; it should be applying the journal to the ledger.
        now: the time by the wall clock, ms.
    """
    yield CheckResult("sqlite", ok=True, text=apsw.sqlite_lib_version())
    for path, advice in ((journal, _RESTORE), *((path, _RESTORE) for path in others), (ledger, REBUILD)):
        yield _guarded(path.name, advice, partial(_integrity, path, advice))
    yield _guarded("journal rows", _RESTORE, lambda: _journal_rows(journal))
    yield _guarded("clock", _RESTORE, lambda: _clock(journal, now))
    yield _guarded("journal and ledger", REBUILD, lambda: _lag(journal, ledger, served=served))
    for recount in RECOUNTS:
        yield _guarded(recount.name, REBUILD, partial(_compared, ledger, recount))
    yield _guarded("dimensions", REBUILD, lambda: _folded(ledger))


def lag(journal: Path, ledger: Path) -> int:
    """Return how many acknowledged reports are not in the ledger yet; negative if it is another journal's.

    Raises:
        Misconfigured: a file is damaged or not otpconv's.
        Unavailable: the disk fails.
    """
    # The ledger first: otherwise it could seem ahead, by what the server applies between the two queries.
    cursor = _number(ledger, "cursor")
    return _number(journal, "head") - cursor


def _integrity(path: Path, advice: str) -> CheckResult:
    problems = [str(row[0]) for row in _rows(path, "integrity")]
    size = f"{path.stat().st_size / 1e6:,.1f} MB"
    if problems == ["ok"]:
        return CheckResult(path.name, ok=True, text=f"{size}, undamaged")
    return CheckResult(path.name, ok=False, text=f"{size}, damaged: {problems[0]}", advice=advice)


def _journal_rows(journal: Path) -> CheckResult:
    check = "journal rows"
    if version_of(journal) < JOURNAL_VERSION:
        return CheckResult(
            check, ok=True, text="not checked: the next start of the server adds checksums to new rows"
        )
    with reading(journal) as connection:
        apart = len(about(connection).set_aside)
        problems = list(inspected(connection))
    if problems:
        more = f", and {len(problems) - 1:,} more" if len(problems) > 1 else ""
        return CheckResult(check, ok=False, text=f"{problems[0]}{more}", advice=ADVICE)
    aside = f"; {apart:,} damaged ones were set aside" if apart else ""
    return CheckResult(
        check, ok=True, text=f"{_number(journal, 'rows'):,} decoded, checksums as written{aside}"
    )


def _clock(journal: Path, now: int) -> CheckResult:
    newest = next((at for (at,) in _rows(journal, "newest_report_time")), None)
    if not isinstance(newest, int):
        return CheckResult("clock", ok=True, text="no report to compare it with")
    text = f"the newest report is {difference(newest, now).replace('the server', 'this machine')}"
    if now >= newest - CLOCK_BEHIND_MS:
        return CheckResult("clock", ok=True, text=text)
    advice = "set the clock if it is wrong; if it is right, it was wrong when that report was recorded"
    return CheckResult("clock", ok=False, text=text, advice=advice)


def _lag(journal: Path, ledger: Path, *, served: bool) -> CheckResult:
    check = "journal and ledger"
    if version_of(ledger) < LEDGER_VERSION or version_of(journal) < JOURNAL_VERSION:
        text = (
            "written by an older otpconv: the next start of the server rebuilds the ledger from the journal"
        )
        return CheckResult(check, ok=True, text=text)
    if (why := misfit(ledger, journal)) is not None:
        return CheckResult(check, ok=False, text=f"{why}: they are not of one moment", advice=REBUILD)
    behind = waiting = lag(journal, ledger)
    deadline = time.monotonic() + _WATCH_S
    while served and waiting >= behind > 0 and time.monotonic() < deadline:
        time.sleep(0.1)
        waiting = lag(journal, ledger)
    if not behind or waiting < behind:
        return CheckResult(
            check, ok=True, text=f"{behind:,} acknowledged reports on their way into the ledger"
        )
    if not served:
        return CheckResult(check, ok=True, text=f"{behind:,} reports are applied when the server starts")
    text = f"{waiting:,} reports wait, but the server does not apply them"
    return CheckResult(check, ok=False, text=text, advice="see the server's log, then restart the server")


def _compared(ledger: Path, recount: Recount) -> CheckResult:
    with reading(ledger) as connection:
        wrong = count_wrong(connection, recount)
    if wrong:
        text = f"{wrong:,} rows differ from {recount.equal}"
        return CheckResult(recount.name, ok=False, text=text, advice=REBUILD)
    if recount.name == "unmatched":
        return CheckResult(
            recount.name, ok=True, text=f"{_number(ledger, 'unmatched'):,} messages and numbers"
        )
    return CheckResult(recount.name, ok=True, text=f"equal to {recount.equal}")


def _folded(ledger: Path) -> CheckResult:
    text = f"{_number(ledger, 'folded'):,} messages are counted as {OTHER} in a dimension"
    return CheckResult("dimensions", ok=True, text=text)


def _guarded(check: str, advice: str, find: Callable[[], CheckResult]) -> CheckResult:
    try:
        return find()
    except OtpconvError as error:
        text = error.text.removesuffix(": run `otpconv doctor`")
        return CheckResult(check, ok=False, text=text, advice=advice)


def _number(path: Path, name: str) -> int:
    found: int = _rows(path, name)[0][0]
    return found


def _rows(path: Path, name: str) -> list[tuple[Any, ...]]:
    with reading(path) as connection:
        return connection.execute(_SQL[name]).fetchall()
