"""The official Node SDKs, unmodified, against a real server: one script of ours an SDK, driven from here."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.config import environment

#: Runs a script with calls, and gives what the SDK made of each.
Run = Callable[..., list[dict[str, Any]]]
Eventually = Callable[[Callable[[], object], object], None]

HERE = Path(__file__).parent / "node"
REQUEST_ID = re.compile(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")
SENT = 1_700_000_000_000
FUTURE = 4_000_000_000_000
STRANGE = "1008030300 a*~+/%&=é"
NO_RIGHT = ["SignatureDoesNotMatch", "InvalidAccessKeyId.NotFound", "NoPermission"]


@pytest.fixture
def run(node_modules: Path, server: LocalServer, key: AccessKey) -> Run:
    def of(script: str, *calls: dict[str, Any]) -> list[dict[str, Any]]:
        common = {
            "endpoint": server.url.removeprefix("http://"),
            "accessKeyId": key.access_key_id,
            "accessKeySecret": key.secret,
        }
        done = subprocess.run(  # noqa: S603 - our own script
            ["node", HERE / script],  # noqa: S607 - the one on the path
            input=json.dumps([common | call for call in calls]),
            env=environment() | {"NODE_PATH": str(node_modules)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answers: list[dict[str, Any]] = json.loads(done.stdout)
        assert len(answers) == len(calls)
        return answers

    return of


def request_messages(own: httpx.Client, *message_ids: str) -> None:
    messages = [{"message_id": message_id, "requested_at": SENT} for message_id in message_ids]
    assert own.post("/v1/messages", json={"messages": messages}).json()["recorded"] == len(messages)


def counts(own: httpx.Client) -> tuple[int, int]:
    row = own.get("/v1/rates", params={"start": SENT - 1000, "end": SENT + 1000}).json()["rows"][0]
    return row["requested"], row["verified"]


@pytest.fixture
def no_right(make_key: Callable[..., AccessKey]) -> list[dict[str, Any]]:
    """What to change in a call so that it fails with the codes of `NO_RIGHT`."""
    reader = make_key("OtpconvReadOnly")
    return [
        {"accessKeySecret": "wrong"},
        {"accessKeyId": "LTAInobody"},
        {"accessKeyId": reader.access_key_id, "accessKeySecret": reader.secret},
    ]


def typed(version: str, operation: str, **parameters: object) -> dict[str, Any]:
    return {"version": version, "operation": operation, "parameters": parameters}


def test_the_typed_sdks_report_and_are_counted(run: Run, own: httpx.Client, eventually: Eventually) -> None:
    request_messages(own, "a", "b", "c")
    calls = [
        typed("2018", "smsConversion", messageId="a", delivered=True, conversionTime=SENT + 1),
        typed("2018", "smsConversion", messageId="b", delivered=False, conversionTime=SENT + 1),
        typed("2018", "conversionData", conversionRate="0.5", reportTime=SENT),
        typed("2017", "smsConversionIntl", messageId="c", delivered=True),
        typed("2017", "conversionDataIntl", conversionRate="0.25", reportTime=SENT + 1),
    ]
    for call, answer in zip(calls, run("dysmsapi.js", *calls), strict=True):
        assert answer["statusCode"] == 200
        body = answer["body"]
        assert REQUEST_ID.fullmatch(body.pop("requestId"))
        if call["version"] == "2018":
            assert body == {"responseCode": "OK", "responseDescription": "OK"}
        else:
            assert body == {"code": "OK", "message": "OK"}
    eventually(lambda: counts(own), (3, 2))
    assert own.get("/v1/messages/a").json()["verified_at"] == SENT + 1
    window = {"start": SENT, "end": SENT + 2}
    eventually(
        lambda: [each["rate"] for each in own.get("/v1/rates", params=window).json()["self_reported"]],
        [0.5, 0.25],
    )


def test_a_business_error_is_an_answer_of_the_typed_sdks(run: Run) -> None:
    new, old, number = run(
        "dysmsapi.js",
        typed("2018", "smsConversion", messageId="a", delivered=True, conversionTime=FUTURE),
        typed("2017", "smsConversionIntl", messageId="a", delivered=True, conversionTime=FUTURE),
        typed("2018", "smsConversion", to="+852 (5)*'!~é", delivered=True),
    )
    assert (new["statusCode"], new["body"]["responseCode"]) == (200, "INVALID_PARAMETERS")
    assert str(FUTURE) in new["body"]["responseDescription"]
    assert (old["statusCode"], old["body"]["code"]) == (200, "isv.INVALID_PARAMETERS")
    assert (number["statusCode"], number["body"]["responseCode"]) == (200, "MOBILE_NUMBER_ILLEGAL")


def test_a_gateway_error_is_the_client_error_of_the_typed_sdks(
    run: Run, no_right: list[dict[str, Any]]
) -> None:
    call = typed("2018", "smsConversion", messageId="a", delivered=True)
    answers = run(
        "dysmsapi.js",
        *(call | change for change in no_right),
        typed("2018", "smsConversion", delivered=True),
        typed("2018", "smsConversion", messageId=STRANGE, delivered=True),
    )
    errors = [answer["error"] for answer in answers]
    assert {error["name"] for error in errors} == {"ClientError"}
    assert [error["code"] for error in errors] == [*NO_RIGHT, "MissingMessageId", "InvalidMessageId"]
    assert [error["statusCode"] for error in errors] == [400, 404, 403, 400, 400]
    for error in errors:
        assert REQUEST_ID.fullmatch(error["requestId"])
        assert error["data"]["RequestId"] == error["requestId"]
        assert error["data"]["Message"] in error["message"]
    assert errors[2]["accessDeniedDetail"]["AuthAction"] == "dysms:SmsConversion"


@pytest.mark.parametrize("algorithm", ["ACS3-HMAC-SHA256", "v2"], ids=["V3", "V1"])
def test_generic_calls_may_place_parameters_anywhere(
    run: Run, own: httpx.Client, eventually: Eventually, algorithm: str
) -> None:
    # This SDK sends every body that is not empty in chunks.
    kinds = ["query", "formData", "json"]
    request_messages(own, *kinds, "get")
    call = {"algorithm": algorithm, "method": "POST"}
    report = {"Delivered": True, "ConversionTime": SENT + 5}
    answers = run(
        "openapi.js",
        *(call | {"kind": kind, "parameters": {**report, "MessageId": kind}} for kind in kinds),
        call | {"method": "GET", "kind": "query", "parameters": {**report, "MessageId": "get"}},
        *(call | {"kind": kind, "parameters": {**report, "MessageId": STRANGE}} for kind in kinds),
    )
    assert [answer.get("statusCode") for answer in answers[:4]] == [200] * 4
    assert {answer["body"]["ResponseCode"] for answer in answers[:4]} == {"OK"}
    assert [answer["error"]["code"] for answer in answers[4:]] == ["InvalidMessageId"] * 3
    eventually(lambda: counts(own), (4, 4))


def test_a_get_whose_body_this_sdk_loses_is_refused(run: Run) -> None:
    call = {"method": "GET", "kind": "formData", "parameters": {"MessageId": "a", "Delivered": True}}
    answers = run("openapi.js", call | {"algorithm": "ACS3-HMAC-SHA256"}, call | {"algorithm": "v2"})
    codes = [answer["error"]["code"] for answer in answers]
    assert codes == ["ContentSha256NotMatched", "SignatureDoesNotMatch"]


def test_a_gateway_error_is_an_error_of_the_generic_sdk(run: Run, no_right: list[dict[str, Any]]) -> None:
    call = {"algorithm": "ACS3-HMAC-SHA256", "method": "POST", "kind": "json"}
    call |= {"parameters": {"MessageId": "a", "Delivered": True}}
    errors = [answer["error"] for answer in run("openapi.js", *(call | change for change in no_right))]
    assert [error["code"] for error in errors] == NO_RIGHT
    assert [error["data"]["statusCode"] for error in errors] == [400, 404, 403]
    assert errors[2]["accessDeniedDetail"]["AuthPrincipalType"] == "SubUser"


def pop(method: str, **parameters: object) -> dict[str, Any]:
    call = {"version": "2018-05-01", "action": "SmsConversion"}
    return call | {"method": method, "parameters": parameters}


OLD = {"version": "2017-05-25", "action": "SmsConversionIntl"}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pop_core_reports_and_is_counted(
    run: Run, own: httpx.Client, eventually: Eventually, method: str
) -> None:
    request_messages(own, "a", "b", "c")
    answers = run(
        "pop.js",
        pop(method, MessageId="a", Delivered=True, ConversionTime=SENT + 5),
        pop(method, messageId="b", delivered=False),  # it makes the first letter upper case
        pop(method, MessageId="c", Delivered=True, ConversionTime=SENT + 5) | OLD,
    )
    for answer in answers:
        assert REQUEST_ID.fullmatch(answer["body"].pop("RequestId"))
    new = {"ResponseCode": "OK", "ResponseDescription": "OK"}
    assert [answer["body"] for answer in answers] == [new, new, {"Code": "OK", "Message": "OK"}]
    eventually(lambda: counts(own), (3, 2))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pop_core_throws_what_has_a_code_and_returns_the_rest(
    run: Run, no_right: list[dict[str, Any]], method: str
) -> None:
    wrong = pop(method, MessageId="a", Delivered=True, ConversionTime=FUTURE)
    call = pop(method, MessageId="a", Delivered=True)
    business, old, *answers = run(
        "pop.js",
        wrong,
        wrong | OLD,
        *(call | change for change in no_right),
        pop(method, Delivered=True),
        pop(method, MessageId=STRANGE, Delivered=True),
    )
    assert business["body"]["ResponseCode"] == "INVALID_PARAMETERS"
    # It takes every Code but OK for an exception, also with HTTP 200.
    assert old["error"]["name"] == "isv.INVALID_PARAMETERSError"
    assert str(FUTURE) in old["error"]["message"]
    codes = [*NO_RIGHT, "MissingMessageId", "InvalidMessageId"]
    for code, answer in zip(codes, answers, strict=True):
        error = answer["error"]
        assert (error["name"], error["code"], error["data"]["Code"]) == (f"{code}Error", code, code)
        assert REQUEST_ID.fullmatch(error["data"]["RequestId"])
