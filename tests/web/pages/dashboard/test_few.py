"""The dashboard after the first few messages: the facts so far, and the next thing to report."""

import time

import httpx
import pytest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from web.wire import NO_TLS


@pytest.mark.parametrize(
    ("reported", "verified", "advice"),
    [
        (4, 3, "Nothing is reported yet about 1 of them"),
        (0, 0, "Nothing is reported yet about 5 of them"),
        (5, 5, "Each of them has a report"),
    ],
)
def test_five_messages_are_counted_and_it_says_what_to_report_next(  # noqa: PLR0917 - fixtures
    server: LocalServer, key: AccessKey, own: httpx.Client, reported: int, verified: int, advice: str
) -> None:
    own.post(
        "/v1/messages", json={"messages": [{"message_id": f"m{n}"} for n in range(5)]}
    ).raise_for_status()
    time.sleep(0.01)  # a conversion is later than its message
    if reported:
        items = [{"message_id": f"m{n}", "delivered": n < verified} for n in range(reported)]
        own.post("/v1/conversions", json={"conversions": items}).raise_for_status()
    with httpx.Client(base_url=server.url, headers={"accept": "text/html"}, verify=NO_TLS) as browser:
        browser.post("/sign-in", data={"access_key_id": f"{key.access_key_id}:{key.secret}"})
        page = browser.get("/dashboard").text
    assert f"{verified} of 5 messages verified so far" in page
    assert advice in page
