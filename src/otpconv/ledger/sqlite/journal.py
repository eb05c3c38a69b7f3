"""The journal in SQLite: every commit waits for the disk."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import apsw
import msgspec

from otpconv.ledger.contract import Entry
from otpconv.ledger.sqlite.connection import Value, connect, mapped, statements
from otpconv.model import Expiry

_SQL = statements("journal.sql")
_APPEND = _SQL["append"]
JOURNAL_VERSION = 1

#: Entries after which the log is begun anew.
_CHECKPOINT_ENTRIES = 20_000
#: How large the log is made beforehand.
_LOG_BYTES = 16 * 1024 * 1024

#: Commits in a row that are too old before there are no newer ones behind them: a clock may have been wrong.
_BLIP = 20_000

_ENCODER = msgspec.json.Encoder()
_NONCES = msgspec.json.Decoder(list[tuple[int, int]])


class SqliteJournal:
    """The append-only record in one file; one thread of one process appends to it at a time."""

    def __init__(self, path: Path) -> None:
        """Open or make the file at `path`.

        Raises:
            Misconfigured: the file is not a journal, damaged, or of a newer otpconv.
            Unavailable: the disk is full or fails.
        """
        self._path = path
        self._connection = connect(
            path, version=JOURNAL_VERSION, schema=_SQL["schema"], durable=True, log_bytes=_LOG_BYTES
        )
        # The follower moves what is committed from the log into the file, off the way of a report.
        self._connection.wal_autocheckpoint(0)
        self._last_checkpoint = 0

    def append(self, entries: Sequence[Entry], recorded_at: int) -> int:
        """Make `entries` durable in one commit and return the position of the last one."""
        rows = _rows(entries, recorded_at)
        with mapped(self._path):
            if len(rows) == 1:
                self._connection.execute(_APPEND, rows[0])
            else:
                with self._connection:
                    self._connection.executemany(_APPEND, rows)
            upto = self._connection.last_insert_rowid()
            if upto - self._last_checkpoint >= _CHECKPOINT_ENTRIES:
                self._restart_log(upto)
        return upto

    def head(self) -> int:
        """Return the position of the newest entry; 0 when there is none."""
        with mapped(self._path):
            head: int = self._connection.execute(_SQL["head"]).fetchall()[0][0]  # type: ignore[assignment]
        return head

    def nonces(self, since: int, limit: int) -> list[tuple[int, int]]:
        """Return the newest `limit` (fingerprint, signed_at) of entries recorded at or after `since` (ms)."""
        found: list[tuple[int, int]] = []
        older = 0
        with mapped(self._path):
            for recorded_at, nonces in self._connection.execute(_SQL["newest_nonces"]):
                older = older + 1 if recorded_at < since else 0
                if older > _BLIP or len(found) >= limit:
                    break
                if nonces is not None and not older:
                    found += reversed(_NONCES.decode(nonces))
        return found[:limit]

    def _restart_log(self, upto: int) -> None:
        """Move the little that the follower has left into the file, so that the log begins anew."""
        # The entries are durable already: a checkpoint that fails is made up for by a later one.
        with contextlib.suppress(apsw.Error):
            in_log, moved = self._connection.wal_checkpoint()
            if in_log == moved:
                self._last_checkpoint = upto

    def close(self) -> None:
        """Close the file; what was acknowledged is in it."""
        self._connection.close()


def _rows(entries: Sequence[Entry], recorded_at: int) -> list[dict[str, Value]]:
    """Return one row for the reports, and one for each expiry after them."""
    reports = [entry.report for entry in entries if not isinstance(entry.report, Expiry)]
    nonces = [(entry.nonce, entry.signed_at) for entry in entries if entry.nonce is not None]
    row: dict[str, Value] = {
        "count": len(reports),
        "recorded_at": recorded_at,
        "unmatched_before": None,
        "minutes_from": None,
        "reports": _ENCODER.encode(reports).decode(),
        "nonces": _ENCODER.encode(nonces).decode() if nonces else None,
    }
    if len(reports) == len(entries):
        return [row]
    expiries: list[dict[str, Value]] = [
        {
            "count": 1,
            "recorded_at": recorded_at,
            "unmatched_before": entry.report.unmatched_before,
            "minutes_from": entry.report.minutes_from,
            "reports": None,
            "nonces": None,
        }
        for entry in entries
        if isinstance(entry.report, Expiry)
    ]
    return [row, *expiries] if reports else expiries
