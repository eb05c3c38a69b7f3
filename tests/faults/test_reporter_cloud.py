"""What the vendor's cloud sees of the reporter: nothing that its own SDK does not send."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from alibabacloud_dysmsapi20180501 import models
from alibabacloud_dysmsapi20180501.client import Client
from alibabacloud_sts20150401 import models as sts_models
from alibabacloud_sts20150401.client import Client as StsClient
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.models import Config

from faults.bad_server import BadServer, Heard
from faults.reporting import PATIENCE_S, eventually
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.reporter import Credentials, Reporter
from otpconv.service.opening import open_directory

NUMBER = "85251234567"


@pytest.fixture
def capturing() -> Iterator[BadServer]:
    with BadServer() as running:
        yield running


def by_sdk(url: str, token: str | None, parameters: dict[str, object]) -> None:
    config = {"access_key_id": "testid", "access_key_secret": "testsecret", "security_token": token}
    client = Client(Config(endpoint=url.removeprefix("http://"), protocol="http", **config))
    answer = client.sms_conversion(models.SmsConversionRequest(**parameters))
    assert answer.body.response_code == "OK"


def query(heard: Heard) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(heard.target).query))


def names(heard: Heard) -> set[str]:
    return {name.lower() for name, _ in heard.headers}


def signed(heard: Heard) -> set[str]:
    (authorization,) = (value for name, value in heard.headers if name.lower() == "authorization")
    assert authorization.startswith("ACS3-HMAC-SHA256 Credential=testid,SignedHeaders=")
    return set(authorization.split("SignedHeaders=")[1].split(",")[0].split(";"))


@pytest.mark.parametrize("token", [None, "CAIS/tok+en=="], ids=["key", "STS"])
@pytest.mark.parametrize("known_by", ["message_id", "to"])
def test_the_reporter_sends_nothing_that_the_official_sdk_does_not(
    capturing: BadServer, tmp_path: Path, token: str | None, known_by: str
) -> None:
    which = {"message_id": "1008030300"} if known_by == "message_id" else {"to": NUMBER}
    at = wall_clock() - 1000
    by_sdk(capturing.url, token, {**which, "delivered": True, "conversion_time": at})
    with Reporter(
        capturing.url,
        "testid",
        "testsecret",
        security_token=token or "",
        dialect="alibaba",
        spool=tmp_path / "spool",
    ) as reporter:
        reporter.report(which.get("message_id"), True, at, which.get("to"))
        assert reporter.flush(PATIENCE_S)
    sdk, ours = capturing.heard
    assert (ours.method, urlsplit(ours.target).path, ours.body) == (sdk.method, "/", sdk.body)
    assert query(ours) == query(sdk)
    assert names(ours) <= names(sdk)
    assert signed(ours) <= signed(sdk)
    # What the gateway asks for is there, and signed.
    assert signed(ours) >= {"host", *(name for name in names(ours) if name.startswith("x-acs-"))}


@pytest.fixture
def role(server: LocalServer, key: AccessKey) -> Iterator[str]:
    """The ARN of a role of the test's own account that may report."""
    with closing(open_directory(load(data=server.data))) as directory:
        directory.create_role(key.account_name, "Reporter", 3_600)
        directory.attach("role", key.account_name, "Reporter", "OtpconvReportOnly")
        yield f"acs:ram::{key.account}:role/Reporter"


def assumed(server: LocalServer, key: AccessKey, role: str) -> Credentials:
    """Temporary credentials by the official SDK, once the server has seen the role."""
    config = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
    client = StsClient(Config(endpoint=server.url.removeprefix("http://"), protocol="http", **config))
    request = sts_models.AssumeRoleRequest(role_arn=role, role_session_name="alice")

    def assume() -> Credentials | None:
        try:
            given = client.assume_role(request).body.credentials
        except ClientException:
            return None
        return Credentials(given.access_key_id, given.access_key_secret, given.security_token)

    found = eventually(assume, bool)
    assert found is not None
    return found


def test_our_server_takes_a_key_and_temporary_credentials(
    server: LocalServer, key: AccessKey, own: httpx.Client, role: str, tmp_path: Path
) -> None:
    keys = (Credentials(key.access_key_id, key.secret), assumed(server, key, role))
    for number, credentials in enumerate(keys):
        with Reporter(
            server.url,
            credentials=lambda given=credentials: given,  # type: ignore[misc]
            dialect="alibaba",
            spool=tmp_path / f"spool{number}",
        ) as reporter:
            reporter.report(f"cloud-{number}")
            assert reporter.flush(PATIENCE_S)
            assert reporter.stats().delivered == 1
        assert own.get(f"/v1/messages/cloud-{number}").json()["delivered_true_first"]
