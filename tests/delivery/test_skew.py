"""A wrong clock of ours is corrected by the Date of answers; a time that the caller gave is not touched."""

import pytest

from otpconv.delivery.reports import (
    MESSAGE,
    OWN_CLOCK,
    Report,
    conversion,
    fields_of,
    requested,
)
from otpconv.delivery.skew import Skew
from otpconv.dialects.native.timed import TimedConversion, TimedMessage

NOW = 1_700_000_000_000
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize("ahead", [-29_000, 0, 29_000])
def test_a_difference_that_every_server_tolerates_is_none(ahead: int) -> None:
    skew = Skew()
    assert not skew.learn(DATE, NOW + ahead)
    assert skew.ms == 0


@pytest.mark.parametrize("ahead", [-600_000, 600_000])
def test_a_large_difference_is_learned_once_and_corrects_our_times(ahead: int) -> None:
    skew = Skew()
    assert skew.learn(DATE, NOW + ahead)
    assert not skew.learn(DATE, NOW + ahead)
    own = Report(OWN_CLOCK, conversion("a", True, NOW + ahead, None))
    fields = fields_of(skew.correct(own))
    assert isinstance(fields, TimedConversion)
    assert fields.conversion_time == NOW
    message = Report(MESSAGE | OWN_CLOCK, requested("a", NOW + ahead, None, {}))
    told = fields_of(skew.correct(message))
    assert isinstance(told, TimedMessage)
    assert told.requested_at == NOW


def test_a_given_time_stays_as_it_is() -> None:
    skew = Skew()
    skew.learn(DATE, NOW + 600_000)
    given = Report(0, conversion("a", True, 1_700_000_000_000, None))
    assert skew.correct(given) is given


def test_a_clock_that_is_put_right_is_learned_too() -> None:
    skew = Skew()
    skew.learn(DATE, NOW + 600_000)
    assert skew.learn("Tue, 14 Nov 2023 22:13:21 GMT", NOW + 1000)
    assert skew.ms == 0


@pytest.mark.parametrize("date", [None, "", "yesterday", "Tue, 99 Nov 2023 22:13:20 GMT"])
def test_a_date_that_is_none_says_nothing(date: str | None) -> None:
    assert not Skew().learn(date, NOW)
