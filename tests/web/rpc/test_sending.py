"""Messages that a client sends here are passed on to the vendor, once, and recorded."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from audited import audited
from campaigns import rounds
from cli.commands import Run
from faults.bad_server import Answer, hang, http, reset, saying, trickle
from faults.sms_vendor import SECRET, SID, SmsVendor, tls_of
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.receipts import ReceiptStatus
from otpconv.relay.passing import MAX_ANSWER_BYTES
from otpconv.relay.requests import basic
from otpconv.service.opening import open_ledger
from otpconv.web.rpc.sent import MAX_QUICK_NUMBERS
from web.shop import GLOBE, HONG_KONG, Shop
from web.wire import FORM, Request, send, v1, v3

Eventually = Callable[[Callable[[], object], object], None]
SMS = {"Action": "SendSms", "Version": "2017-05-25", "PhoneNumbers": "1", "TemplateCode": "T"}
NOTHING = (None,) * 4


@pytest.fixture
def shop(at: Run, server: LocalServer, key: AccessKey, tmp_path: Path) -> Iterator[Shop]:
    with closing(Shop(at, server, key, tmp_path)) as made:
        yield made


def test_the_vendors_answer_comes_byte_for_byte_and_its_message_counts_as_requested(
    shop: Shop, eventually: Eventually
) -> None:
    shop.create("alibaba")
    body = b'{ "ResponseCode":"OK" ,\r\n"MessageId":"77_9","\xe6\x96\x87": 1.50 }\n'
    head = ("content-type: application/json;charset=utf-8", "x-acs-request-id: R-1", "etag: abc")
    shop.vendor.answers["one"] = http(200, body, *head, "set-cookie: a=b", "connection: close", "server: x")
    before = wall_clock()
    reply = shop.globe("one", ValidityPeriod="60", Unheard="kept +%&=é")
    assert (reply.status, reply.body) == (200, body)
    of_our_server = {"date", "server"}
    assert {name: value for name, value in reply.headers.items() if name not in of_our_server} == {
        "content-type": "application/json;charset=utf-8",
        "x-acs-request-id": "R-1",
        "etag": "abc",
        "content-length": str(len(body)),
        "via": "1.1 otpconv",
    }
    (asked,) = shop.vendor.asked
    assert asked.operation == "SendMessageToGlobe"
    assert asked.parameters == {
        "To": HONG_KONG,
        "Message": "one",
        "From": "Shop",
        "ValidityPeriod": "60",
        "Unheard": "kept +%&=é",
    }
    eventually(lambda: shop.known("77_9") is not None, True)
    found = shop.known("77_9")
    assert found is not None
    assert before <= found["requested_at"] <= before + 60_000
    dimensions = {name: found[name] for name in ("country", "provider", "sender", "channel", "access_key")}
    assert dimensions == {
        "country": "HK",
        "provider": "by-main",
        "sender": "Shop",
        "channel": "sms",
        "access_key": shop.key.access_key_id,
    }


@pytest.mark.rounds
def test_any_answer_comes_byte_for_byte(shop: Shop) -> None:
    shop.create("alibaba")
    chance = random.Random(7)
    for number in range(rounds(300)):
        status = chance.choice([200, 200, 201, 202, 400, 403, 404, 418, 429, 499, 500, 502, 503, 599])
        body = chance.choice(
            [chance.randbytes(chance.randrange(3_000)), b'{"Code":"OK"}', b"\r\n" * 9, b"{}"]
        )
        kind = chance.choice(["application/json", "text/xml;charset=utf-8", "x/y; a=b"])
        name = f"m{number}"
        if chance.random() < 0.3:
            head = f"HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
            middle = len(body) // 2
            parts = [part for part in (body[:middle], body[middle:]) if part]
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
            shop.vendor.answers[name] = head.encode() + chunks + b"0\r\n\r\n"
        else:
            shop.vendor.answers[name] = http(status, body, f"content-type: {kind}", f"x-acs-n: {number}")
        reply = shop.globe(name)
        assert (reply.status, reply.body, reply.headers["content-type"]) == (status, body, kind)
    assert set(shop.vendor.messages.values()) == {1}


def test_a_parameter_of_a_body_stays_in_the_body(shop: Shop) -> None:
    shop.create("alibaba")
    text = "long " * 2_000
    parameters = {"Action": "SendMessageToGlobe", "To": HONG_KONG, "Message": text}
    assert (
        send(shop.server.url, v1(shop.key, parameters, method="POST", form=True)).json["MessageId"]
        == f"{text}-id"
    )
    body = json.dumps({"To": HONG_KONG, "Message": "json", "ValidityPeriod": 60}).encode()
    headers = GLOBE | {"content-type": "application/json"}
    assert send(shop.server.url, v3(shop.key, {}, headers=headers, body=body)).json["MessageId"] == "json-id"
    assert [heard.target for heard in shop.vendor.heard] == ["/", "/"]
    assert [asked.parameters["Message"] for asked in shop.vendor.asked] == [text, "json"]
    assert shop.vendor.asked[1].parameters["ValidityPeriod"] == "60"


@pytest.mark.parametrize(
    ("kind", "action", "version", "parameters", "expected"),
    [
        (
            "alibaba",
            "SendMessageWithTemplate",
            "2018-05-01",
            {"To": HONG_KONG, "From": "Shop", "TemplateCode": "SMS_1", "TemplateParam": "a"},
            {"a-id": ("HK", "SMS_1", "Shop", "+8525123")},
        ),
        (
            "alibaba",
            "BatchSendMessageToGlobe",
            "2018-05-01",
            {"To": f'["{HONG_KONG}", "85251234568"]', "Message": '["b", "c"]', "From": "Shop"},
            {"b-id": ("HK", None, "Shop", None), "c-id": ("HK", None, "Shop", None)},
        ),
        (
            "alibaba",
            "BatchSendMessageToGlobe",
            "2018-05-01",
            {"To": f'["{HONG_KONG}", "6581234567"]', "Message": '["d", "e"]'},
            {"d-id": NOTHING, "e-id": NOTHING},
        ),
        (
            "alibaba-2017",
            "SendSms",
            "2017-05-25",
            {"PhoneNumbers": "13800138000", "SignName": "店", "TemplateCode": "SMS_2", "TemplateParam": "f"},
            {"biz^f": ("CN", "SMS_2", "店", "+861380013")},
        ),
        (
            "alibaba-2017",
            "SendSms",
            "2017-05-25",
            {"PhoneNumbers": "13800138000,0085251234567", "SignName": "S", "TemplateParam": "g"},
            {"biz^g": (None, None, "S", None)},
        ),
    ],
)
def test_each_operation_records_what_its_answer_says(
    shop: Shop,
    eventually: Eventually,
    *,
    kind: str,
    action: str,
    version: str,
    parameters: dict[str, str],
    expected: dict[str, tuple[str | None, ...]],
) -> None:
    shop.create(kind)
    headers = {"x-acs-action": action, "x-acs-version": version}
    assert send(shop.server.url, v3(shop.key, parameters, headers=headers)).status == 200
    assert shop.vendor.asked[0].parameters == parameters
    for message_id, values in expected.items():
        eventually(lambda message_id=message_id: shop.known(message_id) is not None, True)
        found = shop.known(message_id)
        assert found is not None
        assert (found["country"], found["template"], found["sender"], found["number_range"]) == values


def test_twilio_gets_the_form_as_it_came_and_the_path_of_the_vendor_account(
    shop: Shop, eventually: Eventually
) -> None:
    shop.create("twilio")
    form = (
        b"To=whatsapp%3A%2B4915112345678&From=whatsapp%3a%2B15005550006&Body=h%C3%A4&MediaUrl=a&MediaUrl=b&x"
    )
    login = {
        "content-type": FORM,
        "authorization": basic(shop.key.access_key_id, shop.key.secret),
    }
    path = f"/2010-04-01/Accounts/{shop.key.access_key_id}/Messages.json"
    shop.vendor.answers["h\xe4"] = http(201, b'{"sid": "SM1", "status":"queued" }', "Twilio-Request-Id: RQ1")
    reply = send(shop.server.url, Request("POST", path, login, form))
    assert (reply.status, reply.body) == (201, b'{"sid": "SM1", "status":"queued" }')
    assert reply.headers["twilio-request-id"] == "RQ1"
    assert shop.vendor.heard[0].body == form
    eventually(lambda: shop.known("SM1") is not None, True)
    found = shop.known("SM1")
    assert found is not None
    assert (found["country"], found["sender"], found["channel"]) == ("DE", "+15005550006", "whatsapp")


def test_what_the_vendor_refuses_is_answered_and_not_recorded(shop: Shop) -> None:
    shop.create("alibaba")
    shop.create("twilio", "second")
    answers = {
        "product": http(200, {"ResponseCode": "MOBILE_NUMBER_ILLEGAL", "MessageId": "no-1"}),
        "gateway": http(400, {"Code": "Throttling.User", "Message": "slow down", "MessageId": "no-2"}),
        "key": http(404, {"Code": "InvalidAccessKeyId.NotFound", "MessageId": "no-3"}),
        "down": http(503, {"Code": "ServiceUnavailable", "MessageId": "no-4"}),
        "garbage": http(200, b"<html>\xff</html>"),
        "list": http(200, []),
        "deep": http(200, b"[" * 50_000),
        "nothing": http(200, b""),
        "no id": http(200, {"ResponseCode": "OK", "MessageId": "two words"}),
    }
    shop.vendor.answers |= answers
    for text, answer in answers.items():
        reply = shop.globe(text)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert (reply.status, reply.body) == (int(head.split()[1]), body)
    refusal = {"code": 21211, "message": "Invalid 'To'", "status": 400}
    shop.vendor.answers |= {"wrong": http(400, refusal), "odd": http(201, {"sid": None})}
    assert shop.twilio("wrong").json() == refusal
    assert shop.twilio("odd").json() == {"sid": None}
    assert set(shop.vendor.messages.values()) == {1}
    metrics = shop.own.get("/metrics").text
    assert 'otpconv_sends_total{result="refused",vendor="main"} 3.0' in metrics
    assert 'otpconv_sends_total{result="unknown",vendor="main"} 5.0' in metrics
    assert 'otpconv_sends_total{result="accepted",vendor="main"} 1.0' in metrics
    assert 'otpconv_send_seconds_count{vendor="second"} 2.0' in metrics


LARGE = b"x" * (MAX_ANSWER_BYTES + 1)
FAULTS: dict[str, Answer] = {
    "hang": hang,
    "trickle": trickle,
    "reset": reset,
    "closed": saying(b"", stays=False),
    "half": saying(http(200, b"{", length=99), stays=False),
    "no http": saying(b"SMTP 220 hello\r\n\r\n", stays=False),
    "huge": saying(http(200, LARGE)),
    "redirect": saying(http(302, b"", "location: http://127.0.0.1:1/")),
}


def test_a_message_whose_answer_is_missing_is_sent_once_and_may_have_been_sent(shop: Shop) -> None:
    shop.create("alibaba", send_timeout_s="1")
    shop.create("twilio", "second", send_timeout_s="1")
    shop.vendor.faults |= {
        f"{name} {kind}": fault for name, fault in FAULTS.items() for kind in ("ali", "twilio")
    }
    for name in FAULTS:
        reply = shop.globe(f"{name} ali")
        assert (reply.status, reply.json["Code"]) == (503, "ServiceUnavailable")
        assert "may have been sent" in reply.json["Message"]
        assert "x-acs-retry-after" not in reply.headers
        answer = shop.twilio(f"{name} twilio")
        assert (answer.status_code, answer.json()["code"]) == (503, 20503)
        assert "may have been sent" in answer.json()["message"]
        assert "retry-after" not in answer.headers
    assert set(shop.vendor.messages.values()) == {1}
    assert len(shop.vendor.messages) == shop.vendor.connections == 2 * len(FAULTS)
    assert shop.requested() == 0
    assert f'result="unknown",vendor="main"}} {len(FAULTS)}.0' in shop.own.get("/metrics").text


def test_a_vendor_that_is_not_there_gets_nothing_and_the_text_says_so(shop: Shop) -> None:
    shop.create("alibaba")
    shop.create("twilio", "second")
    shop.vendor.stop()
    reply = shop.globe("nobody hears it")
    assert (reply.status, reply.json["Code"]) == (503, "ServiceUnavailable")
    assert "Nothing was sent" in reply.json["Message"]
    assert "Nothing was sent" in shop.twilio("nor this").json()["message"]


def test_a_vendor_whose_certificate_is_not_trusted_gets_nothing(shop: Shop, tmp_path: Path) -> None:
    with SmsVendor(tls_of(tmp_path)) as vendor:
        shop.create("alibaba", endpoint=vendor.url)
        assert "Nothing was sent" in shop.globe("secret").json["Message"]
        assert vendor.heard == []


def test_without_a_vendor_account_that_allows_it_the_operation_is_unknown(
    shop: Shop, eventually: Eventually
) -> None:
    def unknown(*, several: bool = False) -> None:
        which = "2 vendor accounts" if several else "no vendor account"
        for reply, kind in (
            (shop.globe("x"), "alibaba"),
            (send(shop.server.url, v1(shop.key, SMS)), "alibaba-2017"),
        ):
            assert (reply.status, reply.json["Code"]) == (404, "InvalidAction.NotFound")
            if kind == "alibaba" or not several:
                assert f"{which} of the kind {kind} " in reply.json["Message"]
            assert "send=on" in reply.json["Message"]
        answer = shop.twilio("x")
        assert (answer.status_code, answer.json()["code"]) == (404, 20404)
        assert "send=on" in answer.json()["message"]

    unknown()
    shop.create("alibaba", "off", send="off")
    shop.create("twilio", "off-too", send="off")
    unknown()
    shop.create("alibaba", "one")
    shop.create("alibaba", "two")
    shop.create("twilio", "three")
    shop.create("twilio", "four", account_sid="AC" + "0" * 32)
    eventually(lambda: "2 vendor accounts" in shop.globe("x").json["Message"], True)
    unknown(several=True)
    assert shop.vendor.heard == []
    # The account in Twilio's path decides, if it is one of Twilio's.
    assert shop.twilio("mine", SID).status_code == 201
    assert shop.twilio("foreign", "AC" + "1" * 32).status_code == 404


@pytest.mark.parametrize(
    ("setting", "text"), [("send=maybe", "on or off"), ("send_timeout_s=31", "1 or 2 or 3")]
)
def test_a_wrong_setting_is_refused(shop: Shop, setting: str, text: str) -> None:
    words = ("--kind", "alibaba", "--provider", "w", "--setting", "access_key_id=x", "--setting", setting)
    shop.secrets.write_text("access_key_secret=s")
    wrong = shop.at("vendors", "create", "w", *words, "--secrets", shop.secrets)
    assert f"Use {text}" in wrong.stderr


def test_sending_is_switched_on_and_off_within_a_second(shop: Shop, eventually: Eventually) -> None:
    shop.create("alibaba", send="off")
    shop.create("webhook", "own")

    def switched(switch: str) -> int:
        changed = shop.at("vendors", "send", "main", switch)
        assert (changed.returncode, changed.stdout) == (0, f"sending by main is {switch}\n")
        return 200 if switch == "on" else 404

    assert shop.globe("no").status == 404
    for switch in ("on", "off"):
        eventually(lambda: shop.globe("text").status, switched(switch))
    lines = audited(shop.server.data)
    changes = [line for line in lines if line["what"] in {"AllowSending", "ForbidSending"}]
    assert (changes[-1]["what"], changes[-1]["subject"]) == ("ForbidSending", "vendor main")
    assert changes[-1]["who"] == shop.key.access_key_id
    wrong = shop.at("vendors", "send", "own", "on")
    assert "The kind webhook can't send messages." in wrong.stderr
    assert shop.at("vendors", "send", "nobody", "on").returncode != 0


def test_a_policy_must_allow_each_operation(shop: Shop, make_key: Callable[..., AccessKey]) -> None:
    shop.create("alibaba")
    shop.create("twilio", "second")
    for policy in ("OtpconvReportOnly", "OtpconvReadOnly", "AliyunDysmsReadOnlyAccess"):
        denied = make_key(policy, shop.key.account_name)
        reply = shop.globe("x", denied)
        assert (reply.status, reply.json["AccessDeniedDetail"]["AuthAction"]) == (
            403,
            "dysms:SendMessageToGlobe",
        )
        assert shop.twilio("x", by=denied).json()["code"] == 20006
    assert shop.vendor.heard == []
    assert shop.globe("y", make_key("AliyunDysmsFullAccess", shop.key.account_name)).status == 200


def test_a_signed_request_sends_once_however_often_it_comes(shop: Shop) -> None:
    shop.create("alibaba")
    request = v3(shop.key, {"To": HONG_KONG, "Message": "once"}, headers=GLOBE)
    assert send(shop.server.url, request).status == 200
    assert send(shop.server.url, request).json["Code"] == "SignatureNonceUsed"
    wrong = v3(shop.key, {"To": HONG_KONG, "Message": "forged"}, headers=GLOBE, secret="wrong")  # noqa: S106
    assert send(shop.server.url, wrong).json["Code"] == "SignatureDoesNotMatch"
    assert shop.vendor.messages == {"once": 1}


def test_an_answer_in_xml_is_refused_before_anything_is_sent(shop: Shop) -> None:
    shop.create("alibaba")
    parameters = {"Action": "SendMessageToGlobe", "To": HONG_KONG, "Message": "xml", "Format": "XML"}
    reply = send(shop.server.url, v1(shop.key, parameters))
    assert reply.status == 400
    assert b"<Code>InvalidParameter.Format</Code>" in reply.body
    assert shop.vendor.heard == []


def test_a_question_is_passed_on_and_records_the_status_and_no_message(
    shop: Shop, eventually: Eventually
) -> None:
    shop.create("alibaba", send_timeout_s="1")
    headers = {"x-acs-action": "QueryMessage"}
    reply = send(shop.server.url, v3(shop.key, {"MessageId": "q1"}, headers=headers))
    assert (reply.json["MessageId"], reply.json["Status"]) == ("q1", "2")
    shop.vendor.faults["q2"] = reset
    failed = send(shop.server.url, v3(shop.key, {"MessageId": "q2"}, headers=headers))
    assert "sent" not in failed.json["Message"]
    assert shop.requested() == 0
    assert shop.globe("q1", TaskId="t").json["MessageId"] == "q1-id"
    assert send(shop.server.url, v3(shop.key, {"MessageId": "q1-id"}, headers=headers)).status == 200
    ledger, _ = open_ledger(load(data=shop.server.data))

    def status() -> tuple[ReceiptStatus, str] | None:
        found = ledger.message(shop.key.account, "q1-id")
        return (found.receipt.status, found.receipt.error) if found and found.receipt else None

    with closing(ledger):
        eventually(status, (ReceiptStatus.FAILED, "EXPIRED"))


def test_a_batch_has_a_line_of_bounded_length(shop: Shop, eventually: Eventually) -> None:
    shop.create("alibaba")
    to = [f"8525123{number:04}" for number in range(MAX_QUICK_NUMBERS + 80)]
    parameters = {"To": json.dumps(to), "Message": json.dumps([f"b{number}" for number in range(100)])}
    body = json.dumps(parameters).encode()
    headers = {"x-acs-action": "BatchSendMessageToGlobe", "content-type": "application/json"}
    assert send(shop.server.url, v3(shop.key, {}, headers=headers, body=body)).json["SuccessCount"] == "100"
    eventually(shop.requested, 100)
    lines = audited(shop.server.data)
    (line,) = [line for line in lines if line["who"] == shop.key.access_key_id and "Batch" in line["what"]]
    assert line["subject"] == "vendor main: accepted b0-id b1-id b2-id b3-id b4-id and 95 more"


def test_the_audit_names_the_sender_and_nothing_has_the_text_or_the_number(shop: Shop) -> None:
    shop.create("alibaba", send_timeout_s="1")
    shop.vendor.faults["code 417382"] = reset
    shop.globe("code 417381", To="85261118222")
    shop.globe("code 417382", To="85261118222")
    lines = audited(shop.server.data)
    mine = [
        line for line in lines if line["who"] == shop.key.access_key_id and line["what"].endswith("ToGlobe")
    ]
    assert [line["subject"] for line in mine] == [
        "vendor main: accepted code 417381-id",
        "vendor main: unclear",
    ]
    shop.vendor.answers["code 417383"] = http(200, {"ResponseCode": "OK", "MessageId": "id-3"})
    shop.globe("code 417383", To="85261118222")
    text = (shop.server.data / "audit.ndjson").read_text() + shop.server.log.read_text()
    assert "417383" not in text
    assert "61118222" not in text
    assert SECRET not in text
