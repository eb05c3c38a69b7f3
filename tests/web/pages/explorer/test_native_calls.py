"""The forms of the native API, made from its description."""

import json

from otpconv.web.pages.explorer.native_calls import native_calls
from otpconv.web.v1.openapi import document

CALLS = native_calls(document("http://127.0.0.1:8080"))


def test_a_call_has_its_path_and_its_body() -> None:
    sent = CALLS["retryDeadLetters"].sent({"name": "ali", "message_id": "m1"})
    assert (sent.method, sent.path, json.loads(sent.body)) == (
        "POST",
        "/v1/relay/ali/retry",
        {"message_id": "m1"},
    )
    assert json.loads(CALLS["retryDeadLetters"].sent({"name": "ali"}).body) == {}


def test_an_item_of_a_list_is_sent_in_a_list() -> None:
    sent = CALLS["recordMessages"].sent({"message_id": "m1"})
    assert json.loads(sent.body) == {"messages": [{"message_id": "m1"}]}


def test_no_form_takes_secrets() -> None:
    assert "createVendor" not in CALLS
    assert {"listVendors", "testVendor", "getRelay", "getRates"} <= CALLS.keys()
