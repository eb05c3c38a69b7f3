"""Conversion, read and answered without a server."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec import structs

from dialects.signed import ACCOUNT, KEY, NOW, SECRET, accepts, altered, failure, refusal, reports
from otpconv import errors
from otpconv.dialects.dialect import HttpRequest
from otpconv.dialects.volcengine import signature
from otpconv.dialects.volcengine.dialect import VolcengineDialect
from otpconv.model import Conversion, Timing

DIALECT = VolcengineDialect()
QUERY = "Action=Conversion&Version=2020-01-01"
METADATA = {
    "RequestId": "ID",
    "Action": "Conversion",
    "Version": "2020-01-01",
    "Service": "volcSMS",
    "Region": "cn-north-1",
}


def request(
    parameters: object = None, *, body: bytes | None = None, query: str = QUERY, **headers: str
) -> HttpRequest:
    """Return a signed request; the names of headers have `_` for `-`."""
    if body is None:
        body = json.dumps({"MessageIDs": ["m1", "m2"]} if parameters is None else parameters).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    signed = signature.sign(
        {"content-type": "application/json", "host": "otp.example:8080"} | named,
        body,
        access_key_id=KEY,
        secret=SECRET,
        region="cn-north-1",
        time="20261126T215135Z",
        query=query,
    )
    return HttpRequest("POST", "/", query.encode(), encoded(signed), body)


def encoded(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in headers.items()}


def conversions(*ids: str) -> list[Conversion]:
    return [Conversion(ACCOUNT, True, NOW, each, timing=Timing.ARRIVAL) for each in ids]


def error_of(asked: HttpRequest) -> tuple[int, Any]:
    """Return the HTTP status and the error of a refusal."""
    status, body = refusal(DIALECT, asked)
    return status, body["ResponseMetadata"]["Error"]


def test_a_call_is_a_conversion_for_each_message() -> None:
    asked = request()
    assert reports(DIALECT, asked) == conversions("m1", "m2")
    call = DIALECT.read(asked)
    assert (call.access_key_id, call.signed_at, call.nonce) == (KEY, 1_795_729_895_000, "")
    response = DIALECT.success(call, "ID", ("recorded", "unchanged"), NOW)
    assert json.loads(response.body) == {"ResponseMetadata": METADATA, "Result": ""}


def test_one_to_a_hundred_messages_are_accepted_and_a_repeated_one_counts_once() -> None:
    ids = [f"m{number}" for number in range(100)]
    assert reports(DIALECT, request({"MessageIDs": ids})) == conversions(*ids)
    assert reports(DIALECT, request({"MessageIDs": ["m", "m"]})) == conversions("m")
    for wrong in ([], [*ids, "m100"], ["m", "a b"], ["m", ""], ["x" * 256]):
        status, error = error_of(request({"MessageIDs": wrong}))
        assert (status, error["Code"]) == (200, "RE:0009")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"MessageIDs": "m"}', b'{"MessageIDs": [1]}', b"\xff", b"[" * 50_000]
)
def test_a_body_that_is_not_a_list_of_messages_is_refused(body: bytes) -> None:
    status, error = error_of(request(body=body))
    assert (status, error["Code"]) == (200, "RE:0009")
    assert error["Message"]


def test_messages_that_are_unknown_in_strict_mode_are_named_as_a_business_error() -> None:
    call = DIALECT.read(request())
    with pytest.raises(
        errors.InvalidRequest, match=r"^1 of 2 messages are not recorded, the others are\. no$"
    ):
        DIALECT.success(call, "ID", ("recorded", errors.UnknownMessage("no")), NOW)


@pytest.mark.parametrize("token", [{}, {"x_security_token": "CAIS/tok+en=="}])
def test_a_request_with_any_byte_changed_is_refused(token: dict[str, str]) -> None:
    asked = request(**token)
    assert accepts(DIALECT, asked)
    assert not accepts(DIALECT, asked, secret="another")  # noqa: S106 - none
    signed = {"content-type", "host", "x-date", "x-content-sha256", "x-security-token"}
    changes = [each for each in altered(asked, signed) if each != asked]
    assert len(changes) > 300
    assert not [each for each in changes if accepts(DIALECT, each)]


def test_a_security_token_is_read_and_must_be_signed() -> None:
    assert DIALECT.read(request(x_security_token="CAIS")).security_token == "CAIS"  # noqa: S105, S106 - none
    asked = request()
    added = structs.replace(asked, fields=asked.fields | {b"x-security-token": b"x"})
    assert error_of(added)[1]["Code"] == "InvalidAuthorization"


def test_the_sdk_signs_the_host_without_the_usual_ports() -> None:
    for port in (b":443", b":80"):
        asked = request(host="otp.example")
        assert accepts(
            DIALECT, structs.replace(asked, fields=asked.fields | {b"host": b"otp.example" + port})
        )


@pytest.mark.parametrize(
    "query", ["", "Action=SendSms&Version=2020-01-01", "Action=Conversion&Version=2021-01-01"]
)
def test_another_operation_is_not_found(query: str) -> None:
    status, error = error_of(request(query=query))
    assert (status, error["Code"], error["CodeN"]) == (404, "InvalidActionOrVersion", 100008)
    assert error_of(structs.replace(request(), method="GET"))[0] == 404


def test_a_malformed_signature_is_refused() -> None:
    good = request()
    authorization = good.fields[b"authorization"]
    for old, new in (
        (b"/volcSMS/", b"/iam/"),
        (b"/request,", b"/aws4_request,"),
        (b"/20261126/", b"/20261127/"),
        (b"x-date,", b"x-date;x-absent,"),
        (b";x-date", b""),
        (b"host;", b""),
    ):
        fields = good.fields | {b"authorization": authorization.replace(old, new)}
        status, error = error_of(structs.replace(good, fields=fields))
        assert (status, error["Code"]) == (400, "InvalidAuthorization")
    status, error = error_of(structs.replace(good, fields=good.fields | {b"x-date": b"now"}))
    assert (status, error["Code"]) == (400, "InvalidAuthorization")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.UnknownAccessKey("x"), 401, "InvalidAccessKey"),
        (errors.InactiveAccessKey("x"), 401, "InvalidAccessKey"),
        (errors.MalformedToken("x"), 401, "InvalidSecretToken"),
        (errors.MismatchedToken("x"), 401, "InvalidSecretToken"),
        (errors.ExpiredToken("x"), 401, "InvalidSecretToken"),
        (errors.SignatureMismatch("x"), 401, "SignatureDoesNotMatch"),
        (errors.StaleTimestamp("x"), 400, "InvalidTimestamp"),
        (errors.NeedsTls("x"), 403, "AccessDenied"),
        (errors.Throttled("x", wait_ms=250), 429, "FlowLimitExceeded"),
        (errors.BodyTooLarge("x"), 200, "RE:0009"),
        (errors.UnknownMessage("x"), 200, "RE:0009"),
        (errors.InvalidTime("x"), 200, "RE:0009"),
        (errors.Unavailable("x"), 503, "ServiceUnavailableTemp"),
        (errors.OtpconvError("hidden"), 500, "InternalError"),
    ],
)
def test_errors_of_the_gateway_have_a_status_and_those_of_the_service_http_200(
    error: Exception, status: int, code: str
) -> None:
    answered, body = failure(DIALECT, error, request())
    assert (answered, body["ResponseMetadata"]["Error"]["Code"]) == (status, code)
    assert "hidden" not in body["ResponseMetadata"]["Error"]["Message"]
    assert body["ResponseMetadata"]["RequestId"] == "ID"
    assert DIALECT.preflight().status == 204


def test_when_to_try_again_is_said_in_seconds() -> None:
    for error, wait_s in ((errors.Throttled("x", wait_ms=1250), b"2"), (errors.Unavailable("x"), b"1")):
        response = DIALECT.failure(error, "ID", request=request(), call=None, public_url="")
        assert (b"retry-after", wait_s) in response.headers
