"""What an engine keeps of alerts: the same claims for every engine."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Barrier, Thread

import pytest

from otpconv.errors import InvalidRequest
from otpconv.storage.alerts import changes, store as tables
from otpconv.storage.alerts.contract import (
    LASTING,
    MAX_NOTE,
    MAX_PART_BYTES,
    MAX_SNOOZE_MS,
    AlertStore,
    Checkpoint,
    Event,
)
from otpconv.storage.sqlite.alerts import alerts_file
from storage.alerts.findings import ACME, GERMANY, MINUTE, NOW, ended, found, minute

Stores = Callable[[], AlertStore]
EVERYTHING = (*LASTING, "resolved")


@pytest.fixture
def store(alert_stores: Stores) -> AlertStore:
    return alert_stores()


def happenings(store: AlertStore, alert: int) -> list[str]:
    return [event.happening for event in store.history(1, alert)]


def test_detectors_remember_what_they_do_not_change(store: AlertStore) -> None:
    assert store.checkpoint(1) is None
    assert store.record(1, None, minute(0, fell=b"\x00a", slower=b"b"), [])
    assert store.record(1, NOW, minute(1, fell=b"c"), [])
    assert store.checkpoint(1) == minute(1, fell=b"c", slower=b"b")
    assert store.checkpoint(2) is None


def test_an_alert_lasts_from_its_finding_to_its_end(store: AlertStore) -> None:
    assert store.record(1, None, minute(0), [found()])
    (alert,) = store.alerts(1, LASTING)
    assert (alert.state, alert.found, alert.found_at) == ("open", found(), NOW)
    assert store.record(1, NOW, minute(1), [found(verified=7)])
    (again,) = store.alerts(1, LASTING)
    assert (again.id, again.found, again.updated_at) == (alert.id, found(verified=7), NOW + MINUTE)
    assert store.record(1, NOW + MINUTE, minute(2), [ended(found()), ended(found(ACME))])
    assert store.alerts(1, LASTING) == []
    resolved = store.alert(1, alert.id)
    assert resolved is not None
    assert (resolved.state, resolved.resolved_at) == ("resolved", NOW + 2 * MINUTE)
    assert happenings(store, alert.id) == ["opened", "resolved"]


def test_a_slice_has_one_lasting_alert_of_a_kind_but_several_over_time(store: AlertStore) -> None:
    again = [found(), ended(found()), found(), found(ACME[::-1]), found(ACME), found(kind="volume")]
    assert store.record(1, None, minute(0), again)
    assert [alert.found.kind for alert in store.alerts(1, ["resolved"])] == ["conversion_fell"]
    lasting = {(alert.found.kind, alert.found.values) for alert in store.alerts(1, LASTING)}
    assert lasting == {("conversion_fell", GERMANY), ("conversion_fell", ACME), ("volume", GERMANY)}


def test_an_alert_gets_worse_and_not_better_before_it_ends(store: AlertStore) -> None:
    severities = ["warning", "critical", "warning", "critical"]
    for number, severity in enumerate(severities):
        after = None if number == 0 else NOW + (number - 1) * MINUTE
        assert store.record(1, after, minute(number), [found(severity=severity)])  # type: ignore[arg-type]
    (alert,) = store.alerts(1, LASTING)
    assert alert.found.severity == "critical"
    assert happenings(store, alert.id) == ["opened", "worse"]


def test_a_user_acknowledges_an_alert_and_another_one_snoozes_it(store: AlertStore) -> None:
    store.record(1, None, minute(0), [found()])
    (alert,) = store.alerts(1, LASTING)
    acknowledged = store.acknowledge(1, alert.id, "ann", "asked acme", now=NOW + 5)
    assert acknowledged is not None
    assert (acknowledged.state, acknowledged.changed_by, acknowledged.note) == (
        "acknowledged",
        "ann",
        "asked acme",
    )
    until = NOW + 3 * MINUTE
    snoozed = store.snooze(1, alert.id, "bob", "", now=NOW + 9, until=until)
    assert snoozed == store.alert(1, alert.id)
    assert snoozed is not None
    assert (snoozed.state, snoozed.snoozed_until, snoozed.changed_at) == ("snoozed", until, NOW + 9)
    assert store.history(1, alert.id)[1:] == [
        Event(alert.id + 1, 1, alert.id, "acknowledged", NOW + 5, "ann", "asked acme"),
        Event(alert.id + 2, 1, alert.id, "snoozed", NOW + 9, "bob", ""),
    ]
    assert store.acknowledge(2, alert.id, "eve", "", now=NOW) is None
    assert store.snooze(1, alert.id + 99, "bob", "", now=NOW, until=until) is None


def test_a_repeated_answer_is_no_news(store: AlertStore) -> None:
    store.record(1, None, minute(0), [found()])
    (alert,) = store.alerts(1, LASTING)
    first = store.acknowledge(1, alert.id, "ann", "", now=NOW + 5)
    assert store.acknowledge(1, alert.id, "ann", "", now=NOW + 9) == first
    assert happenings(store, alert.id) == ["opened", "acknowledged"]


def test_a_snoozed_alert_wakes_when_the_detectors_reach_its_time(store: AlertStore) -> None:
    store.record(1, None, minute(0), [found(), found(ACME)])
    second, first = store.alerts(1, LASTING)
    for alert in (first, second):
        store.snooze(1, alert.id, "bob", "later", now=NOW, until=NOW + 2 * MINUTE)
    store.record(1, NOW, minute(1), [])
    assert {alert.state for alert in store.alerts(1, LASTING)} == {"snoozed"}
    store.record(1, NOW + MINUTE, minute(2), [found(), ended(found(ACME))])
    (woken,) = store.alerts(1, LASTING)
    assert (woken.id, woken.state, woken.snoozed_until, woken.changed_by) == (first.id, "open", None, "")
    assert happenings(store, first.id) == ["opened", "snoozed", "woken"]
    assert happenings(store, second.id) == ["opened", "snoozed", "resolved"]


def test_a_resolved_alert_stays_resolved(store: AlertStore) -> None:
    store.record(1, None, minute(0), [found(), ended(found())])
    (alert,) = store.alerts(1, ["resolved"])
    assert store.acknowledge(1, alert.id, "ann", "", now=NOW) == alert
    assert store.snooze(1, alert.id, "ann", "", now=NOW, until=NOW + 1) == alert


def test_alerts_come_in_pages_the_newest_first(store: AlertStore) -> None:
    store.record(1, None, minute(0), [found((("provider", name),)) for name in "abcde"])
    store.record(2, None, minute(0), [found()])
    newest = [alert.id for alert in store.alerts(1, LASTING)]
    assert newest == sorted(newest, reverse=True)
    first = [alert.id for alert in store.alerts(1, LASTING, limit=2)]
    assert first == newest[:2]
    assert [alert.id for alert in store.alerts(1, LASTING, before=first[-1], limit=2)] == newest[2:4]


@pytest.mark.parametrize("until", [NOW, NOW - 1, NOW + MAX_SNOOZE_MS + 1])
def test_an_alert_is_not_snoozed_into_the_past_or_for_good(store: AlertStore, until: int) -> None:
    with pytest.raises(InvalidRequest, match="next 90 days"):
        store.snooze(1, 1, "ann", "", now=NOW, until=until)


@pytest.mark.parametrize("note", ["x" * (MAX_NOTE + 1), "two\nlines", "nul\0", "\ud800"])
def test_a_note_is_one_line_with_a_bound(store: AlertStore, note: str) -> None:
    with pytest.raises(InvalidRequest, match="one line"):
        store.acknowledge(1, 1, "ann", note, now=NOW)


def test_a_checkpoint_that_does_not_advance_is_a_bug(store: AlertStore) -> None:
    with pytest.raises(ValueError, match="later"):
        store.record(1, NOW, minute(0), [])
    with pytest.raises(ValueError, match="remembers"):
        store.record(1, None, minute(0, fell=bytes(MAX_PART_BYTES + 1)), [])


def test_the_history_of_an_alert_is_bounded(store: AlertStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_EVENTS", 8)
    store.record(1, None, minute(0), [found()])
    (alert,) = store.alerts(1, LASTING)
    for number in range(4):
        store.acknowledge(1, alert.id, "ann", f"{number}", now=NOW)
    with pytest.raises(InvalidRequest, match="8 events"):
        store.acknowledge(1, alert.id, "ann", "again", now=NOW)
    store.record(1, NOW, minute(1), [ended(found())])
    assert len(happenings(store, alert.id)) == 6


def test_lasting_and_resolved_alerts_are_bounded(store: AlertStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAX_LASTING", 2)
    monkeypatch.setattr(tables, "MAX_RESOLVED", 3)
    slices = [found((("provider", name),)) for name in "abc"]
    store.record(1, None, minute(0), slices)
    assert {alert.found.values[0][1] for alert in store.alerts(1, LASTING)} == {"a", "b"}
    for number in range(1, 5):
        store.record(1, NOW + (number - 1) * MINUTE, minute(number), [*slices[:2], *map(ended, slices[:2])])
    kept = store.alerts(1, ["resolved"])
    assert len(kept) == 3
    assert kept[0].found_at == NOW + 4 * MINUTE
    assert {event.alert for event in store.events(0, 1_000)} == {alert.id for alert in kept}


def test_alerts_that_were_resolved_long_ago_are_forgotten_with_their_events(store: AlertStore) -> None:
    store.record(1, None, minute(0), [found(), ended(found()), found(ACME)])
    store.record(1, NOW, minute(1), [found(), ended(found())])
    (old, new) = sorted(alert.id for alert in store.alerts(1, ["resolved"]))
    assert store.forget(NOW + MINUTE, 10) == 1
    assert store.forget(NOW + MINUTE, 10) == 0
    assert (store.alert(1, old), happenings(store, old)) == (None, [])
    assert happenings(store, new) == ["opened", "resolved"]
    before = store.events(0, 100)[-1].seq
    assert store.forget(NOW + 2 * MINUTE, 10) == 1
    store.record(1, NOW + MINUTE, minute(2), [found()])
    assert store.alerts(1, LASTING)[0].id > before  # no number is used again


def test_a_copy_into_another_engine_and_back_is_equal(store: AlertStore, tmp_path: Path) -> None:
    store.record(1, None, minute(0, fell=b"\x00\xff"), [found(), ended(found()), found(ACME, "critical")])
    store.snooze(1, store.alerts(1, LASTING)[0].id, "Zoë", "später", now=NOW, until=NOW + MINUTE)
    store.record(2, None, minute(0), [])
    with closing(alerts_file(tmp_path / "alerts.sqlite")) as file:
        file.replace(store.stored())
        kept = list(file.stored())
        assert kept == list(store.stored())
        store.record(1, NOW, minute(1), [ended(found(ACME))])
        store.replace(file.stored())
        assert list(store.stored()) == kept


def test_of_two_nodes_that_record_the_same_minute_one_succeeds(alert_stores: Stores) -> None:
    """And a reader that follows the events misses none."""
    rounds, won, seen = 12, [0, 0], [0]
    barrier = Barrier(2)

    def node(place: int) -> None:
        store = alert_stores()
        for number in range(rounds):
            barrier.wait()
            after = None if number == 0 else NOW + (number - 1) * MINUTE
            alerts = [found((("provider", str(number)),)), found()]
            won[place] += store.record(1, after, minute(number), [*alerts, ended(alerts[1])])
            store.record(10 + place, after, minute(number), [found()])
            (newest, *_) = store.alerts(1, LASTING)
            store.acknowledge(1, newest.id, f"node {place}", "", now=NOW)
        store.close()

    def read() -> None:
        store = alert_stores()
        while any(thread.is_alive() for thread in nodes) or store.events(seen[-1], 1):
            seen.extend(event.seq for event in store.events(seen[-1], 7))
        store.close()

    nodes = [Thread(target=node, args=(place,)) for place in (0, 1)]
    reader = Thread(target=read)
    for thread in (*nodes, reader):
        thread.start()
    for thread in (*nodes, reader):
        thread.join()
    assert sum(won) == rounds
    assert seen == list(range(len(seen)))
    store = alert_stores()
    assert len(store.alerts(1, LASTING)) == rounds
    assert len(store.alerts(1, ["resolved"])) == rounds
    assert store.checkpoint(1) == Checkpoint(NOW + (rounds - 1) * MINUTE, {})
