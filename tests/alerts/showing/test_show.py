"""What an alert shows, of real messages in a ledger: it equals a recount of them."""

from collections.abc import Iterator
from random import Random

import pytest

from alerts.showing.alerts import NOW, SINCE, alert
from otpconv.access.prices import Price
from otpconv.alerts.showing.answer import Shown, show
from otpconv.alerts.showing.remedies import advise
from otpconv.alerts.showing.words import cost_words
from otpconv.model import Conversion, Dimensions, Report, Requested
from otpconv.rates.price_list import PriceList
from otpconv.receipts import Receipt, ReceiptStatus
from otpconv.storage.alerts.contract import Alert, Evidence
from otpconv.storage.contract import DAY_MS, HOUR_MS, QUARTER_MS, LedgerReader
from storage.engines import Engine, Storage, sqlite_first

DAYS, A_DAY = 4, 2_040
PROVIDERS = ("acme", "bravo")
LISTED = PriceList([Price("acme", "", "", 0, 80_000, "EUR")])
SEALED = "number:"


class World:
    """Messages of some days to one country; since the start of the alert, acme fails."""

    def __init__(self) -> None:
        self._random = Random(5)
        self.requested: list[Requested] = []
        self.verified: set[str] = set()

    def reports(self) -> Iterator[Report]:
        for number in range(DAYS * A_DAY):
            at = NOW - DAYS * DAY_MS + number * DAY_MS // A_DAY
            provider = self._random.choice(PROVIDERS)
            carrier, ranged = self._random.choice((("Telekom", "+4915112"), ("Vodafone", "+4917212")))
            vendor_id = (f"V{number}", f"{SEALED}{number}", "")[number % 3]
            message = Requested(
                1,
                f"m{number}",
                at,
                Dimensions("DE", carrier, provider),
                "5ec2e7",
                f"{ranged}3",
                attempt=1,
                vendor_message_id=vendor_id,
            )
            self.requested.append(message)
            yield message
            if provider == "acme" and number % 4 == 0:
                yield Receipt(
                    1, vendor_id or message.message_id, ReceiptStatus.NONE, at, price=50_000, currency="USD"
                )
            failing = provider == "acme" and at >= SINCE
            if self._random.random() < (0.05 if failing else 0.85):
                self.verified.add(message.message_id)
                yield Conversion(1, True, at + 20_000, message.message_id)

    def of_alert(self) -> list[Requested]:
        return [
            one for one in self.requested if one.dimensions.provider == "acme" and one.requested_at >= SINCE
        ]

    def alert(self) -> Alert:
        of = self.of_alert()
        verified = sum(one.message_id in self.verified for one in of)
        expected = 0.85 * len(of)
        seen = Evidence(
            requested=len(of),
            verified=verified,
            expected=expected,
            expected_low=expected - 7,
            expected_high=expected + 7,
            usual=0.85,
            first_attempts=True,
        )
        return alert(evidence=seen)


def shown(ledger: LedgerReader, of: Alert, *others: Alert) -> Shown:
    return show(ledger, of, others, LISTED, NOW)


@sqlite_first
def test_what_an_alert_shows_equals_a_recount(engine: Engine) -> None:
    world = World()
    with engine.open() as storage:
        storage.append(*world.reports())
        storage.apply_all()
        found = world.alert()
        answer = shown(storage.ledger, found)
        _check_series(world, answer)
        _check_cost(world, found, answer)
        _check_routes_and_words(found, answer)
        _check_ticket(world, answer)
        _check_others(storage, found)


def _check_series(world: World, answer: Shown) -> None:
    series = answer.series
    assert series is not None
    assert (series.quantity, series.step_ms) == ("verified", QUARTER_MS)
    acme = [one for one in world.requested if one.dimensions.provider == "acme"]
    healthy = inside = 0
    for step in series.steps:
        of = [one for one in acme if step.start <= one.requested_at < step.start + series.step_ms]
        assert step.requested == len(of)
        assert step.counted == sum(one.message_id in world.verified for one in of)
        if step.seen is None or step.low is None or step.high is None or step.start >= NOW:
            continue
        if step.start + series.step_ms <= SINCE:
            healthy += 1
            inside += step.low <= step.seen <= step.high
    assert series.steps[0].start <= SINCE - 12 * HOUR_MS
    assert inside >= 0.85 * healthy > 30
    failing = [step for step in series.steps if SINCE <= step.start < NOW - series.step_ms and step.requested]
    assert sum((step.seen or 0) < (step.low or 0) for step in failing) >= 0.7 * len(failing) > 5


def _check_cost(world: World, found: Alert, answer: Shown) -> None:
    missing = answer.cost.missing
    assert missing is not None
    seen = found.found.evidence
    assert missing.number == pytest.approx(seen.expected - seen.verified)
    assert missing.low < missing.number < missing.high
    of, share = world.of_alert(), missing.number / seen.requested
    own = sum(int(one.message_id[1:]) % 4 == 0 for one in of)
    micros = {cost.currency: cost.micros for cost in answer.cost.wasted}
    assert micros == {
        "EUR": pytest.approx((len(of) - own) * 80_000 * share, abs=1),
        "USD": pytest.approx(own * 50_000 * share, abs=1),
    }
    assert answer.cost.unpriced == 0
    assert "EUR and" in " ".join(cost_words(found, answer.cost))


def _check_routes_and_words(found: Alert, answer: Shown) -> None:
    assert answer.places is not None
    (place,) = answer.places
    assert (place.country, place.carrier) == ("DE", "")
    assert [route.provider for route in place.routes] == ["bravo"]
    first, move = advise(found, answer.places)
    assert first == "Send the ticket to acme."
    assert move.startswith("Move traffic to DE to bravo: 8")


def _check_ticket(world: World, answer: Shown) -> None:
    assert answer.examples is not None
    assert answer.ticket is not None
    failed = {one.vendor_message_id or one.message_id for one in world.of_alert()} | {
        one.message_id for one in world.of_alert()
    }
    assert len(answer.examples.ids) == 3
    assert set(answer.examples.ids) <= failed
    assert all(
        text in answer.ticket for text in (*answer.examples.ids, "Telekom", "Vodafone", "+49151123xxxx")
    )
    assert "2026-11-28 09:00 UTC" in answer.ticket
    assert SEALED not in answer.ticket
    assert "5ec2e7" not in answer.ticket


def _check_others(storage: Storage, found: Alert) -> None:
    late = alert("slower", (("provider", "bravo"),))
    answer = shown(storage.ledger, found, late)
    assert answer.places is not None
    assert answer.places[0].routes == []
    assert advise(found, answer.places)[-1] == "No other provider to DE is surely healthy."
    vendor = alert("dead_letters", (("vendor", "acme"),), Evidence(waiting=3))
    answer = shown(storage.ledger, vendor)
    assert (answer.series, answer.places, answer.ticket, answer.cost.missing) == (None, None, None, None)
    stopped = shown(storage.ledger, alert("reporter_stopped", (("access_key", "none"),)))
    assert (stopped.ticket, stopped.places) == (None, None)
    volume = shown(
        storage.ledger, alert("volume", (("country", "DE"),), Evidence(requested=500, expected=100))
    )
    assert volume.series is not None
    steps = [step for step in volume.series.steps if step.start + volume.series.step_ms <= NOW]
    inside = [(step.low or 0) <= (step.seen or 0) <= (step.high or 0) for step in steps]
    assert sum(inside) >= 0.9 * len(inside)
    slow = shown(storage.ledger, alert("slower", (("provider", "bravo"),), Evidence(p90_ms=60_000)))
    assert slow.series is not None
    assert slow.ticket is not None
    assert {20_000 < step.seen < 32_000 for step in slow.series.steps if step.seen is not None} == {True}
