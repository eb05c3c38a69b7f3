"""A ledger of many messages over 30 days, made by otpconv's own journal and applier while no server runs."""

import random
from collections.abc import Iterator
from pathlib import Path

from otpconv.ledger.contract import Entry
from otpconv.ledger.sqlite import SqliteFollower, SqliteJournal
from otpconv.model import Dimensions, Requested

DAYS = 30
_BATCH = 5_000
_COUNTRIES = ("BR", "DE", "FR", "GB", "ID", "IN", "MX", "NG", "PH", "US")
_COMBINATIONS = [
    Dimensions(country, f"carrier {carrier}", f"provider {provider}", "login", "ACME", "sms")
    for country in _COUNTRIES
    for carrier in range(4)
    for provider in range(5)
]


def message_id(number: int) -> str:
    """Return the id of a message: digits that grow with time, as the vendor's."""
    return str(1008030300000000 + number)


def requested_at(number: int, messages: int, now: int) -> int:
    """Return when a message was requested, ms: evenly over the 30 days before an hour ago."""
    span = DAYS * 86_400_000
    return now - 3_600_000 - span + number * span // messages


def fill(data: Path, messages: int, now: int) -> None:
    """Write `messages` requested messages into the journal of a data folder, and apply them."""
    chance = random.Random(7)  # noqa: S311 - a data set, not a secret
    journal = SqliteJournal(data / "journal.sqlite")
    for first in range(0, messages, _BATCH):
        journal.append(list(_entries(first, messages, now, chance)), now)
    follower = SqliteFollower(data / "ledger.sqlite", data / "journal.sqlite")
    head = journal.head()
    while follower.apply(_BATCH) < head:
        pass
    follower.close()
    journal.close()


def _entries(first: int, messages: int, now: int, chance: random.Random) -> Iterator[Entry]:
    for number in range(first, min(first + _BATCH, messages)):
        yield Entry(
            Requested(
                1,
                message_id(number),
                requested_at(number, messages, now),
                chance.choice(_COMBINATIONS),
                chance.randbytes(16).hex(),
                "+491511234",
                f"session {number}",
                1,
            )
        )
