"""Tencent Cloud's official SDKs for Python and Node, unmodified, with each of their signatures."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.sms.v20210111.models import ReportConversionRequest, SendSmsRequest
from tencentcloud.sms.v20210111.sms_client import SmsClient

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.config import environment
from sdk.node_scripts import run_node
from sdk.vendor_pages import SENT, code_of, rates, request_messages

Eventually = Callable[[Callable[[], object], object], None]
SIGNATURES = ["TC3-HMAC-SHA256", "HmacSHA256", "HmacSHA1"]
METHODS = ["POST", "GET"]
CONVERTED = SENT // 1000 + 60


def page(language: str, server: LocalServer, key: AccessKey) -> str:
    """Return the code of the page for a server without a certificate."""
    code = code_of("tencent", language, server.url, key)
    assert "https" in code
    return code.replace('protocol="https"', 'protocol="http"').replace('"https://"', '"http://"')


def client_of(
    url: str,
    access_key_id: str,
    secret: str,
    token: str | None = None,
    *,
    signature: str = SIGNATURES[0],
    method: str = "POST",
) -> Any:  # noqa: ANN401 - untyped SDK
    http = HttpProfile(endpoint=url.removeprefix("http://"), protocol="http", reqMethod=method)
    profile = ClientProfile(signature, http)
    return SmsClient(Credential(access_key_id, secret, token), "ap-guangzhou", profile)


def report(client: Any, serial: str, **more: object) -> Any:  # noqa: ANN401 - untyped SDK
    request = ReportConversionRequest()
    request.SmsSdkAppId, request.SerialNo = "1400006666", serial
    for name, value in more.items():
        setattr(request, name, value)
    return client.ReportConversion(request)


def test_the_page_works_as_written(server: LocalServer, key: AccessKey, own: httpx.Client) -> None:
    serial = "5000:1045710669157053657849499619"
    request_messages(own, serial)
    exec(compile(page("python", server, key), "tencent.md", "exec"), {})  # noqa: S102 - our own page
    assert own.get(f"/v1/messages/{serial}").json()["verified"] is True


def test_the_page_works_as_written_in_node(
    node_modules: Path, server: LocalServer, key: AccessKey, own: httpx.Client, tmp_path: Path
) -> None:
    serial = "5000:1045710669157053657849499620"
    request_messages(own, serial)
    (tmp_path / "node_modules").symlink_to(node_modules)
    written = tmp_path / "page.mjs"
    written.write_text(page("javascript", server, key))
    subprocess.run(["node", written], env=environment(), check=True, timeout=60)  # noqa: S603, S607 - our own page
    assert own.get(f"/v1/messages/{serial}").json()["verified"] is True


def test_a_report_with_each_signature_counts_once(
    server: LocalServer, key: AccessKey, own: httpx.Client, eventually: Eventually
) -> None:
    serials = [f"{signature}:{method}" for signature in SIGNATURES for method in METHODS]
    request_messages(own, "other", *serials)
    for serial in serials:
        signature, _, method = serial.partition(":")
        client = client_of(server.url, key.access_key_id, key.secret, signature=signature, method=method)
        for _ in range(2):
            answer = report(client, serial, ConversionTime=CONVERTED)
            assert (answer.ReportConversionStatus.Code, answer.ReportConversionStatus.Message) == (
                "ok",
                "success",
            )
            assert len(answer.RequestId) == 36
        assert own.get(f"/v1/messages/{serial}").json()["verified_at"] == CONVERTED * 1000
    eventually(lambda: rates(own), (7, 6))


@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize("method", METHODS)
def test_errors_raise_the_sdks_own_exception(
    server: LocalServer, key: AccessKey, make_key: Callable[..., AccessKey], signature: str, method: str
) -> None:
    def code(
        access_key_id: str, secret: str, token: str | None = None, serial: str = "1", **more: object
    ) -> str:
        client = client_of(server.url, access_key_id, secret, token, signature=signature, method=method)
        with pytest.raises(TencentCloudSDKException) as caught:
            report(client, serial, **more)
        assert len(caught.value.requestId) == 36
        refused: str = caught.value.code
        return refused

    who, secret = key.access_key_id, key.secret
    assert code(who, "wrong") == "AuthFailure.SignatureFailure"
    assert code("LTAInobody", secret) == "AuthFailure.SecretIdNotFound"
    assert code(who, secret, "CAIS") == "AuthFailure.TokenFailure"
    assert code(who, secret, serial="a b") == "InvalidParameterValue"
    assert code(who, secret, ConversionTime=4_000_000_000) == "InvalidParameterValue"
    reader = make_key("OtpconvReadOnly")
    assert code(reader.access_key_id, reader.secret) == "AuthFailure.UnauthorizedOperation"
    with pytest.raises(TencentCloudSDKException) as caught:
        client_of(server.url, who, secret, signature=signature, method=method).SendSms(SendSmsRequest())
    assert caught.value.code == "InvalidAction"


def test_a_captured_call_is_refused_if_it_has_a_nonce_and_changes_nothing_if_not(
    server: LocalServer, key: AccessKey, own: httpx.Client, eventually: Eventually
) -> None:
    request_messages(own, "once")
    for signature, again in zip(SIGNATURES, ("ok", *["AuthFailure.SignatureFailure"] * 2), strict=True):
        client = client_of(server.url, key.access_key_id, key.secret, signature=signature)
        sent: list[httpx.Request] = []

        def capture(*, method: str, url: str, data: str, headers: dict[str, str], **_: object) -> Any:  # noqa: ANN401
            sent.append(httpx.Request(method, url, content=data, headers=headers))  # noqa: B023 - called at once
            raise OSError

        client.request.conn._session.request = capture  # noqa: SLF001 - only the network is replaced
        with pytest.raises(TencentCloudSDKException):
            report(client, "once", ConversionTime=CONVERTED)
        with httpx.Client() as network:
            bodies = [network.send(sent[0]).json()["Response"] for _ in range(2)]
        status = [each.get("Error", each.get("ReportConversionStatus"))["Code"] for each in bodies]
        assert status == ["ok", again]
    eventually(lambda: rates(own), (1, 1))


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A strict server, where each action may be called once a minute."""
    settings = {"OTPCONV_STRICT": "true", "OTPCONV_LIMIT_ACTION": "1/m"}
    with LocalServer(tmp_path_factory.mktemp("limited") / "data", settings) as running:
        yield running


def test_a_strict_server_and_a_limit_raise_the_sdks_own_exception(limited: LocalServer) -> None:
    client = client_of(limited.url, limited.access_key_id, limited.access_key_secret)
    codes = []
    for _ in range(2):
        with pytest.raises(TencentCloudSDKException) as caught:
            report(client, "unknown")
        codes.append(caught.value.code)
    assert codes == ["FailedOperation.OtherError", "RequestLimitExceeded"]


def test_the_node_sdk_reports_with_each_signature_and_raises_its_own_exceptions(
    node_modules: Path, server: LocalServer, key: AccessKey, own: httpx.Client, eventually: Eventually
) -> None:
    common = {
        "endpoint": server.url.removeprefix("http://"),
        "accessKeyId": key.access_key_id,
        "accessKeySecret": key.secret,
    }
    calls: list[dict[str, Any]] = []
    for signature in SIGNATURES:
        for method in METHODS:
            one = common | {"signMethod": signature, "method": method}
            parameters = {
                "SmsSdkAppId": "1",
                "SerialNo": f"{signature}:{method}",
                "ConversionTime": CONVERTED,
            }
            calls += [
                one | {"parameters": parameters},
                one | {"parameters": parameters, "accessKeySecret": "wrong"},
                one | {"parameters": {"PhoneNumberSet": ["+4915112345670"]}, "action": "SendSms"},
            ]
    request_messages(own, *(call["parameters"]["SerialNo"] for call in calls[::3]))
    answers = run_node("tencent.js", node_modules, calls, {})
    for right, wrong, other in zip(answers[::3], answers[1::3], answers[2::3], strict=True):
        assert right["body"]["ReportConversionStatus"]["Code"] == "ok"
        assert wrong["error"]["code"] == "AuthFailure.SignatureFailure"
        assert other["error"]["code"] == "InvalidAction"
    eventually(lambda: rates(own), (6, 6))
