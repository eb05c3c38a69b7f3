"""What the answers of vendors to messages say; and that no answer is too strange."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.connection import Response
from otpconv.dialects.alibaba import Call
from otpconv.dialects.dialect import HttpRequest
from otpconv.dialects.twilio.calls import Call as TwilioCall
from otpconv.receipts import ReceiptStatus
from otpconv.relay.kind import Sending, Sent, Stated
from otpconv.relay.kinds import KINDS

DATE, MS = "Mon, 24 Dec 2018 16:58:22 +0800", 1_545_641_902_000
EARLIER, EARLIER_MS = "Mon, 24 Dec 2018 16:58:02 +0800", 1_545_641_882_000

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
OF_ALIBABA = ["ResponseCode", "Code", "MessageId", "MessageIdList", "BizId", "From", "Status", "ErrorCode"]
NAMES = st.sampled_from([*OF_ALIBABA, "SendDate", "ReceiveDate", "sid", "code", "from"])
LIKELY = st.sampled_from(["OK", "1", "2", "3", "id", DATE, '["a", 2]', "[", 200]) | JSON
BODIES = st.binary(max_size=20) | st.dictionaries(NAMES, LIKELY, max_size=8).map(
    lambda members: json.dumps(members).encode()
)


def sending(kind: str) -> Sending:
    found = KINDS[kind].sending
    assert found is not None
    return found


def alibaba(action: str, version: str = "2018-05-01", **parameters: str) -> Call:
    return Call(action, version, "", "", 0, False, parameters, "", b"", b"")


TWILIO = TwilioCall(
    access_key_id="", secret="", permission="", path="", account="", service="", id="", parameters={}
)
CALLS: list[tuple[str, Any]] = [
    ("alibaba", alibaba("SendMessageToGlobe", To="1")),
    ("alibaba", alibaba("SendMessageWithTemplate", To="1")),
    ("alibaba", alibaba("BatchSendMessageToGlobe", To='["1"]')),
    ("alibaba", alibaba("QueryMessage", MessageId="1")),
    ("alibaba-2017", alibaba("SendSms", "2017-05-25", PhoneNumbers="1")),
    ("twilio", TWILIO),
]


@given(st.sampled_from(CALLS), st.sampled_from([200, 201, 400, 404, 429, 500, 503]), BODIES)
def test_any_answer_is_read_and_only_a_success_has_facts(
    call: tuple[str, Any], status: int, body: bytes
) -> None:
    said = sending(call[0]).read(Response(status, {}, body), call[1])
    if said.meaning != "accepted":
        assert said.fact is None
    if said.meaning == "accepted":
        assert status < 300
    if said.meaning == "refused":
        assert status < 500
    if isinstance(said.fact, Sent):
        assert all(
            isinstance(each, str) for each in (*said.fact.message_ids, *said.fact.to, said.fact.sender)
        )


@pytest.mark.parametrize(
    ("members", "status", "time", "error"),
    [
        ({"Status": "1", "ReceiveDate": DATE, "SendDate": EARLIER}, ReceiptStatus.DELIVERED, MS, ""),
        ({"Status": 1, "ReceiveDate": "today"}, ReceiptStatus.DELIVERED, None, ""),
        ({"Status": "1", "SendDate": EARLIER}, ReceiptStatus.SENT, EARLIER_MS, ""),
        ({"Status": "2", "ErrorCode": "E7", "ReceiveDate": DATE}, ReceiptStatus.FAILED, MS, "E7"),
        ({"Status": "2", "ErrorCode": 7, "SendDate": EARLIER}, ReceiptStatus.FAILED, EARLIER_MS, "7"),
        ({"Status": "3", "SendDate": "Mon, 24 Dec 2018 16:58:02"}, ReceiptStatus.ACCEPTED, None, ""),
    ],
)
def test_a_status_is_what_the_vendor_says(
    members: dict[str, object], status: ReceiptStatus, time: int | None, error: str
) -> None:
    body = json.dumps({"ResponseCode": "OK", "MessageId": "m"} | members).encode()
    said = sending("alibaba").read(Response(200, {}, body), alibaba("QueryMessage", MessageId="m"))
    assert said.fact == Stated("m", status, time, error)


@pytest.mark.parametrize("odd", [None, 7, True, [], {"a": 1}, "\x00"])
def test_a_member_of_another_type_does_not_hide_a_message(odd: object) -> None:
    body = json.dumps({"ResponseCode": "OK", "MessageId": 1008, "From": odd, "BizId": odd, "Status": odd})
    said = sending("alibaba").read(Response(200, {}, body.encode()), alibaba("SendMessageToGlobe", To="1"))
    assert isinstance(said.fact, Sent)
    assert said.fact.message_ids == ("1008",)
    twilio = json.dumps({"sid": "SM1", "from": odd, "code": odd})
    said = sending("twilio").read(Response(201, {}, twilio.encode()), TWILIO)
    assert isinstance(said.fact, Sent)


def test_an_unknown_status_says_nothing() -> None:
    body = json.dumps({"ResponseCode": "OK", "Status": "9"}).encode()
    assert sending("alibaba").read(Response(200, {}, body), alibaba("QueryMessage")).fact is None


def test_the_query_of_a_form_is_passed_on_as_http() -> None:
    vendor = VendorAccount(
        id=1,
        account=1,
        name="v",
        kind="twilio",
        provider="p",
        settings={"account_sid": "AC1"},
        secrets={"auth_token": "t"},
    )
    request = HttpRequest("POST", "/", b"a=1&b=%20+\xff x", {b"user-agent": b"mine"}, b"Body=1")
    call = sending("twilio").make(vendor, TWILIO, request, 0)
    assert call.target == "/2010-04-01/Accounts/AC1/Messages.json?a=1&b=%20+%FF%20x"
    assert (call.headers["user-agent"], call.body) == ("mine", b"Body=1")


def test_no_action_belongs_to_two_kinds() -> None:
    actions = [action for kind in KINDS.values() if kind.sending for action in kind.sending.actions]
    assert len(actions) == len(set(actions)) == 6
