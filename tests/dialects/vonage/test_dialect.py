"""Vonage's Conversion API: all the ways to send the same conversion, and the vendor's errors."""

from typing import Any

import pytest

from dialects.reading import ACCOUNT, KEY, NOW, SECRET, basic, refused, reports, request
from otpconv.dialects.vonage.dialect import VonageDialect
from otpconv.dialects.vonage.signature import METHODS, sign
from otpconv.model import Conversion, Timing

VONAGE = VonageDialect()
SMS, VOICE = "/conversions/sms", "/conversions/voice"
CONVERSION = {"message-id": "0A0000001", "delivered": "True", "timestamp": "2026-11-26 21:51:34"}
EXPECTED = [Conversion(ACCOUNT, True, 1_795_729_894_000, "0A0000001")]
LOGIN = {"api_key": KEY, "api_secret": SECRET}


def signed(method: str = "sha256", **changes: str) -> dict[str, str]:
    parameters = CONVERSION | {"api_key": KEY} | changes
    return parameters | {"sig": sign(parameters, SECRET, method)}


@pytest.mark.parametrize("path", [SMS, VOICE])
@pytest.mark.parametrize(
    "sent",
    [
        {"form": CONVERSION, "authorization": basic()},
        {"query": CONVERSION, "authorization": basic()},
        {"query": CONVERSION | LOGIN},
        {"form": CONVERSION | LOGIN},
        {"form": CONVERSION, "query": LOGIN},
        *({"form": signed(method)} for method in METHODS),
        *({"query": signed(method)} for method in METHODS),
    ],
)
def test_a_conversion_may_be_sent_in_many_ways(path: str, sent: dict[str, Any]) -> None:
    assert list(reports(VONAGE, request(path, **sent))) == EXPECTED


def test_dotnet_sends_an_empty_last_parameter() -> None:
    body = (
        b"message-id=0A0000001&delivered=true&timestamp=2026-11-26+21%3a51%3a34"
        b"&api_key=LTAIkey&api_secret=secret&"
    )
    assert list(reports(VONAGE, request(SMS, body))) == EXPECTED


@pytest.mark.parametrize(
    ("text", "delivered"),
    [("true", True), ("TRUE", True), ("1", True), ("False", False), ("false", False), ("0", False)],
)
def test_delivered_has_several_spellings(text: str, *, delivered: bool) -> None:
    (report,) = reports(VONAGE, request(SMS, form=CONVERSION | {"delivered": text}, authorization=basic()))
    assert isinstance(report, Conversion)
    assert report.delivered is delivered


def test_a_conversion_without_a_time_happened_now() -> None:
    untimed = {"message-id": "a", "delivered": "1"}
    (report,) = reports(VONAGE, request(SMS, form=untimed, authorization=basic()))
    assert report == Conversion(ACCOUNT, True, NOW, "a", timing=Timing.ARRIVAL)


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"message-id": ""}, 420, "message-id is missing"),
        ({"message-id": "with space"}, 420, "message-id must be 1 to 255 printable"),
        ({"message-id": "x" * 256}, 420, "message-id must be 1 to 255"),
        ({"message-id": "a&b"}, 420, "may not have & or ="),
        ({"delivered": ""}, 420, "delivered is missing"),
        ({"delivered": "yes"}, 420, "delivered must be true, false, 1 or 0"),
        ({"timestamp": "2026-11-26"}, 420, "timestamp must be a time in UTC"),
        ({"timestamp": "2026-11-26T21:51:34"}, 420, "timestamp must be a time in UTC"),
        ({"timestamp": "2026-13-26 21:51:34"}, 420, "timestamp must be a time in UTC"),
        ({"timestamp": "1795729894"}, 420, "timestamp must be a time in UTC"),
        ({"timestamp": "2026-11-26 21:53:00"}, 423, "84 s in the future"),
    ],
)
def test_a_parameter_that_is_wrong_is_named(changes: dict[str, str], status: int, says: str) -> None:
    asked = request(SMS, form=CONVERSION | changes, authorization=basic())
    found, body = refused(VONAGE, asked)
    assert (found, body["type"]) == (status, "https://developer.nexmo.com/api-errors#3")
    assert body["title"] == "Invalid parameters. The value of one or more parameters is invalid."
    assert body["resolution"] == "Check your parameters and try again."
    assert says in body["detail"]


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        (request(SMS, form=CONVERSION), 401, "HTTP Basic"),
        (request(SMS, form=CONVERSION | {"api_key": KEY}), 401, "Send api_key with api_secret or sig"),
        (request(SMS, form=signed() | {"sig": "0" * 64}), 401, "This server signs '&api_key=LTAIkey&"),
        (request(SMS, form=signed() | {"delivered": "False"}), 401, "This server signs"),
        (request(SMS, form=CONVERSION | {"sig": "0"}), 401, "HTTP Basic"),
        (request(SMS, form=CONVERSION, query=CONVERSION, authorization=basic()), 420, "given twice"),
        (request(SMS, b"\xff=1", authorization=basic()), 420, "UTF-8"),
        (request(SMS, b"a=1&" * 60, authorization=basic()), 420, "at most 50"),
        (request(SMS, b"a" * 16_385, authorization=basic()), 413, "16385 bytes"),
        (request(SMS, method="GET", authorization=basic()), 405, "Use POST"),
        (request("/conversions/fax", form=CONVERSION | LOGIN), 404, "is not an operation of this server"),
    ],
)
def test_a_call_that_is_refused_gets_the_vendors_error(asked: Any, status: int, says: str) -> None:  # noqa: ANN401 - a request
    found, body = refused(VONAGE, asked)
    assert found == status
    assert says in body["detail"]
    assert body["instance"] == "ID"


def test_success_has_no_body() -> None:
    response = VONAGE.success(None, "ID", ["recorded"], 0)
    assert (response.status, response.body) == (200, b"")
