"""The dashboard without a browser: who may see it, its chart, its CSV, and a message's history."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from xml.etree import ElementTree as ET

import httpx
import pytest

from otpconv.access.keys import AccessKey
from otpconv.charts.drawing import Drawer
from otpconv.charts.point import Point
from otpconv.charts.timeline import Chart
from otpconv.cli.local_server import LocalServer
from otpconv.errors import Unavailable
from otpconv.ledger.turns import Caller
from otpconv.storage.bounds import BOUNDS

PAGE = {"accept": "text/html"}
CALLER = Caller(1, "key")
CHART = Chart([Point(n * 60_000, 0.5, 0.4, 0.6, 0.55, 100 + n, 50) for n in range(5)], 60_000)


Visit = Callable[[AccessKey], AbstractContextManager[httpx.Client]]


@pytest.fixture
def visit(server: LocalServer) -> Visit:
    """Signs somebody in."""

    @contextmanager
    def signed_in(key: AccessKey) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=server.url, headers=PAGE | {"origin": server.url}) as browser:
            form = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
            assert browser.post("/sign-in", data=form).status_code == 303
            yield browser

    return signed_in


PATHS = ["/dashboard", "/dashboard/chart.svg", "/dashboard/rates.csv", "/dashboard/message?message_id=m"]


@pytest.mark.parametrize("path", PATHS)
def test_policies_decide_who_sees_it(visit: Visit, make_key: Callable[..., AccessKey], path: str) -> None:
    with visit(make_key("OtpconvReportOnly")) as browser:
        assert browser.get(path).status_code == 403
    with visit(make_key("OtpconvReadOnly")) as browser:
        assert browser.get(path).status_code in {200, 404}


def test_the_chart_is_a_picture_that_loads_nothing(visit: Visit, key: AccessKey) -> None:
    with visit(key) as browser:
        answer = browser.get("/dashboard/chart.svg?window=1h&dark=1")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "href" not in answer.text.replace("xmlns:xlink", "")
    assert ET.fromstring(answer.text).tag.endswith("svg")  # noqa: S314 - our own


def test_the_csv_has_what_the_api_has(
    visit: Visit,
    key: AccessKey,
    own: httpx.Client,
    eventually: Callable[[Callable[[], object], object], None],
) -> None:
    messages = [{"message_id": f"c{n}", "country": "DE", "provider": "acme"} for n in range(25)]
    own.post("/v1/messages", json={"messages": messages})
    with visit(key) as browser:
        answer = browser.get("/dashboard/rates.csv?by=country")
        assert 'filename="rates-country-' in answer.headers["content-disposition"]
        eventually(lambda: browser.get("/dashboard/rates.csv?by=country").text.count("\n"), 2)
        lines = browser.get("/dashboard/rates.csv?by=country").text.splitlines()
    assert lines[0].startswith("country,requested,verified,rate,rate_low,rate_high,pending")
    assert lines[1].startswith("DE,25,0,0.0,")


def test_the_page_tells_how_many_messages_are_counted_as_other(
    visit: Visit,
    key: AccessKey,
    own: httpx.Client,
    eventually: Callable[[Callable[[], object], object], None],
) -> None:
    few = [{"message_id": f"m{n}", "template": f"code {n}"} for n in range(BOUNDS.values)]
    own.post("/v1/messages", json={"messages": few})
    with visit(key) as browser:
        eventually(lambda: "counted as (other)" in browser.get("/dashboard").text, False)
        many = [{"message_id": f"n{n}", "template": f"new {n}"} for n in range(12)]
        own.post("/v1/messages", json={"messages": many})
        eventually(
            lambda: "12 messages of these days are counted as (other)" in browser.get("/dashboard").text, True
        )


def test_a_message_has_its_history_in_the_order_of_time(
    visit: Visit, key: AccessKey, own: httpx.Client
) -> None:
    at = 1_700_000_000_000
    sent = {"message_id": "h/1", "requested_at": at, "country": "DE", "provider": "a&b", "session_id": "s 1"}
    own.post("/v1/messages", json={"messages": [sent]})
    told = [
        {"message_id": "h/1", "delivered": delivered, "conversion_time": at + after}
        for delivered, after in ((False, 4_000), (True, 31_000), (True, 90_000))
    ]
    own.post("/v1/conversions", json={"conversions": told})
    with visit(key) as browser:
        page = browser.get("/dashboard/message", params={"message_id": "h/1"}).text
        missing = browser.get("/dashboard/message", params={"message_id": "<b>"})
    order = ["Requested", "not typed back", "Reported as typed back.", "Verified", "typed back again"]
    history = page[page.index('<ol class="history">') :]
    places = [history.index(each) for each in order]
    assert places == sorted(places)
    assert "31.0\N{NO-BREAK SPACE}s after it was requested" in page
    assert "country=DE&amp;provider=a%26b" in page
    assert missing.status_code == 404
    assert "&lt;b&gt;" in missing.text


def test_a_drawing_that_fails_is_told_and_the_next_one_works() -> None:
    async def draw() -> bytes:
        drawer = Drawer()
        with pytest.raises(Unavailable):
            await drawer.draw(Chart([], 1), CALLER)
        first = await drawer.draw(CHART, CALLER)
        assert await drawer.draw(CHART, CALLER) is first
        await drawer.stop()
        return first

    assert asyncio.run(draw()).startswith(b"<svg")


def test_the_process_that_draws_ends_when_nobody_can_ask_any_more() -> None:
    command = [sys.executable, "-m", "otpconv.charts.drawing"]
    assert subprocess.run(command, input=b"", timeout=20, check=True).returncode == 0  # noqa: S603
