"""The official SDKs, unmodified, send messages by a server to a vendor: one line is another, the endpoint."""

import asyncio
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_dysmsapi20170525 import models as models_2017
from alibabacloud_dysmsapi20170525.client import Client as Client2017
from alibabacloud_dysmsapi20180501 import models as models_2018
from alibabacloud_dysmsapi20180501.client import Client as Client2018
from alibabacloud_tea_openapi.exceptions import ServerException
from alibabacloud_tea_openapi.models import Config
from aliyunsdkcore.acs_exception.exceptions import ServerException as CoreException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client as TwilioClient

from campaigns import parameters
from cli.commands import Run
from faults.bad_server import http, reset
from faults.sms_vendor import SID
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.config import environment
from sdk.node_scripts import SCRIPTS, run_node
from web.shop import HONG_KONG, Shop

Eventually = Callable[[Callable[[], object], object], None]


@pytest.fixture
def shop(at: Run, server: LocalServer, key: AccessKey, tmp_path: Path) -> Iterator[Shop]:
    with closing(Shop(at, server, key, tmp_path)) as made:
        yield made


def configuration(shop: Shop, algorithm: str | None = None) -> Any:  # noqa: ANN401 - untyped SDK
    return Config(
        access_key_id=shop.key.access_key_id,
        access_key_secret=shop.key.secret,
        endpoint=shop.server.url.removeprefix("http://"),
        protocol="http",
        signature_algorithm=algorithm,
    )


SIGNATURES = pytest.mark.parametrize("algorithm", parameters([None, "v2"], [None], "the older signature"))


@SIGNATURES
def test_alibabas_sdk_sends_each_kind_of_message(
    shop: Shop, algorithm: str | None, eventually: Eventually
) -> None:
    shop.create("alibaba")
    shop.create("alibaba-2017", "domestic")
    client, older = Client2018(configuration(shop, algorithm)), Client2017(configuration(shop, algorithm))
    one = models_2018.SendMessageToGlobeRequest(to=HONG_KONG, from_="Shop", message="one", type="OTP")
    body = client.send_message_to_globe(one).body
    assert (body.response_code, body.message_id, body.number_detail.carrier) == ("OK", "one-id", "CMI")
    two = models_2018.SendMessageWithTemplateRequest(
        to=HONG_KONG, from_="Shop", template_code="SMS_1", template_param='{"code":"1"}'
    )
    shop.vendor.answers['{"code":"1"}'] = http(200, {"ResponseCode": "OK", "MessageId": "two-id"})
    assert client.send_message_with_template(two).body.message_id == "two-id"
    many = models_2018.BatchSendMessageToGlobeRequest(
        to=json.dumps([HONG_KONG, "6581234567"]), from_="Shop", message='["three","four"]', type="NOTIFY"
    )
    assert asyncio.run(client.batch_send_message_to_globe_async(many)).body.success_count == "2"
    sms = models_2017.SendSmsRequest(
        phone_numbers="13800138000", sign_name="S", template_code="SMS_2", template_param="five"
    )
    assert older.send_sms(sms).body.biz_id == "biz^five"
    status = client.query_message(models_2018.QueryMessageRequest(message_id="one-id")).body
    assert (status.message_id, status.status, status.error_code) == ("one-id", "2", "EXPIRED")
    # The code of a message comes back: the same client reports it, and the rate has both.
    eventually(shop.requested, 5)
    client.sms_conversion(models_2018.SmsConversionRequest(delivered=True, message_id="one-id"))
    older.sms_conversion_intl(models_2017.SmsConversionIntlRequest(delivered=True, message_id="biz^five"))

    def verified() -> int:
        count: int = shop.own.get("/v1/rates").json()["rows"][0]["verified"]
        return count

    eventually(verified, 2)

    def reported() -> set[str]:
        asked = [asked for asked in shop.vendor.asked if asked.operation.startswith("SmsConversion")]
        return {each.parameters["MessageId"] for each in asked}

    # The relay passes the conversions on, with the ids that the vendor gave.
    eventually(reported, {"one-id", "biz^five"})


@SIGNATURES
def test_alibabas_sdk_raises_what_it_raises_at_the_vendor(shop: Shop, algorithm: str | None) -> None:
    shop.create("alibaba", send_timeout_s="1")
    client = Client2018(configuration(shop, algorithm))
    shop.vendor.answers["busy"] = http(503, {"Code": "ServiceUnavailable", "Message": "m", "RequestId": "R"})
    shop.vendor.faults["cut"] = reset

    def send(text: str) -> ServerException:
        with pytest.raises(ServerException) as caught:
            client.send_message_to_globe(models_2018.SendMessageToGlobeRequest(to=HONG_KONG, message=text))
        error: ServerException = caught.value
        return error

    busy, cut = send("busy"), send("cut")
    assert (busy.code, busy.request_id) == ("ServiceUnavailable", "R")
    assert cut.code == "ServiceUnavailable"
    assert "may have been sent" in cut.data["Message"]
    assert shop.vendor.messages == {"busy": 1, "cut": 1}


def test_alibabas_older_sdk_sends_a_message(shop: Shop) -> None:
    shop.create("alibaba", send_timeout_s="1")
    host, _, port = shop.server.url.removeprefix("http://").partition(":")
    client = AcsClient(shop.key.access_key_id, shop.key.secret, "cn-hangzhou", port=int(port))

    def send(text: str, *, form: bool) -> Any:  # noqa: ANN401 - untyped SDK
        asked = CommonRequest(domain=host, version="2018-05-01", action_name="SendMessageToGlobe")
        asked.set_protocol_type("http")
        asked.set_method("POST")
        for name, value in {"To": HONG_KONG, "Message": text}.items():
            (asked.add_body_params if form else asked.add_query_param)(name, value)
        return json.loads(client.do_action_with_exception(asked))

    assert send("query", form=False)["MessageId"] == "query-id"
    assert send("form", form=True)["MessageId"] == "form-id"
    shop.vendor.faults["cut"] = reset
    with pytest.raises(CoreException) as caught:
        send("cut", form=False)
    assert (caught.value.error_code, caught.value.http_status) == ("ServiceUnavailable", 503)
    assert shop.vendor.messages == {"query": 1, "form": 1, "cut": 1}


def test_twilios_sdk_sends_a_message(shop: Shop, eventually: Eventually) -> None:
    shop.create("twilio", send_timeout_s="1")
    client = TwilioClient(shop.key.access_key_id, shop.key.secret)
    client.api.base_url = shop.server.url
    sent = client.messages.create(
        to="+4915112345678", from_="+15005550006", body="one", provide_feedback=True
    )
    assert (sent.status, sent.to, sent.sid[:2]) == ("queued", "+4915112345678", "SM")
    assert shop.vendor.asked[0].parameters["ProvideFeedback"] == "true"
    eventually(lambda: shop.known(str(sent.sid)) is not None, True)
    client.messages(str(sent.sid)).feedback.create(outcome="confirmed")
    refusal = {"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400}
    shop.vendor.answers["bad"] = http(400, refusal)
    shop.vendor.faults["cut"] = reset
    for text, expected in (("bad", (400, 21211)), ("cut", (503, 20503))):
        with pytest.raises(TwilioRestException) as caught:
            client.messages.create(to="+4915112345678", from_="+15005550006", body=text)
        assert (caught.value.status, caught.value.code) == expected
    assert shop.vendor.messages == {"one": 1, "bad": 1, "cut": 1}


def test_the_block_of_the_how_to_sends_and_reports(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    shop.create("alibaba", send="off")
    assert shop.at("vendors", "send", "main", "on").returncode == 0
    page = (Path(__file__).resolve().parents[2] / "docs/how-to/send.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.setenv("OTPCONV_ENDPOINT", shop.server.url)
    monkeypatch.setenv("OTPCONV_ACCESS_KEY_ID", shop.key.access_key_id)
    monkeypatch.setenv("OTPCONV_ACCESS_KEY_SECRET", shop.key.secret)
    text = "Your code is 123456"
    shop.vendor.answers[text] = http(200, {"ResponseCode": "OK", "MessageId": "1008030300"})
    exec(compile(block, "send.md", "exec"), {})  # noqa: S102 - our own page
    assert shop.vendor.messages == {text: 1}

    def verified() -> bool:
        found = shop.known("1008030300")
        return found is not None and found["verified"]

    eventually(verified, True)


@pytest.mark.campaign("the Python SDKs send in this file")
def test_the_node_sdks_send_messages(shop: Shop, node_modules: Path, tmp_path: Path) -> None:
    shop.create("alibaba")
    shop.create("twilio", "second")
    common = {
        "endpoint": shop.server.url.removeprefix("http://"),
        "accessKeyId": shop.key.access_key_id,
        "accessKeySecret": shop.key.secret,
    }
    call = common | {
        "version": "2018",
        "operation": "sendMessageToGlobe",
        "parameters": {"to": HONG_KONG, "message": "node"},
    }
    (answer,) = run_node("dysmsapi.js", node_modules, [call], {})
    assert "node-id" in json.dumps(answer)
    script = tmp_path / "twilio.js"
    arguments = json.dumps([shop.key.access_key_id, shop.key.secret, {"accountSid": SID}])
    script.write_text(
        f"const client = require('twilio')(...{arguments});\n"
        f"client.api.baseUrl = {json.dumps(shop.server.url)};\n"
        f"require({json.dumps(str(SCRIPTS / 'twilio.js'))}).answerWith(client);\n"
    )
    done = subprocess.run(  # noqa: S603 - our own script
        ["node", script],  # noqa: S607 - the one on the path
        input=json.dumps([{"call": "send"}]),
        env=environment() | {"NODE_PATH": str(node_modules)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["status"] == "queued"
    assert shop.vendor.messages == {"node": 1, "123": 1}
