"""Receipts by a socket, in any order with messages and conversions: the ledger has what the model has."""

from functools import reduce
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from campaigns import rounds
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.model import Conversion, MessageState, Requested, state_of
from otpconv.receipts import Receipt, ReceiptState, ReceiptStatus, receipt_state_of
from web.hooks.vendors import create, ledger, own_push

START = 1_795_000_000_000
IDS = ("a", "b")
_WORLDS = count(1)

times = st.integers(START, START + 4)
names = st.sampled_from(IDS)
requests = st.builds(
    lambda name, time: ("messages", {"message_id": name, "requested_at": time}), names, times
)
conversions = st.builds(
    lambda name, time, delivered: (
        "conversions",
        {"message_id": name, "conversion_time": time + 10, "delivered": delivered},
    ),
    names,
    times,
    st.booleans(),
)
statuses = st.sampled_from([status.name.lower() for status in ReceiptStatus if status])
prices = st.sampled_from([("0.0075", "USD"), ("0.0075", "EUR"), ("0.05", "EUR")])
receipts = st.builds(
    lambda name, time, status, error, price, segments: (
        "receipts",
        {
            "message_id": name,
            "time": time,
            **({"status": status} if status else {}),
            **({"error": error} if error else {}),
            **({"price": price[0], "currency": price[1]} if price else {}),
            "segments": segments,
        },
    ),
    names,
    times,
    st.none() | statuses,
    st.sampled_from(["", "E1", "E2"]),
    st.none() | prices,
    st.integers(0, 2),
)
worlds = st.lists(requests | conversions | receipts, min_size=1, max_size=10)


def receipt_of(item: dict[str, Any]) -> Receipt:
    status = ReceiptStatus[str(item.get("status", "none")).upper()]
    failed = status in {ReceiptStatus.EXPIRED, ReceiptStatus.REJECTED, ReceiptStatus.FAILED}
    price = round(float(item["price"]) * 1e6) if "price" in item else None
    error = str(item.get("error", "")) if failed else ""
    return Receipt(0, "", status, item["time"], error, price, item.get("currency", ""), item["segments"])


def expected(events: list[tuple[str, dict[str, Any]]], name: str) -> tuple[object, ...]:
    """Return the state of a message by the model: when requested, whether verified, and its receipts."""
    own = [(path, item) for path, item in events if item["message_id"] == name]
    states = [
        state_of(
            Requested(0, name, item["requested_at"])
            if path == "messages"
            else Conversion(0, item["delivered"], item["conversion_time"], name)
        )
        for path, item in own
        if path != "receipts"
    ]
    state = reduce(MessageState.join, states, MessageState())
    of_receipts = [receipt_state_of(receipt_of(item)) for path, item in own if path == "receipts"]
    receipt = reduce(ReceiptState.join, of_receipts) if of_receipts else None
    if state.requested is None:
        return (None,)
    return (state.requested.requested_at, state.verified, receipt)


@pytest.fixture
def world(own: httpx.Client, key: AccessKey) -> tuple[httpx.Client, AccessKey, str]:
    return own, key, create(own, "webhook")


def test_any_order_and_any_repeats_give_the_state_of_the_model(
    world: tuple[httpx.Client, AccessKey, str], server: LocalServer
) -> None:
    client, key, url = world

    @settings(max_examples=rounds(150), suppress_health_check=list(HealthCheck))
    @given(worlds, st.randoms(use_true_random=False))
    def law(events: list[tuple[str, dict[str, Any]]], random: Any) -> None:  # noqa: ANN401 - of hypothesis
        prefix = f"{next(_WORLDS)}-"
        sent = [*events, *random.sample(events, len(events) // 2)]
        random.shuffle(sent)
        for path, item in sent:
            named = item | {"message_id": prefix + item["message_id"]}
            if path == "receipts":
                answer = own_push(url, named)
            else:
                answer = client.post(f"/v1/{path}", json={path: [named]})
            assert answer.is_success, answer.text
            assert not answer.json()["rejected"]
        assert client.get("/v1/rates").json()["lag"] == 0
        with ledger(server) as reader, reader.snapshot():
            for name in IDS:
                found = reader.message(key.account, prefix + name)
                known = found.state.requested if found else None
                result = (known.requested_at, found.verified, found.receipt) if known and found else (None,)
                assert result == expected(events, name), (name, sent)

    law()
