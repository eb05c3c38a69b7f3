"""The signals of an account are found once in half a minute; `web/v1/test_failing_route.py` has real ones."""

from typing import cast

import pytest

from otpconv.rates import current
from otpconv.rates.current import KEPT_MS, CurrentSignals
from otpconv.rates.signals import Assessment, Evidence, Signal
from otpconv.rates.slices import Slice
from otpconv.storage.contract import HOUR_MS, LedgerReader

NOW = 1_795_737_600_000
#: Only the search for signals reads it.
LEDGER = cast("LedgerReader", None)


def signal(account: int) -> Signal:
    which = Slice((("provider", f"of {account}"),))
    return Signal("drop", which, NOW - HOUR_MS, None, 100, 10, 70.0, 50)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the accounts whose signals are looked up in the ledger, in order."""
    accounts = []

    def find(_ledger: LedgerReader, account: int, *_: object) -> Evidence:
        accounts.append(account)
        return Evidence(Assessment([], [signal(account)], 70.0, 1_000), [])

    monkeypatch.setattr(current, "find_evidence", find)
    return accounts


def test_they_are_found_once_in_half_a_minute_for_each_account(asked: list[int]) -> None:
    signals = CurrentSignals()
    for after in (0, 1, KEPT_MS - 1):
        assert signals.of(LEDGER, 1, None, NOW + after) == [signal(1)]
        assert signals.of(LEDGER, 2, None, NOW + after) == [signal(2)]
    assert asked == [1, 2]
    signals.of(LEDGER, 1, None, NOW + KEPT_MS)
    assert asked == [1, 2, 1]


def test_a_clock_that_was_set_back_does_not_keep_them_for_longer(asked: list[int]) -> None:
    signals = CurrentSignals()
    signals.of(LEDGER, 1, None, NOW)
    signals.of(LEDGER, 1, None, NOW - 1)
    assert asked == [1, 1]


def test_those_of_the_accounts_that_asked_longest_ago_are_dropped(
    asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current, "ACCOUNTS", 3)
    signals = CurrentSignals()
    for account in range(4):
        signals.of(LEDGER, account, None, NOW)
    asked.clear()
    for account in (3, 2, 1, 0):
        signals.of(LEDGER, account, None, NOW)
    assert asked == [0]
