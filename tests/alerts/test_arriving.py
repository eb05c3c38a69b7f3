"""Alerts about late reports: a spool or consumer that is behind is found soon, and nothing else is."""

from collections.abc import Sequence
from itertools import count, islice

import numpy as np
import pytest

from alerts.arrivals import HEALTHY, KEY, behind, watched
from alerts.minutes import BEGIN
from campaigns import rounds
from otpconv.alerts.arriving import MAX_KEYS, ArrivalFacts, Arriving, What
from otpconv.storage.alerts.contract import Change, Ended, Found
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS

#: Of each world, the seeds 0 to this one in the long form.
SEEDS = 40
#: How many worlds are behind in the long form.
BEHIND = 60
#: Most are found so long after the first late report, ms, and end so long after the last one.
SOON_MS = 15 * MINUTE_MS
WHAT: tuple[What, ...] = ("message", "conversion")
VALUES = (("access_key", KEY),)
#: Minutes without reports; then those of half an hour ago are new.
SILENCE: list[list[float]] = [[]] * 30


@pytest.mark.rounds
@pytest.mark.long("simulates four days of each of many applications")
@pytest.mark.parametrize("world", HEALTHY)
def test_nothing_is_found_where_nothing_is_behind(world: str) -> None:
    for seed in range(rounds(SEEDS, at_least=1)):
        random = np.random.default_rng(seed)
        reports = HEALTHY[world](random, 10 ** random.uniform(-1, 2))
        assert watched(reports).found == [], (world, seed)


@pytest.mark.rounds
@pytest.mark.long("simulates four days of each of many applications")
@pytest.mark.parametrize("spool", [True, False], ids=["a spool", "a consumer"])
def test_what_is_behind_for_five_minutes_is_found_soon_until_it_is_in_time(
    spool: bool,  # noqa: FBT001 - a parameter
) -> None:
    delays, ends, many = [], [], rounds(BEHIND, at_least=3)
    for world in islice(
        filter(lambda world: world.lasted and world.spool == spool, map(behind, count())), many
    ):
        seen = watched(world.reports)
        if seen.found:
            delays.append(seen.found[0] - world.first)
            ends.append(seen.ended[-1] - world.last)
            assert len(seen.found) == len(seen.ended)
    assert len(delays) >= 0.98 * many
    if spool:
        assert max(delays) <= 4 * MINUTE_MS
    assert np.median(delays) <= SOON_MS
    assert np.median(ends) <= SOON_MS


def _looked(
    looks: Sequence[Sequence[float]], what: What = "message", every_ms: int = MINUTE_MS
) -> list[list[Change]]:
    """Return the changes of each look, of which the lateness of its reports is given, in minutes.

    They follow 60 looks at reports in time; there is a restart before each.
    """
    facts: list[ArrivalFacts] = []
    parts: dict[str, bytes] = {}
    changes: list[list[Change]] = []
    for place, ages in enumerate([[0.0] * 5] * 60 + [*looks]):
        at = BEGIN + place * every_ms
        again = Arriving(lambda: facts)
        again.recall(parts)
        reports = [(int(at - age * MINUTE_MS), at) for age in ages]
        facts[:] = [ArrivalFacts(KEY, what, reports, weight=2.0)] if reports else []
        changes.append([*again.look(at + 30_000, None)])  # type: ignore[arg-type] - it asks for no counts
        parts |= again.memory()
    assert not any(changes[:60])
    return changes[60:]


@pytest.mark.parametrize("what", WHAT)
def test_a_finding_says_since_when_and_how_late_and_memory_outlives_restarts(what: What) -> None:
    silence = 3 * SILENCE
    backlog = [[90 - 6.0 * place + 0.1 * each for each in range(5)] for place in range(15)]
    changes = _looked([*silence, *backlog, *[[0.0] * 5] * 4], what=what)
    first = next(place for place, some in enumerate(changes) if some)
    assert first == len(silence) + 2
    (found,) = changes[first]
    assert isinstance(found, Found)
    assert (found.kind, found.values, found.severity) == ("reports_late", VALUES, "critical")
    assert abs(found.since - (BEGIN + 60 * MINUTE_MS)) <= 2 * MINUTE_MS
    assert found.since_low < found.since < found.since_high
    assert found.evidence.waiting == 2 * 15
    assert abs(found.evidence.late_ms - 78 * MINUTE_MS) < MINUTE_MS
    later = [one.severity for some in changes[first:] for one in some if isinstance(one, Found)]
    assert later[-1] == "warning"
    ended = [place for place, some in enumerate(changes) if Ended("reports_late", VALUES) in some]
    assert ended == [len(silence) + len(backlog) + 2]


def test_reports_that_are_late_for_two_minutes_alone_are_not_found() -> None:
    late, in_time = [10.0] * 5, [0.0] * 5
    assert not any(_looked([*SILENCE, late, late, in_time, *SILENCE, late, late, in_time]))


def test_stray_reports_in_time_hide_no_backlog() -> None:
    some = [*[20.0] * 5, 0.0]
    assert any(_looked([*SILENCE, *[some] * 4]))


def test_one_of_many_machines_that_is_behind_is_not_found_and_no_other_alert_comes() -> None:
    assert not any(_looked([[*[0.0] * 9, 60.0]] * 30))


def test_an_alert_of_an_application_that_falls_silent_ends_after_an_hour() -> None:
    late = [30.0] * 5
    changes = _looked([*SILENCE, late, late, late, *[[]] * 70])[len(SILENCE) :]
    assert changes[2] != []
    assert [place for place, some in enumerate(changes) if Ended("reports_late", VALUES) in some] == [62]


def test_lateness_that_lasts_a_week_is_usual() -> None:
    """A clock that was set wrongly is an alert only for so long."""
    every_ms = 10 * MINUTE_MS
    changes = _looked([[60.0] * 5] * (8 * DAY_MS // every_ms), every_ms=every_ms)
    ended = [place for place, some in enumerate(changes) if any(isinstance(one, Ended) for one in some)]
    assert len(ended) == 1
    assert 6 * DAY_MS <= ended[0] * every_ms <= 7 * DAY_MS + HOUR_MS


def test_messages_and_conversions_of_a_key_are_one_alert_until_both_are_in_time() -> None:
    facts: list[ArrivalFacts] = []
    detector = Arriving(lambda: facts)

    def look(minute: int, **ages: float) -> list[Change]:
        at = BEGIN + minute * MINUTE_MS
        each = {what: (int(at - age * MINUTE_MS), at) for what, age in ages.items()}
        facts[:] = [ArrivalFacts(KEY, what, [each[what]] * 4) for what in WHAT]
        return [*detector.look(at, None)]  # type: ignore[arg-type] - it asks for no counts

    for minute in range(40):
        assert look(minute, message=0, conversion=0) == []
    for minute in range(140, 143):
        changes = look(minute, message=0, conversion=10)
    assert [change.values for change in changes] == [VALUES]
    for minute in range(243, 246):
        changes = look(minute, message=90, conversion=10)
    assert [change.severity for change in changes if isinstance(change, Found)] == ["critical"]
    for minute in range(246, 250):
        changes = look(minute, message=90, conversion=0)
    assert [type(change) for change in changes] == [Found]
    ended = [change for minute in range(250, 253) for change in look(minute, message=0, conversion=0)]
    assert [type(change) for change in ended] == [Found, Found, Ended]


def test_keys_are_bounded_and_those_that_report_no_more_are_forgotten() -> None:
    facts = [ArrivalFacts(f"key{place}", "message", [(BEGIN, BEGIN)] * 3) for place in range(2 * MAX_KEYS)]
    detector = Arriving(lambda: facts)
    detector.look(BEGIN, None)  # type: ignore[arg-type] - it asks for no counts
    large = detector.memory()["arriving.keys"]
    assert len(large) < 20_000
    facts.clear()
    detector.look(BEGIN + 8 * DAY_MS, None)  # type: ignore[arg-type] - it asks for no counts
    assert len(detector.memory()["arriving.keys"]) < 30
