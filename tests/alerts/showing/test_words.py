"""The words of alerts: each kind has all of them, and numbers are those of the evidence."""

from typing import get_args

import pytest

from alerts.showing.alerts import NOW, alert
from otpconv.alerts.showing.cost import CostSoFar, missing_of
from otpconv.alerts.showing.messages import Examples
from otpconv.alerts.showing.remedies import advise
from otpconv.alerts.showing.ticket import ticket
from otpconv.alerts.showing.words import TITLES, cost_words, summary
from otpconv.rates.cost import Cost
from otpconv.storage.alerts.contract import Evidence, Kind, Values

KINDS: tuple[Kind, ...] = get_args(Kind)
SEEN = Evidence(
    requested=1_200,
    verified=300,
    expected=1_000.4,
    expected_low=950,
    expected_high=1_050,
    p50_ms=61_000,
    p90_ms=200_000,
    usual_p50_ms=15_000,
    usual_p90_ms=50_000,
    waiting=4_321,
    late_ms=3_600_000,
)
NOTHING = Examples(0, [], [], [])


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_words(kind: Kind) -> None:
    of_vendor = kind in {"relay_behind", "dead_letters"}
    values: Values = (("vendor", "acme"),) if of_vendor else (("country", "DE"), ("provider", "acme"))
    found = alert(kind, values, SEEN)
    assert TITLES[kind]
    assert any(number in summary(found) for number in ("1,200", "1 min 1 s", "4,321"))
    assert all(sentence.endswith(".") for sentence in [summary(found), *advise(found, None)])
    everywhere = alert(kind, values[:1] if of_vendor else (), SEEN)
    assert advise(everywhere, None)
    assert (ticket(found, NOTHING) is not None) == (kind in {"conversion_fell", "slower", "codes_entered"})
    assert ticket(everywhere, NOTHING) is None
    words = cost_words(found, CostSoFar(missing_of(found)))
    assert bool(words) == (kind in {"conversion_fell", "reporter_stopped", "nothing_sent", "volume"})


def test_money_of_two_currencies_is_never_added_and_missing_prices_are_named() -> None:
    found = alert(evidence=SEEN)
    costs = (Cost("EUR", 3, 1_500_000), Cost("USD", 2, 12_000_000))
    assert cost_words(found, CostSoFar(missing_of(found), costs, 7)) == [
        "About 700 (650 to 750) codes were not verified that usually are.",
        "They cost at least 1.5000 EUR and 12.00 USD.",
        "7 messages since then have no price.",
    ]


def test_a_ticket_says_when_it_ended_and_what_the_slice_is() -> None:
    values: Values = (("country", "DE"), ("carrier", "Telekom"), ("provider", "acme"))
    text = ticket(alert("slower", values, SEEN, resolved_at=NOW), NOTHING)
    assert text is not None
    assert "Ended:          about 2026-11-28 12:00 UTC" in text
    assert "Carrier:        Telekom" in text
    assert "90 % of the codes are entered within 3 min 20 s" in text
