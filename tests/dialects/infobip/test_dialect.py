"""Infobip's end tag."""

from typing import Any

import pytest

from dialects.reading import ACCOUNT, KEY, NOW, SECRET, basic, refused, reports, request
from otpconv.dialects.infobip.dialect import InfobipDialect
from otpconv.model import Conversion, Timing

INFOBIP = InfobipDialect()
PATH = "/ct/1/log/end/2034072219640523072"


@pytest.mark.parametrize("authorization", [f"App {KEY}:{SECRET}", basic()])
def test_an_end_tag_is_a_conversion(authorization: str) -> None:
    expected = Conversion(ACCOUNT, True, NOW, "2034072219640523072", timing=Timing.ARRIVAL)
    assert list(reports(INFOBIP, request(PATH, authorization=authorization))) == [expected]


@pytest.mark.parametrize(
    ("sent", "status", "code", "says"),
    [
        (request(PATH), 401, "UNAUTHORIZED", "Invalid login details. Send the header Authorization: App"),
        (request(PATH, authorization="IBSSO token"), 401, "UNAUTHORIZED", "App AccessKeyId:AccessKeySecret"),
        (request("/ct/1/log/end/a b", authorization=basic()), 400, "BAD_REQUEST", "messageId must be"),
        (request("/ct/1/log/start", authorization=basic()), 404, "NOT_FOUND", "is not an operation"),
    ],
)
def test_a_refused_call_gets_the_vendors_error(sent: Any, status: int, code: str, says: str) -> None:  # noqa: ANN401 - a request
    found, body = refused(INFOBIP, sent)
    error = body["requestError"]["serviceException"]
    assert (found, error["messageId"]) == (status, code)
    assert says in error["text"]
