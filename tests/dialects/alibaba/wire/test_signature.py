"""The signatures, against worked examples and against the official SDK."""

from types import SimpleNamespace

import pytest
from alibabacloud_tea_openapi.utils import Utils
from hypothesis import given, strategies as st

from otpconv.dialects.alibaba import sign_v1, sign_v3
from otpconv.dialects.alibaba.wire.signature import V3_ALGORITHMS, canonical, v1_string_to_sign

TEST, PRINTED = "testsecret", "YourAccessKeySecret"
AWKWARD = "1008030300 a*~+/%&=é"
HOST = "dysmsapi.ap-southeast-1.aliyuncs.com"

V1_PARAMETERS = {
    "AccessKeyId": "testid",
    "Action": "SmsConversion",
    "ConversionTime": "1349055900000",
    "Delivered": "true",
    "Format": "JSON",
    "MessageId": "1008030300",
    "SignatureMethod": "HMAC-SHA1",
    "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
    "SignatureVersion": "1.0",
    "Timestamp": "2024-04-19T12:46:24Z",
    "To": "8521245567",
    "Version": "2018-05-01",
}
V1_STRING_TO_SIGN = (
    "GET&%2F&AccessKeyId%3Dtestid%26Action%3DSmsConversion%26ConversionTime%3D1349055900000%26Delivered%3Dtrue"
    "%26Format%3DJSON%26MessageId%3D1008030300%26SignatureMethod%3DHMAC-SHA1%26SignatureNonce%3D3ee8c1b8-83d3-"
    "44af-a94f-4e0ad82fd6cf%26SignatureVersion%3D1.0%26Timestamp%3D2024-04-19T12%253A46%253A24Z%26To%3D8521245567"
    "%26Version%3D2018-05-01"
)
V1_VECTORS = [
    ("GET", {}, "nxw7r+QbImja0VkxEEE68Uofxmc="),
    ("POST", {}, "94pDZH7AI5ALEpTEwHwTD+dZuyQ="),
    ("GET", {"MessageId": AWKWARD}, "ILZcD5C/qIaOQJQ1g6iOD+d0Rn8="),
    ("POST", {"MessageId": AWKWARD}, "ZYA6wwzuJ0wjBXAV5CPJA8uGGe8="),
    ("GET", {"SecurityToken": "CAIS/tok+en=="}, "YOhAqPUhC3E4F8ZbRMkXmSTTsQM="),
    ("GET", {"SignatureMethod": "HMAC-SHA256"}, "XXWjLAPjw6U+pS2ffFiZTv3c6CtP8UYxHfwrIrLfNcQ="),
    ("GET", {"Signature": "of an earlier attempt"}, "nxw7r+QbImja0VkxEEE68Uofxmc="),
]

V3_HEADERS = {
    "host": HOST,
    "x-acs-action": "SmsConversion",
    "x-acs-version": "2018-05-01",
    "x-acs-date": "2024-04-19T12:46:24Z",
    "x-acs-signature-nonce": "3ee8c1b883d344afa94f4e0ad82fd6cf",
}
REPORTED = {"Delivered": "true", "MessageId": "1008030300"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
STS = {"x-acs-security-token": "CAIS/tok+en==", "x-acs-accesskey-id": "testid"}
V3_VECTORS = [
    (
        {**REPORTED, "ConversionTime": "1349055900000"},
        {},
        b"",
        "2140ea21fa15f69e2834878d9745b3528a31c8d684a0d3616ba5610a44a5a51f",
    ),
    (
        {},
        FORM,
        b"Delivered=true&MessageId=1008030300",
        "eadb7f31b22cd16e31034b97520e06e12be0e91bf5daa20a2f532195fed8746d",
    ),
    (REPORTED, STS, b"", "f228c93c2236a5a4b169f8a77591c3b836b10b5f690f0dcc4f68f2c3658c62c5"),
    (
        {**REPORTED, "MessageId": AWKWARD},
        {},
        b"",
        "24f3055c6411c974f793104eced477656745cb9c59b8b4c7f7d42516e5c384b8",
    ),
]

ECS_REGIONS = {
    "AccessKeyId": "testid",
    "Action": "DescribeRegions",
    "Format": "XML",
    "SignatureMethod": "HMAC-SHA1",
    "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
    "SignatureVersion": "1.0",
    "Timestamp": "2016-02-23T12:46:24Z",
    "Version": "2014-05-26",
}
ECS_RUN_HEADERS = {
    "host": "ecs.cn-shanghai.aliyuncs.com",
    "x-acs-action": "RunInstances",
    "x-acs-version": "2014-05-26",
    "x-acs-date": "2023-10-26T10:22:32Z",
    "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
}
ECS_RUN = {"ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", "RegionId": "cn-shanghai"}

texts = st.text(st.characters(exclude_categories=["Cs"]))
# The SDK does not encode names in V3, so there they are what names are in practice.
names = st.text(st.sampled_from("AZaz09.-_~"), min_size=1)
header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))


@pytest.mark.parametrize(("method", "change", "signature"), V1_VECTORS)
def test_v1_gives_the_signature_of_the_worked_example(
    method: str, change: dict[str, str], signature: str
) -> None:
    assert sign_v1(method, {**V1_PARAMETERS, **change}, "testsecret") == signature


def test_v1_signs_the_text_of_the_worked_example() -> None:
    assert v1_string_to_sign("GET", canonical(V1_PARAMETERS)).decode() == V1_STRING_TO_SIGN


def test_v1_gives_the_signature_the_documentation_prints_for_describe_regions() -> None:
    assert sign_v1("GET", ECS_REGIONS, "testsecret") == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="


@pytest.mark.parametrize(("query", "more", "body", "signature"), V3_VECTORS)
def test_v3_gives_the_signature_of_the_worked_example(
    query: dict[str, str], more: dict[str, str], body: bytes, signature: str
) -> None:
    signed = sign_v3("POST", query, {**V3_HEADERS, **more}, body, access_key_id="testid", secret=TEST)
    assert signed["authorization"].partition("Signature=")[2] == signature


@pytest.mark.skipif("ACS3-HMAC-SM3" not in V3_ALGORITHMS, reason="this OpenSSL has no SM3")
def test_v3_with_sm3_gives_the_signature_of_the_worked_example() -> None:
    signed = sign_v3(
        "POST",
        REPORTED,
        V3_HEADERS,
        b"",
        access_key_id="testid",
        secret=TEST,
        algorithm="ACS3-HMAC-SM3",
    )
    assert signed["authorization"].endswith(
        "e665df5d8da4d45411db9c3211bf68aca1303309ed621263b65acb86ea5fd9ec"
    )


def test_v3_gives_the_signature_the_documentation_prints_for_run_instances() -> None:
    signed = sign_v3("POST", ECS_RUN, ECS_RUN_HEADERS, b"", access_key_id="YourAccessKeyId", secret=PRINTED)
    assert signed["authorization"] == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;"
        "x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_parameters_are_sorted_by_name_even_where_one_name_begins_another() -> None:
    assert canonical({"a-b": "1", "a": "2", "a1": "3", "B": "4"}) == "B=4&a=2&a-b=1&a1=3"


@given(
    st.sampled_from(["GET", "POST"]),
    st.dictionaries(names, texts),
    st.dictionaries(names.map(str.lower), header_values),
    st.binary(),
    st.tuples(texts, st.sampled_from(sorted(V3_ALGORITHMS))),
)
def test_v3_signs_as_the_official_sdk_does(
    method: str, query: dict[str, str], headers: dict[str, str], body: bytes, key: tuple[str, str]
) -> None:
    secret, algorithm = key
    signed = sign_v3(method, query, headers, body, access_key_id="testid", secret=secret, algorithm=algorithm)
    authorization = signed.pop("authorization")
    assert signed["x-acs-content-sha256"] == Utils.hash(body, algorithm).hex()
    request = SimpleNamespace(method=method, pathname="/", query=query, headers=signed)
    assert authorization == Utils.get_authorization(
        request, algorithm, signed["x-acs-content-sha256"], "testid", secret
    )
