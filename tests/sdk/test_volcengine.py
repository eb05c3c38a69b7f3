"""The official SDKs of Volcengine and BytePlus, unmodified; both are one object in a process."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from byteplus_sdk.sms.SmsService import SmsService as BytePlusSmsService
from tenacity import RetryError
from volcengine.sms.SmsService import SmsService

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from sdk.vendor_pages import code_of, rates, request_messages

Eventually = Callable[[Callable[[], object], object], None]


def page(server: LocalServer, key: AccessKey) -> str:
    """Return the code of the page for a server without a certificate."""
    code = code_of("volcengine", "python", server.url, key)
    assert code.count('set_scheme("https")') == 2
    return code.replace('set_scheme("https")', 'set_scheme("http")')


def service_of(kind: Any, url: str, access_key_id: str, secret: str) -> Any:  # noqa: ANN401 - untyped SDK
    service = kind()
    service.set_host(url.removeprefix("http://"))
    service.set_scheme("http")
    service.set_ak(access_key_id)
    service.set_sk(secret)
    return service


def convert(kind: Any, url: str, access_key_id: str, secret: str, *ids: str, token: str = "") -> Any:  # noqa: ANN401 - untyped SDK
    """Call Conversion, and return the answer."""
    service = service_of(kind, url, access_key_id, secret)
    if token:
        service.set_session_token(token)
    return service.conversion({"MessageIDs": list(ids)})


def refused(
    kind: Any,  # noqa: ANN401 - untyped SDK
    url: str,
    access_key_id: str,
    secret: str,
    *ids: str,
    token: str = "",
) -> dict[str, Any]:
    """Return the error of a call on which the SDK raises an exception."""
    with pytest.raises(Exception, match=r"RetryError|ResponseMetadata") as caught:
        convert(kind, url, access_key_id, secret, *ids, token=token)
    error: Any = caught.value
    if isinstance(error, RetryError):
        error = error.last_attempt.exception()
    answer: dict[str, Any] = json.loads(error.args[0])["ResponseMetadata"]
    assert len(answer["RequestId"]) == 36
    described: dict[str, Any] = answer["Error"]
    return described


KINDS = pytest.mark.parametrize("kind", [SmsService, BytePlusSmsService], ids=["volcengine", "byteplus"])


def test_the_page_works_as_written(
    server: LocalServer, key: AccessKey, own: httpx.Client, eventually: Eventually
) -> None:
    request_messages(own, "other", "b69aeb31-volc-1", "b69aeb31-volc-2", "b69aeb31-byteplus")
    exec(compile(page(server, key), "volcengine.md", "exec"), {})  # noqa: S102 - our own page
    eventually(lambda: rates(own), (4, 3))


@KINDS
def test_up_to_a_hundred_messages_of_a_call_count_once(
    kind: Any,  # noqa: ANN401 - untyped SDK
    server: LocalServer,
    key: AccessKey,
    own: httpx.Client,
    eventually: Eventually,
) -> None:
    ids = [f"m{number}" for number in range(101)]
    request_messages(own, *ids)
    for _ in range(2):
        answer = convert(kind, server.url, key.access_key_id, key.secret, *ids[:100])
        assert answer["Result"] == ""
        assert "Error" not in answer["ResponseMetadata"]
    eventually(lambda: rates(own), (101, 100))
    for wrong in (ids, [], ["a b"]):
        answer = convert(kind, server.url, key.access_key_id, key.secret, *wrong)
        assert answer["ResponseMetadata"]["Error"]["Code"] == "RE:0009"
    eventually(lambda: rates(own), (101, 100))


@KINDS
def test_errors_of_the_gateway_raise(
    kind: Any,  # noqa: ANN401 - untyped SDK
    server: LocalServer,
    key: AccessKey,
    make_key: Callable[..., AccessKey],
) -> None:
    assert refused(kind, server.url, key.access_key_id, "wrong", "m")["Code"] == "SignatureDoesNotMatch"
    assert refused(kind, server.url, "LTAInobody", key.secret, "m")["Code"] == "InvalidAccessKey"
    reader = make_key("OtpconvReadOnly")
    error = refused(kind, server.url, reader.access_key_id, reader.secret, "m")
    assert error["Code"] == "AccessDenied"
    assert "volcengine:Conversion" in error["Message"]
    service = service_of(kind, server.url, key.access_key_id, key.secret)
    with pytest.raises(Exception, match=r"RetryError|InvalidActionOrVersion"):
        service.send_sms("{}")
    if kind is SmsService:
        error = refused(kind, server.url, key.access_key_id, key.secret, "m", token="CAIS")  # noqa: S106 - none
        assert error["Code"] == "InvalidSecretToken"


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A strict server, where each action may be called twice an hour."""
    settings = {"OTPCONV_STRICT": "true", "OTPCONV_LIMIT_ACTION": "2/h"}
    with LocalServer(tmp_path_factory.mktemp("limited") / "data", settings) as running:
        yield running


def test_a_strict_server_names_how_many_are_unknown_and_a_throttled_call_arrives_twice(
    limited: LocalServer,
) -> None:
    who, secret = limited.access_key_id, limited.access_key_secret
    with httpx.Client(base_url=limited.url, auth=(who, secret)) as own:
        request_messages(own, "known")
        for ids, says in (
            (["known", "unknown"], "1 of 2 messages are not recorded"),
            (["unknown"], "unknown"),
        ):
            answer = convert(SmsService, limited.url, who, secret, *ids)
            assert answer["ResponseMetadata"]["Error"]["Code"] == "RE:0009"
            assert says in answer["ResponseMetadata"]["Error"]["Message"]
        assert own.get("/v1/messages/known").json()["verified"] is True
        for kind in (SmsService, BytePlusSmsService):
            assert refused(kind, limited.url, who, secret, "known")["Code"] == "FlowLimitExceeded"
        lines = own.get("/metrics").text.splitlines()
        (line,) = [each for each in lines if "FlowLimitExceeded" in each and "_total{" in each]
        assert float(line.rpartition(" ")[2]) == 4
