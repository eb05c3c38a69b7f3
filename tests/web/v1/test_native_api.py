"""The native API over HTTP: what it takes, what it answers, what it refuses, and what it never tells."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from pyarrow import parquet

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.model import OTHER
from otpconv.storage.bounds import BOUNDS
from otpconv.storage.contract import DIMENSIONS, MAX_SELF_REPORTED
from otpconv.web.front.outgoing import PART_BYTES
from web.wire import Request, connect, exchange, send, v3

Eventually = Callable[[Callable[[], object], object], None]

#: 2024-05-29T12:26:40Z, and where its hour and its day begin; older than rollups by minute are kept.
SENT = 1_716_985_600_000
HOUR = 1_716_984_000_000
DAY = 1_716_940_800_000
HOUR_MS = 3_600_000
CLEAN: dict[str, Any] = {"rejected": [], "ignored": []}
QUARTER_MS = 900_000
JSON = {"content-type": "application/json"}
NDJSON = {"content-type": "application/x-ndjson"}
MEBIBYTE = 1024 * 1024
PROBLEM = {"type", "title", "status", "code", "detail"}
BASIC = {"start", "requested", "verified", "rate", *DIMENSIONS}


def post(client: httpx.Client, *items: object, to: str = "messages") -> dict[str, Any]:
    """Send items and return the answer, which adds up."""
    answer = client.post(f"/v1/{to}", json={to: items})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert set(found) == {"recorded", "unchanged", "rejected", "ignored"}
    assert found["recorded"] + found["unchanged"] + len(found["rejected"]) == len(items)
    return found


def message(message_id: str, **more: object) -> dict[str, Any]:
    return {"message_id": message_id, "requested_at": SENT} | more


def conversion(message_id: str | None, **more: object) -> dict[str, Any]:
    given = {"delivered": True, "conversion_time": SENT + 1000} | more
    return given if message_id is None else {"message_id": message_id} | given


def refused(answer: httpx.Response, code: str, status: int) -> str:
    """Check that an answer is a problem in every respect, and return its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in answer.headers) == (status == 401)
    problem = answer.json()
    assert set(problem) == PROBLEM
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"] == httpx.codes.get_reason_phrase(status) or status == 413
    assert problem["type"] == f"{answer.url.scheme}://{answer.url.netloc.decode()}/errors/{code}"
    assert problem["detail"]
    return str(problem["detail"])


def rows(client: httpx.Client, **params: object) -> list[dict[str, Any]]:
    window = {"start": SENT, "end": SENT + 1}
    answer = client.get("/v1/rates", params=httpx.QueryParams({**window, **params}))
    assert answer.status_code == 200, answer.text
    return [basic(each) for each in answer.json()["rows"]]


def basic(row: dict[str, Any]) -> dict[str, Any]:
    """Of a row what tells its place, and its counts."""
    return {name: row[name] for name in row if name in BASIC}


# Recording.


@pytest.mark.parametrize("name", ["carrier", "provider", "template", "sender", "channel"])
def test_no_value_can_be_called_as_the_sum_of_others_is(own: httpx.Client, name: str) -> None:
    found = post(own, message("a", **{name: OTHER}), message("b", **{name: f"{OTHER} "}))
    assert found["recorded"] == 1
    (rejected,) = found["rejected"]
    assert rejected["index"] == 0
    assert OTHER in rejected["message"]
    assert name in rejected["message"]


def test_a_session_may_be_called_anything(own: httpx.Client) -> None:
    assert post(own, message("a", session_id=OTHER))["recorded"] == 1


def test_a_batch_is_recorded_once_and_unchanged_ever_after(own: httpx.Client) -> None:
    batch = [message("a"), message("b")]
    assert post(own, *batch) == {"recorded": 2, "unchanged": 0} | CLEAN
    assert post(own, *batch) == {"recorded": 0, "unchanged": 2} | CLEAN
    assert post(own, *batch, message("c")) == {"recorded": 1, "unchanged": 2} | CLEAN
    assert post(own, message("d"), message("d")) == {
        "recorded": 1,
        "unchanged": 1,
        "rejected": [],
        "ignored": [],
    }
    reports = [conversion("a"), conversion("a"), conversion("b", delivered=False)]
    assert post(own, *reports, to="conversions") == {
        "recorded": 2,
        "unchanged": 1,
        "rejected": [],
        "ignored": [],
    }
    assert post(own, *reports, to="conversions") == {
        "recorded": 0,
        "unchanged": 3,
        "rejected": [],
        "ignored": [],
    }


def test_an_earlier_request_of_the_same_message_is_new_and_a_later_one_is_not(own: httpx.Client) -> None:
    post(own, message("a"))
    assert post(own, message("a", requested_at=SENT + 1))["unchanged"] == 1
    assert post(own, message("a", requested_at=SENT - 1))["recorded"] == 1
    assert own.get("/v1/messages/a").json()["requested_at"] == SENT - 1


@pytest.mark.parametrize("end", ["\n", "", "\r\n", "\n\n"])
def test_a_batch_may_be_one_object_a_line(own: httpx.Client, end: str) -> None:
    lines = "\n".join(json.dumps(message(each)) for each in "ab") + end
    answer = own.post("/v1/messages", content=lines, headers=NDJSON)
    assert answer.json() == {"recorded": 2, "unchanged": 0} | CLEAN
    line = json.dumps(conversion("a"))
    answer = own.post("/v1/conversions", content=line, headers=NDJSON)
    assert answer.json() == {"recorded": 1, "unchanged": 0} | CLEAN
    assert own.get("/v1/messages/a").json()["verified"] is True


BAD_MESSAGES: list[tuple[object, str, str]] = [
    ({}, "InvalidRequest", "message_id"),
    ([], "InvalidRequest", "array"),
    (None, "InvalidRequest", "null"),
    ({"message_id": 7}, "InvalidRequest", "message_id"),
    ({"message_id": ""}, "InvalidRequest", "message_id"),
    ({"message_id": "x" * 256}, "InvalidRequest", "1 to 255 printable ASCII characters without spaces"),
    ({"message_id": "a b"}, "InvalidRequest", "1 to 255 printable ASCII characters without spaces"),
    ({"message_id": "a\n"}, "InvalidRequest", "message_id"),
    (message("bad", provder="acme"), "InvalidRequest", "provder"),
    (message("bad", access_key="LTAI5t"), "InvalidRequest", "access_key"),
    (message("bad", country="Spain"), "InvalidRequest", "country"),
    (message("bad", provider="a\0b"), "InvalidRequest", "provider"),
    (message("bad", template="x" * 129), "InvalidRequest", "template"),
    (message("bad", attempt=0), "InvalidRequest", "attempt"),
    (message("bad", requested_at="2026-01-01"), "InvalidRequest", "requested_at"),
    (message("bad", requested_at=1.5), "InvalidRequest", "requested_at"),
    (message("bad", requested_at=-1), "InvalidRequest", "requested_at"),
    (message("bad", requested_at=10**30), "InvalidRequest", "requested_at"),
    (message("bad", requested_at=SENT // 1000), "InvalidTime", "seconds"),
    (message("bad", requested_at=4_000_000_000_000), "InvalidTime", "in the future"),
]


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
def test_a_bad_message_is_rejected_by_its_place_and_harms_no_neighbour(own: httpx.Client, kind: str) -> None:
    batch = [message("first"), *(bad for bad, _, _ in BAD_MESSAGES), message("last")]
    content = (
        json.dumps({"messages": batch})
        if kind == "application/json"
        else "\n".join(json.dumps(each) for each in batch)
    )
    answer = own.post("/v1/messages", content=content, headers={"content-type": kind}).json()
    assert answer["recorded"] == 2
    assert [each["index"] for each in answer["rejected"]] == list(range(1, len(BAD_MESSAGES) + 1))
    for (bad, code, says), found in zip(BAD_MESSAGES, answer["rejected"], strict=True):
        assert set(found) == {"index", "code", "message"}
        assert found["code"] == code, bad
        assert says in found["message"], bad
    assert own.get("/v1/messages/first").status_code == own.get("/v1/messages/last").status_code == 200
    assert own.get("/v1/messages/bad").status_code == 404


def test_a_bad_conversion_is_rejected_by_its_place_and_harms_no_neighbour(own: httpx.Client) -> None:
    post(own, message("a", to="+4915112345678"))
    bad: list[tuple[dict[str, Any], str, str]] = [
        ({"message_id": "a"}, "InvalidRequest", "delivered"),
        ({"message_id": "a", "delivered": "true"}, "InvalidRequest", "delivered"),
        ({"message_id": "a", "delivered": 1}, "InvalidRequest", "delivered"),
        ({"delivered": True}, "InvalidRequest", "message_id, or to"),
        (conversion("a", conversion_time=SENT), "InvalidTime", str(SENT)),
        (conversion("a", conversion_time=SENT // 1000), "InvalidTime", "seconds"),
        (conversion("a", conversion_time=4_000_000_000_000), "InvalidTime", "in the future"),
        (conversion("a", to="+4915112345679"), "NumberMismatch", "another number"),
        (conversion(None, to="1"), "InvalidNumber", ""),
        (conversion(None, to="+4915112345678", conversion_time=None), "InvalidRequest", "message_id"),
    ]
    found = post(own, *(each for each, _, _ in bad), conversion("a"), to="conversions")
    assert found["recorded"] == 1
    assert [(each["index"], each["code"]) for each in found["rejected"]] == [
        (index, code) for index, (_, code, _) in enumerate(bad)
    ]
    for (_, _, says), each in zip(bad, found["rejected"], strict=True):
        assert says in each["message"]


def test_a_conversion_of_an_unknown_time_counts_in_rates_and_in_no_time_to_verify(
    own: httpx.Client, eventually: Eventually
) -> None:
    young = wall_clock() - 60_000
    post(own, *(message(each) for each in "abcd"), message("young", requested_at=young))
    left_out = [{"message_id": each, "delivered": True} for each in ("a", "young")]
    unknown = [conversion("b", conversion_time=None), conversion("c", delivered=False, conversion_time=None)]
    assert post(own, *left_out, *unknown, to="conversions")["recorded"] == 4
    # Imported, or sent, again.
    assert post(own, *left_out, *unknown, to="conversions")["unchanged"] == 4
    eventually(lambda: rows(own), [row(4, 2)])
    window = {"start": SENT, "end": SENT + 1}
    (found,) = own.get("/v1/rates", params=window).json()["rows"]
    assert (found["p50_ms"], found["p99_ms"], found["reported_share"]) == (None, None, 0.75)
    told = {each: own.get(f"/v1/messages/{each}").json() for each in ("a", "b", "c", "d", "young")}
    assert {each: told[each]["verified"] for each in told} == {
        "a": True, "b": True, "c": False, "d": False, "young": True,
    }  # fmt: skip
    assert [each for each in told if told[each]["delivered_without_time"]] == ["a", "b", "c"]
    assert [each for each in told if told[each]["verified_at"] is not None] == ["a", "young"]
    assert told["a"]["verified_at"] > young
    assert young < told["young"]["verified_at"] <= wall_clock()
    post(own, conversion("a", conversion_time=SENT + 30_000), to="conversions")
    assert own.get("/v1/messages/a").json()["verified_at"] == SENT + 30_000


def test_a_call_takes_one_to_ten_thousand_items(own: httpx.Client) -> None:
    many = [message(f"m{number}") for number in range(10_001)]
    for body in ({"messages": []}, {"messages": many}):
        assert "1 to 10,000 messages" in refused(own.post("/v1/messages", json=body), "InvalidRequest", 400)
    lines = "\n".join(json.dumps(each) for each in many)
    for content in (lines, "", "\n\n", lines.replace("message_id", "id")):
        answer = own.post("/v1/messages", content=content, headers=NDJSON)
        assert "1 to 10,000 messages" in refused(answer, "InvalidRequest", 400)
    assert own.get("/v1/messages/m0").status_code == 404
    assert post(own, *many[1:])["recorded"] == 10_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'"messages"',
        b'{"messages": {}}',
        b'{"messages": [{"message_id": "a"}], "more": 1}',
        b'{"conversions": [{"message_id": "a"}]}',
        b'{"messages": [{"message_id": "\xff"}]}',
        b"[" * 100_000,
        b'{"messages": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
    ],
)
def test_a_body_that_is_no_batch_is_refused_as_a_whole(own: httpx.Client, content: bytes) -> None:
    answer = own.post("/v1/messages", content=content, headers=JSON)
    if b"[[" in content and answer.status_code == 200:  # read item by item, and one is nested too deep
        assert [each["code"] for each in answer.json()["rejected"]] == ["InvalidRequest"]
    else:
        refused(answer, "InvalidRequest", 400)
    assert own.get("/v1/messages/a").status_code == 404


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "text/json"])
def test_other_kinds_of_bodies_are_refused(own: httpx.Client, kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind}
    answer = own.post("/v1/messages", content=b'{"messages": [{"message_id": "a"}]}', headers=headers)
    assert "application/x-ndjson" in refused(answer, "UnsupportedMediaType", 415)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_a_content_type_may_be_written_in_any_way(own: httpx.Client, kind: str) -> None:
    body = json.dumps({"messages": [message("a")]})
    assert own.post("/v1/messages", content=body, headers={"content-type": kind}).status_code == 200


# Sizes.


def test_a_body_that_says_it_is_over_8_mib_is_refused_before_it_is_read(
    server: LocalServer, native: httpx.Client
) -> None:
    headers = {**JSON, **authorization(native), "content-length": str(8 * MEBIBYTE + 1)}
    reply = send(server.url, Request("POST", "/v1/messages", headers))
    assert (reply.status, reply.json["code"]) == (413, "BodyTooLarge")


def test_a_chunked_body_is_refused_once_it_is_over_8_mib(server: LocalServer, native: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(8):
            yield b" " * MEBIBYTE
        yield b" "

    headers = {**JSON, **authorization(native), "transfer-encoding": "chunked"}
    reply = send(server.url, Request("POST", "/v1/messages", headers, chunks()))
    assert (reply.status, reply.json["code"]) == (413, "BodyTooLarge")


def test_a_body_of_exactly_8_mib_is_taken(own: httpx.Client) -> None:
    body = json.dumps({"messages": [message("a")]}).encode().ljust(8 * MEBIBYTE)
    assert own.post("/v1/messages", content=body, headers=JSON).json()["recorded"] == 1


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP", "x"])
def test_a_compressed_body_is_refused(own: httpx.Client, coding: str) -> None:
    answer = own.post("/v1/messages", content=b"x", headers={**JSON, "content-encoding": coding})
    assert "Content-Encoding" in refused(answer, "UnsupportedMediaType", 415)


def authorization(client: httpx.Client) -> dict[str, str]:
    request = client.build_request("GET", "/")
    auth = client.auth
    assert auth is not None
    return {"authorization": next(auth.auth_flow(request)).headers["authorization"]}


# Who may.


@pytest.mark.parametrize(
    "header", [None, "", "Basic", "Basic !", "Basic eA==", "Basic //8=", "Bearer x", "ACS3-HMAC-SHA256 x"]
)
@pytest.mark.parametrize("path", ["/v1/rates", "/v1/messages/a"])
def test_a_call_without_credentials_is_asked_for_them(
    server: LocalServer, header: str | None, path: str
) -> None:
    headers = {} if header is None else {"authorization": header}
    answer = httpx.get(f"{server.url}{path}", headers=headers)
    refused(answer, "BadCredentials", 401)
    assert answer.headers["www-authenticate"] == 'Basic realm="otpconv", charset="UTF-8"'


def test_a_wrong_secret_and_an_unknown_key_are_told_alike(server: LocalServer, key: AccessKey) -> None:
    details = {
        refused(httpx.get(f"{server.url}/v1/rates", auth=auth), "BadCredentials", 401)
        for auth in ((key.access_key_id, "wrong"), ("LTAInobody", key.secret), ("", ""), ("é", "ü"))
    }
    assert len(details) == 1


def test_a_disabled_key_is_inactive_and_only_its_owner_is_told(
    server: LocalServer, make_key: Callable[..., AccessKey]
) -> None:
    disabled = make_key(disabled=True)
    url = f"{server.url}/v1/rates"
    refused(httpx.get(url, auth=(disabled.access_key_id, disabled.secret)), "InactiveAccessKey", 401)
    refused(httpx.get(url, auth=(disabled.access_key_id, "wrong")), "BadCredentials", 401)


CALLS: dict[str, tuple[str, str]] = {
    "otpconv:RecordMessages": ("POST", "/v1/messages"),
    "otpconv:RecordConversions": ("POST", "/v1/conversions"),
    "otpconv:FindMessages": ("POST", "/v1/messages/search"),
    "otpconv:GetMessage": ("GET", "/v1/messages/a"),
    "otpconv:QueryRates": ("GET", "/v1/rates"),
}


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        ("OtpconvReportOnly", {"otpconv:RecordMessages", "otpconv:RecordConversions"}),
        ("OtpconvReadOnly", {"otpconv:GetMessage", "otpconv:QueryRates"}),
        ("AliyunDysmsFullAccess", set()),
        ("AliyunDysmsReadOnlyAccess", set()),
        ("AdministratorAccess", set(CALLS)),
    ],
)
def test_a_policy_allows_its_actions_and_no_other(
    server: LocalServer, make_key: Callable[..., AccessKey], policy: str, allowed: set[str]
) -> None:
    key = make_key(policy)
    with httpx.Client(base_url=server.url, auth=(key.access_key_id, key.secret)) as client:
        for action, (method, path) in CALLS.items():
            answer = client.request(method, path, headers=JSON, content=b"{}" if method == "POST" else None)
            if action in allowed:
                assert answer.status_code in {200, 400, 404}
            else:
                detail = refused(answer, "AccessDenied", 403)
                assert action in detail
                assert key.user in detail


def test_accounts_see_nothing_of_each_other(
    own: httpx.Client, server: LocalServer, make_key: Callable[..., AccessKey], eventually: Eventually
) -> None:
    other = make_key()
    post(own, message("a", to="+4915112345678"))
    post(own, conversion("a"), to="conversions")
    one = {"requested": 1, "verified": 1, "rate": 1.0}
    eventually(lambda: rows(own), [one])
    with httpx.Client(base_url=server.url, auth=(other.access_key_id, other.secret)) as client:
        refused(client.get("/v1/messages/a"), "NotFound", 404)
        assert rows(client) == [{"requested": 0, "verified": 0, "rate": None}]
        assert rows(client, by="country") == []
        # The same id is another message here, and a number matches only this account's messages.
        assert post(client, message("a", provider="x"))["recorded"] == 1
        post(client, conversion(None, to="+4915112345678"), to="conversions")
        eventually(lambda: client.get("/v1/rates").json()["unmatched"], 1)
        eventually(lambda: rows(client), [{"requested": 1, "verified": 0, "rate": 0.0}])
    assert rows(own) == [one]
    assert own.get("/v1/messages/a").json()["provider"] is None


def test_keys_of_one_account_share_what_it_has(
    own: httpx.Client, key: AccessKey, server: LocalServer, make_key: Callable[..., AccessKey]
) -> None:
    post(own, message("a"))
    reader = make_key("OtpconvReadOnly", key.account_name)
    answer = httpx.get(f"{server.url}/v1/messages/a", auth=(reader.access_key_id, reader.secret))
    assert answer.json()["requested_at"] == SENT


def test_rates_are_split_by_the_access_key_that_reported_a_message(
    own: httpx.Client,
    key: AccessKey,
    server: LocalServer,
    make_key: Callable[..., AccessKey],
    eventually: Eventually,
) -> None:
    other = make_key("OtpconvReportOnly", key.account_name)
    with httpx.Client(base_url=server.url, auth=(other.access_key_id, other.secret)) as application:
        assert post(application, message("b"), message("c"))["recorded"] == 2
        # Who reports the conversion, and who repeats the message later, changes nothing.
        post(application, conversion("a"), to="conversions")
        post(application, message("a", requested_at=SENT + 1))
    post(own, message("a"))
    post(own, conversion("b"), to="conversions")
    expected = {key.access_key_id: (1, 1), other.access_key_id: (2, 1)}

    def split() -> dict[str, tuple[int, int]]:
        found = rows(own, by="access_key")
        return {each["access_key"]: (each["requested"], each["verified"]) for each in found}

    eventually(split, expected)
    for access_key_id, (requested, verified) in expected.items():
        assert rows(own, access_key=access_key_id) == [row(requested, verified)]
    assert rows(own, access_key="") == [NOTHING]
    assert own.get("/v1/messages/b").json()["access_key"] == other.access_key_id


# Prices.


def outcome(recorded: int, unchanged: int = 0) -> dict[str, Any]:
    return {"recorded": recorded, "unchanged": unchanged, "rejected": [], "ignored": []}


def test_a_price_of_a_message_is_its_cost_and_the_list_is_for_all_others(
    own: httpx.Client, eventually: Eventually
) -> None:
    priced = {"price": "0.0075", "currency": "usd", "vendor_message_id": "SM1", "provider": "acme"}
    assert post(own, message("a", **priced), message("b"), message("c", provider="acme")) == outcome(3)
    # The receipt is new although the message is not; then nothing is.
    assert post(own, message("c", provider="acme", price="0.0075", currency="USD")) == outcome(1)
    assert post(own, message("a", **priced)) == outcome(0, 1)
    own.post("/v1/prices", json={"prices": [{"price": "0.1", "currency": "USD"}]})

    def cost() -> list[object]:
        (found,) = own.get("/v1/rates", params={"start": SENT, "end": SENT + 1}).json()["rows"]
        names = ("cost", "currency", "cost_listed", "unpriced", "costs")
        return [found[name] for name in names]

    of_all = {"currency": "USD", "cost": 0.115, "cost_per_verified": None, "cost_listed": 0.1, "messages": 3}
    eventually(cost, [0.115, "USD", 0.1, 0, [of_all]])
    own.post("/v1/prices", json={"prices": [{"price": "0.2", "currency": "EUR"}]})
    assert cost()[:2] == [None, "EUR USD"]
    one = own.get("/v1/messages/a").json()
    assert [one[name] for name in ("vendor_message_id", "price", "currency", "price_listed")] == [
        *("SM1", "0.0075", "USD", False),
    ]
    other = own.get("/v1/messages/b").json()
    assert [other[name] for name in ("price", "currency", "price_listed")] == ["0.2", "EUR", True]
    params = {"start": SENT - HOUR_MS, "end": SENT + HOUR_MS, "format": "csv"}
    (found,) = csv.DictReader(own.get("/v1/rates", params=params).text.splitlines())
    assert [found[name] for name in ("cost", "currency", "costs")] == ["", "EUR USD", "0.2 EUR; 0.015 USD"]


@pytest.mark.parametrize(
    "price",
    [
        {"price": "0.1"},
        {"currency": "EUR"},
        {"price": 0.1, "currency": "EUR"},
        {"price": "-1", "currency": "EUR"},
        {"price": "0.0000001", "currency": "EUR"},
        {"price": "10000.000001", "currency": "EUR"},
        {"price": "1", "currency": "EURO"},
        {"vendor_message_id": "with a blank"},
    ],
)
def test_a_bad_price_rejects_its_message_alone(own: httpx.Client, price: dict[str, object]) -> None:
    answer = own.post("/v1/messages", json={"messages": [message("a"), message("b", **price)]}).json()
    assert (answer["recorded"], [each["index"] for each in answer["rejected"]]) == (1, [1])


# One message.


def test_a_message_is_told_in_full(own: httpx.Client, key: AccessKey) -> None:
    given = {
        "country": "es",
        "carrier": "Orange España",
        "provider": "acme",
        "template": "T'\"%",
        "sender": "Sender 📱",
        "channel": "voice",
        "session_id": "log-in 7",
        "attempt": 3,
    }
    post(own, message("a", **given))
    post(own, conversion("a"), conversion("a", conversion_time=SENT + 9), to="conversions")
    post(own, conversion("a", delivered=False, conversion_time=SENT + 5), to="conversions")
    answer = own.get("/v1/messages/a")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "message_id": "a",
        "requested_at": SENT,
        **given,
        "country": "ES",
        "access_key": key.access_key_id,
        "number_range": None,
        "verified": True,
        "verified_at": SENT + 9,
        "delivered_true_first": SENT + 9,
        "delivered_true_last": SENT + 1000,
        "delivered_false_last": SENT + 5,
        "delivered_without_time": False,
        "vendor_message_id": None,
        "receipt": None,
        "segments": None,
        "price": None,
        "currency": None,
        "price_listed": False,
        "status": "verified",
        "story": [
            "Sent at 2024-05-29T12:26:40Z by voice through acme to ES (attempt 3).",
            "Verified at 2024-05-29T12:26:40Z, 0 s after it was sent.",
            "The code was reported as typed back more than once, for different times.",
            "It was reported both as typed back and as not typed back; one valid report is enough.",
        ],
        "advice": "Nothing to do: the user was verified.",
        "dashboard": None,
    }


def test_a_message_told_only_by_a_conversion_is_known_and_not_verified(own: httpx.Client) -> None:
    post(own, conversion("early"), to="conversions")
    found = own.get("/v1/messages/early").json()
    assert found["requested_at"] is None
    assert found["channel"] is None
    assert found["verified"] is False
    assert found["delivered_true_first"] == SENT + 1000


@pytest.mark.parametrize("path", ["a/b:c.d_e-f", "a%2Fb%3Ac.d_e-f", "/x/", "..a/.b"])
def test_a_message_id_may_have_slashes(own: httpx.Client, path: str) -> None:
    message_id = path.replace("%2F", "/").replace("%3A", ":")
    post(own, message(message_id))
    answer = own.get(f"/v1/messages/{path}")
    assert answer.json()["message_id"] == message_id


@pytest.mark.parametrize("path", ["unknown", "", "a%00b", "%FF", "x" * 5000, "%F0%9F%93%B1"])
def test_an_unknown_message_is_not_found(own: httpx.Client, path: str) -> None:
    refused(own.get(f"/v1/messages/{path}"), "NotFound", 404)


def test_a_message_without_a_time_was_requested_now(own: httpx.Client) -> None:
    before = wall_clock()
    post(own, {"message_id": "now"}, {"message_id": "null", "requested_at": None})
    for message_id in ("now", "null"):
        assert before <= own.get(f"/v1/messages/{message_id}").json()["requested_at"] <= wall_clock()


# Numbers.


@pytest.mark.parametrize(
    ("to", "country", "carrier", "number_range"),
    [
        ("+4915112345678", "DE", "T-Mobile", "+491511234"),
        ("+852 5123 4567", "HK", None, "+8525123"),
        ("+1 (202) 555-0123", "US", None, "+1202555"),
    ],
)
def test_a_number_gives_country_carrier_and_range_and_is_itself_forgotten(  # noqa: PLR0917 - the table
    own: httpx.Client, server: LocalServer, to: str, country: str, carrier: str | None, number_range: str
) -> None:
    post(own, message("a", to=to))
    answer = own.get("/v1/messages/a")
    found = answer.json()
    assert (found["country"], found["number_range"]) == (country, number_range)
    assert carrier is None or found["carrier"] == carrier
    digits = "".join(each for each in to if each.isdigit())
    assert digits not in answer.text
    assert to not in answer.text
    for file in (*server.data.iterdir(), server.log):
        assert digits.encode() not in file.read_bytes(), file


def test_what_is_told_beside_the_number_wins(own: httpx.Client) -> None:
    post(own, message("a", to="+4915112345678", country="AT", carrier="Virtual"))
    found = own.get("/v1/messages/a").json()
    assert (found["country"], found["carrier"]) == ("AT", "Virtual")


def test_no_refusal_repeats_a_number(own: httpx.Client) -> None:
    post(own, message("a", to="+4915112345678"))
    numbers = ["+4915112345679", "+49 151 1234567890123456789", "0151 7654321", "+999123456789", "1" * 41]
    reports = [conversion(None, to=number) for number in numbers[1:]] + [conversion("a", to=numbers[0])]
    answers = [
        post(own, *reports, to="conversions"),
        post(own, *(message(f"b{place}", to=number) for place, number in enumerate(numbers[1:]))),
    ]
    assert [(len(found["rejected"]), len(found["ignored"])) for found in answers] == [(5, 0), (0, 4)]
    for found in answers:
        for each in found["rejected"] + found["ignored"]:
            for number in numbers:
                assert number not in each["message"]
                assert number[-6:] not in each["message"]


UNREADABLE = ["12", "call me", "4915112349999.0", "4.91511E+12", "13912345678", "12\u202a", "1" * 200, ""]


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
def test_a_message_whose_number_cannot_be_read_is_kept_without_it_and_the_answer_says_so(
    own: httpx.Client, kind: str
) -> None:
    batch = [message(f"u{place}", to=to, provider="acme") for place, to in enumerate(UNREADABLE)]
    lines = [json.dumps(each) for each in [*batch, message("good", to="+4915112345678")]]
    body = "\n".join(lines) if "ndjson" in kind else f'{{"messages": [{",".join(lines)}]}}'
    found = own.post("/v1/messages", content=body, headers={"content-type": kind}).json()
    assert (found["recorded"], found["rejected"]) == (len(batch) + 1, [])
    assert [(each["index"], each["field"], each["code"]) for each in found["ignored"]] == [
        (place, "to", "InvalidNumber") for place in range(len(batch))
    ]
    assert "U+202A LEFT-TO-RIGHT EMBEDDING" in found["ignored"][5]["message"]
    assert "spreadsheet" in found["ignored"][2]["message"]
    assert "spreadsheet" in found["ignored"][3]["message"]
    for place in range(len(batch)):
        kept = own.get(f"/v1/messages/u{place}").json()
        assert (kept["provider"], kept["number_range"], kept["country"]) == ("acme", None, None)


def test_a_conversion_by_id_is_kept_without_an_unreadable_number_and_one_by_number_alone_is_refused(
    own: httpx.Client,
) -> None:
    post(own, message("a", to="+4915112345678"))
    found = post(own, conversion("a", to="call me"), conversion(None, to="call me"), to="conversions")
    assert (found["recorded"], [each["index"] for each in found["rejected"]]) == (1, [1])
    assert [(each["index"], each["field"]) for each in found["ignored"]] == [(0, "to")]
    assert own.get("/v1/messages/a").json()["verified"] is True


def test_an_item_that_is_rejected_is_not_reported_as_ignored_too(own: httpx.Client) -> None:
    found = post(own, message("a", to="call me", requested_at=1))
    assert [each["code"] for each in found["rejected"]] == ["InvalidTime"]
    assert found["ignored"] == []


# Rates.


@pytest.fixture
def counted(own: httpx.Client, eventually: Eventually) -> httpx.Client:
    """A client of an account with seven messages around `SENT`, three of them verified."""
    post(
        own,
        message("1", country="ES", provider="acme", template="login"),
        message("2", country="ES", provider="acme", requested_at=HOUR),
        message("3", country="ES", provider="beta", requested_at=HOUR + HOUR_MS - 1),
        message("4", country="DE", provider="beta", requested_at=HOUR + HOUR_MS),
        message("5", requested_at=HOUR),
        message("6", requested_at=HOUR - 1),
        message("7", provider="acme", requested_at=DAY - 1),
    )
    reports = [conversion(each, conversion_time=SENT + 2 * HOUR_MS) for each in ("1", "4", "6")]
    post(own, *reports, conversion("2", delivered=False), to="conversions")
    whole = {"start": DAY - HOUR_MS, "end": HOUR + 2 * HOUR_MS}
    eventually(lambda: rows(own, **whole), [row(7, 3)])
    return own


def row(requested: int, verified: int, **more: object) -> dict[str, Any]:
    return {"requested": requested, "verified": verified, "rate": verified / requested, **more}


NOTHING = {"requested": 0, "verified": 0, "rate": None}


def test_a_window_is_half_open_and_widened_to_the_grain_there_is(
    counted: httpx.Client, eventually: Eventually
) -> None:
    # Minutes of old messages expire a few seconds after the first report that a server gets.
    instant = {"start": SENT, "end": SENT + 1}
    eventually(lambda: counted.get("/v1/rates", params=instant).json()["start"], HOUR + QUARTER_MS)
    for start, end, widened, expected in (
        (HOUR, HOUR + HOUR_MS, (HOUR, HOUR + HOUR_MS), row(4, 1)),
        (SENT, SENT + 1, (HOUR + QUARTER_MS, HOUR + 2 * QUARTER_MS), row(1, 1)),
        (HOUR, HOUR + HOUR_MS + 1, (HOUR, HOUR + HOUR_MS + QUARTER_MS), row(5, 2)),
        (HOUR + HOUR_MS, HOUR + 2 * HOUR_MS, (HOUR + HOUR_MS, HOUR + 2 * HOUR_MS), row(1, 1)),
        (HOUR - 2 * HOUR_MS, HOUR - HOUR_MS, (HOUR - 2 * HOUR_MS, HOUR - HOUR_MS), NOTHING),
        (DAY, HOUR + 2 * HOUR_MS, (DAY, HOUR + 2 * HOUR_MS), row(6, 3)),
    ):
        answer = counted.get("/v1/rates", params={"start": start, "end": end})
        assert answer.headers["cache-control"] == "no-store"
        found = answer.json()
        assert [basic(each) for each in found.pop("rows")] == [expected]
        assert found == {
            "start": widened[0],
            "end": widened[1],
            "level": "message",
            "denominator": "messages requested",
            "maturity": None,
            "unmatched": 0,
            "lag": 0,
            "folded": 0,
            "self_reported": [],
            "self_reported_left_out": 0,
        }


def test_values_beyond_the_bound_share_a_row_that_is_told_and_can_be_asked_for(
    own: httpx.Client, eventually: Eventually
) -> None:
    post(own, *(message(str(n), template=f"code {n}") for n in range(BOUNDS.values + 30)))
    post(own, conversion(str(BOUNDS.values + 7)), to="conversions")
    eventually(lambda: rows(own, template=OTHER), [row(30, 1)])
    found = rows(own, by="template")
    assert len(found) == BOUNDS.values + 1
    assert [each for each in found if each["template"] == OTHER] == [row(30, 1, template=OTHER)]
    assert sum(each["requested"] for each in found) == BOUNDS.values + 30
    assert own.get("/v1/rates", params={"start": SENT, "end": SENT + 1}).json()["folded"] == 30
    assert own.get("/v1/rates", params={"start": SENT - 2 * 86_400_000, "end": DAY}).json()["folded"] == 0
    # The message itself keeps its reported values.
    assert own.get(f"/v1/messages/{BOUNDS.values + 7}").json()["template"] == f"code {BOUNDS.values + 7}"
    assert post(own, message("229", template="code 229"))["unchanged"] == 1


def test_of_many_self_reported_rates_an_answer_has_the_newest_and_tells_how_many_more(
    server: LocalServer, own: httpx.Client, key: AccessKey
) -> None:
    connection = connect(server.url)
    for n in range(MAX_SELF_REPORTED + 3):
        rate = {"ConversionRate": "0.5", "ReportTime": str(SENT + n)}
        exchange(connection, v3(key, rate, headers={"x-acs-action": "ConversionData"}))
    connection.close()
    answer = own.get("/v1/rates", params={"start": SENT, "end": SENT + QUARTER_MS}).json()
    times = [each["report_time"] for each in answer["self_reported"]]
    assert times == list(range(SENT + 3, SENT + MAX_SELF_REPORTED + 3))
    assert answer["self_reported_left_out"] == 3


def test_a_recent_window_is_told_to_the_minute(own: httpx.Client, eventually: Eventually) -> None:
    minute = (wall_clock() // 60_000 - 90) * 60_000
    times = [minute, minute + 59_999, minute + 60_000]
    post(own, *(message(str(time), requested_at=time) for time in times))
    post(own, conversion(str(times[0]), conversion_time=minute + 1), to="conversions")
    eventually(lambda: rows(own, start=minute, end=minute + 120_000), [row(3, 1)])
    for start, end, expected in (
        (minute, minute + 60_000, row(2, 1)),
        (minute + 5, minute + 6, row(2, 1)),
        (minute, minute + 60_001, row(3, 1)),
        (minute + 60_000, minute + 61_000, row(1, 0)),
        (minute - 60_000, minute, NOTHING),
        (minute - 5 * HOUR_MS, minute + HOUR_MS, row(3, 1)),
        (minute - 5 * HOUR_MS, minute + 1, row(2, 1)),
    ):
        answer = own.get("/v1/rates", params={"start": start, "end": end}).json()
        assert (answer["start"], answer["end"]) == (start // 60_000 * 60_000, -(-end // 60_000) * 60_000)
        assert [basic(each) for each in answer["rows"]] == [expected]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-05-29T12:00:00Z", "2024-05-29T13:00:00Z"),
        ("2024-05-29T14:00:00+02:00", "2024-05-29 13:00"),
        (str(HOUR), "2024-05-29T12:59:59.999+00:00"),
    ],
)
def test_times_may_be_iso_8601(counted: httpx.Client, start: str, end: str) -> None:
    assert rows(counted, start=start, end=end) == [row(4, 1)]
    # And a plus sign that nobody escaped.
    answer = counted.get(f"/v1/rates?start={start}&end={end}")
    assert [basic(each) for each in answer.json()["rows"]] == [row(4, 1)]


def test_rates_are_split_by_dimensions_in_their_order(counted: httpx.Client) -> None:
    window = {"start": HOUR - HOUR_MS, "end": HOUR + 2 * HOUR_MS}
    assert rows(counted, by="country", **window) == [
        row(2, 1, country=None),
        row(1, 1, country="DE"),
        row(3, 1, country="ES"),
    ]
    assert rows(counted, by="provider,country", **window) == [
        row(2, 1, provider=None, country=None),
        row(2, 1, provider="acme", country="ES"),
        row(1, 1, provider="beta", country="DE"),
        row(1, 0, provider="beta", country="ES"),
    ]


def test_filters_choose_messages_and_a_blank_one_those_that_told_nothing(counted: httpx.Client) -> None:
    window = {"start": HOUR - HOUR_MS, "end": HOUR + 2 * HOUR_MS}
    assert rows(counted, country="ES", **window) == [row(3, 1)]
    assert rows(counted, country=["ES", "DE"], **window) == [row(4, 2)]
    assert rows(counted, country=["ES", ""], provider="acme", **window) == [row(2, 1)]
    assert rows(counted, country="", **window) == [row(2, 1)]
    assert rows(counted, country="FR", **window) == [NOTHING]
    assert rows(counted, country="FR", by="provider", **window) == []
    assert rows(counted, template="login", channel="sms", by="template", **window) == [
        row(1, 1, template="login")
    ]


def test_an_interval_gives_a_row_for_every_slot(counted: httpx.Client) -> None:
    window = {"start": HOUR - 2 * HOUR_MS, "end": HOUR + 2 * HOUR_MS}
    assert rows(counted, interval="1h", **window) == [
        {**NOTHING, "start": HOUR - 2 * HOUR_MS},
        row(1, 1, start=HOUR - HOUR_MS),
        row(4, 1, start=HOUR),
        row(1, 1, start=HOUR + HOUR_MS),
    ]
    assert rows(counted, interval="1h", by="country", **window) == [
        row(1, 1, start=HOUR - HOUR_MS, country=None),
        row(1, 0, start=HOUR, country=None),
        row(3, 1, start=HOUR, country="ES"),
        row(1, 1, start=HOUR + HOUR_MS, country="DE"),
    ]


def test_days_are_those_of_the_time_zone(counted: httpx.Client) -> None:
    window = {"interval": "1d", "start": DAY - HOUR_MS, "end": HOUR + 2 * HOUR_MS}
    assert rows(counted, **window) == [row(1, 0, start=DAY - 86_400_000), row(6, 3, start=DAY)]
    berlin = rows(counted, **window, tz="Europe/Berlin")
    assert berlin == [row(7, 3, start=DAY - 2 * HOUR_MS)]


@pytest.mark.parametrize("interval", ["1m", "5m", "15m"])
def test_minutes_are_told_while_they_are_kept(
    own: httpx.Client, eventually: Eventually, interval: str
) -> None:
    now = wall_clock()
    post(own, {"message_id": "now", "requested_at": now})
    length = int(interval[:-1]) * 60_000
    slot = now - now % length
    eventually(
        lambda: rows(own, interval=interval, start=slot - length, end=now + 1),
        [{**NOTHING, "start": slot - length}, row(1, 0, start=slot)],
    )

    def ask() -> httpx.Response:
        return own.get("/v1/rates", params={"interval": interval, "start": DAY, "end": SENT})

    if interval == "15m":  # quarters of an hour are kept for ever
        assert len(ask().json()["rows"]) == -(-(SENT - DAY) // QUARTER_MS)
    else:
        eventually(lambda: ask().status_code, 400)  # a server that has just started forgets in a moment
        assert "15m, 1h or 1d" in refused(ask(), "InvalidRequest", 400)


def test_without_a_window_the_last_24_hours_are_meant(own: httpx.Client, eventually: Eventually) -> None:
    now = wall_clock()
    times = {"in": now - 86_000_000, "out": now - 86_500_000, "now": now}
    post(own, *({"message_id": name, "requested_at": time} for name, time in times.items()))
    eventually(lambda: [basic(each) for each in own.get("/v1/rates").json()["rows"]], [row(2, 0)])


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("strat=1", "'strat'"),
        ("start=someday", "Invalid start"),
        ("end=-1", "Invalid end"),
        ("end=99999999999999999", "Invalid end"),
        ("start=2026-02-30", "Invalid start"),
        ("start=5&end=5", "must be before end"),
        ("start=5&end=6&start=5", "start is given twice"),
        ("interval=2h", "Use 1m, 5m, 15m, 1h, 1d"),
        ("interval=", "Invalid interval"),
        ("interval=1m&start=0&end=2000000000000", "more than 20,000 intervals"),
        ("by=planet", "Use a comma-separated list of country"),
        ("by=country,country", "each at most once"),
        ("interval=1d&tz=Mars/Base", "IANA"),
        ("tz=../../etc/passwd", "IANA"),
        ("by=number", "Use a comma-separated list"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(own: httpx.Client, query: str, says: str) -> None:
    assert says in refused(own.get(f"/v1/rates?{query}"), "InvalidRequest", 400)


def test_a_row_says_how_sure_it_is_and_what_it_was_before(counted: httpx.Client) -> None:
    window = {
        "start": HOUR,
        "end": HOUR + HOUR_MS,
        "by": "country",
        "order": "-change",
        "compare": "previous",
    }
    answer = counted.get("/v1/rates", params=window | {"level": "message", "top": 1}).json()
    assert answer["compared"] == {"start": HOUR - HOUR_MS, "end": HOUR}
    assert (answer["level"], answer["denominator"]) == ("message", "messages requested")
    first, *_ = answer["rows"]
    low, high = first["rate_low"], first["rate_high"]
    assert 0 <= low <= first["rate"] <= high <= 1
    assert (first["pending"], first["rate_expected"]) == (0, first["rate"])
    assert first["p50_ms"] is None or first["p50_ms"] <= first["p90_ms"] <= first["p99_ms"]
    assert {"before_requested", "before_verified", "before_rate", "change", "change_low"} <= first.keys()
    assert 0 <= first["reported_share"] <= 1


def test_sessions_and_first_attempts_are_counted_apart(own: httpx.Client, eventually: Eventually) -> None:
    post(
        own,
        message("a", session_id="s", attempt=1),
        message("b", session_id="s", attempt=2, requested_at=SENT + 1),
    )
    post(own, conversion("b"), to="conversions")
    eventually(lambda: rows(own), [row(2, 1)])
    assert rows(own, level="first_attempt") == [row(1, 0)]
    assert rows(own, level="session") == [row(1, 1)]


@pytest.mark.parametrize("ask", [{"format": "csv"}, {"accept": "text/csv"}])
def test_rates_come_as_csv(counted: httpx.Client, ask: dict[str, str]) -> None:
    params = {
        "start": HOUR - HOUR_MS,
        "end": HOUR + 2 * HOUR_MS,
        "by": "country,access_key",
        "interval": "1h",
        "tz": "Asia/Kolkata",
    }
    headers = {name: value for name, value in ask.items() if name == "accept"}
    given = params | {name: value for name, value in ask.items() if name != "accept"}
    answer = counted.get("/v1/rates", params=given, headers=headers)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    found = list(csv.DictReader(answer.text.splitlines()))
    expected = counted.get("/v1/rates", params=params).json()["rows"]
    for row_ in found:
        at = datetime.fromtimestamp(int(row_["start"]) / 1000, ZoneInfo("Asia/Kolkata"))
        assert row_.pop("start (Asia/Kolkata)") == at.strftime("%Y-%m-%d %H:%M")
    assert [
        {name: str(value) for name, value in each.items() if value not in (None, [])} for each in expected
    ] == [{name: value for name, value in each.items() if value and name != "level"} for each in found]
    assert {each["level"] for each in found} == {"message"}


def test_rates_come_as_parquet(counted: httpx.Client) -> None:
    params = {
        "start": HOUR - HOUR_MS,
        "end": HOUR + 2 * HOUR_MS,
        "by": "country,access_key",
        "interval": "1h",
    }
    answer = counted.get("/v1/rates", params=params | {"format": "parquet"})
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    found = parquet.read_table(io.BytesIO(answer.content)).to_pylist()
    expected = counted.get("/v1/rates", params=params).json()["rows"]
    assert {each.pop("level") for each in found} == {"message"}
    for each in found:
        each["start"] = round(each["start"].timestamp() * 1000)
        each |= {name: float(value) for name, value in each.items() if isinstance(value, Decimal)}
        each["costs"] = each["costs"] or ""
    expected = [row | {"costs": ""} for row in expected]
    assert found == [pytest.approx(row, abs=1e-9) for row in expected]


def test_a_long_answer_comes_in_parts_and_whole(own: httpx.Client) -> None:
    params = {"start": DAY, "end": DAY + 3000 * HOUR_MS, "interval": "1h"}
    found = own.get("/v1/rates", params=params)
    assert len(found.json()["rows"]) == 3000
    assert int(found.headers["content-length"]) == len(found.content) > PART_BYTES
    lines = own.get("/v1/rates", params=params | {"format": "csv"}).text.splitlines()
    assert [int(line.split(",")[0]) for line in lines[1:]] == [each["start"] for each in found.json()["rows"]]


@pytest.mark.parametrize("query", ["format=xml", "format=", "format=csv&format=json", "top=1", "level=user"])
def test_a_form_of_answer_that_there_is_not_is_refused(own: httpx.Client, query: str) -> None:
    refused(own.get(f"/v1/rates?{query}"), "InvalidRequest", 400)


# Everything else.


@pytest.mark.parametrize("path", ["/v1", "/v2/messages", "/v1/rates/x", "/v1/rates/", "//", "/favicon.ico"])
def test_a_path_that_is_not_there_is_a_problem(own: httpx.Client, path: str) -> None:
    refused(own.get(f"{str(own.base_url).rstrip('/')}{path}"), "NotFound", 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/messages", "POST"),
        ("PUT", "/v1/conversions", "POST"),
        ("DELETE", "/v1/messages/a", "GET, HEAD"),
        ("POST", "/v1/rates", "GET, HEAD"),
        ("POST", "/healthz", "GET, HEAD"),
        ("OPTIONS", "/v1/rates", "GET, HEAD"),
    ],
)
def test_another_method_is_refused_with_those_there_are(
    own: httpx.Client, method: str, path: str, allowed: str
) -> None:
    answer = own.request(method, path)
    refused(answer, "MethodNotAllowed", 405)
    assert set(answer.headers["allow"].split(", ")) == set(allowed.split(", "))


def test_head_is_get_without_a_body(own: httpx.Client) -> None:
    answer = own.head("/v1/rates")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(("path", "text"), [("/healthz", "ok\n"), ("/readyz", "ready\n")])
def test_probes_answer_without_credentials(server: LocalServer, path: str, text: str) -> None:
    answer = httpx.get(f"{server.url}{path}")
    assert (answer.status_code, answer.text) == (200, text)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_in_strict_mode_a_conversion_of_an_unknown_message_is_rejected(
    make_server: Callable[..., LocalServer], tmp_path: Path
) -> None:
    strict = make_server(tmp_path / "strict", {"OTPCONV_STRICT": "true"})
    strict.start()
    auth = (strict.access_key_id, strict.access_key_secret)
    with httpx.Client(base_url=strict.url, auth=auth) as client:
        post(client, message("known"))
        found = post(client, conversion("known"), conversion("unknown"), to="conversions")
    assert found["recorded"] == 1
    assert [(each["index"], each["code"]) for each in found["rejected"]] == [(1, "UnknownMessage")]
