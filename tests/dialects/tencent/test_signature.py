"""The three signatures, against recorded requests and against the functions of the official SDK."""

import json
from collections.abc import Mapping
from random import Random
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from tencentcloud.common.abstract_client import AbstractClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.common.sign import Sign

from otpconv.dialects.tencent import signature

REPORT = {
    "SmsSdkAppId": "1400006666",
    "SerialNo": "5000:1045710669157053657849499619",
    "ConversionTime": 1609459200,
}
JSON = {"content-type": "application/json", "host": "127.0.0.1:28911"}
FORM = {"content-type": "application/x-www-form-urlencoded", "host": "127.0.0.1:28911"}
OF_THE_POST = "c0a85c0304ec5d7d9b3da87d8fdb9a4154e78b814e78d8937b0fadaa0bdb41e8"
OF_THE_GET = "812eea040a9b237d015d614dba3f3f1823cf274ecf62076e3b4412718fad07e2"
#: How many requests are signed by both.
REQUESTS = 200
CHARACTERS = "aZ09-_.~ +/%=:;'\"()*!@$é消🙂"


@pytest.mark.parametrize(
    ("method", "query", "headers", "body", "expected"),
    [
        (
            "POST",
            "",
            JSON,
            json.dumps(REPORT),
            "c0a85c0304ec5d7d9b3da87d8fdb9a4154e78b814e78d8937b0fadaa0bdb41e8",
        ),
        (
            "GET",
            urlencode(REPORT),
            FORM,
            "",
            "812eea040a9b237d015d614dba3f3f1823cf274ecf62076e3b4412718fad07e2",
        ),
    ],
    ids=["POST", "GET"],
)
def test_a_request_of_the_python_sdk_is_signed_as_it_was_recorded(
    method: str, query: str, headers: Mapping[str, str], body: str, expected: str
) -> None:
    signed = signature.sign_tc3(
        headers,
        body.encode(),
        access_key_id="AKID",
        secret="SKEY",  # noqa: S106 - of a recorded request
        timestamp=1795729896,
        method=method,
        query=query,
    )
    assert signed == {
        **headers,
        "x-tc-timestamp": "1795729896",
        "authorization": "TC3-HMAC-SHA256 Credential=AKID/2026-11-26/sms/tc3_request, "
        f"SignedHeaders=content-type;host, Signature={expected}",
    }


def test_the_node_sdk_signs_the_host_without_its_port_and_takes_its_first_part_for_the_service() -> None:
    signed = signature.sign_tc3(
        JSON | {"host": "127.0.0.1"},
        b'{"SmsSdkAppId":"1","SerialNo":"x","ConversionTime":1}',
        access_key_id="AK",
        secret="SK",  # noqa: S106 - of a recorded request
        timestamp=1795729994,
        service="127",
    )
    assert signed["authorization"].endswith(
        "/2026-11-26/127/tc3_request, SignedHeaders=content-type;host, "
        "Signature=f8409762d5041621021a0ad517927c7fac5f0bf7518da32230fea030fa1bbb60"
    )


def test_generated_requests_are_signed_by_tc3_as_the_python_sdk_signs_them() -> None:
    random = Random(20261126)
    client = AbstractClient(Credential("AK", "SK"), "", ClientProfile())
    for _ in range(REQUESTS):
        method, timestamp = random.choice(["POST", "GET"]), random.randrange(1 << 33)
        query = urlencode({text(random): text(random)}) if method == "GET" else ""
        headers = {"content-type": "application/json", "host": f"otp.example:{random.randrange(1, 65536)}"}
        body, secret, service = random.randbytes(random.randrange(200)), text(random), random.choice("ab")
        request = SimpleNamespace(
            method=method,
            uri="/",
            data=query if method == "GET" else body,
            header={
                "Content-Type": headers["content-type"],
                "Host": headers["host"],
                "X-TC-Timestamp": str(timestamp),
            },
        )
        theirs = client._get_tc3_signature(  # noqa: SLF001 - the SDK's signer
            {}, request, signature.tc3_date(timestamp), service, secret
        )
        ours = signature.sign_tc3(
            headers,
            b"" if method == "GET" else body,
            access_key_id="AK",
            secret=secret,
            timestamp=timestamp,
            service=service,
            method=method,
            query=query,
        )
        assert ours["authorization"].endswith(f"Signature={theirs}")


@pytest.mark.parametrize("algorithm", ["HmacSHA1", "HmacSHA256"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_generated_parameters_are_signed_as_the_python_sdk_signs_them(algorithm: str, method: str) -> None:
    random = Random(20261126)
    profile = ClientProfile(algorithm, HttpProfile(endpoint="otp.example:8080", reqMethod=method))
    client = AbstractClient(Credential("AK", "SK"), "", profile)
    for _ in range(REQUESTS):
        parameters = {f"x{random.random()}": text(random) for _ in range(random.randrange(8))}
        parameters["SignatureMethod"] = algorithm
        secret = text(random)
        string = client._format_sign_string(parameters)  # noqa: SLF001 - the SDK's signer
        theirs = Sign.sign(secret, string, algorithm)
        assert signature.sign_parameters(method, "otp.example:8080", parameters, secret) == theirs
        old = {**parameters, "Signature": "of an earlier attempt"}
        assert signature.sign_parameters(method, "otp.example:8080", old, secret) == theirs


def test_a_request_without_a_signature_method_is_signed_by_sha1() -> None:
    signed = [
        signature.parameters_to_sign("GET", "h", {"b": "2", "a": "1"}),
        signature.sign_parameters("GET", "h", {"a": "1"}, "SK"),
    ]
    assert signed == ["GETh/?a=1&b=2", Sign.sign("SK", "GETh/?a=1", "HmacSHA1")]


def text(random: Random) -> str:
    return "x" + "".join(random.choices(CHARACTERS, k=random.randrange(20)))
