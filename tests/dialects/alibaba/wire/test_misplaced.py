"""Parameters where they are not read: the code stays the vendor's, the message says what to send."""

import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, strategies as st

from otpconv import errors
from otpconv.dialects.alibaba import Call, GatewayError, failure, read, read_report, sign_v1, sign_v3
from otpconv.dialects.alibaba.wire.misplaced import FORM, misplaced
from otpconv.dialects.dialect import by_name

SECRET = "testsecret"  # noqa: S105 - of no key
REPORTED = {"Delivered": "true", "MessageId": "1008030300"}
COMMON = {
    "AccessKeyId": "testid",
    "Action": "SmsConversion",
    "Format": "JSON",
    "SignatureMethod": "HMAC-SHA1",
    "SignatureNonce": "n",
    "SignatureVersion": "1.0",
    "Timestamp": "2024-04-19T12:46:24Z",
    "Version": "2018-05-01",
}
V3_HEADERS = {
    "host": "otp.example",
    "x-acs-action": "SmsConversion",
    "x-acs-version": "2018-05-01",
    "x-acs-date": "2024-04-19T12:46:24Z",
    "x-acs-signature-nonce": "n",
}
methods = st.sampled_from(["GET", "POST"])
unread_by_v1 = st.sampled_from(
    [
        "application/json; charset=utf-8",
        "multipart/form-data; boundary=b",
        "",
        "text/plain",
        "application/xml",
    ]
)
unread_by_v3 = st.sampled_from(["multipart/form-data; boundary=b", "text/plain", "application/octet-stream"])


def all_of_v1(method: str, parameters: dict[str, str]) -> dict[str, str]:
    asked = COMMON | parameters
    return asked | {"Signature": sign_v1(method, asked, SECRET)}


def refusal(method: str, query: str, headers: dict[str, str], body: bytes) -> tuple[str, str]:
    """Code and message that a request is answered with, in JSON."""
    fields = by_name([(name.encode(), value.encode("utf-8", "replace")) for name, value in headers.items()])
    call: Call | None = None
    try:
        call = read(method, query.encode(), fields, body)
        call.verify(SECRET)
        read_report(call, 1, 1_800_000_000_000, lambda _, number: number)
    except errors.OtpconvError as error:
        if isinstance(error, GatewayError):
            error.xml = False
        answer = json.loads(failure(error, "R", call=call, host_id="h", recommend_base="https://h").body)
        return answer["Code"], answer["Message"]
    raise AssertionError("it was taken")


@given(methods, unread_by_v1, st.binary(min_size=1, max_size=40))
def test_a_v1_body_of_another_type_is_said_not_to_be_read_and_what_to_send(
    method: str, kind: str, body: bytes
) -> None:
    code, text = refusal(method, "", {"content-type": kind} if kind else {}, body)
    assert code == "MissingAction"
    assert text.startswith("Action is mandatory for this action. The body was not read: ")
    assert (kind.partition(";")[0] or "without a Content-Type") in text
    assert "application/x-www-form-urlencoded" in text


@given(methods, unread_by_v1)
def test_a_signed_query_with_the_report_in_an_unread_body_says_so(method: str, kind: str) -> None:
    query = urlencode(all_of_v1(method, {}))
    headers = {"content-type": kind} if kind else {}
    code, text = refusal(method, query, headers, json.dumps(REPORTED).encode())
    assert code == "MissingDelivered"
    assert "The body was not read: " in text


@given(methods, unread_by_v3)
def test_a_v3_body_of_another_type_is_said_not_to_be_read(method: str, kind: str) -> None:
    body = urlencode(REPORTED).encode()
    headers = sign_v3(
        method, {}, V3_HEADERS | {"content-type": kind}, body, access_key_id="testid", secret=SECRET
    )
    code, text = refusal(method, "", headers, body)
    assert code == "MissingDelivered"
    assert kind.partition(";")[0] in text
    assert "application/json" in text


def test_a_v3_body_without_a_signed_type_is_told_what_to_send() -> None:
    headers = sign_v3("POST", {}, V3_HEADERS, b"a=b", access_key_id="testid", secret=SECRET)
    code, text = refusal("POST", "", headers, b"a=b")
    assert code == "IncompleteSignature"
    assert "without a Content-Type" in text


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (json.dumps(all_of_v1("POST", REPORTED)).encode(), "JSON"),
        (json.dumps(REPORTED, indent=2).encode(), "JSON"),
        (b"\xef\xbb\xbf" + json.dumps(REPORTED).encode(), "JSON"),
        (b'--b\r\ncontent-disposition: form-data; name="Action"\r\n\r\nSmsConversion\r\n--b--', "multipart"),
        (b"<Action>SmsConversion</Action>", "XML"),
        (urlencode(all_of_v1("POST", REPORTED)).encode("utf-16"), "UTF-16"),
    ],
)
def test_a_body_that_is_no_form_although_its_type_says_so_is_named(body: bytes, kind: str) -> None:
    code, text = refusal("POST", "", {"content-type": FORM.decode()}, body)
    assert code in {"MissingAction", "InvalidParameter"}
    assert f"The body looks like {kind}" in text


def test_another_charset_is_named() -> None:
    headers = {"content-type": "application/x-www-form-urlencoded; charset=GBK"}
    code, text = refusal("POST", "", headers, "Action=短信".encode("gbk"))
    assert code == "InvalidParameter"
    assert "charset=gbk" in text


@pytest.mark.parametrize("name", ["action", "ACTION", "\ufeffAction", " Action", "amp;Action", "Action[]"])
def test_a_parameter_under_nearly_its_name_is_named(name: str) -> None:
    parameters = all_of_v1("GET", REPORTED)
    parameters[name] = parameters.pop("Action")
    code, text = refusal("GET", urlencode(parameters), {}, b"")
    assert code == "MissingAction"
    assert ascii(name).strip("'") in text


@given(st.sampled_from(["delivered", "DELIVERED", "Delivered "]))
def test_a_parameter_of_the_report_under_nearly_its_name_is_named_too(name: str) -> None:
    query = urlencode(all_of_v1("GET", {name: "true", "MessageId": "1"}))
    code, text = refusal("GET", query, {}, b"")
    assert code == "MissingDelivered"
    assert name in text


def test_parameters_encoded_as_a_whole_or_sent_as_headers_are_named() -> None:
    parameters = all_of_v1("GET", REPORTED)
    assert "percent-encoded together" in refusal("GET", quote(urlencode(parameters)), {}, b"")[1]
    headers = {name.lower(): value for name, value in parameters.items()}
    code, text = refusal("POST", "", headers, b"")
    assert code == "MissingAction"
    assert "reads no parameter from a header" in text
    assert "taken for V1" in refusal("POST", "", {"authorization": "acs3-hmac-sha256 Credential=x"}, b"")[1]


@pytest.mark.parametrize("missing", ["Action", "Version"])
def test_v1_parameters_with_a_v3_signature_are_told_the_header_to_send(missing: str) -> None:
    headers = {name: value for name, value in V3_HEADERS.items() if name != f"x-acs-{missing.lower()}"}
    signed = sign_v3("POST", COMMON, headers, b"", access_key_id="testid", secret=SECRET)
    code, text = refusal("POST", urlencode(COMMON), signed, b"")
    assert code == f"Missing{missing}"
    assert f"from the header x-acs-{missing.lower()}" in text


@given(
    st.sampled_from(["", "Action", "Delivered"]),
    st.dictionaries(st.text(max_size=80), st.text(max_size=20), max_size=4),
    st.binary(max_size=200) | st.text().map(str.encode),
    st.sampled_from(["", "authorization", "content-type", "x-acs-action"]),
    st.binary(max_size=200),
)
def test_a_hint_is_short_and_repeats_no_values_whatever_came(
    missing: str, parameters: dict[str, str], body: bytes, header: str, value: bytes
) -> None:
    secret = "S3cr3tS3cr3tS3cr3t"  # noqa: S105 - of no key
    fields = {header.encode(): value} if header else {}
    hint = misplaced(missing, dict.fromkeys(parameters, secret), fields, body + secret.encode())
    assert secret not in hint
    assert len(hint) < 500
