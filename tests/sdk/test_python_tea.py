"""The official Python SDKs, unmodified, against a real server: sync and async, signatures V3 and V1."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from alibabacloud_dysmsapi20170525 import models as models_2017
from alibabacloud_dysmsapi20170525.client import Client as Client2017
from alibabacloud_dysmsapi20180501 import models as models_2018
from alibabacloud_dysmsapi20180501.client import Client as Client2018
from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from alibabacloud_tea_util.models import RuntimeOptions
from Tea.exceptions import TeaException

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from sdk.vendor_pages import code_of, request_messages

#: Calls an operation by its name, with its parameters as the SDK names them, and gives the response.
Call = Callable[..., Any]
Eventually = Callable[[Callable[[], object], object], None]

REQUEST_ID = re.compile(r"[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}")
SENT = 1_700_000_000_000
OPERATIONS = {
    "sms_conversion": (Client2018, models_2018.SmsConversionRequest),
    "conversion_data": (Client2018, models_2018.ConversionDataRequest),
    "sms_conversion_intl": (Client2017, models_2017.SmsConversionIntlRequest),
    "conversion_data_intl": (Client2017, models_2017.ConversionDataIntlRequest),
}


@pytest.fixture(params=[None, "v2"], ids=["V3", "V1"])
def algorithm(request: pytest.FixtureRequest) -> str | None:
    """What the SDK's configuration calls the signature."""
    chosen: str | None = request.param
    return chosen


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, server: LocalServer, key: AccessKey, algorithm: str | None) -> Call:
    """Calls with the test's own access key; `config` changes the SDK's configuration."""

    def run(operation: str, config: dict[str, Any] | None = None, **parameters: object) -> Any:  # noqa: ANN401 - untyped SDK
        kind, model = OPERATIONS[operation]
        client = kind(configuration(server, key, signature_algorithm=algorithm, **(config or {})))
        if request.param == "sync":
            return getattr(client, operation)(model(**parameters))
        return asyncio.run(getattr(client, f"{operation}_async")(model(**parameters)))

    return run


@pytest.fixture(scope="module")
def reader(make_key: Callable[..., AccessKey]) -> AccessKey:
    return make_key("OtpconvReadOnly")


@pytest.fixture(scope="module")
def reporter(make_key: Callable[..., AccessKey]) -> AccessKey:
    return make_key("OtpconvReportOnly")


@pytest.fixture(scope="module")
def disabled(make_key: Callable[..., AccessKey]) -> AccessKey:
    return make_key(disabled=True)


def configuration(server: LocalServer, key: AccessKey, **changes: object) -> Any:  # noqa: ANN401 - untyped SDK
    given = of(key) | {"endpoint": server.url.removeprefix("http://"), "protocol": "http"}
    return Config(**(given | changes))


def of(key: AccessKey) -> dict[str, str]:
    return {"access_key_id": key.access_key_id, "access_key_secret": key.secret}


def request_message(own: httpx.Client, message_id: str, **more: object) -> None:
    message = {"message_id": message_id, "requested_at": SENT} | more
    answer = own.post("/v1/messages", json={"messages": [message]})
    assert answer.json() == {"recorded": 1, "unchanged": 0, "rejected": [], "ignored": []}


def rates(own: httpx.Client) -> tuple[int, int, float | None]:
    row = own.get("/v1/rates", params={"start": SENT - 1000, "end": SENT + 1000}).json()["rows"][0]
    return row["requested"], row["verified"], row["rate"]


def refused(error: Any, code: str, status: int) -> str:  # noqa: ANN401 - untyped SDK
    """Check every field that users of the SDK look at, and return the message."""
    assert isinstance(error, ClientException)
    assert isinstance(error, TeaException)  # what code written for older SDKs catches
    assert (error.code, error.status_code, error.statusCode) == (code, status, status)
    assert REQUEST_ID.fullmatch(error.request_id)
    assert error.data["Code"] == code
    assert error.data["RequestId"] == error.request_id
    assert error.data["Recommend"].endswith(f"/errors/{code}")
    sentence = error.data["Message"]
    assert error.message == f"code: {status}, {sentence} request id: {error.request_id}"
    return str(sentence)


@pytest.mark.parametrize("delivered", [True, False])
def test_a_conversion_is_counted_exactly_once(
    call: Call, own: httpx.Client, eventually: Eventually, *, delivered: bool
) -> None:
    for message_id in ("1008030300", "1008030301"):
        request_message(own, message_id)
    for _ in range(2):
        answer = call(
            "sms_conversion", message_id="1008030300", delivered=delivered, conversion_time=SENT + 900
        )
        assert answer.status_code == 200
        assert (answer.body.response_code, answer.body.response_description) == ("OK", "OK")
        assert REQUEST_ID.fullmatch(answer.body.request_id)
        assert answer.headers["x-acs-request-id"] == answer.body.request_id
    eventually(lambda: rates(own), (2, int(delivered), 0.5 if delivered else 0.0))
    state = own.get("/v1/messages/1008030300").json()
    assert state["requested_at"] == SENT
    assert state["verified"] is delivered
    assert state["verified_at"] == (SENT + 900 if delivered else None)
    assert state["delivered_true_first"] == (SENT + 900 if delivered else None)
    assert state["delivered_false_last"] == (None if delivered else SENT + 900)


def test_a_conversion_without_a_time_happened_now(call: Call, own: httpx.Client) -> None:
    request_message(own, "a-1_:/.Z")
    before = wall_clock()
    assert call("sms_conversion", message_id="a-1_:/.Z", delivered=True).body.response_code == "OK"
    assert before <= own.get("/v1/messages/a-1_:/.Z").json()["verified_at"] <= wall_clock()


def test_false_never_takes_back_a_true(call: Call, own: httpx.Client, eventually: Eventually) -> None:
    request_message(own, "1")
    for delivered in (True, False):
        call("sms_conversion", message_id="1", delivered=delivered, conversion_time=SENT + 1)
    eventually(lambda: rates(own), (1, 1, 1.0))


def test_to_alone_is_the_newest_message_of_the_number(
    call: Call, own: httpx.Client, eventually: Eventually
) -> None:
    request_message(own, "older", to="+85251234567")
    request_message(own, "newer", to="+852 5123 4567", requested_at=SENT + 500)
    answer = call("sms_conversion", to="85251234567", delivered=True, conversion_time=SENT + 600)
    assert answer.body.response_code == "OK"
    eventually(lambda: rates(own), (2, 1, 0.5))
    eventually(lambda: own.get("/v1/messages/newer").json()["verified_at"], SENT + 600)
    assert own.get("/v1/messages/older").json()["verified"] is False


def test_a_report_of_an_unknown_message_counts_once_the_message_comes(
    call: Call, own: httpx.Client, eventually: Eventually
) -> None:
    answer = call("sms_conversion", message_id="early", delivered=True, conversion_time=SENT + 1)
    assert answer.body.response_code == "OK"
    eventually(lambda: own.get("/v1/rates").json()["unmatched"], 1)
    request_message(own, "early")
    eventually(lambda: rates(own), (1, 1, 1.0))
    eventually(lambda: own.get("/v1/rates").json()["unmatched"], 0)


def test_the_2017_operations_answer_code_and_message(
    call: Call, own: httpx.Client, eventually: Eventually
) -> None:
    request_message(own, "1")
    answer = call(
        "sms_conversion_intl", message_id="1", delivered=True, conversion_time=SENT + 7, owner_id=5
    ).body
    assert (answer.code, answer.message) == ("OK", "OK")
    assert REQUEST_ID.fullmatch(answer.request_id)
    eventually(lambda: rates(own), (1, 1, 1.0))
    answer = call("conversion_data_intl", conversion_rate="0.25", report_time=SENT).body
    assert (answer.code, answer.message) == ("OK", "OK")
    eventually(lambda: self_reported(own), [{"report_time": SENT, "rate": 0.25}])


def test_conversion_data_is_kept_beside_the_measured_rate(
    call: Call, own: httpx.Client, eventually: Eventually
) -> None:
    answer = call("conversion_data", conversion_rate="0.53", report_time=SENT).body
    assert (answer.response_code, answer.response_description) == ("OK", "OK")
    eventually(lambda: self_reported(own), [{"report_time": SENT, "rate": 0.53}])
    assert call("conversion_data", conversion_rate="1").body.response_code == "OK"


def self_reported(own: httpx.Client) -> list[dict[str, float]]:
    answer = own.get("/v1/rates", params={"start": SENT - 1000, "end": SENT + 1000}).json()
    found: list[dict[str, float]] = answer["self_reported"]
    return found


@pytest.mark.parametrize(
    ("parameters", "code", "says"),
    [
        ({"message_id": "1", "conversion_time": SENT}, "INVALID_PARAMETERS", f"ime {SENT} is not after"),
        ({"message_id": "1", "conversion_time": SENT - 1}, "INVALID_PARAMETERS", f"requested, at {SENT} "),
        ({"message_id": "1", "conversion_time": 4_000_000_000_000}, "INVALID_PARAMETERS", "in the future"),
        ({"message_id": "1", "to": "+85251234568"}, "MOBILE_NUMBER_ILLEGAL", "another number"),
        ({"message_id": "1", "to": "not a number"}, "MOBILE_NUMBER_ILLEGAL", "number"),
    ],
    ids=["time of sending", "before sending", "future", "to of another number", "to is no number"],
)
def test_a_business_error_is_an_answer_with_http_200(
    call: Call, own: httpx.Client, parameters: dict[str, Any], code: str, says: str
) -> None:
    request_message(own, "1", to="+85251234567")
    answer = call("sms_conversion", delivered=True, **parameters)
    assert answer.status_code == 200
    assert answer.body.response_code == code
    assert says in answer.body.response_description
    assert REQUEST_ID.fullmatch(answer.body.request_id)
    assert answer.headers["x-acs-request-id"] == answer.body.request_id
    assert own.get("/v1/messages/1").json()["delivered_true_first"] is None
    if "to" not in parameters:
        answer = call("sms_conversion_intl", delivered=True, **parameters)
        assert answer.status_code == 200
        assert answer.body.code == f"isv.{code}"
        assert says in answer.body.message


@pytest.mark.parametrize(
    ("config", "code", "status", "says"),
    [
        ({"access_key_id": "LTAInobody"}, "InvalidAccessKeyId.NotFound", 404, "access key is not found"),
        ({"access_key_secret": "wrong"}, "SignatureDoesNotMatch", 400, "our calculation. server "),
        ({"security_token": "CAIS"}, "InvalidSecurityToken.Malformed", 400, "not of this server"),
        (
            {"access_key_id": None, "access_key_secret": None, "bearer_token": "x"},
            "UnsupportedParameter",
            400,
            "Bearer tokens are not supported; sign with an AccessKeySecret",
        ),
    ],
    ids=["unknown key", "wrong secret", "STS", "bearer"],
)
def test_credentials_that_are_not_taken_raise_the_sdks_own_exception(
    call: Call, config: dict[str, Any], code: str, status: int, says: str
) -> None:
    with pytest.raises(ClientException) as caught:
        call("sms_conversion", config, message_id="1", delivered=True)
    assert says in refused(caught.value, code, status)


def test_a_disabled_key_raises_inactive(call: Call, disabled: AccessKey) -> None:
    with pytest.raises(ClientException) as caught:
        call("sms_conversion", of(disabled), message_id="1", delivered=True)
    sentence = refused(caught.value, "InvalidAccessKeyId.Inactive", 400)
    assert sentence.startswith("Specified access key is disabled.")


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"delivered": True}, "MissingMessageId"),
        ({"message_id": "1"}, "MissingDelivered"),
        ({"message_id": "1", "delivered": "yes"}, "InvalidDelivered"),
        ({"message_id": "x" * 256, "delivered": True}, "InvalidMessageId"),
        ({"message_id": "1008030300 a*~+/%&=é", "delivered": True}, "InvalidMessageId"),
        ({"message_id": "消息 №1 🙂", "delivered": True}, "InvalidMessageId"),
        ({"message_id": "1", "delivered": True, "conversion_time": "soon"}, "InvalidConversionTime"),
        ({"message_id": "1", "delivered": True, "conversion_time": -1}, "InvalidConversionTime"),
    ],
)
def test_parameters_that_cannot_be_are_named(call: Call, parameters: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientException) as caught:
        call("sms_conversion", **parameters)
    refused(caught.value, code, 400)


def test_any_characters_in_a_number_pass_the_signature(call: Call) -> None:
    answer = call("sms_conversion", delivered=True, to="+852 (512) 3*4~5'6!7/%41&a=é+;,@$")
    assert answer.body.response_code == "MOBILE_NUMBER_ILLEGAL"


def test_a_rate_over_one_is_refused(call: Call) -> None:
    with pytest.raises(ClientException) as caught:
        call("conversion_data", conversion_rate="1.01")
    refused(caught.value, "InvalidConversionRate", 400)


def test_a_user_without_permission_learns_what_it_lacks(call: Call, reader: AccessKey) -> None:
    with pytest.raises(ClientException) as caught:
        call("sms_conversion", of(reader), message_id="1", delivered=True)
    assert refused(caught.value, "NoPermission", 403).startswith("You are not authorized to do this action.")
    detail = {
        "AuthAction": "dysms:SmsConversion",
        "AuthPrincipalType": "SubUser",
        "AuthPrincipalOwnerId": str(reader.account),
        "AuthPrincipalDisplayName": reader.user,
        "NoPermissionType": "ImplicitDeny",
        "PolicyType": "AccountLevelIdentityBasedPolicy",
    }
    assert caught.value.access_denied_detail == detail
    assert caught.value.data["AccessDeniedDetail"] == detail
    answer = call("sms_conversion_intl", of(reader), message_id="1", delivered=True)
    assert answer.status_code == 200
    assert answer.body.code == "isp.RAM_PERMISSION_DENY"
    assert "dysms:SmsConversionIntl" in answer.body.message


def test_a_report_only_key_may_report(call: Call, reporter: AccessKey) -> None:
    for operation in ("sms_conversion", "sms_conversion_intl"):
        assert call(operation, of(reporter), message_id="1", delivered=True).status_code == 200


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("kind", ["query", "formData", "json"])
@pytest.mark.parametrize("message_id", ["form/1", "1008030300 a*~+/%&=é"])
def test_generic_calls_may_place_parameters_anywhere(  # noqa: PLR0917 - three of them are parameters
    server: LocalServer, key: AccessKey, algorithm: str | None, method: str, kind: str, message_id: str
) -> None:
    params = Params(
        action="SmsConversion",
        version="2018-05-01",
        protocol="HTTP",
        pathname="/",
        method=method,
        auth_type="AK",
        style="RPC",
        req_body_type="json" if kind == "json" else "formData",
        body_type="json",
    )
    parameters = {"MessageId": message_id, "Delivered": True, "ConversionTime": SENT}
    texts = {name: str(value) for name, value in parameters.items()}
    asked = OpenApiRequest(query=texts) if kind == "query" else OpenApiRequest(body=parameters)
    client = OpenApiClient(configuration(server, key, signature_algorithm=algorithm))
    if message_id == "form/1":
        answer = client.call_api(params, asked, RuntimeOptions())
        assert answer["statusCode"] == 200
        assert answer["body"]["ResponseCode"] == "OK"
    else:
        with pytest.raises(ClientException) as caught:
            client.call_api(params, asked, RuntimeOptions())
        refused(caught.value, "InvalidMessageId", 400)


def test_an_operation_that_is_not_there_is_not_found(server: LocalServer, key: AccessKey) -> None:
    client = Client2018(configuration(server, key))
    with pytest.raises(ClientException) as caught:
        client.send_message_to_globe(models_2018.SendMessageToGlobeRequest(to="85251234567", message="m"))
    sentence = refused(caught.value, "InvalidAction.NotFound", 404)
    assert sentence.startswith("Specified api is not found, please check your url and method.")
    assert "send=on" in sentence


def test_the_code_of_the_how_to_reports_to_our_ledger(
    server: LocalServer, key: AccessKey, own: httpx.Client
) -> None:
    request_messages(own, "1008030300000003", "1008030300000004")
    code = code_of("alibaba", "python", server.url, key)
    without_tls = code.replace("client = Client(config)", 'config.protocol = "http"\nclient = Client(config)')
    names: dict[str, Any] = {}

    exec(compile(without_tls, "alibaba.md", "exec"), names)  # noqa: S102 - our own page

    assert names["answer"].body.response_code == "OK"
    assert rates(own) == (2, 1, 0.5)
