"""Checks the files of a data folder without changing them, for `otpconv doctor`."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from otpconv.storage.check_result import CheckResult
from otpconv.storage.findings import guarded, of_clock, of_folded, of_lag
from otpconv.storage.sqlite.connection import reading, statements, version_of
from otpconv.storage.sqlite.journal.journal import JOURNAL_VERSION
from otpconv.storage.sqlite.journal.rows import ADVICE, about, inspected
from otpconv.storage.sqlite.ledger.binding import misfit
from otpconv.storage.sqlite.ledger.recount import RECOUNTS, Recount, count_wrong
from otpconv.storage.sqlite.ledger.writer import LEDGER_VERSION
from otpconv.storage.verification import REBUILD

_SQL = statements("journal/journal.sql") | statements("health.sql")
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
        yield guarded(path.name, advice, partial(_integrity, path, advice))
    yield guarded("journal rows", _RESTORE, lambda: _journal_rows(journal))
    yield guarded("clock", _RESTORE, lambda: of_clock(_newest(journal), now))
    yield guarded("journal and ledger", REBUILD, lambda: _lag(journal, ledger, served=served))
    for recount in RECOUNTS:
        yield guarded(recount.name, REBUILD, partial(_compared, ledger, recount))
    yield guarded("dimensions", REBUILD, lambda: of_folded(_number(ledger, "folded")))


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


def _lag(journal: Path, ledger: Path, *, served: bool) -> CheckResult:
    check = "journal and ledger"
    if version_of(ledger) < LEDGER_VERSION or version_of(journal) < JOURNAL_VERSION:
        text = (
            "written by an older otpconv: the next start of the server rebuilds the ledger from the journal"
        )
        return CheckResult(check, ok=True, text=text)
    if (why := misfit(ledger, journal)) is not None:
        return CheckResult(check, ok=False, text=f"{why}: they are not of one moment", advice=REBUILD)
    return of_lag(partial(lag, journal, ledger), served=served)


def _newest(journal: Path) -> object:
    return next((at for (at,) in _rows(journal, "newest_report_time")), None)


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


def _number(path: Path, name: str) -> int:
    found: int = _rows(path, name)[0][0]
    return found


def _rows(path: Path, name: str) -> list[tuple[Any, ...]]:
    with reading(path) as connection:
        return connection.execute(_SQL[name]).fetchall()
