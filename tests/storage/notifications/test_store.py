"""What an engine keeps of notifications: the same claims for every engine."""

from collections.abc import Callable

import pytest

from otpconv.storage.notifications import store as tables
from otpconv.storage.notifications.contract import (
    KEPT_MS,
    Contact,
    Cursor,
    Follow,
    News,
    NewsKind,
    NotificationStore,
    Plan,
    Told,
)
from storage.engines import Notifying

NOW = 1_800_000_000_000


@pytest.fixture
def store(notifying: Callable[[], Notifying]) -> NotificationStore:
    return notifying().store


def news(number: int, group: str = "", kind: NewsKind = "opened", target: int = 1, due_at: int = NOW) -> News:
    return News(target, number, kind, NOW, f"ntf_{target}_{number}_{kind}", group, due_at)


def plan(store: NotificationStore, *some: News, **parts: object) -> bool:
    cursor = store.cursor()
    return store.plan(cursor, Plan(cursor.seq + 1, some, **parts), NOW)  # type: ignore[arg-type]


def test_a_plan_that_another_node_has_overtaken_changes_nothing(notifying: Callable[[], Notifying]) -> None:
    first, second = notifying().store, notifying().store
    cursor = first.cursor()
    assert cursor == second.cursor() == Cursor(0, 0)
    assert first.plan(cursor, Plan(3, [news(1)], [Follow(1, 1, 0, NOW)]), NOW)
    assert not second.plan(cursor, Plan(3, [news(2)], [Follow(1, 2, 0, NOW)]), NOW)
    assert second.cursor() == Cursor(3, 1)
    assert second.waiting() == {1: 1}
    assert second.follows({1, 2}) == [Follow(1, 1, 0, NOW)]


def test_news_join_their_group_until_it_is_about_to_be_sent(store: NotificationStore) -> None:
    plan(store, news(1, "all"), news(2, "all"), news(3, "other"), news(4))
    assert store.due(NOW - 1) == []
    assert store.due(NOW) == [1]
    claimed = store.claim(1, NOW)
    assert claimed is not None
    assert (claimed.key, claimed.attempts, claimed.until) == ("ntf_1_1_opened", 0, NOW + KEPT_MS)
    assert claimed.news == [Told(1, "opened", NOW), Told(2, "opened", NOW)]
    plan(store, news(5, "all"))
    store.failed(1, claimed.id, "it is closed", now=NOW, again_at=NOW + 1)
    taken = [store.claim(1, NOW + 1) for _ in range(1)]
    for each in taken:
        assert each is not None
        store.sent(1, each.id, NOW)
    assert store.waiting() == {1: 3}
    assert store.contacts() == {1: Contact(1, 1, 0, 0, NOW, None, "")}


def test_what_was_claimed_and_not_recorded_is_claimed_again_as_it_was(store: NotificationStore) -> None:
    plan(store, news(1, "all"))
    first = store.claim(1, NOW)
    again = store.claim(1, NOW)
    assert first is not None
    assert again is not None
    assert (again.key, again.news, again.attempts) == (first.key, first.news, 1)
    store.sent(1, again.id, NOW)
    assert store.claim(1, NOW) is None


def test_a_target_that_fails_is_known_since_when_and_why(store: NotificationStore) -> None:
    plan(store, news(1), news(2))
    for later, again_at in ((0, NOW + 5), (1, NOW + 9), (2, None)):
        claimed = store.claim(1, NOW + later)
        if claimed is None:
            assert later == 2
            break
        store.failed(1, claimed.id, f"no {later}", now=NOW + later, again_at=again_at)
    assert store.contacts()[1].failing_since == NOW
    assert store.contacts()[1].error == "no 1"
    claimed = store.claim(1, NOW + 9)
    assert claimed is not None
    store.failed(1, claimed.id, "never", now=NOW + 9, again_at=None)
    assert store.contacts()[1].dead == 1
    assert store.waiting() == {1: 1}


def give_up(store: NotificationStore, *numbers: int) -> None:
    plan(store, *(news(number) for number in numbers))
    while (claimed := store.claim(1, NOW)) is not None:
        store.failed(1, claimed.id, "never", now=NOW, again_at=None)


def test_what_was_given_up_waits_again_as_it_was_once_somebody_wants_it(store: NotificationStore) -> None:
    give_up(store, 1)
    lasting = Follow(1, 1, 0, NOW)
    plan(store, news(2, "all"), news(3, target=2), follows=[lasting])
    assert (store.waiting(), store.given_up()) == ({1: 1, 2: 1}, {1: 1})
    assert store.repeats(NOW, 10) == [lasting]
    assert (store.retry(2, NOW + 5), store.retry(1, NOW + 5), store.retry(1, NOW + 5)) == (0, 1, 0)
    assert (store.waiting(), store.given_up()) == ({1: 2, 2: 1}, {})
    assert store.repeats(NOW, 10) == []
    claims = [store.claim(1, NOW + 5)]
    assert claims[0] is not None
    assert claims[0].key == "ntf_1_2_opened"
    store.forget(claims[0].id)
    again = store.claim(1, NOW + 5)
    assert again is not None
    assert (again.key, again.attempts, again.until) == ("ntf_1_1_opened", 1, NOW + 5 + KEPT_MS)
    assert again.news == [Told(1, "opened", NOW)]


def test_what_was_given_up_is_bounded_and_waits_again_as_far_as_there_is_room(
    store: NotificationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_GIVEN_UP", 3)
    give_up(store, 1, 2, 3, 4, 5)
    assert store.given_up() == {1: 3}
    assert store.contacts()[1].dead == 5
    monkeypatch.setattr(tables, "MAX_BACKLOG", 2)
    assert (store.retry(1, NOW), store.retry(1, NOW)) == (2, 0)
    oldest = store.claim(1, NOW)
    assert oldest is not None
    assert oldest.key == "ntf_1_3_opened"
    assert (store.waiting(), store.given_up()) == ({1: 2}, {1: 1})


def test_what_waits_for_a_target_is_bounded_and_the_rest_is_counted(
    store: NotificationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_BACKLOG", 3)
    monkeypatch.setattr(tables, "MAX_NEWS", 2)
    plan(store, *(news(number, "all") for number in range(1, 9)), news(9, target=2))
    assert store.waiting() == {1: 3, 2: 1}
    assert store.contacts()[1].dropped == 2


def test_that_an_alert_lasts_is_said_again_when_it_is_due_and_nothing_waits(store: NotificationStore) -> None:
    due, later, quiet = Follow(1, 1, 0, NOW), Follow(1, 2, 0, NOW + 1), Follow(1, 3, 0, None)
    plan(store, news(4), follows=[due, later, quiet, Follow(1, 4, 0, NOW)])
    assert store.repeats(NOW, 10) == [due]
    plan(store, news(1, "all", "lasting"), news(2, "all", "opened"))
    assert store.repeats(NOW, 10) == []
    plan(store, calmed=[(1, 1), (1, 2), (1, 4)])
    assert store.repeats(NOW, 10) == [due]
    plan(store, unfollowed=[(1, 1)])
    assert store.follows({1, 3}) == [quiet]
    assert store.waiting() == {1: 2}


def test_nothing_stays_of_a_target_that_was_deleted(store: NotificationStore) -> None:
    plan(store, news(1), news(1, target=2), follows=[Follow(1, 1, 0, NOW), Follow(2, 1, 0, NOW)])
    claimed = store.claim(1, NOW)
    assert claimed is not None
    store.failed(1, claimed.id, "no", now=NOW, again_at=NOW)
    store.drop(1)
    assert (store.waiting(), store.contacts(), store.follows({1})) == ({2: 1}, {}, [Follow(2, 1, 0, NOW)])


def test_a_copy_has_all_that_the_original_has(store: NotificationStore, tmp_path: object) -> None:
    from otpconv.storage.sqlite.alerts import notifications_file  # noqa: PLC0415 - of this test alone

    give_up(store, 9)
    plan(
        store, news(1, "all"), news(2, "all"), news(3), follows=[Follow(1, 1, 2, NOW), Follow(1, 3, 0, None)]
    )
    claimed = store.claim(1, NOW)
    assert claimed is not None
    store.failed(1, claimed.id, "no", now=NOW, again_at=NOW + 7)
    copy = notifications_file(tmp_path / "copy.sqlite")  # type: ignore[operator]
    plan(copy, news(8))
    copy.replace(store.stored())
    original, copied = [*store.stored()], [*copy.stored()]
    assert copied[1:] == original[1:]
    assert isinstance(copied[0], Cursor)
    assert copied[0].seq == store.cursor().seq
    copy.close()
