"""Sinch's delivery feedback, and the access tokens for it."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from dialects.reading import (
    ACCOUNT,
    KEY,
    NOW,
    SECRET,
    basic,
    failure,
    hashed,
    read,
    refused,
    reports,
    reports_of,
    request,
)
from otpconv.dialects.sinch.dialect import SinchDialect
from otpconv.dialects.sinch.tokens import LIFETIME_S, make_token, read_token
from otpconv.errors import ExpiredToken, SignatureMismatch
from otpconv.model import Conversion, Timing

SINCH = SinchDialect()
PATH = "/xms/v1/any-plan/batches/01FC66621XXXXX119Z8PMV1QPU/delivery_feedback"
BATCH = "01FC66621XXXXX119Z8PMV1QPU"
TOKEN = f"Bearer {KEY}:{SECRET}"
NUMBERS = ["+4915112345678", "4915112345679"]
HASHES = [hashed(ACCOUNT, f"+{number.lstrip('+')}") for number in NUMBERS]


def asked(recipients: Any, path: str = PATH, authorization: str = TOKEN) -> Any:  # noqa: ANN401 - JSON, and a request
    return request(path, {"recipients": recipients}, authorization=authorization)


def test_a_batch_as_a_whole_is_the_message_of_its_id() -> None:
    assert list(reports(SINCH, asked([]))) == [Conversion(ACCOUNT, True, NOW, BATCH, timing=Timing.ARRIVAL)]


def test_the_one_recipient_must_be_that_of_the_message() -> None:
    expected = Conversion(ACCOUNT, True, NOW, BATCH, HASHES[0], Timing.ARRIVAL)
    assert list(reports(SINCH, asked(NUMBERS[:1]))) == [expected]


def test_several_recipients_are_known_by_their_numbers() -> None:
    found = reports(SINCH, asked([*NUMBERS, NUMBERS[0]]))
    assert list(found) == [Conversion(ACCOUNT, True, NOW, "", number) for number in HASHES]


def test_a_token_stands_for_its_access_key_for_an_hour() -> None:
    form = {"grant_type": "client_credentials"}
    call = read(SINCH, request("/oauth2/token", form=form, authorization=basic()))
    assert list(reports_of(SINCH, call)) == []
    response = SINCH.success(call, "ID", [], NOW)
    given_out = json.loads(response.body)
    assert given_out["expires_in"] == 3_600
    with_token = read(SINCH, asked([], authorization=f"Bearer {given_out['access_token']}"))
    assert with_token.permission == call.permission
    assert len(reports_of(SINCH, with_token, NOW + LIFETIME_S * 1_000 - 1)) == 1
    with pytest.raises(ExpiredToken) as caught:
        reports_of(SINCH, with_token, NOW + LIFETIME_S * 1_000)
    answer = failure(SINCH, caught.value, asked([]), with_token)
    assert answer.status == 401
    assert b"expired" in dict(answer.headers)[b"www-authenticate"]  # then the SDK asks for a new one


@given(place=st.integers(0, 200), other=st.sampled_from("0123456789abcdefXYZ."))
def test_any_change_of_a_token_is_noticed(place: int, other: str) -> None:
    token = make_token(KEY, SECRET, NOW)
    place %= len(token)
    changed = f"{token[:place]}{other}{token[place + 1 :]}"
    found = read_token(changed)
    if changed == token:
        assert found is not None
        found.verify(SECRET)
    elif found is not None:
        with pytest.raises(SignatureMismatch):
            found.verify(SECRET)
        with pytest.raises(SignatureMismatch):
            found.verify("another")


@pytest.mark.parametrize(
    ("sent", "status", "code", "says"),
    [
        (asked(["12"]), 400, "syntax_invalid_parameter_format", "number"),
        (asked([1]), 400, "syntax_invalid_json", "recipients"),
        (asked(["+4915112345678"] * 101), 400, "syntax_constraint_violation", "at most 100"),
        (request(PATH, {}, authorization=TOKEN), 400, "syntax_invalid_json", "recipients"),
        (request(PATH, b"", authorization=TOKEN), 400, "syntax_invalid_json", "malformed"),
        (asked([], PATH.replace(BATCH, "a b")), 400, "syntax_constraint_violation", "The batch id must be"),
        (asked([], authorization="Bearer plan-token"), 401, "unauthorized", "AccessKeyId:AccessKeySecret"),
        (asked([], authorization=f"Bearer {make_token(KEY, 'x', NOW)}"), 401, "unauthorized", "new one"),
        (request("/xms/v1/plan/batches", {"to": []}, authorization=TOKEN), 404, "not_found", "does not send"),
    ],
)
def test_a_refused_call_gets_the_vendors_error(sent: Any, status: int, code: str, says: str) -> None:  # noqa: ANN401 - a request
    found, body = refused(SINCH, sent)
    assert (found, body["code"]) == (status, code)
    assert says in body["text"]


@pytest.mark.parametrize(
    ("form", "authorization", "status", "error"),
    [
        ({"grant_type": "password"}, basic(), 400, "invalid_request"),
        ({"grant_type": "client_credentials"}, "Bearer x", 401, "invalid_client"),
    ],
)
def test_a_refused_token_gets_an_error_of_oauth(
    form: dict[str, str], authorization: str, status: int, error: str
) -> None:
    found, body = refused(SINCH, request("/oauth2/token", form=form, authorization=authorization))
    assert (found, body["error"]) == (status, error)
    assert body["error_description"]
