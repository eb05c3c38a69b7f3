"""The older official Python SDK, aliyun-python-sdk-core, unmodified, against a real server."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest, RpcRequest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer

#: Makes a request of one of the SDK's two kinds: parameters, then `method`, `form`, `action` and `version`.
Make = Callable[..., Any]
Eventually = Callable[[Callable[[], object], object], None]

SENT = 1_700_000_000_000
REPORT = {"MessageId": "1", "Delivered": True, "ConversionTime": SENT + 5}


@pytest.fixture(params=[CommonRequest, RpcRequest])
def make(request: pytest.FixtureRequest) -> Make:
    def common(action: str, version: str) -> Any:  # noqa: ANN401 - untyped SDK
        return CommonRequest(domain="127.0.0.1", version=version, action_name=action)

    def typed(action: str, version: str) -> Any:  # noqa: ANN401 - untyped SDK
        asked = RpcRequest("Dysmsapi", version, action)
        asked.set_endpoint("127.0.0.1")
        return asked

    def of(
        parameters: dict[str, Any],
        *,
        method: str = "GET",
        form: bool = False,
        action: str = "SmsConversion",
        version: str = "2018-05-01",
    ) -> Any:  # noqa: ANN401 - untyped SDK
        asked = (common if request.param is CommonRequest else typed)(action, version)
        asked.set_protocol_type("http")
        asked.set_method(method)
        for name, value in parameters.items():
            (asked.add_body_params if form else asked.add_query_param)(name, value)
        return asked

    return of


@pytest.fixture
def client(server: LocalServer, key: AccessKey) -> Any:  # noqa: ANN401 - untyped SDK
    return client_of(server, key.access_key_id, key.secret)


def client_of(server: LocalServer, access_key_id: str, secret: str) -> Any:  # noqa: ANN401 - untyped SDK
    # This SDK wants the port in the client and the host in the request.
    return AcsClient(access_key_id, secret, "ap-southeast-1", port=urlsplit(server.url).port)


def refused(client: Any, request: Any, code: str, status: int) -> Any:  # noqa: ANN401 - untyped SDK
    """Check that a call raises the SDK's exception, and every field of it; return it."""
    with pytest.raises(ServerException) as caught:
        client.do_action_with_exception(request)
    error = caught.value
    assert (error.error_code, error.http_status) == (code, status)
    assert (error.get_error_code(), error.get_http_status()) == (code, status)
    assert re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", error.request_id)
    assert error.get_error_msg() == error.message
    return error


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("form", [False, True], ids=["query", "form"])
def test_a_conversion_is_counted(
    client: Any,  # noqa: ANN401 - untyped SDK
    make: Make,
    own: httpx.Client,
    eventually: Eventually,
    method: str,
    *,
    form: bool,
) -> None:
    message = {"message_id": "1", "requested_at": SENT}
    own.post("/v1/messages", json={"messages": [message, message | {"message_id": "2"}]})
    answer = json.loads(client.do_action_with_exception(make(REPORT, method=method, form=form)))
    assert set(answer) == {"RequestId", "ResponseCode", "ResponseDescription"}
    assert answer["ResponseCode"] == "OK"
    window = {"start": SENT - 1000, "end": SENT + 1000}

    def counted() -> list[tuple[int, int, float]]:
        rows = own.get("/v1/rates", params=window).json()["rows"]
        return [(row["requested"], row["verified"], row["rate"]) for row in rows]

    eventually(counted, [(2, 1, 0.5)])
    assert own.get("/v1/messages/1").json()["verified_at"] == SENT + 5


def test_a_blank_signature_type_is_signed_and_sent(client: Any, make: Make) -> None:  # noqa: ANN401 - untyped SDK
    asked = make(REPORT)
    client.do_action_with_exception(asked)
    # Proof that the SDK does what this test is about, whatever its version.
    sent = (asked.request if isinstance(asked, CommonRequest) else asked).string_to_sign
    assert "SignatureType%3D%26" in sent


def test_the_2017_operations_answer_code_and_message(client: Any, make: Make) -> None:  # noqa: ANN401 - untyped SDK
    asked = make(REPORT, action="SmsConversionIntl", version="2017-05-25")
    answer = json.loads(client.do_action_with_exception(asked))
    assert set(answer) == {"RequestId", "Code", "Message"}
    assert answer["Code"] == "OK"


def test_a_business_error_is_an_answer(client: Any, make: Make, own: httpx.Client) -> None:  # noqa: ANN401 - untyped SDK
    own.post("/v1/messages", json={"messages": [{"message_id": "1", "requested_at": SENT}]})
    answer = json.loads(client.do_action_with_exception(make(REPORT | {"ConversionTime": SENT})))
    assert answer["ResponseCode"] == "INVALID_PARAMETERS"
    assert str(SENT) in answer["ResponseDescription"]
    asked = make(REPORT | {"ConversionTime": SENT}, action="SmsConversionIntl", version="2017-05-25")
    assert json.loads(client.do_action_with_exception(asked))["Code"] == "isv.INVALID_PARAMETERS"


def test_an_unknown_key_is_not_found(server: LocalServer, make: Make) -> None:
    error = refused(client_of(server, "LTAInobody", "x"), make(REPORT), "InvalidAccessKeyId.NotFound", 404)
    assert error.message.startswith("Specified access key is not found.")


@pytest.mark.parametrize("form", [False, True], ids=["query", "form"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_wrong_secret_is_told_as_the_sdk_tells_it(
    server: LocalServer, key: AccessKey, make: Make, method: str, *, form: bool
) -> None:
    asked = make(REPORT, method=method, form=form)
    client = client_of(server, key.access_key_id, "wrong")
    if isinstance(asked, CommonRequest):
        # The string to sign is in an inner request, where this SDK does not look.
        error = refused(client, asked, "SignatureDoesNotMatch", 400)
        sentence, colon, signed = error.message.partition(":")
        assert sentence == (
            "Specified signature is not matched with our calculation. server string to sign is"
        )
        assert colon
        assert signed == asked.request.string_to_sign
    else:
        error = refused(client, asked, "InvalidAccessKeySecret", 400)
        assert error.message.startswith("The AccessKeySecret is incorrect.")


def test_a_user_without_permission_is_refused(
    server: LocalServer, make: Make, make_key: Callable[..., AccessKey]
) -> None:
    reader = make_key("OtpconvReadOnly")
    client = client_of(server, reader.access_key_id, reader.secret)
    error = refused(client, make(REPORT), "NoPermission", 403)
    assert "dysms:SmsConversion" in error.message


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"Delivered": "true"}, "MissingMessageId"),
        ({"MessageId": "1"}, "MissingDelivered"),
        ({"MessageId": "1008030300 a*~+/%&=é", "Delivered": "true"}, "InvalidMessageId"),
    ],
)
@pytest.mark.parametrize("form", [False, True], ids=["query", "form"])
def test_parameters_that_cannot_be_are_named(
    client: Any,  # noqa: ANN401 - untyped SDK
    make: Make,
    parameters: dict[str, str],
    code: str,
    *,
    form: bool,
) -> None:
    refused(client, make(parameters, method="POST", form=form), code, 400)


def test_an_operation_that_is_not_there_is_not_found(client: Any, make: Make) -> None:  # noqa: ANN401 - untyped SDK
    error = refused(client, make({}, action="SendMessageToGlobe"), "InvalidAction.NotFound", 404)
    assert error.message.startswith("Specified api is not found, please check your url and method.")
    assert "send=on" in error.message
