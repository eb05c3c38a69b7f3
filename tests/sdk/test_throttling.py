"""The official Python SDK over a limit: its own exception, which says how long to wait."""

from collections.abc import Callable

import pytest
from alibabacloud_dysmsapi20180501 import models
from alibabacloud_dysmsapi20180501.client import Client
from alibabacloud_tea_openapi.exceptions import ThrottlingException
from alibabacloud_tea_openapi.models import Config

from otpconv.cli.local_server import LocalServer


@pytest.mark.parametrize("algorithm", [None, "v2"], ids=["V3", "V1"])
def test_a_call_over_the_limit_raises_throttling_with_the_wait(
    make_server: Callable[..., LocalServer], algorithm: str | None
) -> None:
    server = make_server(settings={"OTPCONV_LIMIT_KEY": "1/m"})
    server.start()
    client = Client(
        Config(
            access_key_id=server.access_key_id,
            access_key_secret=server.access_key_secret,
            endpoint=server.url.removeprefix("http://"),
            protocol="http",
            signature_algorithm=algorithm,
        )
    )
    request = models.SmsConversionRequest(message_id="1", delivered=True)
    assert client.sms_conversion(request).body.response_code == "OK"
    with pytest.raises(ThrottlingException) as caught:
        client.sms_conversion(request)
    assert caught.value.code == "Throttling.User"
    assert caught.value.status_code == 400
    assert 0 < caught.value.retry_after <= 60_000
