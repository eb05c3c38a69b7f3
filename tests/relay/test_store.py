"""What an engine keeps for the relay: the same claims for every engine."""

from msgspec.structs import replace

from otpconv.storage.relay.contract import Contact, Feedback, NewSend, RelayStore, Settled

NOW = 1_800_000_000_000
FOREVER = NOW + 10**9


def send(message_id: str, feedback: Feedback = "received", **fields: int) -> NewSend:
    usual = {"vendor": 1, "requested_at": NOW - 60_000, "at": NOW, "due_at": NOW, "until": FOREVER}
    return NewSend(account=1, message_id=message_id, feedback=feedback, **(usual | fields))


def add(store: RelayStore, *sends: NewSend) -> None:
    cursor = store.cursor()
    assert store.advance(cursor, cursor + 1, sends)


def statuses(store: RelayStore, message_id: str) -> list[tuple[str, str]]:
    return [(each.feedback, each.status) for each in store.evidence(1, message_id)]


def recounted(store: RelayStore, *message_ids: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for message_id in message_ids:
        for _, status in statuses(store, message_id):
            counts[status] = counts.get(status, 0) + 1
    return counts


def test_the_cursor_moves_only_from_where_it_is(relay_store: RelayStore) -> None:
    assert relay_store.cursor() == 0
    assert relay_store.advance(0, 10, [send("a")])
    assert not relay_store.advance(0, 12, [send("b")])
    assert (relay_store.cursor(), statuses(relay_store, "b")) == (10, [])
    relay_store.restart(500)
    assert relay_store.cursor() == 500


def test_a_feedback_is_there_once(relay_store: RelayStore) -> None:
    add(relay_store, send("a"), send("a", at=NOW + 5))
    add(relay_store, send("a"))
    (due,) = relay_store.due(1, NOW, 10)
    assert (due.message_id, due.at) == ("a", NOW)
    relay_store.settle(1, [Settled(due.id, "sent")], NOW + 7, claimed=False)
    add(relay_store, send("a"))
    assert relay_store.due(1, NOW, 10) == []
    (found,) = relay_store.evidence(1, "a")
    assert (found.status, found.sent_at, found.answered_at) == ("sent", NOW + 7, NOW + 7)


def test_what_is_due_comes_in_order(relay_store: RelayStore) -> None:
    add(
        relay_store,
        send("late", due_at=NOW + 50),
        send("b", due_at=NOW - 1),
        send("c"),
        send("a", due_at=NOW - 9),
    )
    add(relay_store, send("other", vendor=2))
    assert [each.message_id for each in relay_store.due(1, NOW, 10)] == ["a", "b", "c"]
    assert [each.message_id for each in relay_store.due(1, NOW, 2)] == ["a", "b"]
    assert (relay_store.next_due(1), relay_store.next_due(3)) == (NOW - 9, None)


def test_a_received_message_supersedes_its_failure(relay_store: RelayStore) -> None:
    add(relay_store, send("a", "failed"), send("b", "failed"))
    (first, _) = relay_store.due(1, NOW, 10)
    relay_store.settle(1, [Settled(first.id, "sent")], NOW, claimed=False)
    add(relay_store, send("a"), send("b"))
    assert statuses(relay_store, "a") == [("failed", "sent"), ("received", "waiting")]
    assert statuses(relay_store, "b") == [("failed", "superseded"), ("received", "waiting")]
    assert relay_store.counts()[1] == recounted(relay_store, "a", "b")


def test_a_failure_that_was_on_its_way_is_evidence(relay_store: RelayStore) -> None:
    add(relay_store, send("a", "failed"), send("b", "failed"))
    a, b = relay_store.due(1, NOW, 10)
    add(relay_store, send("a"), send("b"))
    again = Settled(b.id, "waiting", "HTTP 500", due_at=NOW)
    relay_store.settle(1, [Settled(a.id, "sent"), again], NOW, claimed=False)
    assert statuses(relay_store, "a") == [("failed", "sent"), ("received", "waiting")]
    assert statuses(relay_store, "b") == [("failed", "superseded"), ("received", "waiting")]
    assert relay_store.counts()[1] == recounted(relay_store, "a", "b")


def test_a_claim_is_for_one_sender(relay_store: RelayStore) -> None:
    add(relay_store, send("a"), send("b"))
    claimed = relay_store.claim(1, NOW, 1)
    assert [each.message_id for each in claimed] == ["a"]
    assert [each.message_id for each in relay_store.claim(1, NOW, 10)] == ["b"]
    assert relay_store.claim(1, NOW, 10) == []
    relay_store.settle(1, [Settled(claimed[0].id, "sent")], NOW, claimed=True)
    assert relay_store.abandon(1) == 1
    assert (statuses(relay_store, "a"), statuses(relay_store, "b")) == (
        [("received", "sent")],
        [("received", "unknown")],
    )
    assert relay_store.counts()[1] == {"sent": 1, "unknown": 1}


def test_an_answer_that_came_after_the_takeover_is_evidence(relay_store: RelayStore) -> None:
    add(relay_store, send("a"))
    (claimed,) = relay_store.claim(1, NOW, 10)
    relay_store.abandon(1)
    relay_store.settle(1, [Settled(claimed.id, "sent")], NOW, claimed=True)
    assert statuses(relay_store, "a") == [("received", "sent")]


def test_what_nobody_has_use_for_is_expired(relay_store: RelayStore) -> None:
    add(relay_store, send("a", until=NOW - 1), send("b"))
    assert [each.message_id for each in relay_store.due(1, NOW, 10)] == ["b"]
    assert relay_store.counts()[1] == {"expired": 1, "waiting": 1}


def test_dead_letters_can_wait_again(relay_store: RelayStore) -> None:
    add(relay_store, send("a"), send("b"), send("c", "failed"))
    dead = [Settled(each.id, "dead", "BadId", "no") for each in relay_store.due(1, NOW, 10)]
    relay_store.settle(1, dead, NOW, claimed=False)
    add(relay_store, send("c"))
    assert [each.message_id for each in relay_store.letters(1, 10)] == ["c", "b", "a"]
    assert relay_store.retry(1, "a", NOW) == 1
    assert [each.message_id for each in relay_store.due(1, NOW, 10)] == ["c", "a"][::-1]
    assert relay_store.retry(1, None, NOW) == 1
    assert statuses(relay_store, "c") == [("failed", "dead"), ("received", "waiting")]
    assert relay_store.counts()[1] == {"waiting": 3, "dead": 1}


def test_deleted_messages_leave_nothing(relay_store: RelayStore) -> None:
    add(relay_store, send("a"), send("b", requested_at=NOW - 10**6), send("c"), send("c", vendor=2))
    relay_store.erase([(1, "a"), (2, "c")])
    assert relay_store.erase_before(NOW - 10**5, 10) == 1
    assert relay_store.erase_before(NOW - 10**5, 10) == 0
    assert [bool(relay_store.evidence(1, name)) for name in "abc"] == [False, False, True]
    assert relay_store.counts() == {1: {"waiting": 1}, 2: {"waiting": 1}}
    assert (relay_store.drop(2, 10), relay_store.drop(2, 10)) == (1, 0)
    assert relay_store.counts() == {1: {"waiting": 1}}


def test_the_state_of_a_contact_is_the_last_one(relay_store: RelayStore) -> None:
    relay_store.note_contact(Contact(1, "open", "HTTP 500: no", NOW))
    relay_store.note_contact(Contact(1, "closed", "", NOW + 1))
    assert relay_store.contacts() == {1: Contact(1, "closed", "", NOW + 1)}


def test_a_vendor_gets_its_own_id_of_a_message_also_if_a_later_report_names_it(
    relay_store: RelayStore,
) -> None:
    named = replace(send("a"), vendor_message_id="v1")
    add(relay_store, send("a"), send("b"))
    add(relay_store, named)
    assert [each.message_id for each in relay_store.due(1, NOW, 10)] == ["v1", "b"]
    first, _ = relay_store.due(1, NOW, 10)
    relay_store.settle(1, [Settled(first.id, "dead", "Unknown", "no such message")], NOW, claimed=False)
    add(relay_store, replace(named, vendor_message_id="v0"))
    assert relay_store.retry(1, "a", NOW) == 1
    assert {each.message_id for each in relay_store.claim(1, NOW, 10)} == {"v0", "b"}
    assert statuses(relay_store, "a") == [("received", "sending")]
    relay_store.erase([(1, "a")])
    assert statuses(relay_store, "a") == []
