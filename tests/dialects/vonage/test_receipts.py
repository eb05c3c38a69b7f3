"""Vonage's delivery receipts; the SDK's `Auth.check_signature` is the oracle of their signature."""

import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace
from vonage_http_client.auth import Auth

from dialects.pushes import URL, answers, is_verified, json_push, mutated, push, read, refuse_each
from otpconv.dialects.receipts import Push
from otpconv.dialects.vonage.receipts import VONAGE_RECEIPTS as WIRE
from otpconv.errors import InvalidRequest
from otpconv.receipts import ReceiptStatus

SECRET = "sigsec"  # noqa: S105 - of the tests
#: As "Delivery receipts" shows it.
RECEIPT = {
    "err-code": "0",
    "message-timestamp": "2018-10-25 12:10:29",
    "messageId": "0B00000127FDBC63",
    "msisdn": "447547232824",
    "network-code": "23410",
    "price": "0.03330000",
    "scts": "1810251310",
    "status": "delivered",
    "to": "Nexmo CLI",
}
METHODS = ("md5", "sha1", "sha256", "sha512")
# Characters that no other one stands for in the signed text.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="&="), max_size=12)
receipts = st.fixed_dictionaries({"timestamp": st.just("1540469429")}, optional=dict.fromkeys(RECEIPT, texts))


def signed(receipt: dict[str, str], method: str = "md5") -> dict[str, str]:
    auth = Auth(api_key="abcd1234", signature_secret=SECRET, signature_method=method)  # type: ignore[arg-type]
    return receipt | {"sig": auth.sign_params(dict(receipt))}


def forms(receipt: dict[str, str]) -> tuple[Push, ...]:
    query = urlencode(receipt)
    by_form = push(query.encode(), content_type="application/x-www-form-urlencoded")
    return by_form, push(method="GET", url=f"{URL}?{query}"), json_push(receipt)


@pytest.mark.parametrize("method", METHODS)
@given(receipts, st.sampled_from(["", "x"]))
def test_a_signature_is_taken_where_the_sdk_takes_it(
    method: str, receipt: dict[str, str], addition: str
) -> None:
    auth = Auth(api_key="abcd1234", signature_secret=SECRET, signature_method=method)  # type: ignore[arg-type]
    found = signed(receipt, method)
    found["timestamp"] += addition
    taken = auth.check_signature(dict(found))
    for pushed in forms(found):
        assert is_verified(WIRE, pushed, {"receipts_key": SECRET}) == taken


def test_each_mutation_of_a_signed_receipt_is_refused() -> None:
    found = signed(RECEIPT | {"timestamp": "1540469429", "nonce": "5b7"}, "sha256")
    values = {"receipts_key": SECRET}

    def mutants() -> Iterator[Push]:
        for name in found:
            yield json_push({other: value for other, value in found.items() if other != name})
            for text in mutated(found[name]):
                yield json_push(found | {name: text})
        yield json_push(found | {"another": "x"})

    assert is_verified(WIRE, json_push(found), values)
    assert not is_verified(WIRE, json_push(found), {"receipts_key": "another"})
    assert refuse_each(lambda mutant: is_verified(WIRE, mutant, values), mutants()) > 50
    assert is_verified(WIRE, json_push(RECEIPT), {})  # the URL is the proof


def test_a_receipt_is_read_from_each_of_its_forms() -> None:
    for pushed in forms(RECEIPT):
        (receipt,) = read(WIRE, pushed)
        assert (receipt.vendor_message_id, receipt.status) == ("0B00000127FDBC63", ReceiptStatus.DELIVERED)
        assert receipt.time == 1_540_469_429_000  # UTC
        assert (receipt.price, receipt.currency) == (33_300, "EUR")
        assert (receipt.error, receipt.to) == ("", "+447547232824")
    failed = RECEIPT | {
        "status": "rejected",
        "err-code": "6",
        "message-timestamp": "2018-10-25 12:10:29 +0000",
    }
    (receipt,) = read(WIRE, json_push(failed))
    assert (receipt.status, receipt.error) == (ReceiptStatus.REJECTED, "6")
    assert receipt.time == 1_540_469_429_000
    (receipt,) = read(WIRE, json_push({"messageId": "A", "status": "unknown"}))
    assert (receipt.status, receipt.time, receipt.price) == (ReceiptStatus.NONE, None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "odd"},
        {"messageId": ""},
        {"price": "a lot"},
        {"price": "NaN"},
        {"price": "1e9"},
        {"message-timestamp": "yesterday"},
    ],
)
def test_a_malformed_receipt_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        WIRE.read(json_push(RECEIPT | change))


def test_bodies_that_are_no_parameters_are_refused() -> None:
    for body in (b"{", b'{"a": [1]}', b'{"a": {}}', b"%ff=1", b"a=1&a=2"):
        with pytest.raises(InvalidRequest):
            WIRE.read(push(body))


def test_the_answers_are_what_the_vendor_wants() -> None:
    assert answers(WIRE) == (200, b"")
    assert set(WIRE.methods) == {"GET", "POST"}
    assert json.loads(WIRE.failure(InvalidRequest("no")).body)["detail"] == "no"


def test_a_parameter_may_not_be_pushed_twice() -> None:
    pushed = replace(push(urlencode(RECEIPT).encode()), query=b"messageId=X")
    with pytest.raises(InvalidRequest):
        WIRE.read(pushed)
