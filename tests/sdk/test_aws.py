"""AWS's official SDKs for Python and Node, unmodified, redirected by a variable alone."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.config import environment, load
from otpconv.service.opening import open_directory
from sdk.node_scripts import run_node
from sdk.test_sts import assume
from sdk.vendor_pages import code_of, rates, request_messages, run_python

Eventually = Callable[[Callable[[], object], object], None]
VARIABLE = "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2"
ONCE = Config(retries={"total_max_attempts": 1})


@pytest.fixture(autouse=True)
def redirected(server: LocalServer, key: AccessKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variable of the page, and no other."""
    words = code_of("aws", "console", server.url, key).split()
    assert words == ["export", f"{VARIABLE}={server.url}"]
    monkeypatch.setenv(VARIABLE, server.url)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def client_of(key: AccessKey, **changes: Any) -> Any:  # noqa: ANN401 - untyped SDK
    given = {"aws_access_key_id": key.access_key_id, "aws_secret_access_key": key.secret, "config": ONCE}
    return boto3.Session().client("pinpoint-sms-voice-v2", region_name="us-east-1", **(given | changes))


def refused(error: ClientError, kind: str) -> str:
    """Check what users of the SDK look at, and return the message."""
    assert error.response["Error"]["Code"] == kind
    assert re.fullmatch(r"[0-9A-F-]{36}", error.response["ResponseMetadata"]["RequestId"])
    return str(error.response["Error"]["Message"])


def test_the_page_works_as_written(
    server: LocalServer, key: AccessKey, own: httpx.Client, eventually: Eventually
) -> None:
    request_messages(own, "0a1b2c3d-aws", "other")
    run_python("aws", server.url, key)
    eventually(lambda: rates(own), (2, 1))


def test_the_page_works_as_written_in_node(
    node_modules: Path, server: LocalServer, key: AccessKey, own: httpx.Client, tmp_path: Path
) -> None:
    request_messages(own, "0a1b2c3d-aws-node")
    (tmp_path / "node_modules").symlink_to(node_modules)
    page = tmp_path / "page.mjs"
    page.write_text(code_of("aws", "javascript", server.url, key))
    subprocess.run(["node", page], env=environment() | {VARIABLE: server.url}, check=True, timeout=60)  # noqa: S603, S607 - our own page
    assert own.get("/v1/messages/0a1b2c3d-aws-node").json()["verified"] is True


def test_a_feedback_counts_once_and_a_failure_never_takes_it_back(
    key: AccessKey, own: httpx.Client, eventually: Eventually
) -> None:
    request_messages(own, "a", "b", "c")
    client = client_of(key)
    for message_id, status in (("a", "RECEIVED"), ("a", "RECEIVED"), ("a", "FAILED"), ("b", "FAILED")):
        answer = client.put_message_feedback(MessageId=message_id, MessageFeedbackStatus=status)
        assert (answer["MessageId"], answer["MessageFeedbackStatus"]) == (message_id, status)
    eventually(lambda: rates(own), (3, 1))
    assert own.get("/v1/messages/b").json()["delivered_false_last"] is not None
    assert own.get("/v1/messages/a").json()["verified"] is True


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        ({"aws_secret_access_key": "wrong"}, "InvalidSignatureException", "canonical request [POST\n/\n"),
        ({"aws_access_key_id": "LTAInobody"}, "UnrecognizedClientException", "token included"),
        ({"aws_session_token": "CAIS"}, "UnrecognizedClientException", "token included"),
    ],
)
def test_credentials_that_are_not_accepted_raise_the_sdks_own_exception(
    key: AccessKey, changes: dict[str, str], kind: str, says: str
) -> None:
    with pytest.raises(ClientError) as caught:
        client_of(key, **changes).put_message_feedback(MessageId="a", MessageFeedbackStatus="RECEIVED")
    assert says in refused(caught.value, kind)


def test_policies_decide(key: AccessKey, make_key: Callable[..., AccessKey]) -> None:
    client = client_of(make_key("OtpconvReadOnly"))
    with pytest.raises(client.exceptions.AccessDeniedException) as caught:
        client.put_message_feedback(MessageId="a", MessageFeedbackStatus="RECEIVED")
    assert "pinpoint-sms-voice-v2:PutMessageFeedback" in refused(caught.value, "AccessDeniedException")
    client_of(make_key("OtpconvReportOnly")).put_message_feedback(
        MessageId="a", MessageFeedbackStatus="RECEIVED"
    )
    client = client_of(key)
    with pytest.raises(client.exceptions.ValidationException) as caught:
        client.put_message_feedback(MessageId="a b", MessageFeedbackStatus="RECEIVED")
    assert caught.value.response["Fields"][0]["Name"] == "MessageId"
    with pytest.raises(client.exceptions.ValidationException) as caught:
        client.send_text_message(DestinationPhoneNumber="+4915112345670")
    assert caught.value.response["Reason"] == "UNKNOWN_OPERATION"


def test_temporary_credentials_of_a_role_report(
    server: LocalServer, key: AccessKey, own: httpx.Client
) -> None:
    directory = open_directory(load(data=server.data))
    directory.create_role(key.account_name, "AwsReporter", 3_600)
    directory.attach("role", key.account_name, "AwsReporter", "OtpconvReportOnly")
    directory.close()
    given = assume(server, key, f"acs:ram::{key.account}:role/AwsReporter").credentials
    request_messages(own, "by-role")
    client = client_of(
        key,
        aws_access_key_id=given.access_key_id,
        aws_secret_access_key=given.access_key_secret,
        aws_session_token=given.security_token,
    )
    client.put_message_feedback(MessageId="by-role", MessageFeedbackStatus="RECEIVED")
    assert own.get("/v1/messages/by-role").json()["verified"] is True


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A strict server, where each action may be called twice a second."""
    settings = {"OTPCONV_STRICT": "true", "OTPCONV_LIMIT_ACTION": "2/s"}
    with LocalServer(tmp_path_factory.mktemp("limited") / "data", settings) as running:
        yield running


def test_over_a_limit_the_sdk_waits_as_long_as_it_is_told_and_then_reports(limited: LocalServer) -> None:
    own = httpx.Client(base_url=limited.url, auth=(limited.access_key_id, limited.access_key_secret))
    with own:
        request_messages(own, "known")
        given = {
            "aws_access_key_id": limited.access_key_id,
            "aws_secret_access_key": limited.access_key_secret,
            "endpoint_url": limited.url,
            "region_name": "us-east-1",
        }
        client = boto3.Session().client("pinpoint-sms-voice-v2", **given)
        answers = [
            client.put_message_feedback(MessageId="known", MessageFeedbackStatus="RECEIVED") for _ in range(4)
        ]
        attempts = [answer["ResponseMetadata"]["RetryAttempts"] for answer in answers]
        assert attempts[:2] == [0, 0]
        assert sum(attempts) >= 1
        once = boto3.Session().client("pinpoint-sms-voice-v2", config=ONCE, **given)
        with pytest.raises(once.exceptions.ThrottlingException, match="over a rate limit"):
            [once.put_message_feedback(MessageId="known", MessageFeedbackStatus="FAILED") for _ in range(5)]
        with pytest.raises(client.exceptions.ResourceNotFoundException) as caught:
            client.put_message_feedback(MessageId="unknown", MessageFeedbackStatus="RECEIVED")
        assert caught.value.response["ResourceId"] == "unknown"


def test_the_node_sdk_reports_and_raises_its_own_exceptions(
    node_modules: Path, server: LocalServer, key: AccessKey, own: httpx.Client, eventually: Eventually
) -> None:
    request_messages(own, "n1", "n2")
    common = {"accessKeyId": key.access_key_id, "accessKeySecret": key.secret}
    received = {"MessageId": "n1", "MessageFeedbackStatus": "RECEIVED"}
    calls: list[dict[str, Any]] = [
        {"parameters": received},
        {"parameters": {"MessageId": "n2", "MessageFeedbackStatus": "FAILED"}},
        {"parameters": received, "accessKeySecret": "wrong"},
        {"parameters": {"MessageId": "a b", "MessageFeedbackStatus": "RECEIVED"}},
        {"send": {"DestinationPhoneNumber": "+4915112345670"}},
        {"parameters": received, "clockAheadMs": 3_600_000},
    ]
    answers = run_node("aws.js", node_modules, [common | call for call in calls], {VARIABLE: server.url})
    assert [answer.get("body") for answer in answers[:2]] == [call["parameters"] for call in calls[:2]]
    assert [answer["error"]["name"] for answer in answers[2:5]] == [
        "InvalidSignatureException",
        "ValidationException",
        "ValidationException",
    ]
    # A clock that is wrong by an hour: the SDK corrects it by the time of the response, and tries again.
    assert (answers[5]["body"], answers[5]["attempts"]) == (received, 2)
    eventually(lambda: rates(own), (2, 1))
