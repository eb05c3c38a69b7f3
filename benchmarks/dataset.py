"""A ledger of many messages over some days, made by otpconv's own journal and applier; no server runs."""

import random
from collections.abc import Iterable, Iterator
from contextlib import closing
from math import log
from pathlib import Path

from otpconv.model import Conversion, Dimensions, Report, Requested
from otpconv.storage.contract import Entry
from otpconv.storage.erasure import Deletion
from otpconv.storage.sqlite import SqliteJournal, SqliteLedgerWriter

DAYS = 30
_BATCH = 5_000
_COUNTRIES = ("BR", "DE", "FR", "GB", "ID", "IN", "MX", "NG", "PH", "US")
COMBINATIONS = [
    Dimensions(country, f"carrier {carrier}", f"provider {provider}", "login", "ACME", "sms")
    for country in _COUNTRIES
    for carrier in range(4)
    for provider in range(5)
]


def message_id(number: int) -> str:
    """Return the id of a message: digits that grow with time, as the vendor's."""
    return str(1008030300000000 + number)


def requested_at(number: int, messages: int, now: int, days: int = DAYS) -> int:
    """Return when a message was requested, ms: evenly over the days before an hour ago."""
    span = days * 86_400_000
    return now - 3_600_000 - span + number * span // messages


def record(data: Path, batches: Iterable[list[Entry]], now: int) -> None:
    """Write batches of reports into the journal of a data folder, and apply each: quicker than any client."""
    with (
        closing(SqliteJournal(data / "journal.sqlite")) as journal,
        closing(SqliteLedgerWriter(data / "ledger.sqlite", data / "journal.sqlite")) as writer,
    ):
        for batch in batches:
            head = journal.append(batch, now)
            while writer.apply(len(batch)) < head:
                pass


def fill(data: Path, messages: int, now: int, *, days: int = DAYS, verified: float = 0.0) -> None:
    """Write messages, a share of them `verified`, into the journal of a data folder, and apply them."""
    record(data, batches(messages, now, days, verified), now)


def reports(messages: int, now: int, verified: float) -> Iterator[list[Report]]:
    """Yield what `batches` does over `DAYS`, without what a journal adds."""
    for batch in batches(messages, now, DAYS, verified):
        yield [entry.report for entry in batch if not isinstance(entry.report, Deletion)]


def batches(messages: int, now: int, days: int, verified: float) -> Iterator[list[Entry]]:
    """Yield messages, and the conversions of those that are `verified`, oldest first."""
    chance = random.Random(7)
    for first in range(0, messages, _BATCH):
        numbers = range(first, min(first + _BATCH, messages))
        entries = [
            Entry(_requested(number, requested_at(number, messages, now, days), chance)) for number in numbers
        ]
        entries += [
            Entry(_conversion(number, requested_at(number, messages, now, days), chance))
            for number in numbers
            if verified and chance.random() < verified
        ]
        yield entries


def _requested(number: int, at: int, chance: random.Random) -> Requested:
    return Requested(
        1,
        message_id(number),
        at,
        chance.choice(COMBINATIONS),
        chance.randbytes(16).hex(),
        "+491511234",
        f"session {number}",
        1,
    )


def _conversion(number: int, at: int, chance: random.Random) -> Conversion:
    took = 1 + round(chance.lognormvariate(log(30_000), 1.0))
    return Conversion(1, delivered=True, conversion_time=at + took, message_id=message_id(number))
