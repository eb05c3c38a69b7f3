"""ReportConversion, read and answered without a server, with each of the three signatures."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from msgspec import structs

from dialects.signed import ACCOUNT, KEY, NOW, SECRET, accepts, altered, failure, refusal, reports
from otpconv import errors
from otpconv.dialects.dialect import HttpRequest
from otpconv.dialects.tencent import signature
from otpconv.dialects.tencent.dialect import TencentDialect
from otpconv.model import Conversion, Timing

DIALECT = TencentDialect()
SECONDS = NOW // 1000
REPORT = {"SmsSdkAppId": "1400006666", "SerialNo": "5000:10457", "ConversionTime": SECONDS - 60}
FORM = "application/x-www-form-urlencoded"
SIGNED = {"content-type", "host", "x-tc-timestamp"}


def tc3(
    parameters: Mapping[str, object] = REPORT,
    *,
    method: str = "POST",
    body: bytes | None = None,
    received_at: str = "otp.example:8080",
    **changes: str,
) -> HttpRequest:
    """Return a request signed by TC3; `changes` are headers, with `_` for `-`."""
    query = urlencode(parameters) if method == "GET" else ""
    if body is None:
        body = json.dumps(parameters).encode() if method == "POST" else b""
    headers = {
        "host": "otp.example:8080",
        "content-type": "application/json" if method == "POST" else FORM,
        "x-tc-action": "ReportConversion",
        "x-tc-version": "2021-01-11",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    signed = signature.sign_tc3(
        headers, body, access_key_id=KEY, secret=SECRET, timestamp=SECONDS, method=method, query=query
    )
    signed["host"] = received_at
    return HttpRequest(method, "/", query.encode(), encoded(signed), body)


def by_parameters(
    parameters: Mapping[str, object] = REPORT,
    *,
    method: str = "POST",
    algorithm: str = "HmacSHA256",
    signed_host: str = "otp.example:8080",
    **changes: str,
) -> HttpRequest:
    """Return a request signed by HmacSHA256 or HmacSHA1; `changes` are common parameters."""
    common = {
        "Action": "ReportConversion",
        "Version": "2021-01-11",
        "Timestamp": str(SECONDS),
        "Nonce": "11886",
        "SecretId": KEY,
        "SignatureMethod": algorithm,
    }
    every = {name: str(value) for name, value in {**parameters, **common, **changes}.items() if value != ""}
    known = (
        every
        if every.get("SignatureMethod") in signature.METHODS
        else {**every, "SignatureMethod": "HmacSHA1"}
    )
    every["Signature"] = signature.sign_parameters(method, signed_host, known, SECRET)
    return in_form(every, method)


def in_form(parameters: Mapping[str, str], method: str = "POST") -> HttpRequest:
    text = urlencode(parameters).encode()
    fields = encoded({"host": "otp.example:8080", "content-type": FORM})
    return HttpRequest(
        method, "/", text if method == "GET" else b"", fields, b"" if method == "GET" else text
    )


def encoded(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in headers.items()}


def code(request: HttpRequest) -> str:
    """Return the code of a refusal, which has HTTP 200 and the form that the SDKs read."""
    status, body = refusal(DIALECT, request)
    assert status == 200
    assert body["Response"]["RequestId"] == "ID"
    assert body["Response"]["Error"]["Message"]
    refused: str = body["Response"]["Error"]["Code"]
    return refused


EVERY = [
    tc3(),
    tc3(method="GET"),
    *(by_parameters(method=m, algorithm=a) for m in ("POST", "GET") for a in signature.METHODS),
]
IDS = ["TC3 POST", "TC3 GET", *(f"{a} {m}" for m in ("POST", "GET") for a in signature.METHODS)]


@pytest.mark.parametrize("asked", EVERY, ids=IDS)
def test_a_report_is_a_conversion_at_its_time(asked: HttpRequest) -> None:
    assert reports(DIALECT, asked) == [Conversion(ACCOUNT, True, NOW - 60_000, "5000:10457")]
    call = DIALECT.read(asked)
    assert (call.access_key_id, call.signed_at, call.security_token) == (KEY, NOW, "")
    response = DIALECT.success(call, "ID", ("recorded",), NOW)
    assert json.loads(response.body) == {
        "Response": {"ReportConversionStatus": {"Code": "ok", "Message": "success"}, "RequestId": "ID"}
    }
    # The Python SDK compares the whole value.
    assert (b"content-type", b"application/json") in response.headers


@pytest.mark.parametrize("sign", [tc3, by_parameters])
def test_a_report_without_a_time_happened_on_arrival(sign: Any) -> None:  # noqa: ANN401 - either
    without = {name: value for name, value in REPORT.items() if name != "ConversionTime"}
    expected = [Conversion(ACCOUNT, True, NOW, "5000:10457", timing=Timing.ARRIVAL)]
    assert reports(DIALECT, sign(without)) == expected


def test_a_nonce_is_as_unique_as_the_request_and_its_second() -> None:
    first, second = (DIALECT.read(by_parameters(REPORT | {"SerialNo": serial})) for serial in "ab")
    assert "" not in {first.nonce, second.nonce}
    assert first.nonce != second.nonce
    assert DIALECT.read(tc3()).nonce == ""


@pytest.mark.parametrize("asked", EVERY, ids=IDS)
def test_a_request_with_anything_changed_is_refused(asked: HttpRequest) -> None:
    assert accepts(DIALECT, asked)
    assert not accepts(DIALECT, asked, secret="another")  # noqa: S106 - none
    changes = list(altered(asked, SIGNED) if b"authorization" in asked.fields else parameters_changed(asked))
    assert len(changes) > 100
    accepted = [each for each in changes if each != asked and accepts(DIALECT, each)]
    assert accepted == []


def parameters_changed(request: HttpRequest) -> Iterator[HttpRequest]:
    """Return the request with a parameter changed, less, more or merged with its neighbor, or a new host."""
    pairs = parse_qsl((request.query or request.body).decode())
    for index, (name, value) in enumerate(pairs):
        for at in range(len(value)):
            changed = f"{value[:at]}{'7' if value[at] != '7' else '8'}{value[at + 1 :]}"
            yield in_form(dict([*pairs[:index], (name, changed), *pairs[index + 1 :]]), request.method)
        yield in_form(dict(pairs[:index] + pairs[index + 1 :]), request.method)
    ordered = sorted(pairs)
    for index, (name, value) in enumerate(ordered[:-1]):
        merged = (name, f"{value}&{'='.join(ordered[index + 1])}")
        yield in_form(dict([*ordered[:index], merged, *ordered[index + 2 :]]), request.method)
    yield in_form(dict([*pairs, ("More", "1")]), request.method)
    yield structs.replace(request, fields=request.fields | {b"host": b"otp.example.org:8080"})
    yield structs.replace(request, method="GET" if request.method == "POST" else "POST")


def test_a_method_that_is_not_named_is_sha1_and_no_request_stands_for_two() -> None:
    asked = by_parameters(algorithm="HmacSHA1")
    parameters = dict(parse_qsl(asked.body.decode()))
    # Both have the same text to sign, if & may stand in a value.
    forged = parameters | {"SerialNo": "5000:10457&SignatureMethod=HmacSHA1"}
    del forged["SignatureMethod"]
    assert signature.parameters_to_sign("POST", "h", forged) == signature.parameters_to_sign(
        "POST", "h", parameters
    )
    assert code(in_form(forged)) == "AuthFailure.InvalidAuthorization"
    unnamed = {
        name: value for name, value in parameters.items() if name not in {"SignatureMethod", "Signature"}
    }
    unnamed["Signature"] = signature.sign_parameters("POST", "otp.example:8080", unnamed, SECRET)
    assert accepts(DIALECT, in_form(unnamed))


def test_the_host_may_be_signed_without_its_port_but_not_with_another() -> None:
    assert accepts(DIALECT, tc3(host="otp.example"))
    assert accepts(DIALECT, by_parameters(signed_host="otp.example"))
    assert accepts(DIALECT, tc3(host="OTP.example:8080"))
    assert not accepts(DIALECT, tc3(host="otp.example:8081"))
    assert not accepts(DIALECT, tc3(received_at="otp.example"))
    assert not accepts(DIALECT, by_parameters(signed_host="otp.example:8081"))


def test_a_token_is_read() -> None:
    assert DIALECT.read(tc3(x_tc_token="CAIS/tok")).security_token == "CAIS/tok"  # noqa: S105, S106 - none
    assert DIALECT.read(by_parameters(Token="CAIS/tok")).security_token == "CAIS/tok"  # noqa: S105, S106 - none


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"SerialNo": ""}, "MissingParameter"),
        ({"SmsSdkAppId": ""}, "MissingParameter"),
        ({"SerialNo": "a b"}, "InvalidParameterValue"),
        ({"SerialNo": "x" * 256}, "InvalidParameterValue"),
        ({"ConversionTime": "soon"}, "InvalidParameterValue"),
        ({"ConversionTime": -1}, "InvalidParameterValue"),
        ({"ConversionTime": SECONDS + 61}, "InvalidParameterValue"),
        ({"ConversionTime": NOW}, "InvalidParameterValue"),
    ],
)
@pytest.mark.parametrize("sign", [tc3, by_parameters])
def test_a_wrong_parameter_is_refused(sign: Any, changes: dict[str, object], expected: str) -> None:  # noqa: ANN401 - either
    assert code(sign(REPORT | changes)) == expected


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"SerialNo": 1}', b"\xff", b"[" * 50_000])
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    assert code(tc3(body=body)) == "InvalidParameterValue"


def test_a_request_that_is_too_large_is_refused() -> None:
    assert code(tc3(REPORT | {"More": "x" * 65_536})) == "RequestSizeLimitExceeded"
    assert code(by_parameters(REPORT | {"More": "x" * 65_536})) == "RequestSizeLimitExceeded"
    many = {f"More{number}": "1" for number in range(50)}
    assert code(by_parameters(REPORT | many)) == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Action", "", "MissingParameter"),
        ("Action", "SendSms", "InvalidAction"),
        ("Version", "", "MissingParameter"),
        ("Version", "2019-07-11", "NoSuchVersion"),
        ("Timestamp", "", "MissingParameter"),
        ("Timestamp", "soon", "InvalidParameterValue"),
        ("Nonce", "", "MissingParameter"),
        ("SecretId", "", "MissingParameter"),
        ("SignatureMethod", "HmacMD5", "AuthFailure.InvalidAuthorization"),
    ],
)
def test_a_wrong_common_parameter_is_refused(name: str, value: str, expected: str) -> None:
    assert code(by_parameters(**{name: value})) == expected
    if name in {"Action", "Version"}:
        assert code(tc3(**{f"x_tc_{name.lower()}": value})) == expected


def test_a_malformed_signature_is_refused() -> None:
    good = tc3()
    authorization = good.fields[b"authorization"]
    for old, new in (
        (b"/sms/", b"/"),
        (b"/tc3_request", b"/request"),
        (b"/2026-11-26/", b"/2026-11-27/"),
        (b";host", b""),
        (b"content-type;", b""),
        (b"content-type;", b"content-type;x-absent;"),
        (authorization, b""),
        (authorization, b"SKIP"),
    ):
        fields = good.fields | {b"authorization": authorization.replace(old, new)}
        assert code(structs.replace(good, fields=fields)) == "AuthFailure.InvalidAuthorization"
    assert code(structs.replace(good, method="PUT")) == "UnsupportedProtocol"


def test_a_payload_that_is_not_signed_is_refused() -> None:
    asked = tc3(x_tc_content_sha256="UNSIGNED-PAYLOAD")
    assert accepts(DIALECT, asked)
    assert not accepts(DIALECT, structs.replace(asked, body=asked.body.replace(b"10457", b"10458")))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.UnknownAccessKey("x"), "AuthFailure.SecretIdNotFound"),
        (errors.InactiveAccessKey("x"), "AuthFailure.SecretIdNotFound"),
        (errors.MalformedToken("x"), "AuthFailure.TokenFailure"),
        (errors.MismatchedToken("x"), "AuthFailure.TokenFailure"),
        (errors.ExpiredToken("x"), "AuthFailure.TokenFailure"),
        (errors.SignatureMismatch("x"), "AuthFailure.SignatureFailure"),
        (errors.ReplayedNonce("x"), "AuthFailure.SignatureFailure"),
        (errors.StaleTimestamp("x"), "AuthFailure.SignatureExpire"),
        (errors.NeedsTls("x"), "UnsupportedProtocol"),
        (errors.Throttled("x", wait_ms=250), "RequestLimitExceeded"),
        (errors.BodyTooLarge("x"), "RequestSizeLimitExceeded"),
        (errors.BodyTooSlow("x"), "InvalidParameter"),
        (errors.InvalidTime("x"), "InvalidParameterValue"),
        (errors.UnknownMessage("x"), "FailedOperation.OtherError"),
        (errors.Unavailable("x"), "InternalError"),
        (errors.OtpconvError("hidden"), "InternalError"),
    ],
)
def test_each_error_has_a_code_and_http_200(error: Exception, expected: str) -> None:
    status, body = failure(DIALECT, error, tc3())
    assert (status, body["Response"]["Error"]["Code"]) == (200, expected)
    assert "hidden" not in body["Response"]["Error"]["Message"]
    assert DIALECT.preflight().status == 204
