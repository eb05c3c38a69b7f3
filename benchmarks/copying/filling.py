"""A ledger with everything that happens to messages, made by otpconv's own journal and applier."""

import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from math import log

from msgspec.structs import replace

from benchmarks.dataset import COMBINATIONS, requested_at
from otpconv.config import Settings
from otpconv.model import Conversion, Report, Requested, SelfReportedRate, Timing
from otpconv.money import MICROS
from otpconv.phone import NumberHash
from otpconv.receipts import Receipt, ReceiptStatus
from otpconv.service.numbers import open_number_hash
from otpconv.service.opening import open_key_store
from otpconv.service.upkeep import fill

ACCOUNTS = ("default", "shop", "bank")
#: How many of ten messages are of each account.
_SHARES = (8, 1, 1)
_TEMPLATES = ("login", "payment", "")
_COMMIT = 2_000
#: The shares of messages that have a report twice, whose other reports come late, and come in any order.
_TWICE, _LATE, _MIXED = 0.02, 0.05, 0.02
_IN_SESSION, _DELIVERED = 0.9, 0.95
#: How a message ends, by weight: verified, by number, not verified, without a time, without a report.
_ENDS, _WEIGHTS = ("verified", "by number", "not verified", "without a time", ""), (60, 10, 5, 5, 20)
#: Messages to one number, on average.
_TO_NUMBER = 5


def fill_ledger(settings: Settings, messages: int, now: int, name: str = "m") -> None:
    """Make accounts, and write and apply messages of 30 days with what happens to messages.

    There are attempts of sessions, conversions by message and by number, some of them false, late, early or
    without a time, receipts with prices, duplicates, and templates.

    Args:
        settings: name the storage; the first account has been made by a server.
        messages: how many.
        now: the time now, ms.
        name: begins the ids of the messages; another one for more messages in the same storage.
    """
    with closing(open_key_store(settings)) as keys:
        known = {key.account_name for key in keys.list()}
        for account in (each for each in ACCOUNTS if each not in known):
            keys.create(account, "benchmark", "AdministratorAccess")
        accounts = [keys.account(account) for account in ACCOUNTS]
    made = _Messages(accounts, open_number_hash(settings), name)
    fill(settings, ((now, part) for part in made.reports(messages, now)))


def number_of(index: int) -> str:
    """Return one of the numbers of a fill, in international form."""
    return f"+4915{index:09}"


class _Messages:
    """Makes messages of some accounts, and what happens to them."""

    def __init__(self, accounts: Sequence[int], number_hash: NumberHash, name: str) -> None:
        self._accounts = accounts
        self._number_hash = number_hash
        self._name = name

    def reports(self, messages: int, now: int) -> Iterator[list[Report]]:
        """Yield the reports about so many messages, for one commit after the other."""
        chance = random.Random(7)
        late: list[Report] = []
        for first in range(0, messages, _COMMIT):
            part: list[Report] = late
            late = []
            for n in range(first, min(first + _COMMIT, messages)):
                e164 = number_of(chance.randrange(max(1, messages // _TO_NUMBER)))
                made = list(self._message(n, requested_at(n, messages, now), e164, chance))
                if chance.random() < _TWICE:
                    late.append(chance.choice(made))  # a duplicate
                if chance.random() < _LATE:
                    late += made[1:]
                    del made[1:]
                if chance.random() < _MIXED:
                    chance.shuffle(made)
                part += made
            part.append(SelfReportedRate(self._accounts[0], now - first, chance.random()))
            yield part
        yield late

    def _message(self, n: int, at: int, e164: str, chance: random.Random) -> Iterator[Report]:
        """Yield a message to a number, and the reports about it."""
        (account,) = chance.choices(self._accounts, _SHARES)
        message_id = f"{self._name}{n}"
        number = self._number_hash(account, e164)
        at_vendor = f"vendor-{message_id}" if n % 4 == 0 else ""
        of = replace(chance.choice(COMBINATIONS), template=_TEMPLATES[n % 3])
        session = f"session {self._name}{n // 3}" if chance.random() < _IN_SESSION else ""
        yield Requested(account, message_id, at, of, number, e164[:-4], session, n % 3 + 1, at_vendor)
        then = at + 1 + round(chance.lognormvariate(log(30_000), 1.0))
        (end,) = chance.choices(_ENDS, _WEIGHTS)
        if end == "verified":
            yield Conversion(account, delivered=True, conversion_time=then, message_id=message_id)
        elif end == "by number":
            yield Conversion(
                account, delivered=chance.choice((True, True, False)), conversion_time=then, number=number
            )
        elif end == "not verified":
            yield Conversion(account, delivered=False, conversion_time=then, message_id=message_id)
        elif end == "without a time":
            timing = chance.choice((Timing.ARRIVAL, Timing.UNKNOWN))
            yield Conversion(account, True, then, message_id, timing=timing)  # noqa: FBT003
        if n % 3 == 0:
            arrived = chance.random() < _DELIVERED
            status = ReceiptStatus.DELIVERED if arrived else ReceiptStatus.FAILED
            price = chance.randrange(MICROS // 1_000, MICROS // 10)
            error = "" if arrived else "30003"
            yield Receipt(account, at_vendor or message_id, status, at + 2_000, error, price, "EUR", 1)
