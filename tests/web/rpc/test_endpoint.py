"""The RPC endpoint over a socket: what official clients rely on (shared/WIRE.md), byte for byte."""

import hashlib
import json
import re
import socket
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.service.opening import open_directory
from web.wire import FORM, Reply, Request, administrator, connect, exchange, send, timestamp, v1, v3

REPORT = {"MessageId": "1008030300", "Delivered": "true"}
OLD = {"Version": "2017-05-25"}
REQUEST_ID = re.compile(r"[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}")
JSON_TYPE = "application/json;charset=utf-8"
XML_TYPE = "text/xml;charset=utf-8"
NAMES = {"2018-05-01": ("ResponseCode", "ResponseDescription"), "2017-05-25": ("Code", "Message")}


def fields(reply: Reply) -> dict[str, Any]:
    """Return the members of an answer, JSON or XML, once everything common to all answers is right."""
    assert reply.body
    assert not 300 <= reply.status < 400
    assert reply.headers["content-length"] == str(len(reply.body))
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["access-control-expose-headers"] == "*"
    if reply.headers["content-type"] == XML_TYPE:
        members: dict[str, Any] = {child.tag: child.text for child in ET.fromstring(reply.body)}  # noqa: S314 - our own server's
    else:
        assert reply.headers["content-type"] == JSON_TYPE
        members = reply.json
    assert REQUEST_ID.fullmatch(members["RequestId"])
    assert reply.headers["x-acs-request-id"] == members["RequestId"]
    return members


def ok(reply: Reply, version: str = "2018-05-01") -> None:
    members = fields(reply)
    code, text = NAMES[version]
    assert reply.status == 200
    assert members == {code: "OK", text: "OK", "RequestId": members["RequestId"]}


def refused(server: LocalServer, reply: Reply, code: str, status: int) -> str:
    """Check a gateway error and return its message."""
    members = fields(reply)
    assert (members["Code"], reply.status) == (code, status)
    assert members.pop("AccessDeniedDetail", None) is None or code == "NoPermission"
    expected = {"RequestId", "HostId", "Code", "Message"}
    if reply.headers["content-type"] == JSON_TYPE:
        expected.add("Recommend")
        assert members["Recommend"] == f"{server.url}/errors/{code}"
    assert set(members) == expected
    return str(members["Message"])


# Accepted requests.


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_v1_is_taken_from_the_query(server: LocalServer, key: AccessKey, method: str) -> None:
    ok(send(server.url, v1(key, REPORT, method=method)))


def test_v1_is_taken_from_a_form_body_with_everything_in_it(server: LocalServer, key: AccessKey) -> None:
    ok(send(server.url, v1(key, REPORT, method="POST", form=True)))


def test_v1_is_taken_from_query_and_form_together(server: LocalServer, key: AccessKey) -> None:
    signed = v1(key, REPORT, method="POST").target.removeprefix("/?").split("&")
    inside = [pair for pair in signed if pair.startswith(("MessageId=", "Delivered="))]
    outside = [pair for pair in signed if pair not in inside]
    ok(
        send(
            server.url,
            Request("POST", f"/?{'&'.join(outside)}", {"content-type": FORM}, "&".join(inside).encode()),
        )
    )


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("algorithm", ["ACS3-HMAC-SHA256", "ACS3-HMAC-SM3"])
def test_v3_is_taken_from_the_query(server: LocalServer, key: AccessKey, method: str, algorithm: str) -> None:
    if algorithm.endswith("SM3") and "sm3" not in hashlib.algorithms_available:
        pytest.skip("this machine's OpenSSL has no SM3")
    ok(send(server.url, v3(key, REPORT, method=method, algorithm=algorithm)))


BODIES = {
    FORM: urlencode(REPORT).encode(),
    "application/json; charset=utf-8": b'{"MessageId": "1", "Delivered": true, "ConversionTime": null}',
}


@pytest.mark.parametrize("content_type", BODIES)
@pytest.mark.parametrize("framing", ["content-length", "chunked", "many chunks"])
def test_v3_is_taken_from_a_body_whatever_its_framing(
    server: LocalServer, key: AccessKey, content_type: str, framing: str
) -> None:
    request = v3(key, {}, headers={"content-type": content_type}, body=BODIES[content_type])
    assert isinstance(request.body, bytes)
    size = len(request.body) if framing == "chunked" else 1
    if framing != "content-length":
        chunks = [request.body[at : at + size] for at in range(0, len(request.body), size)]
        request = request._replace(body=chunks, headers={**request.headers, "transfer-encoding": "chunked"})
    ok(send(server.url, request))


def test_v1_is_taken_from_a_chunked_form(server: LocalServer, key: AccessKey) -> None:
    request = v1(key, REPORT, method="POST", form=True)
    assert isinstance(request.body, bytes)
    headers = {**request.headers, "transfer-encoding": "chunked"}
    ok(send(server.url, request._replace(body=[request.body], headers=headers)))


@pytest.mark.parametrize("sign", [v1, v3], ids=["V1", "V3"])
def test_an_empty_post_may_claim_to_be_an_octet_stream(
    server: LocalServer, key: AccessKey, sign: Callable[..., Request]
) -> None:
    request = sign(key, REPORT, method="POST")
    more = {"content-type": "application/octet-stream", "content-length": "0"}
    ok(send(server.url, request._replace(headers={**request.headers, **more})))


def test_v1_requests_may_carry_the_headers_of_v3(server: LocalServer, key: AccessKey) -> None:
    request = v1(key, REPORT, method="POST")
    more = {"x-acs-action": "SmsConversion", "x-acs-version": "2018-05-01", "x-acs-signature-nonce": "x"}
    ok(send(server.url, request._replace(headers=more)))


@pytest.mark.parametrize("delivered", ["True", "False", "true", "false", "TRUE"])
def test_booleans_are_taken_in_any_capitals(server: LocalServer, key: AccessKey, delivered: str) -> None:
    ok(send(server.url, v3(key, REPORT | {"Delivered": delivered})))


def test_unknown_and_blank_parameters_do_no_harm(server: LocalServer, key: AccessKey) -> None:
    more = {"SignatureType": "", "ConversionTime": "", "OwnerId": "7", "Any-Thing~é": "a b*"}
    ok(send(server.url, v1(key, REPORT | more)))
    ok(send(server.url, v3(key, REPORT | more)))


def test_clients_may_encode_as_they_like(server: LocalServer, key: AccessKey) -> None:
    request = v1(key, {**REPORT, "To": "+852 5123-4567*!'()/:"}, method="POST")
    target = request.target.replace("%20", "+")
    for raw in "*!'()/:":
        target = target.replace(f"%{ord(raw):02X}", raw)
    assert target != request.target
    members = fields(send(server.url, request._replace(target=target)))
    assert members["ResponseCode"] == "MOBILE_NUMBER_ILLEGAL"


# Responses.


@pytest.mark.parametrize(
    ("wanted", "content_type"),
    [
        (None, XML_TYPE),
        ("", XML_TYPE),
        ("XML", XML_TYPE),
        ("xml", XML_TYPE),
        ("JSON", JSON_TYPE),
        ("json", JSON_TYPE),
    ],
)
@pytest.mark.parametrize("form", [False, True], ids=["query", "form"])
def test_v1_is_answered_in_the_format_it_asks_for_and_xml_by_default(
    server: LocalServer, key: AccessKey, wanted: str | None, content_type: str, *, form: bool
) -> None:
    reply = send(server.url, v1(key, {**REPORT, "Format": wanted}, method="POST", form=form))
    ok(reply)
    assert reply.headers["content-type"] == content_type
    wrong = send(server.url, v1(key, {"Format": wanted}, method="POST", form=form))
    assert refused(server, wrong, "MissingDelivered", 400) == "Delivered is mandatory for this action."
    assert wrong.headers["content-type"] == content_type


def test_xml_has_the_documented_roots(server: LocalServer, key: AccessKey) -> None:
    reply = send(server.url, v1(key, {**REPORT, "Format": None}))
    request_id = reply.headers["x-acs-request-id"]
    assert reply.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<SmsConversionResponse><ResponseCode>OK</ResponseCode>'
        f"<ResponseDescription>OK</ResponseDescription><RequestId>{request_id}</RequestId>"
        "</SmsConversionResponse>"
    )
    reply = send(server.url, v1(key, {**REPORT, "Format": None, "Delivered": "<&>"}))
    assert reply.body.startswith(b"<?xml version='1.0' encoding='UTF-8'?>\n<Error><RequestId>")


@pytest.mark.parametrize("wanted", [None, "XML", "JSON"])
def test_v3_is_always_answered_in_json(server: LocalServer, key: AccessKey, wanted: str | None) -> None:
    reply = send(server.url, v3(key, {**REPORT, "Format": wanted}))
    ok(reply)
    assert reply.headers["content-type"] == JSON_TYPE
    reply = send(server.url, v3(key, {"Format": wanted}))
    refused(server, reply, "MissingDelivered", 400)
    assert reply.headers["content-type"] == JSON_TYPE


@pytest.mark.parametrize("action", ["SmsConversionIntl", "ConversionDataIntl"])
def test_2017_is_answered_with_its_own_pair(server: LocalServer, key: AccessKey, action: str) -> None:
    more = {"Action": action, "ConversionRate": "0.5"}
    ok(send(server.url, v1(key, REPORT | OLD | more)), "2017-05-25")
    headers = {"x-acs-action": action, "x-acs-version": "2017-05-25"}
    ok(send(server.url, v3(key, REPORT | more, headers=headers)), "2017-05-25")


def test_a_business_error_is_http_200_in_the_format_asked_for(server: LocalServer, key: AccessKey) -> None:
    wrong = REPORT | {"ConversionTime": str(wall_clock() + 90_000)}
    old = v1(key, wrong | OLD | {"Action": "SmsConversionIntl", "Format": ""})
    for request, version, code in (
        (v3(key, wrong), "2018-05-01", "INVALID_PARAMETERS"),
        (old, "2017-05-25", "isv.INVALID_PARAMETERS"),
    ):
        reply = send(server.url, request)
        members = fields(reply)
        assert reply.status == 200
        assert set(members) == {*NAMES[version], "RequestId"}
        assert members[NAMES[version][0]] == code
        assert wrong["ConversionTime"] in members[NAMES[version][1]]


def test_a_clock_may_be_a_minute_ahead(server: LocalServer, key: AccessKey) -> None:
    ok(send(server.url, v3(key, REPORT | {"ConversionTime": str(wall_clock() + 50_000)})))


def test_the_preflight_of_browsers_is_answered_as_measured(server: LocalServer) -> None:
    asked = {"origin": "https://console.example", "access-control-request-method": "POST"}
    reply = send(server.url, Request("OPTIONS", "/", asked))
    assert reply.status == 204
    assert reply.body == b""
    cors = {name.lower(): value for name, value in reply.headers.items() if name.lower().startswith("access")}
    assert cors == {
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "*",
        "access-control-allow-methods": "POST, GET, OPTIONS, PUT, DELETE",
        "access-control-allow-headers": "X-Requested-With, X-Sequence, _aop_secret, _aop_signature, "
        "x-acs-action, x-acs-version, x-acs-date, Content-Type",
        "access-control-max-age": "172800",
    }


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods_are_refused(server: LocalServer, key: AccessKey, method: str) -> None:
    for request in (v1(key, REPORT, method=method), v3(key, REPORT, method=method)):
        message = refused(server, send(server.url, request), "UnsupportedHTTPMethod", 400)
        assert message.startswith("This http method is not supported.")


def test_head_is_refused_without_a_body(server: LocalServer, key: AccessKey) -> None:
    reply = send(server.url, v1(key, REPORT, method="HEAD"))
    assert (reply.status, reply.body) == (400, b"")
    assert REQUEST_ID.fullmatch(reply.headers["x-acs-request-id"])


def test_a_connection_is_kept_for_the_next_request(server: LocalServer, key: AccessKey) -> None:
    connection = connect(server.url)
    ok(exchange(connection, v3(key, REPORT)))
    used = connection.sock
    assert used is not None
    refused(server, exchange(connection, v3(key, {})), "MissingDelivered", 400)
    ok(exchange(connection, v1(key, REPORT, method="POST", form=True)))
    assert connection.sock is used
    connection.close()


def test_requests_may_be_pipelined(server: LocalServer, key: AccessKey) -> None:
    where = urlsplit(server.url)
    both = "".join(
        f"GET {v1(key, REPORT).target} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: {connection}\r\n\r\n"
        for connection in ("keep-alive", "close")
    )
    with socket.create_connection((where.hostname, where.port), timeout=10) as raw:
        raw.sendall(both.encode())
        answers = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert answers.count(b'"ResponseCode":"OK"') == 2


def test_http_1_0_without_a_host_is_answered(server: LocalServer, key: AccessKey) -> None:
    where = urlsplit(server.url)
    with socket.create_connection((where.hostname, where.port), timeout=10) as raw:
        raw.sendall(f"GET {v1(key, REPORT).target} HTTP/1.0\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    assert answer.endswith(b"}")


def test_noise_is_answered_with_an_error_and_never_with_a_redirect(server: LocalServer) -> None:
    for request in (
        Request("GET", "/"),
        Request("POST", "/"),
        Request("POST", "/", {"content-type": "application/json"}, b"[]"),
        Request("GET", "/?%zz=%ff&&=&a"),
        Request("POST", "/", {"content-type": FORM}, b"\xff=\xfe&%00=%"),
        Request("GET", "/", {"authorization": "ACS3-HMAC-SHA256 nonsense", "x-acs-action": "SmsConversion"}),
        Request("GET", "/", {"authorization": "Basic eDp5"}),
    ):
        reply = send(server.url, request)
        assert 400 <= reply.status < 500, request
        fields(reply)


# Gateway errors: how each can come, with its status and the documented sentence.

Sign = Callable[[AccessKey], Request]


def _v1(**changes: str | None) -> Sign:
    return lambda key: v1(key, {**REPORT, **changes})


def _v3(headers: dict[str, str | None] | None = None, **changes: str | None) -> Sign:
    return lambda key: v3(key, {**REPORT, **changes}, headers=headers)


def _unsigned_header(key: AccessKey) -> Request:
    request = v3(key, REPORT)
    return request._replace(headers={**request.headers, "x-acs-extra": "1"})


def _with_authorization(change: Callable[[str], str]) -> Sign:
    def sign(key: AccessKey) -> Request:
        request = v3(key, REPORT)
        headers = {**request.headers, "authorization": change(request.headers["authorization"])}
        return request._replace(headers=headers)

    return sign


def _other_body(key: AccessKey) -> Request:
    request = v3(key, {}, headers={"content-type": FORM}, body=urlencode(REPORT).encode())
    return request._replace(body=b"MessageId=2&Delivered=true")


def _compressed(key: AccessKey) -> Request:
    request = v1(key, REPORT, method="POST", form=True)
    return request._replace(headers={**request.headers, "content-encoding": "gzip"})


def _large(key: AccessKey) -> Request:
    return v3(key, REPORT)._replace(headers={"content-length": str(8 * 1024 * 1024 + 1)})


def _twice(key: AccessKey) -> Request:
    request = v3(key, REPORT)
    return request._replace(target=f"{request.target}&MessageId=2")


MANDATORY = "{} is mandatory for this action."
NOT_VALID = "Specified parameter {} is not valid."
_COMMON = ("AccessKeyId", "SignatureMethod", "SignatureVersion", "SignatureNonce", "Timestamp")
FAULTS: list[tuple[Sign, str, int, str]] = [
    *((_v1(**{name: None}), f"Missing{name}", 400, MANDATORY.format(name)) for name in _COMMON),
    *((_v1(**{name: ""}), f"Missing{name}", 400, MANDATORY.format(name)) for name in _COMMON),
    (_v1(Action=None), "MissingAction", 400, MANDATORY.format("Action")),
    (_v1(Version=None), "MissingVersion", 400, MANDATORY.format("Version")),
    (_v1(Signature=None), "MissingSignature", 400, MANDATORY.format("Signature")),
    (_v3({"x-acs-action": None}), "MissingAction", 400, MANDATORY.format("Action")),
    (_v3({"x-acs-version": None}), "MissingVersion", 400, MANDATORY.format("Version")),
    (_v3(Delivered=None), "MissingDelivered", 400, MANDATORY.format("Delivered")),
    (_v3(MessageId=None), "MissingMessageId", 400, MANDATORY.format("MessageId")),
    (_v3(MessageId=""), "MissingMessageId", 400, MANDATORY.format("MessageId")),
    (
        _v3({"x-acs-action": "ConversionData"}),
        "MissingConversionRate",
        400,
        MANDATORY.format("ConversionRate"),
    ),
    (_v1(Version="2020-01-01"), "InvalidVersion", 400, NOT_VALID.format("Version")),
    (_v3({"x-acs-version": "2020-01-01"}), "InvalidVersion", 400, NOT_VALID.format("Version")),
    (_v1(SignatureVersion="2.0"), "InvalidSignatureVersion", 400, NOT_VALID.format("SignatureVersion")),
    (_v1(SignatureNonce="é"), "InvalidSignatureNonce", 400, NOT_VALID.format("SignatureNonce")),
    (_v1(SignatureNonce="x" * 257), "InvalidSignatureNonce", 400, NOT_VALID.format("SignatureNonce")),
    (_v1(Delivered="1"), "InvalidDelivered", 400, NOT_VALID.format("Delivered")),
    (_v1(MessageId="a b"), "InvalidMessageId", 400, NOT_VALID.format("MessageId")),
    (_v3(ConversionTime="1.5"), "InvalidConversionTime", 400, NOT_VALID.format("ConversionTime")),
    (_v3(ConversionTime="١٢٣"), "InvalidConversionTime", 400, NOT_VALID.format("ConversionTime")),
    (
        _v3({"x-acs-action": "ConversionData"}, ConversionRate="1.1"),
        "InvalidConversionRate",
        400,
        NOT_VALID.format("ConversionRate"),
    ),
    (
        _v3({"x-acs-action": "ConversionData"}, ConversionRate="1", ReportTime="x"),
        "InvalidReportTime",
        400,
        NOT_VALID.format("ReportTime"),
    ),
    (_v1(MessageId="a\0"), "InvalidParameter", 400, ""),
    (_twice, "InvalidMessageId", 400, NOT_VALID.format("MessageId")),
    (_v1(Format="YAML"), "InvalidParameter.Format", 400, "Specified parameter format is not valid."),
    (
        _v1(Action="SendMessageToGlobe"),
        "InvalidAction.NotFound",
        404,
        "Specified api is not found, please check your url and method.",
    ),
    (
        _v3({"x-acs-version": "2017-05-25"}),
        "InvalidAction.NotFound",
        404,
        "Specified api is not found, please check your url and method.",
    ),
    (_v1(AccessKeyId="LTAIx"), "InvalidAccessKeyId.NotFound", 404, "Specified access key is not found."),
    (
        lambda key: v1(key, REPORT, secret="x"),  # noqa: S106 - no secret
        "SignatureDoesNotMatch",
        400,
        "Specified signature is not matched with our calculation. server string to sign is:GET&%2F&",
    ),
    (
        lambda key: v3(key, REPORT, secret="x"),  # noqa: S106 - no secret
        "SignatureDoesNotMatch",
        400,
        "Specified signature does not match our calculation. server StringToSign is [ACS3-HMAC-SHA256\n",
    ),
    *(
        (sign, "IncompleteSignature", 400, "The request signature does not conform to Aliyun standards.")
        for sign in (
            _unsigned_header,
            _with_authorization(lambda text: text.replace("SignedHeaders=host;", "SignedHeaders=")),
            _with_authorization(lambda text: text.replace("SignedHeaders=", "SignedHeaders=date;")),
            _with_authorization(lambda text: text.partition(",")[0]),
            lambda key: Request("POST", v3(key, REPORT).target, {"x-acs-action": "SmsConversion"}),
        )
    ),
    (
        _v1(SignatureMethod="HMAC-MD5"),
        "InvalidSignatureMethod",
        400,
        "Specified signature method is not valid.",
    ),
    (
        _with_authorization(lambda text: text.replace("HMAC-SHA256", "RSA-SHA256")),
        "InvalidSignatureMethod",
        400,
        "Specified signature method is not valid.",
    ),
    *(
        (
            sign,
            "InvalidTimeStamp.Format",
            400,
            "Specified time stamp or date value is not well formatted.",
        )
        for sign in (
            _v1(Timestamp="2026-01-01 00:00:00"),
            _v1(Timestamp="2026-13-01T00:00:00Z"),
            _v3({"x-acs-date": "20260101T000000Z"}),
        )
    ),
    *(
        (sign, "InvalidTimeStamp.Expired", 400, "Specified time stamp or date value is expired.")
        for sign in (
            lambda key: v1(key, {**REPORT, "Timestamp": timestamp(-16 * 60_000)}),
            lambda key: v1(key, {**REPORT, "Timestamp": timestamp(16 * 60_000)}),
            lambda key: v3(key, REPORT, headers={"x-acs-date": timestamp(-16 * 60_000)}),
        )
    ),
    *(
        (sign, "InvalidSecurityToken.Malformed", 400, "Specified SecurityToken is malformed.")
        for sign in (_v1(SecurityToken="CAIS"), _v3({"x-acs-security-token": "CAIS"}))
    ),
    *(
        (sign, "UnsupportedParameter", 400, "The parameter is not supported.")
        for sign in (
            _v1(SignatureType="BEARERTOKEN", BearerToken="x", AccessKeyId=None, Signature=None),
            lambda _: Request("POST", "/?SignatureType=BEARERTOKEN", {"x-acs-bearer-token": "x"}),
        )
    ),
    (
        _other_body,
        "ContentSha256NotMatched",
        400,
        "Specified content sha256 is not matched with your request body.",
    ),
    (_compressed, "UnsupportedMediaType", 415, "The request body is of a kind that is not supported."),
    (_large, "BodyTooLarge", 413, "The request body is too large."),
]


@pytest.mark.parametrize(
    ("sign", "code", "status", "sentence"), FAULTS, ids=[f"{n} {fault[1]}" for n, fault in enumerate(FAULTS)]
)
def test_a_faulty_request_is_refused_with_the_documented_code_status_and_sentence(  # noqa: PLR0917 - the table
    server: LocalServer, key: AccessKey, sign: Sign, code: str, status: int, sentence: str
) -> None:
    message = refused(server, send(server.url, sign(key)), code, status)
    assert message.startswith(sentence)


def test_every_refusal_links_to_a_page_that_says_what_to_do(server: LocalServer, own: httpx.Client) -> None:
    codes = {code for _, code, _, _ in FAULTS} | {"NoPermission", "InvalidAccessKeyId.Inactive"}
    codes |= {"SignatureNonceUsed", "UnsupportedHTTPMethod", "INVALID_PARAMETERS", "isv.INVALID_PARAMETERS"}
    for code in codes:
        page = own.get(f"{server.url}/errors/{code}")
        assert page.status_code == 200, code
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert f"<h1>{code}</h1>" in page.text
        assert "<h2>Remedy</h2>" in page.text
        assert f'href="/errors/{code}"' in own.get("/errors").text
    assert own.get("/errors/Nonsense").status_code == 404


def test_a_v1_mismatch_has_one_colon_and_after_it_the_string_that_was_signed(
    server: LocalServer, key: AccessKey
) -> None:
    request = v1(key, REPORT | {"To": "a:b"}, secret="x")  # noqa: S106 - no secret
    message = refused(server, send(server.url, request), "SignatureDoesNotMatch", 400)
    assert message.count(":") == 1
    assert message.partition(":")[2].startswith("GET&%2F&AccessKeyId%3D")
    assert "%26To%3Da%253Ab%26" in message


def test_a_refusal_of_permission_says_which(server: LocalServer, make_key: Callable[..., AccessKey]) -> None:
    reader = make_key("OtpconvReadOnly")
    reply = send(server.url, v3(reader, REPORT))
    refused(server, reply, "NoPermission", 403)
    assert reply.json["AccessDeniedDetail"]["AuthAction"] == "dysms:SmsConversion"
    # Whatever else is wrong with the parameters is not for somebody without permission.
    refused(server, send(server.url, v3(reader, {})), "NoPermission", 403)
    old = {"x-acs-action": "SmsConversionIntl", "x-acs-version": "2017-05-25"}
    reply = send(server.url, v3(reader, REPORT, headers=old))
    assert (reply.status, fields(reply)["Code"]) == (200, "isp.RAM_PERMISSION_DENY")


def test_a_disabled_key_is_inactive_whatever_its_signature(
    server: LocalServer, make_key: Callable[..., AccessKey]
) -> None:
    disabled = make_key(disabled=True)
    for secret in (None, "wrong"):
        reply = send(server.url, v3(disabled, REPORT, secret=secret))
        refused(server, reply, "InvalidAccessKeyId.Inactive", 400)


def test_checks_come_in_the_order_of_the_gateway(
    server: LocalServer, key: AccessKey, make_key: Callable[..., AccessKey]
) -> None:
    reader = make_key("OtpconvReadOnly")
    wrong: dict[str, str | None] = {
        "Action": "Nonsense",
        "SignatureNonce": None,
        "AccessKeyId": "LTAInobody",
        "Timestamp": timestamp(-3_600_000),
        "Delivered": None,
    }
    # Each step fixes the reason for which the one before was refused.
    for code, status, name, mended in (
        ("InvalidAction.NotFound", 404, "Action", "SmsConversion"),
        ("MissingSignatureNonce", 400, "SignatureNonce", "order-1"),
        ("InvalidAccessKeyId.NotFound", 404, "AccessKeyId", reader.access_key_id),
        ("InvalidTimeStamp.Expired", 400, "Timestamp", timestamp()),
    ):
        reply = send(server.url, v1(key, {**REPORT, **wrong}))
        refused(server, reply, code, status)
        wrong[name] = mended
    # Still signed with the secret of another key.
    refused(server, send(server.url, v1(key, {**REPORT, **wrong})), "SignatureDoesNotMatch", 400)
    refused(server, send(server.url, v1(reader, {**REPORT, **wrong})), "NoPermission", 403)
    # The nonce was used by then: that is looked at before permission, and before parameters.
    refused(server, send(server.url, v1(reader, {**REPORT, **wrong})), "SignatureNonceUsed", 400)
    refused(server, send(server.url, v1(key, {"Delivered": None})), "MissingDelivered", 400)


# Replays.


@pytest.mark.parametrize("sign", [v1, v3], ids=["V1", "V3"])
def test_a_replay_is_refused(server: LocalServer, key: AccessKey, sign: Callable[..., Request]) -> None:
    request = sign(key, REPORT)
    ok(send(server.url, request))
    message = refused(server, send(server.url, request), "SignatureNonceUsed", 400)
    assert message.startswith("Specified signature nonce was used already.")


@pytest.mark.parametrize("sign", [v1, v3], ids=["V1", "V3"])
@pytest.mark.parametrize("action", ["SmsConversion", "AssumeRole"])
@pytest.mark.parametrize("off_ms", [-17 * 60_000 - 3_500, 3_600_500])
def test_an_expired_timestamp_is_told_the_servers_time_and_the_difference(
    server: LocalServer, key: AccessKey, sign: Callable[..., Request], action: str, off_ms: int
) -> None:
    side = "behind" if off_ms < 0 else "ahead of"
    common = {"Action": action, "Version": "2015-04-01" if action == "AssumeRole" else "2018-05-01"}
    if sign is v1:
        request = v1(key, {**REPORT, **common, "Timestamp": timestamp(off_ms)})
    else:
        headers = {"x-acs-action": action, "x-acs-version": common["Version"]}
        request = v3(key, REPORT, headers=headers | {"x-acs-date": timestamp(off_ms)})
    before = timestamp()
    message = refused(server, send(server.url, request), "InvalidTimeStamp.Expired", 400)
    said = re.search(rf"The request is (.+?) {side} the server's time \((\S+), UTC\)", message)
    assert said is not None
    assert before <= said[2] <= timestamp()
    assert said[1].startswith("17 min" if off_ms < 0 else ("59 min", "1 h"))


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=b", None])
def test_an_unread_v1_body_is_told_of_over_the_wire(
    server: LocalServer, key: AccessKey, kind: str | None
) -> None:
    query = v1(key, REPORT).target
    body = json.dumps(dict(parse_qsl(query.partition("?")[2]))).encode()
    headers = {"content-type": kind} if kind else {}
    for method in ("GET", "POST"):
        reply = send(server.url, Request(method, "/", headers, body))
        message = refused(server, reply, "MissingAction", 400)
        assert message.startswith("Action is mandatory for this action. The body was not read: ")
        assert "application/x-www-form-urlencoded" in message
        assert key.access_key_id not in message


def test_a_nonce_is_the_keys_own_and_a_forger_cannot_use_it_up(
    server: LocalServer, key: AccessKey, make_key: Callable[..., AccessKey]
) -> None:
    headers = {"x-acs-signature-nonce": "shared nonce"}
    forged = v3(key, REPORT, headers=headers, secret="x")  # noqa: S106 - no secret
    refused(server, send(server.url, forged), "SignatureDoesNotMatch", 400)
    ok(send(server.url, v3(key, REPORT, headers=headers)))
    ok(send(server.url, v3(make_key(), REPORT, headers=headers)))
    # Another signature version or another time makes the nonce no newer.
    again = v1(key, {**REPORT, "SignatureNonce": "shared nonce", "Timestamp": timestamp(5_000)})
    refused(server, send(server.url, again), "SignatureNonceUsed", 400)


def reports(server: LocalServer) -> dict[str, Request]:
    """Make calls that report, also twice the same, with an error, and with a time ahead."""
    key = administrator(server)
    sent = {
        "V1": v1(key, REPORT),
        "V3": v3(key, REPORT | {"MessageId": "2"}),
        "changed nothing": v3(key, REPORT),
        "ahead": v3(key, REPORT, headers={"x-acs-date": timestamp(600_000)}),
    }
    for request in sent.values():
        ok(send(server.url, request))
    sent["refused"] = v3(key, {"MessageId": "x"})
    refused(server, send(server.url, sent["refused"]), "MissingDelivered", 400)
    return sent


def assumed_roles(server: LocalServer) -> dict[str, Request]:
    """Make calls that assume a role, at any time that is accepted."""
    with closing(open_directory(load(data=server.data))) as directory:
        directory.create_role("default", "Reporter", 3_600)
    key = administrator(server)
    asked = {"RoleArn": "acs:ram::1:role/Reporter", "RoleSessionName": "alice"}
    sts = {"x-acs-action": "AssumeRole", "x-acs-version": "2015-04-01"}
    while "Credentials" not in send(server.url, v3(key, asked, headers=sts)).json:
        time.sleep(0.02)
    sent = {
        f"role {ahead_ms}": v3(key, asked, headers={**sts, "x-acs-date": timestamp(ahead_ms)})
        for ahead_ms in (-600_000, 0, 600_000, 890_000)
    }
    for request in sent.values():
        assert "Credentials" in send(server.url, request).json
    return sent


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_replay_is_refused_also_after_a_restart(make_server: Callable[..., LocalServer], end: str) -> None:
    first = make_server()
    first.start()
    sent = reports(first) | assumed_roles(first)
    if end == "kill":
        first.kill()
    else:
        assert first.stop() == 0
    second = make_server(first.data)
    second.start()
    for request in sent.values():
        refused(second, send(second.url, request), "SignatureNonceUsed", 400)
    ok(send(second.url, v3(administrator(second), REPORT)))
