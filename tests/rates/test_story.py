"""The story of a message says the right thing for each status, and nothing that contradicts it."""

import random
import re
from collections.abc import Iterator
from functools import reduce

import pytest

from otpconv.access.prices import Price
from otpconv.dialects.native.answers import MessageOut
from otpconv.model import Conversion, MessageState, Requested, Timing, state_of
from otpconv.rates.maturity import Maturity
from otpconv.rates.price_list import PriceList
from otpconv.rates.signals import Signal
from otpconv.rates.slices import Slice
from otpconv.rates.story import MessageStatus, Surroundings, advise, status_of, tell_story
from otpconv.receipts import FAILURES, Receipt, ReceiptState, ReceiptStatus, receipt_state_of
from otpconv.storage.contract import HOUR_MS, MINUTE_MS, Message
from otpconv.web.v1.known import message_out

NOW = 1_800_000_000_000
HORIZON = 5 * MINUTE_MS
WORLDS = 3_000


def requested(chance: random.Random, message_id: str) -> Requested:
    age = chance.choice([0, 1_000, HORIZON - 1, HORIZON, HORIZON + 1, HOUR_MS, 5 * HOUR_MS])
    return Requested(1, message_id, NOW - age, attempt=chance.randint(0, 2))


def conversions(chance: random.Random, sent: Requested | None, message_id: str) -> Iterator[Conversion]:
    start = sent.requested_at if sent else NOW - HOUR_MS
    for _ in range(chance.choice([0, 0, 1, 1, 2, 4])):
        after = chance.choice([-HOUR_MS, 0, 1, 20_000, HORIZON, HORIZON + 1, HOUR_MS])
        timing = chance.choice([Timing.GIVEN, Timing.GIVEN, Timing.ARRIVAL, Timing.UNKNOWN])
        yield Conversion(1, chance.random() < 0.6, start + after, message_id, timing=timing)


def message(chance: random.Random, message_id: str) -> MessageOut:
    sent = requested(chance, message_id) if chance.random() < 0.9 else None
    state = state_of(sent) if sent else MessageState()
    reports = list(conversions(chance, sent, message_id))
    if sent is None and not reports:
        reports = [Conversion(1, True, NOW - HOUR_MS, message_id)]
    for report in reports:
        state = state.with_conversion(report)
    stored = Message(message_id, state, state.verified_at, state.reported, receipts(chance, message_id))
    return message_out(message_id, None, stored, PriceList([Price("", "", "sms", 0, 75_000, "EUR")]))


def receipts(chance: random.Random, message_id: str) -> ReceiptState | None:
    price = (9_000, "USD") if chance.random() < 0.3 else (None, "")
    found = [
        Receipt(1, message_id, status, NOW - chance.randrange(HOUR_MS), error_of(status), *price)
        for status in chance.sample(list(ReceiptStatus), chance.randint(0, 3))
    ]
    return reduce(ReceiptState.join, map(receipt_state_of, found)) if found else None


def error_of(status: ReceiptStatus) -> str:
    return "30003" if status in FAILURES else ""


def signals(chance: random.Random) -> list[Signal]:
    kinds = chance.sample(["drop", "silence"], chance.randint(0, 2))
    return [
        Signal(kind, Slice((("channel", channel),)), NOW - 2 * HOUR_MS, None, 100, 2, 70.0, 50)  # type: ignore[arg-type]
        for kind in kinds
        for channel in [chance.choice(["sms", "voice"])]
    ]


def world(seed: int) -> tuple[MessageOut, Surroundings]:
    chance = random.Random(seed)
    others = [message(chance, f"other{number}") for number in range(chance.randint(0, 3))]
    maturity = Maturity(HORIZON, 5_000, chance.choice(["account", None]))
    told = message(chance, "m")
    return told, Surroundings(NOW, maturity, signals(chance), [*others, told])


#: What a story or an advice says, and of which messages alone.
SAYS: dict[str, set[MessageStatus]] = {
    "Verified ": {"verified"},
    "That is late": {"verified"},
    "the user was verified.": {"verified"},
    "the user was verified with message": {"waiting", "overdue"},
    "No report says when this message was sent": {"unmatched"},
    "not later than the request": {"invalid"},
    "Check the clocks": {"invalid"},
    "It may still be verified": {"waiting"},
    "Wait until": {"waiting"},
    "It is overdue": {"overdue"},
    "failing since": {"overdue"},
    "nothing is reported about": {"overdue"},
    "did not deliver it": {"overdue"},
    "No conversion was reported": {"waiting", "overdue"},
    "Ask the user": {"waiting", "overdue"},
    "ask the user": {"waiting", "overdue"},
}


def test_each_status_says_its_own_and_nothing_contradictory() -> None:
    said: dict[str, set[MessageStatus]] = {text: set() for text in SAYS}
    for seed in range(WORLDS):
        told, around = world(seed)
        status = status_of(told, around)
        story = tell_story(told, around)
        advice = advise(told, around)
        text = " ".join([*story, advice])
        assert told.verified == (status == "verified"), text
        for phrase, statuses in SAYS.items():
            if phrase in text:
                assert status in statuses, (seed, phrase, text)
                said[phrase].add(status)
        assert len(set(story)) == len(story)
        assert all(re.fullmatch(r"[A-Z0-9].*\.", sentence) for sentence in [*story, advice])
        assert "None" not in text
    assert {phrase for phrase, statuses in said.items() if not statuses} == set()


def test_facts_of_a_story_are_those_of_the_message() -> None:
    for seed in range(WORLDS):
        told, around = world(seed)
        text = " ".join(tell_story(told, around))
        late = told.verified_at is not None and told.verified_at - (told.requested_at or 0) > HORIZON
        assert ("That is late" in text) == late
        different = told.delivered_true_first != told.delivered_true_last
        assert ("more than once" in text) == different
        receipt = told.receipt
        assert ("The vendor says: " in text) == (receipt is not None)
        if receipt is not None:
            assert getattr(receipt, f"{receipt.status}_at") is not None
            assert f"{receipt.status} at " in text
            assert ("(error 30003)" in text) == (receipt.error is not None)
        assert (f"It cost {told.price} {told.currency}" in text) == (told.price is not None)
        assert ("by the price list" in text) == told.price_listed == (told.currency == "EUR")
        both = told.delivered_true_first is not None and told.delivered_false_last is not None
        assert ("both as typed back and as not typed back" in text) == both


@pytest.mark.parametrize(
    ("kind", "since", "channel", "expected"),
    [
        ("drop", 2 * HOUR_MS, "sms", "are failing since"),
        ("silence", 2 * HOUR_MS, "sms", "check that your application reports verification"),
        ("drop", 2 * HOUR_MS, "voice", "Ask the user to request a new code."),
        ("drop", 10 * MINUTE_MS, "sms", "Ask the user to request a new code."),
    ],
)
def test_a_failing_route_explains_its_own_messages_since_then(
    kind: str, since: int, channel: str, expected: str
) -> None:
    sent = state_of(Requested(1, "m", NOW - HOUR_MS))
    told = message_out("m", None, Message("m", sent, None, reported=False))
    signal = Signal(kind, Slice((("channel", channel),)), NOW - since, None, 100, 2, 70.0, 50)  # type: ignore[arg-type]
    advice = advise(told, Surroundings(NOW, Maturity(HORIZON, 5_000, "account"), [signal]))
    assert expected.lower() in advice.lower()


def test_a_later_verified_code_leaves_nothing_to_do() -> None:
    first = message_out("a", None, stored("a", NOW - HOUR_MS, None))
    second = message_out("b", None, stored("b", NOW - HOUR_MS + MINUTE_MS, NOW - HOUR_MS + 2 * MINUTE_MS))
    around = Surroundings(NOW, Maturity(HORIZON, 5_000, "account"), (), [second, first])
    assert advise(first, around) == "Nothing to do: the user was verified with message b."
    assert advise(second, around) == "Nothing to do: the user was verified."


def stored(message_id: str, sent_at: int, verified_at: int | None) -> Message:
    state = state_of(Requested(1, message_id, sent_at))
    if verified_at is not None:
        state = state.with_conversion(Conversion(1, True, verified_at, message_id))
    return Message(message_id, state, state.verified_at, verified_at is not None)
