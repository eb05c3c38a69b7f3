"""Reading requests: which are accepted, the error codes of others, and that unsigned parts have no effect."""

import hashlib
import json
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import example, given, strategies as st

from otpconv.dialects import alibaba
from otpconv.dialects.alibaba import Call, GatewayError, sign_v1, sign_v3
from otpconv.dialects.alibaba.wire.parameters import MAX_BYTES, from_form, from_json, from_query
from otpconv.dialects.alibaba.wire.signature import V1_METHODS, canonical
from otpconv.dialects.dialect import by_name

Headers = list[tuple[bytes, bytes]]
Request = tuple[str, bytes, Headers, bytes]

KEY = "testsecret"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json; charset=utf-8"
REPORTED = {"Delivered": "True", "MessageId": "1008030300"}
V1_COMMON = {
    "AccessKeyId": "testid",
    "Action": "SmsConversion",
    "Format": "JSON",
    "SignatureMethod": "HMAC-SHA1",
    "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
    "SignatureVersion": "1.0",
    "Timestamp": "2024-04-19T12:46:24Z",
    "Version": "2018-05-01",
}
V3_COMMON = {
    "host": "127.0.0.1:8080",
    "x-acs-action": "SmsConversion",
    "x-acs-version": "2018-05-01",
    "x-acs-date": "2024-04-19T12:46:24Z",
    "x-acs-signature-nonce": "3ee8c1b883d344afa94f4e0ad82fd6cf",
}
SIGNED_AT = 1_713_530_784_000
UNSIGNED: Headers = [(b"connection", b"keep-alive"), (b"content-length", b"0")]


def v1(changes: dict[str, str] | None = None, *, without: str | None = None, method: str = "GET") -> Request:
    """A V1 request with everything in the query, some parameters replaced, then one left out."""
    asked = {**V1_COMMON, **REPORTED, **(changes or {})}
    known = asked["SignatureMethod"] in V1_METHODS
    asked["Signature"] = sign_v1(method, asked, KEY) if known else "?"
    asked = {name: value for name, value in asked.items() if name != without}
    return method, urlencode(asked, quote_via=quote, safe="").encode(), list(UNSIGNED), b""


def v3(
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    *,
    without: str = "",
    method: str = "POST",
    access_key_id: str = "testid",
) -> Request:
    """A V3 request with some headers replaced, and all headers signed."""
    asked = {name: value for name, value in {**V3_COMMON, **(headers or {})}.items() if name != without}
    query = REPORTED if query is None else query
    signed = sign_v3(method, query, asked, body, access_key_id=access_key_id, secret=KEY)
    return method, urlencode(query).encode(), as_bytes(signed) + UNSIGNED, body


def read(method: str, query: bytes, headers: Headers, body: bytes) -> Call:
    return alibaba.read(method, query, by_name(headers), body)


def answers_xml(query: bytes, headers: Headers, body: bytes) -> bool:
    return alibaba.answers_xml(query, by_name(headers), body)


def as_bytes(headers: dict[str, str]) -> Headers:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def with_header(request: Request, name: bytes, value: bytes | None) -> Request:
    method, query, headers, body = request
    kept = [each for each in headers if each[0] != name]
    return method, query, kept if value is None else [*kept, (name, value)], body


def refusal(request: Request) -> str:
    """The code a request is refused with, by reading or by verifying it."""
    with pytest.raises(GatewayError) as caught:
        read(*request).verify(KEY)
    return caught.value.code


def pop_core(parameters: dict[str, str]) -> Request:
    """Everything in the form body, Signature included, and an empty query."""
    method, query, headers, _ = v1(parameters, method="POST")
    return method, b"", [*headers, (b"content-type", FORM.encode())], query


BEARER: Request = ("POST", b"SignatureType=BEARERTOKEN", [(b"x-acs-action", b"SmsConversion")], b"")
AUTHORIZATION = dict(v3()[2])[b"authorization"]

TAKEN = [
    ("V1 GET", v1(), False),
    ("V1 POST", v1(method="POST"), False),
    ("V1 without Format", v1({"Format": ""}), True),
    ("V1 with Format=xml", v1({"Format": "xml"}), True),
    ("V1 with Format=json", v1({"Format": "json"}), False),
    ("V1 with HMAC-SHA256", v1({"SignatureMethod": "HMAC-SHA256"}), False),
    (
        "V1 with a blank SignatureType and SecurityToken",
        v1({"SignatureType": "", "SecurityToken": ""}),
        False,
    ),
    ("V1 with milliseconds", v1({"Timestamp": "2024-04-19T12:46:24.000Z"}), False),
    ("V1 as pop-core posts it", pop_core({}), False),
    ("V1 with the headers of V3 beside", with_header(v1(), b"x-acs-action", b"SmsConversion"), False),
    ("V1 with a body that is not read", ("GET", *v1()[1:3], b"{}"), False),
    ("V3 POST", v3(), False),
    ("V3 GET", v3(method="GET"), False),
    ("V3 with a form body", v3({}, {"content-type": FORM}, urlencode(REPORTED).encode()), False),
    (
        "V3 with a JSON body",
        v3({}, {"content-type": JSON}, b'{"Delivered": "True", "MessageId": 1008030300, "To": null}'),
        False,
    ),
    ("V3 with accept and user-agent signed", v3(headers={"accept": "a", "user-agent": "b % c"}), False),
    (
        "V3 of an async client",
        with_header(v3(), b"content-type", b"application/octet-stream"),
        False,
    ),
    ("V3 retried", v3(headers={"x-acs-retry-attempts": "1", "x-acs-retry-delay": "100"}), False),
    ("V3 with a security token", v3(headers={"x-acs-security-token": "CAIS/tok+en=="}), False),
    ("V1 with a security token", v1({"SecurityToken": "CAIS/tok+en=="}), False),
    ("V3 with Format, which V3 does not know", v3({**REPORTED, "Format": "XML"}), False),
]


@pytest.mark.parametrize(("request_", "xml"), [row[1:] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_a_well_signed_request_is_read_and_verified(request_: Request, xml: bool) -> None:  # noqa: FBT001
    call = read(*request_)
    call.verify(KEY)
    assert (call.action, call.version) == ("SmsConversion", "2018-05-01")
    assert (call.access_key_id, call.signed_at) == ("testid", SIGNED_AT)
    assert call.nonce.replace("-", "") == "3ee8c1b883d344afa94f4e0ad82fd6cf"
    assert call.parameters.items() >= REPORTED.items()
    assert call.xml is xml
    assert answers_xml(*request_[1:]) is xml


REFUSED = [
    ("UnsupportedHTTPMethod", v1(method="PUT")),
    ("UnsupportedHTTPMethod", v3(method="DELETE")),
    ("MissingAction", v1(without="Action")),
    ("MissingAction", ("GET", b"", [], b"")),
    ("MissingVersion", v1(without="Version")),
    ("InvalidVersion", v1({"Version": "2000-01-01"})),
    ("InvalidAction.NotFound", v1({"Action": "SmsConversionIntl"})),
    ("InvalidAction.NotFound", v1({"Action": "SendMessageToMars"})),
    ("InvalidAction.NotFound", v1({"Action": "Nope"}, without="AccessKeyId")),
    ("MissingAccessKeyId", v1(without="AccessKeyId")),
    ("MissingSignature", v1(without="Signature")),
    ("MissingSignatureMethod", v1(without="SignatureMethod")),
    ("MissingSignatureVersion", v1(without="SignatureVersion")),
    ("MissingSignatureNonce", v1(without="SignatureNonce")),
    ("MissingTimestamp", v1(without="Timestamp")),
    ("InvalidParameter.Format", v1({"Format": "YAML"})),
    ("InvalidSignatureMethod", v1({"SignatureMethod": "SHA256withRSA"})),
    ("InvalidSignatureVersion", v1({"SignatureVersion": "2.0"})),
    ("InvalidSignatureNonce", v1({"SignatureNonce": "x" * 257})),
    ("InvalidSignatureNonce", v1({"SignatureNonce": "é"})),
    ("InvalidTimeStamp.Format", v1({"Timestamp": "2024-04-19 12:46:24"})),
    ("InvalidTimeStamp.Format", v1({"Timestamp": "2024-04-19T12:46:24+00:00"})),
    ("InvalidTimeStamp.Format", v1({"Timestamp": "2024-02-30T12:46:24Z"})),
    ("InvalidTimeStamp.Format", v1({"Timestamp": "2024-04-19T12:46:60Z"})),
    ("InvalidTimeStamp.Format", v1({"Timestamp": "٢٠٢٤-04-19T12:46:24Z"})),
    ("InvalidTimeStamp.Format", v1({"Timestamp": "2024-04-19T12:46:24Z\u2028"})),
    ("MissingSecurityToken", v1({"AccessKeyId": "STS.testid"})),
    ("UnsupportedParameter", v1({"SignatureType": "BEARERTOKEN", "BearerToken": "x"}, without="Signature")),
    ("SignatureDoesNotMatch", ("POST", *v1()[1:])),
    ("InvalidParameter", ("GET", b"Action=%ff", [], b"")),
    ("InvalidParameter", ("GET", b"Action=\xff", [], b"")),
    ("InvalidParameter", ("GET", b"Action=%ed%a0%80", [], b"")),
    ("InvalidParameter", ("GET", b"Action=a%00", [], b"")),
    ("InvalidParameter", ("GET", b"Action=a\n", [], b"")),
    ("InvalidParameter", ("GET", b"a=" + b"x" * MAX_BYTES, [], b"")),
    ("InvalidMessageId", ("GET", v1()[1] + b"&MessageId=2", [], b"")),
    ("InvalidParameter", ("GET", v1()[1] + b"&own=1&own=1", [], b"")),
    ("MissingAction", v3(without="x-acs-action")),
    ("MissingVersion", v3(without="x-acs-version")),
    ("InvalidVersion", v3(headers={"x-acs-version": "2000-01-01"})),
    ("InvalidAction.NotFound", v3(headers={"x-acs-action": "Nope"})),
    ("IncompleteSignature", v3(without="host")),
    ("IncompleteSignature", v3(without="x-acs-date")),
    ("IncompleteSignature", v3(without="x-acs-signature-nonce")),
    ("IncompleteSignature", with_header(v3(), b"x-acs-content-sha256", None)),
    ("IncompleteSignature", with_header(v3(), b"authorization", None)),
    ("IncompleteSignature", with_header(v3(), b"authorization", b"ACS3-HMAC-SHA256")),
    ("IncompleteSignature", with_header(v3(), b"x-acs-own", b"not signed")),
    ("IncompleteSignature", with_header(v3(headers={"accept": "a"}), b"accept", None)),
    (
        "IncompleteSignature",
        with_header(v3(), b"authorization", AUTHORIZATION.replace(b"=host;", b"=host;host;")),
    ),
    ("IncompleteSignature", with_header(v3({}, {"content-type": FORM}, b"a=b"), b"content-type", None)),
    ("IncompleteSignature", v3(body=b"Delivered=false")),
    (
        "InvalidSignatureMethod",
        with_header(v3(), b"authorization", AUTHORIZATION.replace(b"HMAC", b"RSA")),
    ),
    ("InvalidTimeStamp.Format", v3(headers={"x-acs-date": "yesterday"})),
    ("InvalidSignatureNonce", v3(headers={"x-acs-signature-nonce": "é"})),
    ("MissingSecurityToken", v3(access_key_id="STS.testid")),
    ("UnsupportedParameter", BEARER),
    ("ContentSha256NotMatched", (*v3({}, {"content-type": FORM}, b"Delivered=true")[:3], b"Delivered=false")),
    ("InvalidDelivered", v3({}, {"content-type": FORM}, b"Delivered=true&Delivered=true")),
    ("InvalidParameter", v3({}, {"content-type": FORM}, b"Delivered=%ff")),
    ("InvalidParameter", v3({}, {"content-type": JSON}, b"[]")),
    ("InvalidParameter", v3({}, {"content-type": JSON}, b'{"To": "\xff"}')),
    ("InvalidParameter", v3({}, {"content-type": JSON}, b'{"To": "\\ud800"}')),
    ("InvalidParameter", v3({}, {"content-type": JSON}, b'{"To": "\\u0000"}')),
    ("InvalidParameter", v3({}, {"content-type": JSON}, b'{"To": ' + b"[" * 60_000 + b"]" * 60_000 + b"}")),
    ("InvalidParameter", v3({}, {"content-type": JSON}, b" " * MAX_BYTES + b"{}")),
    ("SignatureDoesNotMatch", (*v3()[:1], b"Delivered=False&MessageId=1008030300", *v3()[2:])),
    ("SignatureDoesNotMatch", with_header(v3(), b"host", b"elsewhere")),
]


@pytest.mark.parametrize(
    ("code", "request_"), REFUSED, ids=[f"{row[0]}-{number}" for number, row in enumerate(REFUSED)]
)
def test_a_request_that_cannot_be_believed_is_refused_with_its_code(code: str, request_: Request) -> None:
    assert refusal(request_) == code


@pytest.mark.parametrize(
    ("query", "headers", "body", "xml"),
    [
        (b"", [], b"", True),
        (b"Format=json", [], b"", False),
        (b"Format=YAML", [], b"", False),
        (b"Action=Nope&Format=XML", [], b"", True),
        (b"", [(b"content-type", FORM.encode())], b"Action=Nope&Format=JSON", False),
        (b"", [(b"x-acs-action", b"Nope")], b"", False),
        (b"", [(b"authorization", b"ACS3-HMAC-SHA256 ")], b"", False),
        (b"Format=%ff&%00", [], b"\xff", False),
    ],
)
def test_an_error_found_early_knows_the_format_that_was_asked_for(
    query: bytes,
    headers: Headers,
    body: bytes,
    xml: bool,  # noqa: FBT001
) -> None:
    with pytest.raises(GatewayError) as caught:
        read("POST", query, headers, body)
    assert caught.value.xml is xml


def test_a_v1_mismatch_tells_the_string_to_sign_after_the_only_colon() -> None:
    call = read(*v1({"MessageId": "a:b"}))
    with pytest.raises(GatewayError) as caught:
        call.verify("another secret")
    sentence, string_to_sign = caught.value.text.split(":")
    assert sentence == ("Specified signature is not matched with our calculation. server string to sign is")
    assert string_to_sign.startswith("GET&%2F&AccessKeyId%3Dtestid%26Action%3DSmsConversion")


def test_a_v3_mismatch_tells_the_string_to_sign_and_the_canonical_request() -> None:
    call = read(*v3())
    with pytest.raises(GatewayError) as caught:
        call.verify("another secret")
    digest = hashlib.sha256(call.signed).hexdigest()
    assert caught.value.text == (
        "Specified signature does not match our calculation. server StringToSign is "
        f"[ACS3-HMAC-SHA256\n{digest}] server CanonicalRequest is [{call.signed.decode()}]"
    )


@pytest.mark.parametrize("query", ["MessageId=a+b", "MessageId=a%20b", "MessageId=a b"])
def test_the_same_value_may_be_encoded_in_several_ways(query: str) -> None:
    _, _, headers, body = v3({"MessageId": "a b"})
    call = read("POST", query.encode(), headers, body)
    call.verify(KEY)
    assert call.parameters == {"MessageId": "a b"}


def test_of_query_and_form_body_the_body_wins_and_v1_signs_what_wins() -> None:
    method, query, headers, body = pop_core({})
    call = read(method, b"MessageId=unsigned&Delivered=false", headers, body)
    call.verify(KEY)
    assert call.parameters["MessageId"] == "1008030300"
    assert refusal((method, b"To=8521245567", headers, body)) == "SignatureDoesNotMatch"
    assert query == b""


def test_a_json_body_under_v1_has_no_effect() -> None:
    method, query, _, _ = v1()
    call = read(method, query, [(b"content-type", b"application/json")], b'{"Delivered": "False"}')
    call.verify(KEY)
    assert call.parameters["Delivered"] == "True"


@pytest.mark.parametrize(
    "body",
    [
        b'{"Delivered": "true", "Delivered": "false"}',
        b'{"Delivered": null, "Delivered": "false"}',
        b'{"Delivered": "false", "Del\\u0069vered": "true"}',
        b'{"Other": {"Delivered": 1, "Delivered": 2}}',
        b'{"Other": [{"a": 0}, {"Delivered": 1e5, "Delivered": 2}]}',
    ],
)
def test_a_name_that_is_twice_in_a_json_body_is_refused(body: bytes) -> None:
    with pytest.raises(GatewayError, match="given twice") as caught:
        from_json(body)
    assert "Delivered" in caught.value.text + caught.value.code


@given(
    st.dictionaries(
        st.text("aböA", max_size=3), st.text("xyü") | st.integers() | st.lists(st.floats(-1e9, 1e9))
    )
)
def test_a_json_body_whose_names_all_differ_is_read(members: dict[str, object]) -> None:
    assert from_json(json.dumps(members).encode()).keys() == members.keys()


def test_json_values_become_the_texts_they_are_written_as() -> None:
    body = b'{"a": true, "b": 85212455670000000000000, "c": 1e3, "d": 0.50, "e": [1, {"f": 2}], "g": null}'
    call = read(*v3({"a": "query"}, {"content-type": JSON}, body))
    assert call.parameters == {
        "a": "true",
        "b": "85212455670000000000000",
        "c": "1e3",
        "d": "0.50",
        "e": '[1, {"f": 2}]',
    }


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]))
own_names = texts.filter(lambda name: name not in {*V1_COMMON, "Signature", "BearerToken", "SignatureType"})
own = st.dictionaries(own_names, texts, max_size=6).map(lambda each: {**each, "SecurityToken": ""})


@given(own, st.sampled_from(["GET", "POST"]), st.sampled_from(["HMAC-SHA1", "HMAC-SHA256"]))
def test_whatever_v1_signs_is_read_back_and_verified(own: dict[str, str], method: str, with_: str) -> None:
    call = read(*v1({**own, "SignatureMethod": with_}, method=method))
    call.verify(KEY)
    assert call.parameters.items() >= own.items()


@given(own, own, st.sampled_from(["GET", "POST"]))
def test_whatever_v3_signs_is_read_back_and_verified(
    own: dict[str, str], form: dict[str, str], method: str
) -> None:
    call = read(*v3(own, {"content-type": FORM}, urlencode(form).encode(), method=method))
    call.verify(KEY)
    assert call.parameters == {**own, **form}


@given(st.binary() | st.lists(st.tuples(texts, texts)).map(lambda pairs: urlencode(pairs).encode()))
@example(b"a=%2B&b=~")
@example(b"a=b&a-b=c&a1=d")
@example(b"a=%41&b=%7e")
@example(b"a&=b&&c==")
def test_the_short_way_through_a_query_gives_what_the_long_way_gives(raw: bytes) -> None:
    try:
        parameters = from_form(raw)
    except GatewayError as error:
        with pytest.raises(GatewayError, match=f"^{error.text[:20]}"):
            from_query(raw)
        return
    query = from_query(raw)
    assert query.parameters == parameters
    assert query.canonical() == canonical(parameters)
    assert query.canonical(without="a") == canonical(parameters, without="a")
    strict = [pair for pair in parse_qsl(raw.decode(), keep_blank_values=True) if pair != ("", "")]
    assert {name: value for name, value in parameters.items() if name or value} == dict(strict)


def mutations(draw: st.DrawFn, request: Request) -> Request:
    """One byte of one part of the request replaced, inserted or dropped."""
    method, query, headers, body = request
    spots = [query, body, *(value for _, value in headers), *(name for name, _ in headers)]
    spot = draw(st.integers(0, len(spots) - 1))
    text = spots[spot]
    at = draw(st.integers(0, len(text)))
    byte = draw(
        st.binary(max_size=1) | st.sampled_from([b"&", b"=", b"%", b"+", b",", b";", b":", b"\n", b"A"])
    )
    changed = text[:at] + byte + text[at + draw(st.integers(0, 1)) :]
    if spot == 0:
        return method, changed, headers, body
    if spot == 1:
        return method, query, headers, changed
    which, name = (spot - 2) % len(headers), spot - 2 >= len(headers)
    kept = list(headers)
    kept[which] = (changed, kept[which][1]) if name else (kept[which][0], changed)
    return method, query, kept, body


mutated = st.composite(mutations)
ORIGINALS = [
    v1(),
    pop_core({"Format": ""}),
    v3(),
    v3({"To": "8521245567"}, {"content-type": FORM, "accept": "a"}, b"Delivered=true&MessageId=5"),
    v3(headers={"content-type": JSON}, body=b'{"Delivered": false, "MessageId": 5}'),
]


# V3 does not sign the AccessKeyId: what binds it is that every key has a secret of its own.
SECRETS = {"testid": KEY}


def meaning(call: Call) -> tuple[object, ...]:
    said = {
        name: value for name, value in call.parameters.items() if name not in {"Signature", "SignatureMethod"}
    }
    return call.action, call.version, call.access_key_id, call.nonce, call.signed_at, said


@given(st.sampled_from(ORIGINALS).flatmap(lambda original: st.tuples(st.just(original), mutated(original))))
def test_a_request_changed_on_the_way_is_refused_or_means_the_same(pair: tuple[Request, Request]) -> None:
    original, changed = pair
    try:
        call = read(*changed)
        call.verify(SECRETS.get(call.access_key_id, "another"))
    except GatewayError:
        return
    assert meaning(call) == meaning(read(*original))


@given(
    st.sampled_from(ORIGINALS),
    st.sets(st.integers(0, 12)),
    st.lists(
        st.tuples(st.sampled_from([b"content-type", b"x-acs-own", b"x-acs-date", b"host"]), st.binary())
    ),
)
def test_headers_dropped_or_added_on_the_way_change_nothing_or_are_refused(
    original: Request, dropped: set[int], added: Headers
) -> None:
    method, query, headers, body = original
    kept = [each for number, each in enumerate(headers) if number not in dropped] + added
    try:
        call = read(method, query, kept, body)
        call.verify(KEY)
    except GatewayError:
        return
    assert meaning(call) == meaning(read(*original))


names = (
    st.sampled_from([b"authorization", b"content-type", *(name for name, _ in ORIGINALS[3][2])]) | st.binary()
)
values = st.binary() | st.sampled_from([AUTHORIZATION, FORM.encode(), JSON.encode(), b"SmsConversion"])


@given(st.text(), st.binary(), st.lists(st.tuples(names, values)), st.binary())
def test_no_bytes_whatever_raise_anything_but_a_gateway_error(
    method: str, query: bytes, headers: Headers, body: bytes
) -> None:
    with pytest.raises(GatewayError):
        read(method, query, headers, body).verify(KEY)


@given(st.sampled_from(ORIGINALS), st.binary(), st.binary())
def test_no_query_and_no_body_raise_anything_but_a_gateway_error(
    original: Request, query: bytes, body: bytes
) -> None:
    method, first, headers, _ = original
    for asked in (query, first + b"&" + query, first):
        try:
            read(method, asked, with_header(original, b"content-type", JSON.encode())[2], body).verify(KEY)
            read(method, asked, headers, body).verify(KEY)
        except GatewayError:
            continue


@pytest.mark.parametrize("name", ["MessageId", "To"])
@pytest.mark.parametrize("value", ["1008030300.0", "1.00803e9", '["5"]', '{"a":1}', "true", "-5"])
def test_an_identity_in_json_is_a_text_or_whole(name: str, value: str) -> None:
    with pytest.raises(GatewayError, match="It must be a JSON string"):
        from_json(f'{{"{name}": {value}}}'.encode())
    assert from_json(f'{{"{name}": 1008030300}}'.encode()) == {name: "1008030300"}
    assert from_json(f'{{"{name}": null}}'.encode()) == {}
