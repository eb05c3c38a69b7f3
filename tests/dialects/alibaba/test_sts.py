"""AssumeRole: its parameters are read, and its answer written, as the documentation has them."""

import contextlib
import json
import string

import pytest
from hypothesis import given, strategies as st

from otpconv.dialects.alibaba import Call, GatewayError, assumed, role_request
from otpconv.dialects.alibaba.sts import parse_role_arn

ASKED = {"RoleArn": "acs:ram::7:role/reporter", "RoleSessionName": "alice"}


def call(parameters: dict[str, str], *, xml: bool = False) -> Call:
    return Call("AssumeRole", "2015-04-01", "testid", "nonce", 0, xml, parameters, "HMAC-SHA1", b"", b"")


def test_what_is_asked_for_is_read() -> None:
    wanted = role_request(call({**ASKED, "DurationSeconds": "900", "Policy": "{}"}))
    assert (wanted.account, wanted.role, wanted.session_name) == (7, "reporter", "alice")
    assert (wanted.duration_s, wanted.policy) == (900, "{}")
    assert role_request(call(ASKED)).duration_s is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"RoleArn": ""}, "MissingRoleArn"),
        ({"RoleSessionName": ""}, "MissingRoleSessionName"),
        ({"RoleArn": "reporter"}, "InvalidParameter.RoleArn"),
        ({"RoleSessionName": "a"}, "InvalidParameter.RoleSessionName"),
        ({"DurationSeconds": "1h"}, "InvalidParameter.DurationSeconds"),
        ({"DurationSeconds": "-900"}, "InvalidParameter.DurationSeconds"),
    ],
)
def test_what_is_asked_wrongly_is_refused(changes: dict[str, str], code: str) -> None:
    with pytest.raises(GatewayError) as caught:
        role_request(call(ASKED | changes))
    assert caught.value.code == code


@pytest.mark.parametrize("xml", [False, True])
def test_the_answer_has_the_documented_members(xml: bool) -> None:  # noqa: FBT001
    answered = assumed(
        call(ASKED, xml=xml),
        "ID",
        access_key_id="STS.a",
        secret="s",  # noqa: S106 - none
        security_token="t",  # noqa: S106 - none
        expires_at=1_713_530_784_000,
        arn="acs:sts::7:assumed-role/reporter/alice",
        assumed_role_id="1:alice",
    )
    if xml:
        assert answered.body.decode().endswith(
            "<AssumeRoleResponse><RequestId>ID</RequestId><AssumedRoleUser>"
            "<Arn>acs:sts::7:assumed-role/reporter/alice</Arn><AssumedRoleId>1:alice</AssumedRoleId>"
            "</AssumedRoleUser><Credentials><AccessKeyId>STS.a</AccessKeyId>"
            "<AccessKeySecret>s</AccessKeySecret><SecurityToken>t</SecurityToken>"
            "<Expiration>2024-04-19T12:46:24Z</Expiration></Credentials></AssumeRoleResponse>"
        )
        return
    assert json.loads(answered.body) == {
        "RequestId": "ID",
        "AssumedRoleUser": {"Arn": "acs:sts::7:assumed-role/reporter/alice", "AssumedRoleId": "1:alice"},
        "Credentials": {
            "AccessKeyId": "STS.a",
            "AccessKeySecret": "s",
            "SecurityToken": "t",
            "Expiration": "2024-04-19T12:46:24Z",
        },
    }


def test_the_arn_of_a_role_is_read() -> None:
    assert parse_role_arn("acs:ram::1234567890123456:role/Admin.role-9") == (1234567890123456, "Admin.role-9")


@given(
    st.integers(1, 10**18 - 1), st.text(string.ascii_letters + string.digits + ".-", min_size=1, max_size=64)
)
def test_every_arn_of_a_role_comes_back_as_it_went_in(account: int, role: str) -> None:
    assert parse_role_arn(f"acs:ram::{account}:role/{role}") == (account, role)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "reporter",
        "acs:ram::7:user/app",
        "acs:sts::7:assumed-role/r/alice",
        "acs:ram:cn:7:role/r",
        "arn:aws:iam::7:role/r",
        " acs:ram::7:role/r",
        "acs:ram::7:role/r\n",
    ],
)
def test_another_text_is_no_arn_of_a_role(text: str) -> None:
    with pytest.raises(GatewayError, match="acs:ram::<account number>:role/<name>"):
        parse_role_arn(text)


@pytest.mark.parametrize("account", ["", "*", "0", "07", "-7", "٣", str(10**18)])
def test_what_no_account_is_numbered_is_in_no_arn(account: str) -> None:
    with pytest.raises(GatewayError):
        parse_role_arn(f"acs:ram::{account}:role/r")


@pytest.mark.parametrize("role", ["", "a/b", "a b", "ä", "*", "r" * 65])
def test_what_no_role_is_named_is_in_no_arn(role: str) -> None:
    with pytest.raises(GatewayError):
        parse_role_arn(f"acs:ram::7:role/{role}")


@given(st.text())
def test_no_text_breaks_the_reader_of_arns(text: str) -> None:
    with contextlib.suppress(GatewayError):
        parse_role_arn(text)
