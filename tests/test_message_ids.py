"""An id is opaque: any of the rule comes back byte for byte, and any other is refused in the same words."""

import html
import json
import re
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from campaigns import rounds
from otpconv.access.keys import AccessKey
from otpconv.cli.importing.options import meaning
from otpconv.cli.importing.profile import Profile
from otpconv.cli.importing.records import Reader
from otpconv.cli.importing.spreadsheet import REPAIRS
from otpconv.cli.importing.times import Times
from otpconv.cli.local_server import LocalServer
from otpconv.delivery.reports import MESSAGE, Report, conversion, fields_of, line_of, read_line, requested
from otpconv.dialects.native.events import native_of
from otpconv.dialects.native.fields import MessageId, in_words
from otpconv.errors import InvalidRequest
from otpconv.model import MESSAGE_ID_RULE, is_message_id
from web.wire import Request, administrator, send, v1, v3

NOW = 1_716_940_800_000
RULE = "1 to 255 printable ASCII characters without spaces"
REAL = [
    "262900001111222233^0",  # Alibaba, SendSms
    "wamid.HBgLNDkxNTExMjM0NTY3OBUCABEYEjZGQjk0RDM5QzdBNzE4RkY5QQA=",  # WhatsApp
    "SM0123456789abcdef0123456789abcdef",  # Twilio
    "5000:1045710669157053657849499619",  # Tencent
    "0A0000001-aaaa/bb+c==",
    "a/../b?c#d%2Fe&f;g=h",
    '{"x":"\\"to\\":"}',
    "//",
    "%",
    "%41",
    "=1+1",
    "x" * 255,
]
IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255)
#: What an import repairs or refuses, because a spreadsheet or a column of numbers made it of another id.
WRITTEN_BY_SPREADSHEETS = re.compile(r"#+|[0-9.,']+|[0-9.,]+[eE][+0-9]+|\\?[Nn(<#].{,5}")
ANYTHING = st.one_of(
    st.text(), IDS.map(lambda text: text + " "), IDS.map(lambda text: text + "é"), st.just("x" * 256)
)
OTHERS = ANYTHING.filter(lambda text: not is_message_id(text))


def test_the_rule_is_the_same_in_words() -> None:
    assert MESSAGE_ID_RULE == RULE


@given(IDS)
def test_an_id_comes_back_from_the_spool_and_a_broker(text: str) -> None:
    for flags, body in (
        (0, conversion(text, True, NOW, "+4915112345678")),
        (MESSAGE, requested(text, NOW, None, {"provider": "acme"})),
    ):
        line = line_of(flags, body)
        assert len(line) < 2048
        report = read_line(line[:-1])
        assert report == Report(flags, body)
        assert report is not None
        assert fields_of(report).message_id == text
        assert json.loads(native_of(report.event)[1])["message_id"] == text


@given(st.one_of(IDS, st.from_regex(WRITTEN_BY_SPREADSHEETS, fullmatch=True).filter(is_message_id)))
def test_an_id_in_a_row_of_a_file_stays_or_is_said_to_have_been_changed(text: str) -> None:
    reader = Reader(Times(None, None, None), meaning(Profile("")))
    try:
        row = reader.read({"message_id": text, "requested_at": str(NOW), "delivered": "true"})
    except InvalidRequest:
        assert WRITTEN_BY_SPREADSHEETS.fullmatch(text)
        return
    assert row.message is not None
    assert row.conversion is not None
    ids = {json.loads(report)["message_id"] for report in (row.message, row.conversion)}
    if not set(row.notes) & set(REPAIRS):
        assert ids == {text}
    else:
        assert WRITTEN_BY_SPREADSHEETS.fullmatch(text)


@given(OTHERS)
def test_what_is_not_an_id_is_refused_with_the_rule_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=RULE):
        conversion(text, True, NOW, None)
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(text, MessageId)
    assert RULE in in_words(caught.value)
    assert "regex" not in in_words(caught.value)


@settings(max_examples=rounds(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.sampled_from(REAL) | IDS)
def test_an_id_is_taken_by_every_wire_and_found_by_its_path(
    server: LocalServer, native: httpx.Client, admin: AccessKey, text: str
) -> None:
    body: dict[str, Any] = {"messages": [{"message_id": text, "requested_at": NOW}]}
    assert native.post("/v1/messages", json=body).json()["rejected"] == []
    told = {"message_id": text, "delivered": True, "conversion_time": NOW + 1000}
    assert native.post("/v1/conversions", json={"conversions": [told]}).json()["rejected"] == []
    report = {"MessageId": text, "Delivered": "true", "ConversionTime": str(NOW + 2000)}
    for request in (
        v1(admin, report),
        v1(admin, report, method="POST", form=True),
        v3(admin, report),
        v3(admin, report, method="GET"),
    ):
        assert send(server.url, request).json["ResponseCode"] == "OK"
    found = send(server.url, Request("GET", f"/v1/messages/{quote(text, safe='')}", login(native)))
    assert found.json["message_id"] == text


@settings(max_examples=rounds(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=OTHERS.filter(lambda text: text.isprintable() and text.strip() == text))
def test_what_is_not_an_id_is_refused_by_every_wire_in_the_same_words(
    server: LocalServer, native: httpx.Client, admin: AccessKey, text: str
) -> None:
    item = {"message_id": text}
    rejected = native.post("/v1/messages", json={"messages": [item]}).json()["rejected"]
    converted = {"conversions": [item | {"delivered": True}]}
    rejected += native.post("/v1/conversions", json=converted).json()["rejected"]
    assert len(rejected) == 2
    for each in rejected:
        assert RULE in each["message"]
        assert "regex" not in each["message"]
    found = send(server.url, Request("GET", f"/v1/messages/{quote(text, safe='')}", login(native)))
    assert RULE in found.json["detail"]
    given = {"MessageId": text or " ", "Delivered": "true"}
    for request in (v1(admin, given), v3(admin, given)):
        answer = send(server.url, request).json
        assert answer["Code"] == "InvalidMessageId"
        assert RULE in answer["Message"]


@settings(max_examples=rounds(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.sampled_from(REAL) | IDS)
def test_the_page_of_a_message_is_found_by_its_id_also_after_a_sign_in(
    server: LocalServer, native: httpx.Client, admin: AccessKey, text: str
) -> None:
    native.post("/v1/messages", json={"messages": [{"message_id": text, "requested_at": NOW}]})
    headers = {"accept": "text/html"}
    with httpx.Client(base_url=server.url, headers=headers) as browser:
        refused = browser.get("/dashboard/message", params={"message_id": text})
        assert refused.status_code == 303
        after = parse_qs(urlsplit(refused.headers["location"]).query)["next"][0]
        form = {
            "access_key_id": admin.access_key_id, "access_key_secret": admin.secret, "next": after
        }  # fmt: skip
        signed_in = browser.post("/sign-in", data=form)
        page = browser.get(signed_in.headers["location"])
    assert page.status_code == 200
    assert f"<h1>{html.escape(text)}</h1>" in page.text.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")


def login(client: httpx.Client) -> dict[str, str]:
    assert client.auth is not None
    request = client.build_request("GET", "/")
    return {"authorization": next(client.auth.auth_flow(request)).headers["authorization"]}


@pytest.fixture
def admin(server: LocalServer) -> AccessKey:
    return administrator(server)
