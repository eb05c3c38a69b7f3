"""Receipts in our own JSON, and their signature."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from dialects.pushes import NOW, is_verified, json_push, mutated, read, refusals, refuse_each
from otpconv.dialects.receipts import Push
from otpconv.dialects.webhook.receipts import OWN_RECEIPTS as WIRE, STATUSES
from otpconv.dialects.webhook.signature import TOLERANCE_MS, sign, verify
from otpconv.errors import InvalidRequest
from otpconv.receipts import ReceiptStatus

RECEIPT = {"message_id": "m-1", "status": "failed", "error": "E7", "time": NOW - 5, "to": "+4915112345678"}
#: The example of standardwebhooks.com.
EXAMPLE_KEY = "whsec_plJ3nmyCDGBKInavdOK15jsl"
EXAMPLE = (
    "msg_loFOjxBNrRLzqYUf",
    1731705121,
    b'{"event_type":"ping","data":{"success":true}}',
    "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
)


def signed(value: object, key: str = "k3y", *, second: int = NOW // 1000) -> Push:
    pushed = json_push(value)
    signature = sign(key, "msg_1", second, pushed.body)
    fields = {"webhook_id": "msg_1", "webhook_timestamp": str(second), "webhook_signature": signature}
    return json_push(value, **fields)


def test_the_signature_is_that_of_the_specification() -> None:
    message_id, timestamp, body, signature = EXAMPLE
    assert sign(EXAMPLE_KEY, message_id, timestamp, body) == signature
    fields = {
        b"webhook-id": message_id.encode(),
        b"webhook-timestamp": str(timestamp).encode(),
        b"webhook-signature": b"v1,older " + signature.encode(),
    }
    for late, taken in (
        (0, True),
        (TOLERANCE_MS, True),
        (-TOLERANCE_MS - 1, False),
        (TOLERANCE_MS + 1, False),
    ):
        assert verify(EXAMPLE_KEY, fields, body, timestamp * 1000 + late) is taken


def test_each_mutation_of_signed_receipts_is_refused() -> None:
    pushed, values = signed({"receipts": [RECEIPT]}), {"receipts_key": "k3y"}
    assert is_verified(WIRE, pushed, values)
    assert not is_verified(WIRE, pushed, {"receipts_key": "another"})
    assert is_verified(WIRE, json_push({"receipts": [RECEIPT]}), {})  # the URL is the proof

    def mutants() -> Iterator[Push]:
        for text in mutated(pushed.body.decode()):
            yield replace(pushed, body=text.encode())
        for name in (b"webhook-id", b"webhook-timestamp", b"webhook-signature"):
            for text in (*mutated(pushed.fields[name].decode()), ""):
                yield replace(pushed, fields=pushed.fields | {name: text.encode()})

    assert refuse_each(lambda mutant: is_verified(WIRE, mutant, values), mutants()) > 50


def test_receipts_are_read() -> None:
    priced = {"message_id": "m-2", "price": "0.0075", "currency": "usd", "segments": 2}
    failed, price = read(WIRE, json_push({"receipts": [RECEIPT, priced]}))
    assert (failed.status, failed.error, failed.time) == (ReceiptStatus.FAILED, "E7", NOW - 5)
    assert (price.status, price.time, price.price) == (ReceiptStatus.NONE, None, 7_500)
    assert (price.currency, price.segments) == ("USD", 2)
    for word, status in STATUSES.items():
        (receipt,) = read(WIRE, json_push({"receipts": [RECEIPT | {"status": word}]}))
        assert receipt.status is status


@pytest.mark.parametrize(
    "change",
    [
        {"message_id": "a b"},
        {"status": "none"},
        {"time": "now"},
        {"price": "1"},
        {"price": "x", "currency": "USD"},
        {"price": "10000.01", "currency": "USD"},
        {"price": 1, "currency": "USD"},
        {"error": "x" * 65},
        {"segments": -1},
        {"unknown": 1},
    ],
)
def test_a_malformed_receipt_is_refused_by_its_place(change: dict[str, object]) -> None:
    pushed = json_push({"receipts": [RECEIPT, RECEIPT | change]})
    (text,) = refusals(WIRE, pushed)
    assert text
    (_, refusal) = WIRE.read(pushed).items
    answer = json.loads(WIRE.success(["recorded", refusal]).body)  # type: ignore[list-item]
    assert (answer["recorded"], answer["unchanged"]) == (1, 0)
    assert [each["index"] for each in answer["rejected"]] == [1]


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.lists(st.integers())))
def test_another_body_is_refused(body: dict[str, object]) -> None:
    if "receipts" not in body:
        with pytest.raises(InvalidRequest):
            WIRE.read(json_push(body))
