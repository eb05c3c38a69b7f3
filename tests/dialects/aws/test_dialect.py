"""PutMessageFeedback, read and answered without a server."""

import json
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from dialects.signed import ACCOUNT, KEY, NOW, SECRET, accepts, altered, failure, refusal, reports
from otpconv import errors
from otpconv.dialects.aws import signature
from otpconv.dialects.aws.dialect import AwsDialect
from otpconv.dialects.dialect import HttpRequest
from otpconv.model import Conversion, Timing

DIALECT = AwsDialect()
HEADERS = {
    "content-type": "application/x-amz-json-1.0",
    "host": "127.0.0.1:28911",
    "x-amz-target": "PinpointSMSVoiceV2.PutMessageFeedback",
}
RECEIVED = {"MessageId": "abc-1", "MessageFeedbackStatus": "RECEIVED"}


def request(parameters: object = None, *, body: bytes | None = None, **headers: str) -> HttpRequest:
    """Return a signed request; the names of headers have `_` for `-`."""
    if body is None:
        body = json.dumps(RECEIVED if parameters is None else parameters).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    signed = signature.sign(
        HEADERS | named,
        body,
        access_key_id=KEY,
        secret=SECRET,
        region="us-east-1",
        time="20261126T215135Z",
    )
    return unsigned(signed, body)


def unsigned(
    headers: Mapping[str, str], body: bytes = b"{}", method: str = "POST", query: bytes = b""
) -> HttpRequest:
    return HttpRequest(
        method, "/", query, {name.encode(): value.encode() for name, value in headers.items()}, body
    )


@pytest.mark.parametrize(("status", "delivered"), [("RECEIVED", True), ("FAILED", False)])
def test_a_feedback_is_a_conversion_that_happened_on_arrival(status: str, *, delivered: bool) -> None:
    asked = request({"MessageId": "a_b:/-9", "MessageFeedbackStatus": status})
    assert reports(DIALECT, asked) == [Conversion(ACCOUNT, delivered, NOW, "a_b:/-9", timing=Timing.ARRIVAL)]
    call = DIALECT.read(asked)
    assert (call.access_key_id, call.signed_at, call.nonce) == (KEY, 1_795_729_895_000, "")
    response = DIALECT.success(call, "ID", ("recorded",), NOW)
    assert json.loads(response.body) == {"MessageId": "a_b:/-9", "MessageFeedbackStatus": status}
    assert (b"x-amzn-requestid", b"ID") in response.headers


def test_a_security_token_is_read_and_must_be_signed() -> None:
    asked = request(x_amz_security_token="CAIS/tok+en==")  # noqa: S106 - none
    assert accepts(DIALECT, asked)
    assert DIALECT.read(asked).security_token == "CAIS/tok+en=="  # noqa: S105 - none
    without = request()
    added = unsigned(
        {name.decode(): value.decode() for name, value in without.fields.items()}
        | {"x-amz-security-token": "x"},
        without.body,
    )
    assert refusal(DIALECT, added)[1]["__type"] == "IncompleteSignatureException"


def test_generated_requests_of_the_sdks_signer_are_accepted_and_any_other_secret_is_not() -> None:
    random = Random(20261126)
    for _ in range(200):
        body, secret = random.randbytes(random.randrange(100)), f"{random.random()}"
        token = random.choice(["", "CAIS/tok+en=="])
        headers = HEADERS | {
            "x-more": "  some   spaces ",
            "host": random.choice(["otp.example", "[::1]:8080"]),
        }
        theirs = AWSRequest("POST", f"http://{headers['host']}/", headers, body)
        credentials = Credentials("STS.key", secret, token or None)
        SigV4Auth(credentials, "sms-voice", random.choice(["us-east-1", "eu-central-1"])).add_auth(theirs)
        asked = unsigned({name.lower(): value for name, value in theirs.headers.items()}, body)
        assert accepts(DIALECT, asked, "STS.key", secret)
        assert not accepts(DIALECT, asked, "STS.key", secret + "x")
        call = DIALECT.read(asked)
        assert (call.access_key_id, call.security_token) == ("STS.key", token)


@pytest.mark.parametrize("token", [{}, {"x_amz_security_token": "CAIS"}])
def test_a_request_with_any_byte_changed_is_refused(token: dict[str, str]) -> None:
    asked = request(**token)
    assert accepts(DIALECT, asked)
    signed = {*HEADERS, "x-amz-date", "x-amz-security-token"}
    changes = [each for each in altered(asked, signed) if each != asked]
    assert len(changes) > 300
    assert not [each for each in changes if accepts(DIALECT, each)]


@pytest.mark.parametrize(
    ("parameters", "field", "reason"),
    [
        ({"MessageFeedbackStatus": "RECEIVED"}, "MessageId", "MISSING_PARAMETER"),
        ({"MessageId": "a"}, "MessageFeedbackStatus", "MISSING_PARAMETER"),
        ({"MessageId": "a b", "MessageFeedbackStatus": "RECEIVED"}, "MessageId", "FIELD_VALIDATION_FAILED"),
        ({"MessageId": "x" * 256, "MessageFeedbackStatus": "FAILED"}, "MessageId", "FIELD_VALIDATION_FAILED"),
        (
            {"MessageId": "a", "MessageFeedbackStatus": "received"},
            "MessageFeedbackStatus",
            "FIELD_VALIDATION_FAILED",
        ),
    ],
)
def test_a_wrong_parameter_is_named(parameters: object, field: str, reason: str) -> None:
    status, body = refusal(DIALECT, request(parameters))
    assert (status, body["__type"], body["Reason"]) == (400, "ValidationException", reason)
    assert [each["Name"] for each in body["Fields"]] == [field]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"MessageId": 1}', b"\xff", b"[" * 50_000])
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    status, answer = refusal(DIALECT, request(body=body))
    assert (status, answer["__type"], answer["Reason"]) == (400, "ValidationException", "INVALID_REQUEST")


def test_another_operation_is_refused_with_what_to_do() -> None:
    for target in ("PinpointSMSVoiceV2.SendTextMessage", ""):
        status, body = refusal(DIALECT, request(x_amz_target=target))
        assert (status, body["__type"], body["Reason"]) == (400, "ValidationException", "UNKNOWN_OPERATION")
        assert "another one for all other calls" in body["Message"]


def test_a_malformed_signature_is_refused() -> None:
    good = {name.decode(): value.decode() for name, value in request().fields.items()}

    def kind(**changes: str) -> Any:  # noqa: ANN401 - JSON
        named = {name.replace("_", "-"): value for name, value in changes.items()}
        return refusal(DIALECT, unsigned(good | named))[1]["__type"]

    authorization = good["authorization"]
    assert kind(authorization="") == "MissingAuthenticationTokenException"
    for old, new in (
        ("/sms-voice/", "/s3/"),
        ("/aws4_request", "/request"),
        ("/20261126/", "/20261127/"),
        ("/us-east-1/", "/"),
        (KEY, ""),
        ("host;", ""),
        ("x-amz-date;", ""),
        ("host;", "host;x-absent;"),
        ("Signature=", "Sign="),
    ):
        assert kind(authorization=authorization.replace(old, new)) == "IncompleteSignatureException"
    for date in ("", "20261126", "20261399T999999Z", "2026-11-26T21:51:35Z"):
        assert kind(x_amz_date=date) == "IncompleteSignatureException"
    assert refusal(DIALECT, unsigned(good, method="GET"))[1]["Reason"] == "INVALID_REQUEST"
    assert refusal(DIALECT, unsigned(good, query=b"a=b"))[1]["Reason"] == "INVALID_REQUEST"


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.UnknownAccessKey("x"), 400, "UnrecognizedClientException"),
        (errors.InactiveAccessKey("x"), 400, "UnrecognizedClientException"),
        (errors.MalformedToken("x"), 400, "UnrecognizedClientException"),
        (errors.MismatchedToken("x"), 400, "UnrecognizedClientException"),
        (errors.ExpiredToken("x"), 400, "ExpiredTokenException"),
        (errors.SignatureMismatch("x"), 400, "InvalidSignatureException"),
        (errors.StaleTimestamp("x"), 400, "RequestExpired"),
        (errors.NeedsTls("x"), 400, "AccessDeniedException"),
        (errors.Throttled("x", wait_ms=250), 400, "ThrottlingException"),
        (errors.BodyTooLarge("x"), 413, "RequestEntityTooLargeException"),
        (errors.BodyTooSlow("x"), 400, "RequestAbortedException"),
        (errors.InvalidTime("x"), 400, "ValidationException"),
        (errors.Unavailable("x"), 503, "ServiceUnavailableException"),
        (errors.OtpconvError("hidden"), 500, "InternalServerException"),
    ],
)
def test_each_error_has_a_kind_that_the_sdks_know(error: Exception, status: int, kind: str) -> None:
    answered, body = failure(DIALECT, error, request())
    assert (answered, body["__type"]) == (status, kind)
    assert "hidden" not in body["Message"]
    assert body["Message"]


def test_an_unknown_message_is_a_resource_that_is_not_found() -> None:
    asked = request()
    status, body = failure(DIALECT, errors.UnknownMessage("Report it first."), asked, DIALECT.read(asked))
    assert (status, body) == (
        400,
        {
            "__type": "ResourceNotFoundException",
            "Message": "Report it first. See https://otp.example/errors/aws/ResourceNotFoundException",
            "ResourceType": "message",
            "ResourceId": "abc-1",
        },
    )


def test_when_to_try_again_is_said_in_milliseconds() -> None:
    error = errors.Throttled("x", wait_ms=250)
    response = DIALECT.failure(error, "ID", request=request(), call=None, public_url="")
    assert (b"x-amz-retry-after", b"250") in response.headers
    assert DIALECT.preflight().status == 204
