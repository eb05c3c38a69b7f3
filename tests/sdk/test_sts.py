"""Roles by the official SDKs: assume one, call with its temporary credentials, and lose them."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from alibabacloud_dysmsapi20180501 import models as sms
from alibabacloud_dysmsapi20180501.client import Client as SmsClient
from alibabacloud_sts20150401 import models as sts
from alibabacloud_sts20150401.client import Client as StsClient
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.models import Config

from otpconv.access.directory import Directory
from otpconv.access.keys import AccessKey
from otpconv.access.sts.tokens import issue
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.service.opening import open_directory, open_sealer

REPORT = sms.SmsConversionRequest(message_id="sts-1", delivered=True)
NOTHING_BUT_RATES = json.dumps(
    {"Version": "1", "Statement": [{"Effect": "Allow", "Action": "dysms:ConversionData", "Resource": "*"}]}
)


@pytest.fixture(params=[None, "v2"], ids=["V3", "V1"])
def algorithm(request: pytest.FixtureRequest) -> str | None:
    """What the SDK's configuration calls the signature."""
    chosen: str | None = request.param
    return chosen


@pytest.fixture
def directory(server: LocalServer) -> Iterator[Directory]:
    opened = open_directory(load(data=server.data))
    yield opened
    opened.close()


@pytest.fixture
def role(directory: Directory, key: AccessKey) -> str:
    """The ARN of a role of the test's own account that may report."""
    directory.create_role(key.account_name, "Reporter", 3_600)
    directory.attach("role", key.account_name, "Reporter", "OtpconvReportOnly")
    return f"acs:ram::{key.account}:role/Reporter"


def config(server: LocalServer, algorithm: str | None, **credentials: str) -> Any:  # noqa: ANN401 - untyped SDK
    endpoint = server.url.removeprefix("http://")
    return Config(endpoint=endpoint, protocol="http", signature_algorithm=algorithm, **credentials)


def assume(
    server: LocalServer, key: AccessKey, role: str, algorithm: str | None = None, **more: object
) -> Any:  # noqa: ANN401 - untyped SDK
    """Assume a role, once the server has seen it, and return the answer's body."""
    own = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
    client = StsClient(config(server, algorithm, **own))
    request = sts.AssumeRoleRequest(role_arn=role, role_session_name="alice", **more)
    for _ in range(100):
        try:
            return client.assume_role(request).body
        except ClientException as error:
            if error.code != "EntityNotExist.Role":
                raise
            time.sleep(0.02)
    raise AssertionError("the server never saw the role")


def client_of(server: LocalServer, given: Any, algorithm: str | None = None, **changes: str) -> Any:  # noqa: ANN401
    credentials = {
        "access_key_id": given.access_key_id,
        "access_key_secret": given.access_key_secret,
        "security_token": given.security_token,
    }
    return SmsClient(config(server, algorithm, **(credentials | changes)))


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ClientException) as caught:
        call()
    return str(caught.value.code)


def test_a_role_is_assumed_and_its_credentials_report(
    server: LocalServer, key: AccessKey, own: httpx.Client, role: str, algorithm: str | None
) -> None:
    body = assume(server, key, role, algorithm)
    assert body.assumed_role_user.arn == f"acs:sts::{key.account}:assumed-role/Reporter/alice"
    assert body.assumed_role_user.assumed_role_id.endswith(":alice")
    assert body.credentials.access_key_id.startswith("STS.")
    assert body.credentials.expiration.endswith("Z")
    answer = client_of(server, body.credentials, algorithm).sms_conversion(REPORT)
    assert answer.body.response_code == "OK"
    assert own.get("/v1/messages/sts-1").json()["delivered_true_first"] is not None


def test_a_session_policy_only_takes_away(server: LocalServer, key: AccessKey, role: str) -> None:
    body = assume(server, key, role, policy=NOTHING_BUT_RATES)
    client = client_of(server, body.credentials)
    assert client.conversion_data(sms.ConversionDataRequest(conversion_rate="0.5")).body.response_code == "OK"
    with pytest.raises(ClientException) as caught:
        client.sms_conversion(REPORT)
    detail = caught.value.access_denied_detail
    assert (caught.value.code, detail["PolicyType"]) == ("NoPermission", "SessionPolicy")
    assert detail["AuthPrincipalType"] == "AssumedRoleUser"
    assert detail["AuthPrincipalDisplayName"] == "Reporter:alice"


def test_only_who_is_allowed_assumes_a_role(
    server: LocalServer, make_key: Callable[..., AccessKey], key: AccessKey, role: str
) -> None:
    assume(server, key, role)  # the server knows it
    reporter = make_key("OtpconvReportOnly", account=key.account_name)
    assert code_of(lambda: assume(server, reporter, role)) == "NoPermission"
    # To another account it is as if the role were not there.
    stranger = make_key()
    own = {"access_key_id": stranger.access_key_id, "access_key_secret": stranger.secret}
    request = sts.AssumeRoleRequest(role_arn=role, role_session_name="alice")
    client = StsClient(config(server, None, **own))
    assert code_of(lambda: client.assume_role(request)) == "EntityNotExist.Role"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"role_arn": "acs:ram::1:user/x"}, "InvalidParameter.RoleArn"),
        ({"role_session_name": "a b"}, "InvalidParameter.RoleSessionName"),
        ({"duration_seconds": 899}, "InvalidParameter.DurationSeconds"),
        ({"duration_seconds": 3_601}, "InvalidParameter.DurationSeconds"),
        ({"policy": "{}"}, "InvalidParameter.PolicyGrammar"),
        ({"policy": " " * 2_049}, "InvalidParameter.PolicyGrammar"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_asked_wrongly_is_refused(
    server: LocalServer, key: AccessKey, role: str, wrong: dict[str, object], code: str
) -> None:
    assume(server, key, role)
    own = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
    client = StsClient(config(server, None, **own))
    asked = {"role_arn": role, "role_session_name": "alice"} | wrong
    assert code_of(lambda: client.assume_role(sts.AssumeRoleRequest(**asked))) == code


def test_a_token_that_is_not_right_gives_the_documented_code(
    server: LocalServer, key: AccessKey, role: str, algorithm: str | None
) -> None:
    mine, other = (assume(server, key, role, algorithm).credentials for _ in range(2))
    expired = issue(
        open_sealer(load(data=server.data)),
        account=key.account,
        role="Reporter",
        session_name="alice",
        now=wall_clock() - 3_601_000,
    )

    def refused(**changes: str) -> str:
        return code_of(lambda: client_of(server, mine, algorithm, **changes).sms_conversion(REPORT))

    assert refused(security_token="nonsense") == "InvalidSecurityToken.Malformed"  # noqa: S106 - none
    assert refused(security_token=other.security_token) == "InvalidSecurityToken.MismatchWithAccessKey"
    assert refused(access_key_secret="wrong") == "SignatureDoesNotMatch"  # noqa: S106 - none
    over = {"access_key_id": expired.access_key_id, "access_key_secret": expired.secret}
    assert refused(**over, security_token=expired.security_token) == "InvalidSecurityToken.Expired"
    bare = SmsClient(
        config(server, algorithm, access_key_id=mine.access_key_id, access_key_secret=mine.access_key_secret)
    )
    assert code_of(lambda: bare.sms_conversion(REPORT)) == "MissingSecurityToken"


def test_a_role_that_is_deleted_or_stripped_takes_its_sessions_with_it(
    server: LocalServer, directory: Directory, key: AccessKey, role: str, eventually: Callable[..., None]
) -> None:
    client = client_of(server, assume(server, key, role).credentials)

    def outcome() -> str:
        try:
            return str(client.sms_conversion(REPORT).body.response_code)
        except ClientException as error:
            return str(error.code)

    assert outcome() == "OK"
    directory.detach("role", key.account_name, "Reporter", "OtpconvReportOnly")
    eventually(outcome, "NoPermission")
    directory.attach("role", key.account_name, "Reporter", "OtpconvReportOnly")
    eventually(outcome, "OK")
    directory.delete("role", key.account_name, "Reporter")
    eventually(outcome, "InvalidSecurityToken.Malformed")
