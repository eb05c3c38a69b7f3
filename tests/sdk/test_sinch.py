"""Sinch's official Python SDK, unmodified, against a real server: tokens of a plan and of a project."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import httpx
import pytest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.dialects.sinch.tokens import make_token
from sdk.vendor_pages import SENT, rates, request_messages, run_python

Eventually = Callable[[Callable[[], object], object], None]
BATCH = "01FC66621XXXXX119Z8PMV1QPU"
NUMBER = "+4915112345670"


@pytest.fixture(scope="module")
def sdk() -> ModuleType:
    """The SDK, which takes 0.7 s to import: every worker collects this module, and one needs it."""
    import sinch  # noqa: PLC0415

    return sinch


@pytest.fixture(scope="module")
def refusal() -> type[Exception]:
    """What the SDK raises when a feedback is refused."""
    from sinch.domains.sms.api.v1.exceptions import SmsException  # noqa: PLC0415

    return SmsException


@pytest.fixture(scope="module")
def no_access() -> type[Exception]:
    """What the SDK raises when it gets no access token."""
    from sinch.domains.authentication.exceptions import AuthenticationException  # noqa: PLC0415

    return AuthenticationException


@pytest.fixture
def plan(sdk: ModuleType, server: LocalServer, key: AccessKey) -> Callable[..., Any]:
    """Makes clients of a service plan."""

    def make(token: str = f"{key.access_key_id}:{key.secret}") -> Any:  # noqa: ANN401 - untyped SDK
        client = sdk.SinchClient(service_plan_id="any", sms_api_token=token, sms_region="eu")
        client.configuration.sms_domain_with_service_plan_id = server.url
        return client

    return make


@pytest.fixture
def project(sdk: ModuleType, server: LocalServer, key: AccessKey) -> Callable[..., Any]:
    """Makes clients of a project."""

    def make(secret: str = key.secret) -> Any:  # noqa: ANN401 - untyped SDK
        client = sdk.SinchClient(
            project_id="any", key_id=key.access_key_id, key_secret=secret, sms_region="eu"
        )
        client.configuration.auth_origin = client.configuration.sms_domain = server.url
        return client

    return make


def test_the_page_works_as_written(
    server: LocalServer, key: AccessKey, own: httpx.Client, eventually: Eventually
) -> None:
    request_messages(own, BATCH, to=NUMBER)
    run_python("sinch", server.url, key)
    eventually(lambda: rates(own), (1, 1))


def test_a_batch_is_its_message(plan: Callable[..., Any], own: httpx.Client, eventually: Eventually) -> None:
    request_messages(own, BATCH, "unused", to=NUMBER)
    for _ in range(2):
        assert plan().sms.batches.send_delivery_feedback(batch_id=BATCH, recipients=[]) is None
    eventually(lambda: rates(own), (2, 1))


def test_several_recipients_are_known_by_their_numbers(plan: Callable[..., Any], own: httpx.Client) -> None:
    numbers = [f"+491511234567{digit}" for digit in range(3)]
    messages = [{"message_id": number[-1], "to": number} for number in numbers]
    own.post("/v1/messages", json={"messages": messages})
    plan().sms.batches.send_delivery_feedback(batch_id=BATCH, recipients=numbers[:2])
    verified = [own.get(f"/v1/messages/{number[-1]}").json()["verified"] for number in numbers]
    assert verified == [True, True, False]


@pytest.mark.parametrize(
    ("recipients", "code", "says"),
    [
        (["12"], "syntax_invalid_parameter_format", "number"),
        (["+4915112345679"], "syntax_constraint_violation", "another number"),
    ],
)
def test_a_refused_feedback_raises_the_sdks_own_exception(  # noqa: PLR0917 - three of them are parameters
    plan: Callable[..., Any],
    own: httpx.Client,
    refusal: type[Exception],
    recipients: list[str],
    code: str,
    says: str,
) -> None:
    request_messages(own, BATCH, to=NUMBER)
    with pytest.raises(refusal) as caught:
        plan().sms.batches.send_delivery_feedback(batch_id=BATCH, recipients=recipients)
    answer = caught.value.http_response
    assert (answer.status_code, answer.body["code"]) == (400, code)
    assert says in answer.body["text"]


@pytest.mark.parametrize("token", ["plan-token", "LTAInobody:x", "otpconv.LTAInobody.9999999999." + "0" * 64])
def test_a_wrong_token_raises_the_sdks_own_exception(
    plan: Callable[..., Any], refusal: type[Exception], token: str
) -> None:
    with pytest.raises(refusal) as caught:
        plan(token).sms.batches.send_delivery_feedback(batch_id=BATCH, recipients=[])
    assert caught.value.response_status_code == 401


def test_a_wrong_key_gets_no_access_token(project: Callable[..., Any], no_access: type[Exception]) -> None:
    with pytest.raises(no_access, match="AccessKeySecret is wrong"):
        project("wrong").sms.batches.send_delivery_feedback(batch_id=BATCH, recipients=[])


def test_an_expired_access_token_is_renewed(
    project: Callable[..., Any], key: AccessKey, own: httpx.Client, eventually: Eventually
) -> None:
    request_messages(own, BATCH)
    client = project()
    expired = make_token(key.access_key_id, key.secret, SENT)
    client.configuration.token_manager.set_auth_token(
        {"access_token": expired, "expires_in": 3600, "scope": "", "token_type": "bearer"}
    )
    client.sms.batches.send_delivery_feedback(batch_id=BATCH, recipients=[])
    assert client.configuration.token_manager.token.access_token != expired
    eventually(lambda: rates(own), (1, 1))
