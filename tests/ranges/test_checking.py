"""The risk of a number, what to block, and rates without flagged ranges."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from otpconv.ranges import assessing, current
from otpconv.ranges.assessing import assess
from otpconv.ranges.checking import KnownRanges
from otpconv.ranges.costs import cost_of
from otpconv.ranges.current import CurrentRanges
from otpconv.ranges.finding import Assessment, findings
from otpconv.ranges.mixture import Judged
from otpconv.ranges.traffic import RangeTraffic, roll_up
from otpconv.ranges.without import impossible
from otpconv.rates.price_list import NO_PRICES
from otpconv.rates.question import RateQuery
from otpconv.storage.contract import DAY_MS, HOUR_MS, CostCount, Count, LedgerReader
from otpconv.storage.range_counts import RangeCount

NOW = 100 * DAY_MS


def counted(number_range: str, requested: int = 20, verified: int = 0, provider: str = "acme") -> RangeCount:
    return RangeCount(
        number_range=number_range,
        country="DE",
        provider=provider,
        first_requested_at=NOW - DAY_MS,
        requested=requested,
        verified=verified,
        verified_before=0,
    )


def known(posterior: float, *counts: RangeCount, others: tuple[RangeCount, ...] = ()) -> KnownRanges:
    judged = [Judged(each, 0.8, posterior) for each in roll_up(counts, lambda _: "")]
    found = findings(judged, (*counts, *others), {})
    return KnownRanges(Assessment(0, HOUR_MS, NOW, len(judged), 0, found, ()))


def test_a_number_is_as_risky_as_its_range() -> None:
    assert known(0.99, counted("+491511234")).check("+491511234").risk == "high"
    assert known(0.7, counted("+491511234")).check("+491511234").risk == "elevated"
    assert known(0.3, counted("+491511234")).check("+491511234").risk == "low"
    assert known(0.99, counted("+491511234")).check("+491511235").risk == "low"


def test_two_neighbours_that_look_like_fraud_make_a_number_suspicious() -> None:
    two = known(0.99, counted("+491511234"), counted("+491511235"))
    assert two.check("+491511239").risk == "elevated"
    assert "2 neighbouring ranges" in two.check("+491511239").reasons[0]
    assert two.check("+491511249").risk == "low"


def test_joined_ranges_are_blocked_by_their_prefix_only_if_it_has_no_others() -> None:
    few = [counted(f"+49151123{n}", 3) for n in range(4)]
    alone = known(0.99, *few)
    assert [finding.prefixes for finding in alone.assessment.findings] == [("+49151123",)]
    assert alone.check("+491511239").risk == "high"  # under the blocked prefix, without messages
    beside = known(0.99, *few, others=(counted("+491511237", 50, 40),))
    assert beside.assessment.findings[0].prefixes == tuple(each.number_range for each in few)
    assert beside.check("+491511237").risk == "elevated"  # by its neighbours
    assert beside.check("+491511231").risk == "high"


def test_the_cost_is_of_messages_that_usually_are_verified() -> None:
    traffic = RangeTraffic(
        "+491511234", ("+491511234",), "DE", "", 100, 5, {"acme": (60, 3), "bravo": (40, 2)}, 0, 0, 9900
    )
    prices = {("DE", "acme"): ("EUR", 50_000.0), ("DE", "bravo"): ("USD", 10_000.0)}
    eur, usd = cost_of(Judged(traffic, 0.8, 0.99), prices)
    assert (eur.currency, eur.messages, eur.micros) == ("EUR", 45, 45 * 50_000)
    assert (usd.currency, usd.messages, usd.micros) == ("USD", 30, 30 * 10_000)
    assert cost_of(Judged(traffic, 0.04, 0.5), prices)[0].micros == 0
    assert cost_of(Judged(traffic, 0.8, 0.99), {}) == ()


def test_a_question_that_ranges_can_t_answer_has_a_reason() -> None:
    window = NOW - DAY_MS, NOW
    assert impossible(RateQuery(*window, by=("country", "provider")), NOW) == ""
    assert "not by template" in impossible(RateQuery(*window, by=("template",)), NOW)
    assert "not by carrier" in impossible(RateQuery(*window, filters={"carrier": ["one"]}), NOW)
    assert "interval" in impossible(RateQuery(*window, interval="1h"), NOW)
    assert "first attempts" in impossible(RateQuery(*window, level="first_attempt"), NOW)
    assert "35 days" in impossible(RateQuery(NOW - 36 * DAY_MS, NOW), NOW)


class Ledger:
    """The part of a ledger that an assessment reads, in memory."""

    def __init__(self, counts: list[RangeCount]) -> None:
        self.counts = counts
        self.asked = 0

    @contextmanager
    def snapshot(self) -> Iterator[int]:
        yield 0

    def ranges(self, *_: int, limit: int) -> list[RangeCount]:
        self.asked += 1
        return self.counts[:limit]

    def routes(self, *_: int) -> list[Count]:
        return []

    def minutes_from(self) -> int:
        return 0

    def costs(self, *_: object) -> list[CostCount]:
        return []


def reader(counts: list[RangeCount]) -> LedgerReader:
    return cast("LedgerReader", Ledger(counts))


def test_more_is_neither_judged_nor_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = [counted(f"+4915{n:05}", 20, 16) for n in range(50)]
    pumped = [counted(f"+4916{n:05}", 60, 0) for n in range(5)]
    span = NOW - DAY_MS, NOW
    found = assess(reader([*pumped, *usual]), 1, span, NOW, NO_PRICES)
    assert (found.ranges, len(found.findings), found.messages) == (55, 5, 1300)  # usual ones are not kept
    monkeypatch.setattr(assessing, "MAX_KEPT", 3)
    monkeypatch.setattr(assessing, "MAX_JUDGED", 50)
    found = assess(reader([*pumped, *usual]), 1, span, NOW, NO_PRICES)
    assert (found.ranges, len(found.findings)) == (50, 3)


def test_assessments_are_kept_for_a_minute_and_for_some_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "ACCOUNTS", 2)
    ledger = reader([counted("+491511234")])
    ranges = CurrentRanges()
    assert ranges.known(1) is None
    first = ranges.of(ledger, 1, NOW, NO_PRICES)
    assert ranges.of(ledger, 1, NOW + current.KEPT_MS - 1, NO_PRICES) is first
    second = ranges.of(ledger, 1, NOW + current.KEPT_MS, NO_PRICES)
    assert second is not first
    assert ranges.known(1) is second
    for account in (2, 3):
        ranges.of(ledger, account, NOW, NO_PRICES)
    assert [ranges.known(account) is None for account in (1, 2, 3)] == [True, False, False]
