"""Responses, byte for byte where clients depend on it."""

import inspect
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, strategies as st

from otpconv import errors
from otpconv.dialects import alibaba
from otpconv.dialects.alibaba import ACTIONS, CODES, Call, GatewayError, failure, preflight, success
from otpconv.dialects.dialect import HttpResponse

REQUEST_ID = "CF5F38BD-913A-54EF-A4D8-0123456789AB"
HOST = "dysmsapi.example"
BASE = "https://otp.example"
ALL = [error for _, error in inspect.getmembers(errors, inspect.isclass) if issubclass(error, Exception)]


def call_of(version: str = "2018-05-01", *, xml: bool = False, action: str = "") -> Call:
    action = action or ("SmsConversion" if version == "2018-05-01" else "SmsConversionIntl")
    return Call(action, version, "testid", "nonce", 0, xml, {}, "HMAC-SHA1", b"", b"")


def made(error: type[Exception], text: str = "Do this.") -> Exception:
    if error is errors.AccessDenied:
        return errors.AccessDenied(
            text,
            action="dysms:SmsConversion",
            kind="ImplicitDeny",
            policy_type="AccountLevelIdentityBasedPolicy",
            principal_type="SubUser",
            display_name="sender",
            account=5,
        )
    if error is errors.Throttled:
        return errors.Throttled(text, wait_ms=1_500)
    return error(text)


def answer(error: Exception, call: Call | None = None, *, xml: bool = False) -> HttpResponse:
    return failure(error, REQUEST_ID, call=call, host_id=HOST, recommend_base=BASE, xml=xml)


def said(error: Exception, call: Call | None = None) -> dict[str, object]:
    body = json.loads(answer(error, call).body)
    assert isinstance(body, dict)
    return body


def test_success_of_2018_in_json() -> None:
    answered = success(call_of(), REQUEST_ID)
    assert answered.status == 200
    assert json.loads(answered.body) == {
        "ResponseCode": "OK",
        "ResponseDescription": "OK",
        "RequestId": REQUEST_ID,
    }
    assert dict(answered.headers) == {
        b"content-type": b"application/json;charset=utf-8",
        b"access-control-allow-origin": b"*",
        b"access-control-expose-headers": b"*",
        b"x-acs-request-id": REQUEST_ID.encode(),
        b"content-length": str(len(answered.body)).encode(),
    }


def test_success_of_2017_in_json_has_the_other_pair() -> None:
    assert json.loads(success(call_of("2017-05-25"), REQUEST_ID).body) == {
        "Code": "OK",
        "Message": "OK",
        "RequestId": REQUEST_ID,
    }


def test_success_in_xml() -> None:
    answered = success(call_of(xml=True), REQUEST_ID)
    assert answered.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<SmsConversionResponse><ResponseCode>OK</ResponseCode><ResponseDescription>OK</ResponseDescription>"
        f"<RequestId>{REQUEST_ID}</RequestId></SmsConversionResponse>"
    )
    assert dict(answered.headers)[b"content-type"] == b"text/xml;charset=utf-8"


@pytest.mark.parametrize(("version", "action"), ACTIONS)
def test_every_operation_answers_under_its_own_name(version: str, action: str) -> None:
    body = success(call_of(version, action=action, xml=True), REQUEST_ID).body
    assert ET.fromstring(body).tag == f"{action}Response"  # noqa: S314 - our own text


def test_a_gateway_error_in_json() -> None:
    answered = answer(GatewayError("MissingDelivered"))
    assert answered.status == 400
    assert json.loads(answered.body) == {
        "RequestId": REQUEST_ID,
        "HostId": HOST,
        "Code": "MissingDelivered",
        "Message": "Delivered is mandatory for this action.",
        "Recommend": f"{BASE}/errors/MissingDelivered",
    }
    assert dict(answered.headers)[b"content-type"] == b"application/json;charset=utf-8"
    assert dict(answered.headers)[b"x-acs-request-id"] == REQUEST_ID.encode()


def test_a_gateway_error_in_xml() -> None:
    answered = answer(GatewayError("InvalidMessageId", "It has a < & a \x00."), call_of(xml=True))
    assert answered.body.decode() == (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        f"<Error><RequestId>{REQUEST_ID}</RequestId><HostId>{HOST}</HostId><Code>InvalidMessageId</Code>"
        "<Message>Specified parameter MessageId is not valid. It has a &lt; &amp; a \ufffd.</Message></Error>"
    )
    assert dict(answered.headers)[b"content-type"] == b"text/xml;charset=utf-8"


@pytest.mark.parametrize(
    ("of_call", "of_error", "told", "xml"),
    [
        (True, False, False, True),
        (False, True, True, False),
        (None, True, False, True),
        (None, False, True, False),
        (None, None, True, True),
        (None, None, False, False),
    ],
)
def test_the_call_decides_the_format_then_the_error_then_the_caller(
    *, of_call: bool | None, of_error: bool | None, told: bool, xml: bool
) -> None:
    error = GatewayError("MissingAction")
    error.xml = of_error
    call = None if of_call is None else call_of(xml=of_call)
    assert answer(error, call, xml=told).body.startswith(b"<?xml") is xml


GATEWAY = [
    (errors.UnknownAccessKey, 404, "InvalidAccessKeyId.NotFound"),
    (errors.InactiveAccessKey, 400, "InvalidAccessKeyId.Inactive"),
    (errors.SignatureMismatch, 400, "SignatureDoesNotMatch"),
    (errors.StaleTimestamp, 400, "InvalidTimeStamp.Expired"),
    (errors.ReplayedNonce, 400, "SignatureNonceUsed"),
    (errors.MalformedToken, 400, "InvalidSecurityToken.Malformed"),
    (errors.MismatchedToken, 400, "InvalidSecurityToken.MismatchWithAccessKey"),
    (errors.ExpiredToken, 400, "InvalidSecurityToken.Expired"),
    (errors.BadCredentials, 400, "IncompleteSignature"),
    (errors.NeedsTls, 400, "InvalidProtocol.NeedSsl"),
    (errors.ForeignForm, 400, "InvalidParameter"),
    (errors.Throttled, 400, "Throttling.User"),
    (errors.NotFound, 404, "InvalidAction.NotFound"),
    (errors.MethodNotAllowed, 400, "UnsupportedHTTPMethod"),
    (errors.BodyTooLarge, 413, "BodyTooLarge"),
    (errors.BodyTooSlow, 408, "BodyTooSlow"),
    (errors.UnsupportedMediaType, 415, "UnsupportedMediaType"),
    (errors.InvalidRequest, 400, "InvalidParameter"),
    (errors.AnswerTooLarge, 400, "InvalidParameter"),
    (errors.Refused, 400, "InvalidParameter"),
    (errors.Unavailable, 503, "ServiceUnavailable"),
    (errors.UnknownOutcome, 503, "ServiceUnavailable"),
    (errors.Misconfigured, 500, "InternalError"),
    (errors.OtpconvError, 500, "InternalError"),
    (ZeroDivisionError, 500, "InternalError"),
]
PRODUCT = [
    (errors.InvalidTime, "INVALID_PARAMETERS", "isv.INVALID_PARAMETERS"),
    (errors.UnknownMessage, "INVALID_PARAMETERS", "isv.INVALID_PARAMETERS"),
    (errors.InvalidNumber, "MOBILE_NUMBER_ILLEGAL", "isv.MOBILE_NUMBER_ILLEGAL"),
    (errors.NumberMismatch, "MOBILE_NUMBER_ILLEGAL", "isv.MOBILE_NUMBER_ILLEGAL"),
]


@pytest.mark.parametrize("version", ["2018-05-01", "2017-05-25"])
@pytest.mark.parametrize(("error", "status", "code"), GATEWAY)
def test_an_error_of_ours_becomes_its_gateway_code(
    version: str, error: type[Exception], status: int, code: str
) -> None:
    assert answer(made(error), call_of(version)).status == status
    assert said(made(error), call_of(version))["Code"] == code


@pytest.mark.parametrize(("error", "of_2018", "of_2017"), PRODUCT)
def test_a_product_error_is_200_with_the_pair_of_its_version_only(
    error: type[Exception], of_2018: str, of_2017: str
) -> None:
    new, old = call_of(), call_of("2017-05-25")
    text = f"{CODES[of_2018].text} Do this."
    assert answer(made(error), new).status == answer(made(error), old).status == 200
    assert said(made(error), new) == {
        "ResponseCode": of_2018,
        "ResponseDescription": text,
        "RequestId": REQUEST_ID,
    }
    assert said(made(error), old) == {"Code": of_2017, "Message": text, "RequestId": REQUEST_ID}
    body = answer(made(error), call_of(xml=True)).body
    assert ET.fromstring(body).findtext("ResponseCode") == of_2018  # noqa: S314 - our own text


def test_every_error_of_ours_has_a_row_here() -> None:
    rows = {row[0] for row in GATEWAY} | {row[0] for row in PRODUCT} | {errors.AccessDenied}
    assert set(ALL) - rows == set()


@pytest.mark.parametrize("xml", [False, True])
def test_a_call_to_be_repeated_says_in_a_header_how_long_to_wait(*, xml: bool) -> None:
    throttled = answer(made(errors.Throttled), call_of(xml=xml))
    assert dict(throttled.headers)[b"x-acs-retry-after"] == b"1500"
    unavailable = answer(made(errors.Unavailable), call_of(xml=xml))
    assert dict(unavailable.headers)[b"x-acs-retry-after"] == b"1000"
    assert b"x-acs-retry-after" not in dict(answer(made(errors.NotFound)).headers)


def test_a_ram_refusal_is_403_with_its_detail_in_2018() -> None:
    refused = made(errors.AccessDenied)
    assert answer(refused, call_of()).status == 403
    body = said(refused, call_of())
    assert body["Code"] == "NoPermission"
    assert body["AccessDeniedDetail"] == {
        "AuthAction": "dysms:SmsConversion",
        "AuthPrincipalType": "SubUser",
        "AuthPrincipalOwnerId": "5",
        "AuthPrincipalDisplayName": "sender",
        "NoPermissionType": "ImplicitDeny",
        "PolicyType": "AccountLevelIdentityBasedPolicy",
    }


def test_a_ram_refusal_tells_the_session_of_a_role_and_the_policy_that_denies() -> None:
    refused = errors.AccessDenied(
        "No.",
        action="dysms:SmsConversion",
        kind="ExplicitDeny",
        policy_type="SessionPolicy",
        principal_type="AssumedRoleUser",
        display_name="reporter:alice",
        account=5,
    )
    assert said(refused, call_of())["AccessDeniedDetail"] == {
        "AuthAction": "dysms:SmsConversion",
        "AuthPrincipalType": "AssumedRoleUser",
        "AuthPrincipalOwnerId": "5",
        "AuthPrincipalDisplayName": "reporter:alice",
        "NoPermissionType": "ExplicitDeny",
        "PolicyType": "SessionPolicy",
    }


def test_a_ram_refusal_is_a_business_answer_in_2017() -> None:
    refused = made(errors.AccessDenied)
    assert answer(refused, call_of("2017-05-25")).status == 200
    assert said(refused, call_of("2017-05-25"))["Code"] == "isp.RAM_PERMISSION_DENY"


@pytest.mark.parametrize("error", [RuntimeError, errors.OtpconvError, errors.Misconfigured])
def test_a_fault_of_the_server_leaks_nothing(error: type[Exception]) -> None:
    assert b"hunter2" not in answer(made(error, "hunter2"), call_of()).body


def test_a_preflight_is_answered_as_the_service_was_seen_to_answer() -> None:
    answered = preflight()
    assert (answered.status, answered.body) == (204, b"")
    headers = dict(answered.headers)
    assert headers[b"access-control-allow-origin"] == b"*"
    assert headers[b"access-control-allow-methods"] == b"POST, GET, OPTIONS, PUT, DELETE"
    assert headers[b"access-control-max-age"] == b"172800"
    assert b"x-acs-date" in headers[b"access-control-allow-headers"]


def test_every_code_has_a_cause_and_a_remedy_and_can_stand_in_an_address() -> None:
    for name, code in CODES.items():
        assert code.code == name
        assert code.text
        assert code.cause
        assert code.remedy
        assert re.fullmatch(r"[A-Za-z0-9_.]+", name)


def test_every_code_that_the_source_names_is_in_the_table() -> None:
    sources = Path(inspect.getfile(alibaba)).parent.rglob("*.py")
    text = "".join(source.read_text(encoding="utf-8") for source in sources)
    named = set(re.findall(r'(?:Gateway|Credentials)Error\(\s*"([^"]+)"', text))
    named |= {f"Missing{name}" for name in re.findall(r'\bmissing\("([^"]+)"', text)}
    named |= {f"Invalid{name}" for name in re.findall(r'\binvalid\("([^"]+)"', text)}
    assert len(named) > 10
    assert named - set(CODES) == set()


@given(
    st.text(), st.text(), st.sampled_from(ALL), st.sampled_from(["2018-05-01", "2017-05-25"]), st.booleans()
)
def test_no_text_whatever_breaks_an_answer(
    text: str,
    host: str,
    error: type[Exception],
    version: str,
    xml: bool,  # noqa: FBT001
) -> None:
    answered = failure(
        made(error, text),
        REQUEST_ID,
        call=call_of(version, xml=xml),
        host_id=host,
        recommend_base=BASE,
    )
    if xml:
        ET.fromstring(answered.body)  # noqa: S314 - our own text
    else:
        assert json.loads(answered.body)["RequestId"] == REQUEST_ID
    assert dict(answered.headers)[b"content-length"] == str(len(answered.body)).encode()
