"""The rows of a journal, the same in every engine: which row has what of an append, and its encoding."""

import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from otpconv.model import Expiry, Report
from otpconv.storage.contract import Entry
from otpconv.storage.erasure import Deletion, Erased, ErasedRequest, Erasure
from otpconv.storage.journal import JournalEntry

#: The reports of a row.
REPORTS = msgspec.json.Decoder(list[Report | ErasedRequest | Erased | Erasure])
#: The nonces of a row.
NONCES = msgspec.json.Decoder(list[tuple[int, int]])
#: Encodes both.
ENCODER = msgspec.json.Encoder()

#: After this many too old commits in a row, no newer ones are expected: the clock may have been wrong.
_BLIP = 20_000

_log = logging.getLogger(__name__)


class NewRow(NamedTuple):
    """A row to insert.

    Attributes:
        length: its number of entries.
        recorded_at: ms.
        unmatched_before, minutes_from: those of an expiry; 0 in an erasure; otherwise None.
        reports: JSON list of reports, or of one erasure; None in an expiry.
        nonces: JSON list of (fingerprint, signed_at); None if there are none.
        facts: the entries themselves.
    """

    length: int
    recorded_at: int
    unmatched_before: int | None
    minutes_from: int | None
    reports: bytes | None
    nonces: bytes | None
    facts: Sequence[Report | Deletion]


def new_rows(entries: Sequence[Entry], recorded_at: int) -> list[NewRow]:
    """Return one row for all reports, then one for each expiry or erasure."""
    reports = [entry.report for entry in entries if not isinstance(entry.report, Expiry | Erasure)]
    nonces = [(entry.nonce, entry.signed_at) for entry in entries if entry.nonce is not None]
    encoded = ENCODER.encode(nonces) if nonces else None
    row = NewRow(len(reports), recorded_at, None, None, ENCODER.encode(reports), encoded, reports)
    if len(reports) == len(entries):
        return [row]
    deletions: list[NewRow] = []
    for entry in entries:
        if isinstance(entry.report, Expiry):
            expiry = entry.report
            deletions.append(
                NewRow(1, recorded_at, expiry.unmatched_before, expiry.minutes_from, None, None, [expiry])
            )
        elif isinstance(entry.report, Erasure):
            encoded = ENCODER.encode([entry.report])
            deletions.append(NewRow(1, recorded_at, 0, 0, encoded, None, [entry.report]))
    return [row, *deletions] if reports else deletions


def entries_in(
    seq: int,
    recorded_at: int,
    unmatched_before: int | None,
    minutes_from: int | None,
    reports: bytes | str | None,
) -> list[JournalEntry]:
    """Return the entries of an undamaged row, in their order."""
    if reports is None:
        return [JournalEntry(seq, recorded_at, Expiry(unmatched_before or 0, minutes_from or 0))]
    decoded = REPORTS.decode(reports)
    first = seq - len(decoded) + 1
    return [JournalEntry(position, recorded_at, report) for position, report in enumerate(decoded, first)]


def newest_nonces(
    rows: Iterable[tuple[object, bytes | str | None]], since: int, limit: int
) -> list[tuple[int, int]]:
    """Return the newest `limit` (fingerprint, signed_at) of rows recorded at or after a time.

    Args:
        rows: time of recording and nonces of each row, the newest first.
        since: the time, ms.
        limit: how many to return at most.
    """
    found: list[tuple[int, int]] = []
    older = 0
    for recorded_at, nonces in rows:
        older = older + 1 if isinstance(recorded_at, int) and recorded_at < since else 0
        if older > _BLIP or len(found) >= limit:
            break
        if nonces is not None and not older:
            found += reversed(_decoded(nonces))
    return found[:limit]


def _decoded(nonces: bytes | str) -> list[tuple[int, int]]:
    """Return the nonces of a row; none if it is damaged, which the applier and the doctor report."""
    try:
        return NONCES.decode(nonces)
    except (msgspec.DecodeError, UnicodeDecodeError):
        _log.warning("the nonces of a damaged row of the journal are not remembered")
        return []
