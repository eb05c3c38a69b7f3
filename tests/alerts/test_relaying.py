"""Alerts about the relay: it is late, or a vendor refuses more feedbacks than before."""

from collections.abc import Sequence

from alerts.minutes import BEGIN
from otpconv.alerts.relaying import RelayFacts, Relaying
from otpconv.storage.alerts.contract import Change, Ended, Found
from otpconv.storage.contract import MINUTE_MS

NOW = BEGIN


def _looked(facts: Sequence[RelayFacts]) -> list[list[Change]]:
    """Return the changes of one look a minute, with a restart before each."""
    changes: list[list[Change]] = []
    parts: dict[str, bytes] = {}
    for minute, each in enumerate(facts):
        again = Relaying(lambda each=each: [each])  # type: ignore[misc]
        again.recall(parts)
        changes.append([*again.look(NOW + minute * MINUTE_MS, None)])  # type: ignore[arg-type]
        parts |= again.memory()
    return changes


def _facts(late_min: int = 0, dead: int = 0, *, paused: bool = False) -> RelayFacts:
    return RelayFacts("acme", paused, late_min * MINUTE_MS, 7, dead)


def test_a_relay_that_stays_late_is_behind_until_it_is_in_time_again() -> None:
    late = [0, 5, 6, 7, 8, 70, 3, 0, 0, 0, 0]
    changes = _looked([_facts(minutes) for minutes in late])
    assert changes[:3] == [[], [], []]
    (first,) = changes[3]
    assert isinstance(first, Found)
    assert (first.kind, first.values, first.severity) == ("relay_behind", (("vendor", "acme"),), "warning")
    assert first.evidence.late_ms == 7 * MINUTE_MS
    assert first.since == NOW - 4 * MINUTE_MS
    assert [one.severity for some in changes[4:7] for one in some if isinstance(one, Found)] == [
        "warning",
        "critical",
        "warning",
    ]
    assert changes[9] == [Ended("relay_behind", (("vendor", "acme"),))]
    assert changes[10] == []


def test_a_relay_that_an_operator_paused_is_not_behind() -> None:
    assert not any(_looked([_facts(60, paused=True)] * 10))


def test_more_dead_letters_than_before_are_found_and_few_are_not() -> None:
    steady = [_facts(dead=minute // 30) for minute in range(240)]
    assert not any(_looked(steady))
    grows = [_facts(dead=max(0, min(50, minute - 60))) for minute in range(240)]
    changes = _looked(grows)
    first = next(place for place, some in enumerate(changes) if some)
    assert first == 70
    assert changes[130][0].values == (("vendor", "acme"),)
    assert [Ended("dead_letters", (("vendor", "acme"),))] in changes[150:]


def test_a_vendor_account_that_is_gone_has_no_alerts() -> None:
    facts = [_facts(30)]
    detector = Relaying(lambda: facts)
    for minute in range(5):
        detector.look(NOW + minute * MINUTE_MS, None)  # type: ignore[arg-type]
    facts.clear()
    assert detector.look(NOW + 5 * MINUTE_MS, None) == [  # type: ignore[arg-type]
        Ended("relay_behind", (("vendor", "acme"),))
    ]
