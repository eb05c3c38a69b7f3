"""Responses and errors in Twilio's form."""

import json

import pytest

from otpconv import errors
from otpconv.dialects.dialect import HttpRequest, UnknownOperation
from otpconv.dialects.twilio import answers
from otpconv.dialects.twilio.dialect import TwilioDialect

TEXT = "What to do."


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (errors.InvalidRequest(TEXT), 20001, 400),
        (errors.InvalidTime(TEXT), 20001, 400),
        (errors.BadCredentials(TEXT), 20003, 401),
        (errors.UnknownAccessKey(TEXT), 20003, 401),
        (errors.InactiveAccessKey(TEXT), 20005, 401),
        (errors.NeedsTls(TEXT), 20006, 403),
        (errors.NotFound(TEXT), 20404, 404),
        (errors.BodyTooLarge(TEXT), 20001, 413),
        (errors.Throttled(TEXT, wait_ms=1_001), 20429, 429),
        (errors.Unavailable(TEXT), 20503, 503),
        (errors.UnknownOutcome(TEXT), 20503, 503),
    ],
)
def test_every_error_has_a_code_and_a_status(error: errors.OtpconvError, code: int, status: int) -> None:
    answer = answers.failure(error, "https://otp.example")
    assert (answer.status, answer.code) == (status, str(code))
    assert json.loads(answer.body) == {
        "code": code,
        "message": f"{TEXT} See https://otp.example/errors/twilio/{code}",
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    headers = dict(answer.headers)
    assert headers[b"content-length"] == b"%d" % len(answer.body)
    # A message that may have been sent must not be sent again.
    waits = {errors.Throttled: b"2", errors.Unavailable: b"1"}
    assert headers.get(b"retry-after") == waits.get(type(error))
    assert (b"www-authenticate" in headers) == (status == 401)


@pytest.mark.parametrize("error", [errors.OtpconvError("hidden"), ValueError("hidden")])
def test_a_failure_of_the_server_shows_nothing_of_its_reason(error: Exception) -> None:
    answer = answers.failure(error, "https://otp.example")
    assert (answer.status, answer.code) == (500, "20500")
    assert b"hidden" not in answer.body


def test_other_operations_are_unknown_in_words() -> None:
    dialect = TwilioDialect()
    asked = HttpRequest("POST", "/2010-04-01/Accounts/AC1/Calls.json", b"", {}, b"Body=1")
    with pytest.raises(UnknownOperation) as caught:
        dialect.read(asked)
    answer = dialect.failure(caught.value, "ID", request=asked, call=None, public_url="https://otp.example")
    told = json.loads(answer.body)
    assert (told["code"], told["status"]) == (20404, 404)
    assert told["message"].startswith("POST /2010-04-01/Accounts/AC1/Calls.json is not an operation")
    assert dialect.preflight().status == 204
