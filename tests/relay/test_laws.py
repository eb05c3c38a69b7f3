"""The laws of the relay over generated journals, on every engine."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from msgspec.structs import replace

from campaigns import rounds
from otpconv.delivery.transport import DELIVERED, Fate, Outcome
from otpconv.model import Conversion, Dimensions, MessageState, Requested, state_of
from otpconv.storage.erasure import Erasure
from otpconv.storage.relay.contract import Send
from relay.vendors import HOUR_MS, vendor
from relay.worlds import Crash, World, world
from storage.engines import NOW, Engine

VENDORS = [
    vendor(1),
    vendor(2, "positive"),
    vendor(3, "harmful"),
    vendor(4, "timer"),
]
IDS = ["a", "b", "c", "d", "e", "f"]
#: A message went to one vendor, or to one without a vendor account.
PROVIDERS = {name: f"provider-{1 + number % 5}" for number, name in enumerate(IDS)}
REQUESTED_AT = NOW - 10_000


def requested(message_id: str) -> Requested:
    return Requested(1, message_id, REQUESTED_AT, Dimensions(provider=PROVIDERS[message_id]))


facts = st.one_of(
    st.sampled_from(IDS).map(requested),
    st.builds(
        lambda name, delivered, after: Conversion(1, delivered, REQUESTED_AT + after, name),
        st.sampled_from(IDS),
        st.booleans(),
        st.integers(-50, 5_000),
    ),
    # Another account's messages have the same ids.
    st.sampled_from(IDS).map(lambda name: Conversion(2, True, NOW, name)),
)
#: What happens between two reports.
steps = st.lists(st.one_of(facts, st.sampled_from(["apply", "follow", "send"])), max_size=40)
laws = settings(
    max_examples=rounds(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def run(relay: World, history: Sequence[object]) -> dict[str, MessageState]:
    """Let it happen, and return the state of each message of the account 1 at the end."""
    states: dict[str, MessageState] = {}
    for step in history:
        if step == "apply":
            relay.storage.apply_all()
        elif step == "follow":
            relay.follow()
        elif step == "send":
            relay.send()
        elif isinstance(step, Requested | Conversion):
            relay.storage.append(step)
            if step.account == 1:
                before = states.get(step.message_id, MessageState())
                states[step.message_id] = before.join(state_of(step))
    relay.storage.apply_all()
    relay.follow()
    relay.send()
    return states


def expected(states: dict[str, MessageState], number: int) -> dict[str, str]:
    """What a vendor account has to know about each message at the end."""
    known: dict[str, str] = {}
    for name, state in states.items():
        if state.requested is None or PROVIDERS[name] != f"provider-{number}":
            continue
        if state.verified:
            known[name] = "received"
        elif number != 2 and (state.false_last is not None or number == 4):
            known[name] = "failed"
    return known


def last(relay: World, number: int) -> dict[str, str]:
    """What the last feedback about each message was."""
    return dict(relay.calls[number].order)


@laws
@given(steps)
def test_each_conversion_is_sent_once_to_the_right_account(engine: Engine, history: list[object]) -> None:
    with world(engine, VENDORS) as relay:
        states = run(relay, history)
        relay.now += HOUR_MS
        relay.send()
        for number in (1, 2, 3, 4):
            assert last(relay, number) == expected(states, number)
            assert set(relay.calls[number].taken.values()) <= {1}
        assert not any(feedback == "failed" for _, feedback in relay.calls[2].taken)
        for number, counts in relay.store.counts().items():
            assert counts.get("sent", 0) == len(relay.calls[number].taken)
            assert counts.keys() <= {"sent", "superseded"}


def flaky(relay: World, number: int, script: list[str]) -> None:
    """Let a vendor do what a script says, round by round, and be well at its end."""
    calls = relay.calls[number]
    todo = iter(script)

    def answer(sends: Sequence[Send]) -> list[Outcome]:
        what = next(todo, "well")
        if what == "crash before":
            raise Crash
        if what == "crash after":
            for send in sends:
                calls.take(send)
            raise Crash
        if what == "down":
            return [Outcome(Fate.FAILED, "HTTP 500", "no")] * len(sends)
        if what == "busy":
            return [Outcome(Fate.BUSY, "HTTP 429", "later")] * len(sends)
        return [DELIVERED] * len(sends)

    calls.answer = answer


scripts = st.lists(st.sampled_from(["crash before", "crash after", "down", "busy", "well"]), max_size=6)


@laws
@given(steps, scripts, scripts)
def test_crashes_lose_nothing_and_repeat_nothing_harmful(
    engine: Engine, history: list[object], safe: list[str], harmful: list[str]
) -> None:
    with world(engine, [VENDORS[0], VENDORS[2]]) as relay:
        flaky(relay, 1, safe)
        flaky(relay, 3, harmful)
        states: dict[str, MessageState] = {}
        for at in range(len(history) + 12):
            some = history[at : at + 1]
            try:
                for name, state in run(relay, some).items():
                    states[name] = states.get(name, MessageState()).join(state)
            except Crash:
                for step in some:
                    if isinstance(step, Requested | Conversion) and step.account == 1:
                        state = states.get(step.message_id, MessageState())
                        states[step.message_id] = state.join(state_of(step))
                relay.restart()
            relay.now += 120_000
        # At least once where a repeat is safe, at most once where it does harm.
        assert last(relay, 1) == expected(states, 1)
        assert set(relay.calls[3].taken.values()) <= {1}
        unknown = {each.message_id for each in relay.store.letters(3, 100) if each.status == "unknown"}
        known = last(relay, 3)
        for name, feedback in expected(states, 3).items():
            assert known.get(name) == feedback or name in unknown


def test_a_deletion_leaves_nothing(engine: Engine) -> None:
    with world(engine, VENDORS[:1]) as relay:
        run(relay, [requested("a"), requested("f"), *(Conversion(1, True, NOW, name) for name in "af")])
        assert [len(relay.store.evidence(1, name)) for name in "af"] == [1, 1]
        relay.storage.record(Conversion(1, True, NOW + 1, "a"))
        relay.storage.record(Erasure(0, relay.storage.journal.head(), messages=((1, "a"),)))
        relay.follow()
        assert [len(relay.store.evidence(1, name)) for name in "af"] == [0, 1]
        assert relay.store.counts() == {1: {"sent": 1}}


@pytest.mark.parametrize("order", [["message", "conversion"], ["conversion", "message"]])
def test_a_conversion_by_number_reaches_the_vendor(engine: Engine, order: list[str]) -> None:
    number = "ab" * 16
    reports = {
        "message": Requested(1, "a", NOW, Dimensions(provider="provider-1"), number),
        "conversion": Conversion(1, True, NOW + 5, "", number),
    }
    with world(engine, VENDORS[:1]) as relay:
        for name in order:
            relay.storage.record(reports[name])
            relay.follow()
        relay.now += 100
        relay.send()
        assert relay.calls[1].order == [("a", "received")]


@pytest.mark.parametrize("order", [["a", "named", "conversion"], ["conversion", "named", "a"]])
def test_a_vendor_gets_its_own_id_of_a_message(engine: Engine, order: list[str]) -> None:
    reports = {
        "a": requested("a"),
        "named": replace(requested("a"), requested_at=REQUESTED_AT + 5, vendor_message_id="v-1"),
        "conversion": Conversion(1, True, NOW, "a"),
    }
    with world(engine, VENDORS[:1]) as relay:
        for name in order:
            relay.storage.record(reports[name])
            relay.follow()
        relay.send()
        assert relay.calls[1].order == [("v-1", "received")]
        assert [each.status for each in relay.store.evidence(1, "a")] == ["sent"]
