"""Looking over the files of a data folder without changing them, for `otpconv doctor`."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from otpconv.clock import difference
from otpconv.errors import OtpconvError
from otpconv.model import OTHER
from otpconv.storage.contract import CLOCK_BEHIND_MS, DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS
from otpconv.storage.finding import Finding
from otpconv.storage.sqlite.binding import misfit
from otpconv.storage.sqlite.connection import reading, statements, version_of
from otpconv.storage.sqlite.follower import LEDGER_VERSION
from otpconv.storage.sqlite.journal import JOURNAL_VERSION
from otpconv.storage.sqlite.journal_rows import ADVICE, about, inspected

_SQL = statements("journal.sql") | statements("health.sql")
#: How long to watch a lagging ledger for progress, s.
_WATCH_S = 3.0
_GRAINS = {"day": DAY_MS, "hour": HOUR_MS, "quarter": QUARTER_MS, "minute": MINUTE_MS}
_REBUILD = "stop the server and run: otpconv doctor --rebuild"
_RESTORE = "restore the data folder from a backup"


def findings(
    journal: Path, ledger: Path, others: Sequence[Path], *, served: bool, now: int
) -> Iterator[Finding]:
    """Check the files one after the other; a large ledger takes minutes.

    Args:
        journal: the journal's file.
        ledger: the ledger's file.
        others: further SQLite files.
        served: whether a server runs on them, which should be bringing the one into the other.
        now: the time by the wall clock, ms.
    """
    yield Finding("sqlite", ok=True, text=apsw.sqlite_lib_version())
    for path, advice in ((journal, _RESTORE), *((path, _RESTORE) for path in others), (ledger, _REBUILD)):
        yield _guarded(path.name, advice, partial(_integrity, path, advice))
    yield _guarded("journal rows", _RESTORE, lambda: _journal_rows(journal))
    yield _guarded("clock", _RESTORE, lambda: _clock(journal, now))
    yield _guarded("journal and ledger", _REBUILD, lambda: _lag(journal, ledger, served=served))
    for grain in _GRAINS:
        yield _guarded(f"rollups by {grain}", _REBUILD, partial(_rollups, ledger, grain))
    yield _guarded("routes", _REBUILD, lambda: _compared(ledger, "routes", "wrong_routes"))
    yield _guarded("unmatched", _REBUILD, lambda: _unmatched(ledger))
    yield _guarded("dimensions", _REBUILD, lambda: _folded(ledger))


def lag(journal: Path, ledger: Path) -> int:
    """Return how many acknowledged reports are not in the ledger; negative when it is of another journal.

    Raises:
        Misconfigured: a file is damaged or not ours.
        Unavailable: the disk fails.
    """
    # The ledger first: what the server applies in between must not make it look ahead.
    cursor = _number(ledger, "cursor")
    return _number(journal, "head") - cursor


def _integrity(path: Path, advice: str) -> Finding:
    problems = [str(row[0]) for row in _rows(path, "integrity")]
    size = f"{path.stat().st_size / 1e6:,.1f} MB"
    if problems == ["ok"]:
        return Finding(path.name, ok=True, text=f"{size}, undamaged")
    return Finding(path.name, ok=False, text=f"{size}, damaged: {problems[0]}", advice=advice)


def _journal_rows(journal: Path) -> Finding:
    check = "journal rows"
    if version_of(journal) < JOURNAL_VERSION:
        return Finding(
            check, ok=True, text="not checked: the next start of the server adds checksums to new rows"
        )
    with reading(journal) as connection:
        apart = len(about(connection).set_aside)
        problems = list(inspected(connection))
    if problems:
        more = f", and {len(problems) - 1:,} more" if len(problems) > 1 else ""
        return Finding(check, ok=False, text=f"{problems[0]}{more}", advice=ADVICE)
    aside = f"; {apart:,} damaged ones were set aside" if apart else ""
    return Finding(check, ok=True, text=f"{_number(journal, 'rows'):,} decoded, checksums as written{aside}")


def _clock(journal: Path, now: int) -> Finding:
    newest = next((at for (at,) in _rows(journal, "newest_report_time")), None)
    if not isinstance(newest, int):
        return Finding("clock", ok=True, text="no report to compare it with")
    text = f"the newest report is {difference(newest, now).replace('the server', 'this machine')}"
    if now >= newest - CLOCK_BEHIND_MS:
        return Finding("clock", ok=True, text=text)
    advice = "set the clock if it is wrong; if it is right, it was wrong when that report was recorded"
    return Finding("clock", ok=False, text=text, advice=advice)


def _lag(journal: Path, ledger: Path, *, served: bool) -> Finding:
    check = "journal and ledger"
    if version_of(ledger) < LEDGER_VERSION or version_of(journal) < JOURNAL_VERSION:
        text = "of an older otpconv: the next start of the server makes the ledger again from the journal"
        return Finding(check, ok=True, text=text)
    if (why := misfit(ledger, journal)) is not None:
        return Finding(check, ok=False, text=f"{why}: they are not of one moment", advice=_REBUILD)
    behind = waiting = lag(journal, ledger)
    deadline = time.monotonic() + _WATCH_S
    while served and waiting >= behind > 0 and time.monotonic() < deadline:
        time.sleep(0.1)
        waiting = lag(journal, ledger)
    if not behind or waiting < behind:
        return Finding(check, ok=True, text=f"{behind:,} acknowledged reports on their way into the ledger")
    if not served:
        return Finding(check, ok=True, text=f"{behind:,} reports are applied when the server starts")
    text = f"{waiting:,} reports wait, and the server does not apply them"
    return Finding(check, ok=False, text=text, advice="see the server's log, then restart the server")


def _rollups(ledger: Path, grain: str) -> Finding:
    return _compared(ledger, f"rollups by {grain}", "wrong_rollups", grain=_GRAINS[grain])


def _compared(ledger: Path, check: str, name: str, **bindings: int) -> Finding:
    """Return what a comparison with a recount finds."""
    if wrong := _number(ledger, name, **bindings):
        text = f"{wrong:,} differ from a recount of the messages"
        return Finding(check, ok=False, text=text, advice=_REBUILD)
    return Finding(check, ok=True, text=f"equal to a recount of {_number(ledger, 'messages'):,} messages")


def _unmatched(ledger: Path) -> Finding:
    if wrong := _number(ledger, "wrong_unmatched"):
        text = f"the counts of {wrong:,} accounts differ from a recount"
        return Finding("unmatched", ok=False, text=text, advice=_REBUILD)
    return Finding("unmatched", ok=True, text=f"{_number(ledger, 'unmatched'):,} messages and numbers")


def _folded(ledger: Path) -> Finding:
    text = f"{_number(ledger, 'folded'):,} messages are counted as {OTHER} in a dimension"
    return Finding("dimensions", ok=True, text=text)


def _guarded(check: str, advice: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except OtpconvError as error:
        text = error.text.removesuffix(": run `otpconv doctor`")
        return Finding(check, ok=False, text=text, advice=advice)


def _number(path: Path, name: str, **bindings: int) -> int:
    found: int = _rows(path, name, **bindings)[0][0]
    return found


def _rows(path: Path, name: str, **bindings: int) -> list[tuple[Any, ...]]:
    """Ask one statement of one file; what it sorts may be larger than memory, so it goes to the disk."""
    with reading(path) as connection:
        connection.pragma("temp_store", "file")
        return connection.execute(_SQL[name], bindings).fetchall()
